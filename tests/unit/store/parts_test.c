/*
 * Entries parts of which have deadlines of their own: they are looked at in time, parts go in bounded steps, the entry with the
 * last of them, and whoever wants to know is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "store/keyspace.h"

#define START 1700000000000LL

enum { MAX_PARTS = 2000, DBS = 2 };

/* An object: parts with ascending deadlines, the first `gone` of which were dropped. */
struct object {
    int parts, gone;
    int64_t deadline[MAX_PARTS];
};

static struct keyspace ks;
static struct store_stats stats;
static int objects; /* that are alive */
static int told[4];
static const struct slice key = {"key", 3};

static void object_free(enum entry_type type, void *object)
{
    (void)type;
    objects--;
    mem_free(object, sizeof(struct object));
}

static size_t object_memory(enum entry_type type, const void *object)
{
    (void)type;
    (void)object;
    return mem_class(sizeof(struct object));
}

static int64_t parts_due(enum entry_type type, const void *object)
{
    const struct object *o = object;
    (void)type;
    return o->gone < o->parts ? o->deadline[o->gone] : ENTRY_NO_DEADLINE;
}

static bool sweep_parts(enum entry_type type, void *object, int64_t now, uint64_t budget, uint64_t *dropped)
{
    struct object *o = object;
    (void)type;
    if (o->deadline[o->parts - 1] <= now) {
        *dropped = (uint64_t)(o->parts - o->gone);
        return false;
    }
    for (*dropped = 0; *dropped < budget && o->deadline[o->gone] <= now; ++*dropped) {
        o->gone++;
    }
    return true;
}

static void note_gone(struct store_stats *caller, struct db *db, const struct entry *e, enum db_gone why)
{
    assert_ptr_equal(caller, &stats);
    assert_true(db->keyspace == &ks);
    assert_true(entry_key_len(e) > 0);
    told[why]++;
}

/* An entry under the key whose parts have the deadlines first, first + step, … */
static struct entry *put(struct db *db, int parts, int64_t first, int64_t step, int64_t deadline)
{
    struct object *o = mem_must(sizeof *o);
    o->parts = parts;
    o->gone = 0;
    for (int i = 0; i < parts; i++) {
        o->deadline[i] = step == 0 ? first : first + i * step;
    }
    objects++;
    struct entry *e = entry_new_object(TYPE_HASH, key, o, deadline, 0);
    assert_non_null(e);
    assert_true(db_put(db, keyspace_hash(&ks, key), e, START));
    return e;
}

static struct entry *get(struct db *db, int64_t now)
{
    return db_find(db, keyspace_hash(&ks, key), key, now, &stats);
}

/* Sweeps the key's shard as often as it asks for; returns how often that was. */
static int sweep(struct db *db, int64_t now)
{
    uint32_t index = (uint32_t)(keyspace_hash(&ks, key) >> (64 - SHARD_BITS));
    int times = 0;
    bool more = true;
    for (; more; times++) {
        db_sweep(db, index, now, &stats, &more);
    }
    return times;
}

static int setup(void **state)
{
    (void)state;
    stats = (struct store_stats){0};
    memset(told, 0, sizeof told);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < ks.count; i++) {
        db_flush(&ks.dbs[i]);
    }
    return objects == 0 ? 0 : -1;
}

static void parts_go_when_their_time_has_come_and_the_entry_with_the_last(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    const struct entry *e = put(db, 10, START + 1000, 1000, ENTRY_NO_DEADLINE);
    assert_int_equal(sweep(db, START + 500), 1);
    assert_int_equal(stats.expired_parts, 0);
    for (int i = 1; i < 10; i++) {
        sweep(db, START + i * 1000 + (1 << DUE_SHIFT));
        assert_int_equal(stats.expired_parts, i);
        assert_ptr_equal(get(db, START + i * 1000), e);
    }
    sweep(db, START + 10000 + (1 << DUE_SHIFT));
    assert_int_equal(db_size(db), 0);
    assert_int_equal(stats.expired_parts, 10);
    assert_int_equal(stats.expired, 0);
    assert_int_equal(told[DB_PARTS_EXPIRED], 10);
    assert_int_equal(told[DB_EMPTIED], 1);
    assert_int_equal(told[DB_EXPIRED], 0);
}

