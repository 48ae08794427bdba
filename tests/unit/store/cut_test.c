/* Cuts: what was there at one instant is saved, each key once, whatever is done to the keyspace meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "store/cut.h"
#include "store/gate.h"
#include "store/keyspace.h"

enum { KEYS = 3000, DBS = 2, LARGE = 180224 + 40 }; /* a value of that size has a block of its own */
#define START 1700000000000LL

static struct keyspace ks;
static struct gate gate;
static struct store_stats stats;
static char large[LARGE];

/* What was saved, by number of the key. */
static struct {
    int times, db;
    size_t len;
    char first[16];
} saved[2 * KEYS];

static struct slice name_of(int number, char room[16])
{
    return (struct slice){room, (size_t)snprintf(room, 16, "key:%d", number)};
}

static void set(struct db *db, int number, struct slice value, int64_t deadline)
{
    char room[16];
    struct slice name = name_of(number, room);
    assert_true(db_set(db, keyspace_hash(&ks, name), TYPE_STRING, name, value, deadline, 0, START));
}

static bool drop(struct db *db, int number)
{
    char room[16];
    struct slice name = name_of(number, room);
    return db_remove(db, keyspace_hash(&ks, name), name, START, &stats);
}

/* The value that a key has in round `round`. */
static struct slice value_of(int number, int round, char room[16])
{
    return (struct slice){room, (size_t)snprintf(room, 16, "%d in %d", number, round)};
}

static void fill(struct db *db, int first, int count, int round)
{
    char room[16];
    for (int i = first; i < first + count; i++) {
        set(db, i, value_of(i, round, room), ENTRY_NO_DEADLINE);
    }
}

/* ---- the walker -------------------------------------------------------------------------------------------- */

static void note(const struct entry *e, int db)
{
    char text[16] = "";
    memcpy(text, entry_key(e).ptr, entry_key_len(e));
    int number;
    assert_int_equal(sscanf(text, "key:%d", &number), 1);
    assert_in_range(number, 0, 2 * KEYS - 1);
    struct entry_bytes bytes = entry_bytes(e);
    saved[number].times++;
    saved[number].db = db;
    saved[number].len = bytes.head.len + bytes.tail.len;
    size_t len = bytes.head.len < 15 ? bytes.head.len : 15;
    memcpy(saved[number].first, bytes.head.ptr, len);
    saved[number].first[len] = '\0';
}

static int walked; /* database */

static bool save(void *context, const struct entry *e)
{
    (void)context;
    note(e, walked);
    return true;
}

static void save_all_kept(void)
{
    struct cut_kept *next, *list = cut_take_kept(&ks.cut);
    for (struct cut_kept *kept = list; kept != NULL; kept = next) {
        next = kept->next;
        assert_non_null(kept->entry);
        note(kept->entry, kept->db);
        cut_kept_done(&ks.cut, kept);
    }
}

/* Walks through a database; `between` is called after each step. */
static void walk(int db, void (*between)(void))
{
    struct cut_visitor visitor = {.save = save};
    struct cut_place place = {.db = db};
    walked = db;
    for (enum cut_step step = CUT_MORE; step != CUT_DONE;) {
        step = cut_step(&ks, &gate, &place, &visitor);
        assert_int_not_equal(step, CUT_BUSY);
        if (visitor.pinned != NULL) {
            if (between != NULL) {
                between();
            }
            note(visitor.pinned->entry, visitor.pinned->db);
            cut_kept_done(&ks.cut, visitor.pinned);
        }
        if (between != NULL) {
            between();
        }
        save_all_kept();
    }
}

static void begin(void)
{
    memset(saved, 0, sizeof saved);
    gate_enter(&gate, 0);
    gate_alone(&gate, 0);
    cut_open(&ks, &gate, NULL, NULL);
    gate_together(&gate, 0);
    gate_leave(&gate, 0);
}

static void end(void)
{
    gate_enter(&gate, 0);
    gate_alone(&gate, 0);
    cut_close(&ks, &gate, 0);
    gate_together(&gate, 0);
    gate_leave(&gate, 0);
    assert_int_equal(cut_bytes(&ks.cut), 0);
}