static void many_parts_go_in_bounded_steps(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    struct entry *e = put(db, MAX_PARTS, START + 1000, 0, ENTRY_NO_DEADLINE);
    struct object *o = entry_object(e);
    o->deadline[MAX_PARTS - 1] = START + 1000000;
    assert_int_equal(sweep(db, START + 2000), (MAX_PARTS - 1 + SHARD_SWEEP_PARTS - 1) / SHARD_SWEEP_PARTS);
    assert_int_equal(stats.expired_parts, MAX_PARTS - 1);
    assert_int_equal(o->gone, MAX_PARTS - 1);
    assert_int_equal(sweep(db, START + 2000), 1);
    assert_int_equal(db_size(db), 1);
}

static void an_entry_whose_parts_are_all_past_is_never_found(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    put(db, MAX_PARTS, START + 1000, 0, ENTRY_NO_DEADLINE);
    assert_non_null(get(db, START + 999));
    assert_null(db_random(db, 1, START + 1000));
    assert_null(get(db, START + 1000));
    assert_int_equal(objects, 0);
    assert_int_equal(stats.expired_parts, MAX_PARTS);
    put(db, 3, START + 1000, 0, ENTRY_NO_DEADLINE);
    assert_false(db_remove(db, keyspace_hash(&ks, key), key, START + 1000, &stats));
    assert_int_equal(told[DB_EMPTIED], 2);
    assert_int_equal(db_size(db), 0);
}

static void a_look_up_drops_a_few_parts(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    const struct object *o = entry_object(put(db, 100, START + 1, 1, ENTRY_NO_DEADLINE));
    assert_non_null(get(db, START + 50));
    assert_in_range(o->gone, 1, 50);
    while (o->gone < 50) {
        assert_non_null(get(db, START + 50));
    }
    assert_non_null(get(db, START + 50));
    assert_int_equal(o->gone, 50);
}

static void the_entry_s_own_deadline_counts_as_well(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    put(db, 3, START + 5000, 0, START + 1000);
    assert_int_equal(db_timed(db), 1);
    assert_non_null(get(db, START + 999));
    assert_null(get(db, START + 1000));
    put(db, 3, START + 5000, 1000, START + 6500);
    sweep(db, START + 5000 + (1 << DUE_SHIFT));
    assert_int_equal(stats.expired_parts, 1);
    sweep(db, START + 6500 + (1 << DUE_SHIFT));
    assert_int_equal(db_size(db), 0);
    assert_int_equal(told[DB_EXPIRED], 2);
    assert_int_equal(told[DB_EMPTIED], 0);
}

static void parts_are_known_after_a_move_and_after_they_change(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    uint64_t hash = keyspace_hash(&ks, key);
    struct object *o = entry_object(put(db, 2, START + 100000000, 0, ENTRY_NO_DEADLINE));
    assert_true(db_move(db, hash, key, &ks.dbs[1], hash, key, START));
    db = &ks.dbs[1];
    assert_true(db_expire(db, hash, get(db, START), START + 200000000, START));
    assert_true(db_expire(db, hash, get(db, START), ENTRY_NO_DEADLINE, START));
    sweep(db, START + 5000);
    assert_int_equal(stats.expired_parts, 0);
    o->deadline[0] = START + 1000;
    db_parts_timed(db, hash, get(db, START), START);
    sweep(db, START + 1000 + (1 << DUE_SHIFT));
    assert_int_equal(stats.expired_parts, 1);
    o->gone = o->parts; /* the last deadline is taken away */
    db_parts_timed(db, hash, get(db, START), START);
    assert_int_equal(get(db, START)->kind & ENTRY_TIMED, 0);
    sweep(db, START + 300000000);
    assert_non_null(get(db, START + 300000000));
}

int main(void)
{
    static const struct entry_ops ops = {object_free, object_memory, parts_due, sweep_parts};
    mem_thread_init();
    clock_init();
    entry_set_ops(&ops);
    keyspace_init(&ks, DBS, 1);
    ks.gone = note_gone;
#define PARTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        PARTS_TEST(parts_go_when_their_time_has_come_and_the_entry_with_the_last),
        PARTS_TEST(many_parts_go_in_bounded_steps),
        PARTS_TEST(an_entry_whose_parts_are_all_past_is_never_found),
        PARTS_TEST(a_look_up_drops_a_few_parts),
        PARTS_TEST(the_entry_s_own_deadline_counts_as_well),
        PARTS_TEST(parts_are_known_after_a_move_and_after_they_change),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