static void assert_saved(int number, int db, int round)
{
    char room[16];
    assert_int_equal(saved[number].times, 1);
    assert_int_equal(saved[number].db, db);
    assert_memory_equal(saved[number].first, value_of(number, round, room).ptr, saved[number].len);
}

/* ---- what is done meanwhile -------------------------------------------------------------------------------- */

static uint64_t seed;

static int any(int count)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int)((seed >> 33) % (uint64_t)count);
}

/* Replaces, removes, makes anew and adds keys of the first database. */
static void change_some(void)
{
    char room[16];
    for (int i = 0; i < 20; i++) {
        int number = any(2 * KEYS);
        if (any(3) == 0) {
            drop(&ks.dbs[0], number);
        } else {
            set(&ks.dbs[0], number, value_of(number, 9, room), ENTRY_NO_DEADLINE);
        }
    }
}

static void remove_large(void)
{
    drop(&ks.dbs[0], 1);
}

static void give_up(void)
{
    cut_give_up(&ks.cut);
    change_some();
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void what_was_there_is_saved_once_whatever_changes(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        db_flush(&ks.dbs[0]);
        db_flush(&ks.dbs[1]);
        fill(&ks.dbs[0], 0, KEYS, round);
        begin();
        walk(0, change_some);
        walk(1, NULL);
        for (int i = 0; i < KEYS; i++) {
            assert_saved(i, 0, round);
        }
        for (int i = KEYS; i < 2 * KEYS; i++) {
            assert_int_equal(saved[i].times, 0);
        }
        end();
    }
}

static void swapped_databases_are_saved_as_they_were(void **state)
{
    (void)state;
    fill(&ks.dbs[0], 0, KEYS / 2, 1);
    fill(&ks.dbs[1], KEYS / 2, KEYS / 2, 2);
    begin();
    db_swap(&ks.dbs[0], &ks.dbs[1]);
    drop(&ks.dbs[1], 0);
    walk(0, NULL);
    walk(1, NULL);
    end();
    for (int i = 0; i < KEYS; i++) {
        assert_saved(i, i < KEYS / 2 ? 0 : 1, i < KEYS / 2 ? 1 : 2);
    }
}

static void a_large_value_that_is_being_saved_outlives_its_key(void **state)
{
    (void)state;
    memset(large, 'l', sizeof large);
    set(&ks.dbs[0], 1, (struct slice){large, sizeof large}, ENTRY_NO_DEADLINE);
    begin();
    walk(0, remove_large);
    assert_int_equal(saved[1].times, 1);
    assert_int_equal(saved[1].len, sizeof large);
    assert_string_equal(saved[1].first, "lllllllllllllll");
    assert_int_equal(db_size(&ks.dbs[0]), 0);
    end();
}

static void a_large_value_that_goes_before_its_turn_is_kept(void **state)
{
    (void)state;
    set(&ks.dbs[0], 1, (struct slice){large, sizeof large}, ENTRY_NO_DEADLINE);
    begin();
    remove_large();
    assert_true(cut_bytes(&ks.cut) >= LARGE);
    assert_true(atomic_load(&ks.cut.kept_peak) >= LARGE);
    walk(0, NULL);
    assert_int_equal(saved[1].times, 1);
    assert_int_equal(saved[1].len, sizeof large);
    end();
}

/* One sweep of everything; how many entries it took out. */
static uint32_t sweep_all(int64_t now)
{
    uint32_t gone = 0;
    bool more;
    for (uint32_t i = 0; i < SHARDS; i++) {
        gone += db_sweep(&ks.dbs[0], i, now, &stats, &more);
    }
    return gone;
}

static void what_a_command_finds_past_its_deadline_is_kept(void **state)
{
    (void)state;
    char room[16];
    set(&ks.dbs[0], 1, SLICE("removed"), START - 1);
    set(&ks.dbs[0], 2, SLICE("looked up"), START - 1);
    struct slice name = name_of(2, room);
    begin();
    assert_false(drop(&ks.dbs[0], 1));
    assert_null(db_find(&ks.dbs[0], keyspace_hash(&ks, name), name, START, &stats));
    assert_int_equal(db_size(&ks.dbs[0]), 0);
    walk(0, NULL);
    assert_int_equal(saved[1].times, 1);
    assert_string_equal(saved[1].first, "removed");
    assert_int_equal(saved[2].times, 1);
    assert_string_equal(saved[2].first, "looked up");
    end();
}

static void a_sweep_leaves_what_has_to_be_saved(void **state)
{
    (void)state;
    enum { UNIT = 1 << DUE_SHIFT };
    fill(&ks.dbs[0], 0, KEYS, 1);
    for (int i = 0; i < KEYS; i += 2) {
        set(&ks.dbs[0], i, SLICE("dies"), START + UNIT);
    }
    begin();
    set(&ks.dbs[0], KEYS, SLICE("new"), START + UNIT);
    uint64_t expired = stats.expired;
    assert_int_equal(sweep_all(START + 3 * UNIT), 1);
    walk(0, NULL);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(saved[i].times, 1);
    }
    assert_int_equal(saved[KEYS].times, 0);
    assert_int_equal(sweep_all(START + 4 * UNIT), KEYS / 2);
    assert_int_equal(stats.expired - expired, KEYS / 2 + 1);
    end();
}

static void a_cut_that_is_given_up_keeps_nothing_and_spoils_no_other(void **state)
{
    (void)state;
    fill(&ks.dbs[0], 0, KEYS, 1);
    begin();
    walk(0, give_up);
    int count = 0;
    for (int i = 0; i < KEYS; i++) {
        count += saved[i].times;
    }
    assert_true(count < KEYS);
    end();
    uint64_t size = db_size(&ks.dbs[0]);
    begin();
    walk(0, NULL);
    end();
    for (int i = 0; i < 2 * KEYS; i++) {
        size -= (uint64_t)saved[i].times;
    }
    assert_int_equal(size, 0);
}

static void who_keeps_too_much_waits_a_moment(void **state)
{
    (void)state;
    enum { COUNT = CUT_KEPT_SOFT / LARGE + 2 };
    for (int i = 0; i < COUNT; i++) {
        set(&ks.dbs[0], i, (struct slice){large, sizeof large}, ENTRY_NO_DEADLINE);
    }
    begin();
    assert_false(cut_is_crowded(&ks.cut));
    for (int i = 0; i < COUNT; i++) {
        assert_true(drop(&ks.dbs[0], i));
    }
    assert_true(cut_is_crowded(&ks.cut));
    uint64_t waits = atomic_load(&ks.cut.waits);
    cut_await_room(
        &ks.cut); /* nobody makes room, and it is no more than a little above the first limit: it returns */
    assert_int_equal(atomic_load(&ks.cut.waits), waits + 1);
    walk(0, NULL);
    assert_false(cut_is_crowded(&ks.cut));
    end();
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < ks.count; i++) {
        db_free(&ks.dbs[i]);
    }
    return mem_used() == (int64_t)mem_class((size_t)ks.count * sizeof *ks.dbs) ? 0 : -1;
}

int main(void)
{
    static const struct entry_ops ops = {.free = NULL}; /* no objects here */
    mem_thread_init();
    clock_init();
    entry_set_ops(&ops);
    keyspace_init(&ks, DBS, 1);
    gate_init(&gate, 1);
#define CUT_TEST(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
    const struct CMUnitTest tests[] = {
        CUT_TEST(what_was_there_is_saved_once_whatever_changes),
        CUT_TEST(swapped_databases_are_saved_as_they_were),
        CUT_TEST(a_large_value_that_is_being_saved_outlives_its_key),
        CUT_TEST(a_large_value_that_goes_before_its_turn_is_kept),
        CUT_TEST(what_a_command_finds_past_its_deadline_is_kept),
        CUT_TEST(a_sweep_leaves_what_has_to_be_saved),
        CUT_TEST(a_cut_that_is_given_up_keeps_nothing_and_spoils_no_other),
        CUT_TEST(who_keeps_too_much_waits_a_moment),
    };
    return cmocka_run_group_tests_name("cut", tests, NULL, NULL);
}
