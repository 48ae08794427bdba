/*
 * The keyspace, and what works on the whole of it: databases that are found, moved, swapped, flushed, scanned and drawn
 * from; eviction by each policy; the reaper.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "store/evict.h"
#include "store/gate.h"
#include "store/keyspace.h"
#include "store/reaper.h"
#include "store/shadow.h"

enum { KEYS = 5000, DBS = 4 };
#define START 1700000000000LL

static struct keyspace ks;
static struct store_stats stats;
static bool more; /* of the last db_sweep */
static unsigned visits[KEYS];
static char names[KEYS][16];
static char large[300000];

static struct slice name_of(int number)
{
    snprintf(names[number], sizeof *names, "key:%d", number);
    return (struct slice){names[number], strlen(names[number])};
}

static uint64_t hash_of(int number)
{
    return keyspace_hash(&ks, name_of(number));
}

static void set(struct db *db, int number, struct slice value, int64_t deadline, uint32_t access)
{
    assert_true(db_set(db, hash_of(number), TYPE_STRING, name_of(number), value, deadline, access, START));
}

static struct entry *get(struct db *db, int number, int64_t now)
{
    return db_find(db, hash_of(number), name_of(number), now, &stats);
}

static void fill(struct db *db, int count)
{
    for (int i = 0; i < count; i++) {
        set(db, i, SLICE("value"), ENTRY_NO_DEADLINE, 0);
    }
}

static int setup(void **state)
{
    (void)state;
    stats = (struct store_stats){0};
    memset(visits, 0, sizeof visits);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < ks.count; i++) {
        db_free(&ks.dbs[i]);
    }
    return mem_used() == (int64_t)mem_class((size_t)ks.count * sizeof *ks.dbs) ? 0 : -1;
}

static void what_is_set_is_found_and_what_is_removed_is_not(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    fill(db, KEYS);
    fill(db, KEYS);
    assert_int_equal(db_size(db), KEYS);
    for (int i = 0; i < KEYS; i++) {
        assert_true(slice_equal(entry_key(get(db, i, START)), name_of(i)));
    }
    for (int i = 0; i < KEYS; i += 2) {
        assert_true(db_remove(db, hash_of(i), name_of(i), START, &stats));
        assert_false(db_remove(db, hash_of(i), name_of(i), START, &stats));
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(get(db, i, START) != NULL, i % 2 == 1);
    }
    assert_int_equal(stats.expired, 0);
}

static void values_of_every_size_replace_each_other(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t len = (seed >> 40) % ((seed >> 33) % 8 == 0 ? 100000 : 3000);
        int64_t deadline = (seed >> 20) % 2 == 0 ? ENTRY_NO_DEADLINE : START + 1000 + (int64_t)(seed >> 50);
        set(db, i % 7, (struct slice){large, len}, deadline, 0);
        const struct entry *e = get(db, i % 7, START);
        assert_int_equal(entry_value_len(e), len);
        assert_true(entry_deadline(e) == deadline);
    }
    assert_int_equal(db_size(db), 7);
}

static void a_value_past_its_deadline_is_never_returned(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    set(db, 1, SLICE("v"), START + 1000, 0);
    assert_non_null(get(db, 1, START + 999));
    assert_null(get(db, 1, START + 1000));
    assert_int_equal(stats.expired, 1);
    assert_int_equal(db_size(db), 0);
    set(db, 1, SLICE("v"), START + 1000, 0);
    assert_false(db_remove(db, hash_of(1), name_of(1), START + 1000, &stats));
    assert_int_equal(stats.expired, 2);
    set(db, 1, SLICE("v"), START - 5, 0);
    assert_null(get(db, 1, START));
}

static void a_deadline_is_counted_when_it_comes_and_goes(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    set(db, 1, SLICE("v"), ENTRY_NO_DEADLINE, 0);
    assert_int_equal(db_timed(db), 0);
    assert_true(db_expire(db, hash_of(1), get(db, 1, START), START + 5000, START));
    assert_int_equal(db_timed(db), 1);
    assert_true(db_expire(db, hash_of(1), get(db, 1, START), INT64_MAX - 1, START));
    assert_int_equal(db_timed(db), 1);
    assert_true(db_expire(db, hash_of(1), get(db, 1, START), ENTRY_NO_DEADLINE, START));
    assert_int_equal(db_timed(db), 0);
    assert_non_null(get(db, 1, START + 1000000));
}

static void a_moved_entry_takes_its_value_along_and_replaces_what_was_there(void **state)
{
    (void)state;
    struct db *a = &ks.dbs[0];
    struct db *b = &ks.dbs[1];
    struct slice value = {large, 4096};
    set(a, 1, value, START + 5000, 9);
    set(b, 2, SLICE("old"), ENTRY_NO_DEADLINE, 0);
    assert_true(db_move(a, hash_of(1), name_of(1), b, hash_of(2), name_of(2), START));
    assert_null(get(a, 1, START));
    const struct entry *e = get(b, 2, START);
    assert_int_equal(entry_value_len(e), 4096);
    assert_true(entry_deadline(e) == START + 5000);
    assert_int_equal(entry_access(e), 9);
    assert_int_equal(db_size(b), 1);
    assert_int_equal(db_timed(b), 1);
    assert_int_equal(db_timed(a), 0);
    assert_true(db_remove(b, hash_of(2), name_of(2), START, &stats));
    assert_false(db_remove(b, hash_of(2), name_of(2), START, &stats));
}

static void an_empty_database_costs_nothing_and_answers(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[3];
    assert_null(get(db, 1, START));
    assert_int_equal(db_size(db) + db_timed(db) + db_memory(db), 0);
    assert_false(db_remove(db, hash_of(1), name_of(1), START, &stats));
    assert_null(db_random(db, 12345, START));
    assert_int_equal(db_scan(db, 0, 10, NULL, NULL), 0);
    assert_int_equal(db_sweep(db, 0, START, &stats, &more), 0);
    assert_int_equal(db_flush(db), 0);
    assert_null(atomic_load(&db->shards));
}

static void swapped_databases_exchange_all(void **state)
{
    (void)state;
    fill(&ks.dbs[0], 100);
    db_swap(&ks.dbs[0], &ks.dbs[2]);
    assert_int_equal(db_size(&ks.dbs[0]), 0);
    assert_int_equal(db_size(&ks.dbs[2]), 100);
    assert_non_null(get(&ks.dbs[2], 50, START));
    assert_int_equal(db_flush(&ks.dbs[2]), 100);
    assert_null(get(&ks.dbs[2], 50, START));
}

static void a_flushed_database_takes_no_table_for_its_next_write(void **state)
{
    (void)state;
    fill(&ks.dbs[0], 100);
    int64_t table = (int64_t)mem_class(SHARDS * sizeof(struct shard));
    assert_int_equal(db_flush(&ks.dbs[0]), 100);
    int64_t flushed = mem_used();
    set(&ks.dbs[0], 1, SLICE("value"), ENTRY_NO_DEADLINE, 0);
    assert_true(mem_used() - flushed < table);
    assert_true(mem_used() > flushed);
}

static void visit(void *context, struct entry *e, uint64_t hash)
{
    (void)context;
    struct slice key = entry_key(e);
    assert_true(hash == keyspace_hash(&ks, key));
    visits[atoi(memcpy((char[16]){0}, key.ptr + 4, key.len - 4))]++;
}

static void ignore_visit(void *context, struct entry *e, uint64_t hash)
{
    (void)context;
    (void)e;
    (void)hash;
}

static void a_scan_returns_what_stays_while_others_come_and_go(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    fill(db, 2000);
    uint64_t cursor = 0;
    int step = 0;
    do {
        cursor = db_scan(db, cursor, 10, visit, NULL);
        assert_true(cursor < (uint64_t)SHARDS << 32);
        for (int i = 1000; i < KEYS; i++) {
            if (step % 8 == 0) {
                set(db, i, SLICE("v"), ENTRY_NO_DEADLINE, 0);
            } else if (step % 8 == 4) {
                db_remove(db, hash_of(i), name_of(i), START, &stats);
                db_sweep(db, (uint32_t)i % SHARDS, START, &stats, &more);
            }
        }
        step++;
    } while (cursor != 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(visits[i], 1);
    }
    assert_int_equal(db_scan(db, UINT64_MAX, 10, visit, NULL), 0);
}

static void each_calls_for_every_entry_once(void **state)
{
    (void)state;
    fill(&ks.dbs[0], KEYS);
    db_each(&ks.dbs[0], visit, NULL);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(visits[i], 1);
    }
}

static void random_keys_are_all_drawn_about_as_often(void **state)
{
    (void)state;
    enum { DRAWS = 20000, FEW = 40 };
    struct db *db = &ks.dbs[0];
    uint64_t seed = 7;
    fill(db, FEW);
    set(db, FEW, SLICE("dead"), START - 1, 0);
    for (int i = 0; i < DRAWS; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        visit(NULL, db_random(db, seed ^ seed >> 31, START),
              keyspace_hash(&ks, entry_key(db_random(db, seed ^ seed >> 31, START))));
    }
    for (int i = 0; i < FEW; i++) {
        assert_in_range(visits[i], DRAWS / FEW / 4, DRAWS / FEW * 4);
    }
    assert_int_equal(visits[FEW], 0);
}

static void the_hash_depends_on_a_secret(void **state)
{
    (void)state;
    struct keyspace other = ks;
    other.secret[17] ^= 1;
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        same += keyspace_hash(&other, name_of(i)) == hash_of(i);
    }
    uint8_t zero[KEYSPACE_SECRET] = {0};
    assert_true(same < 1000);
    assert_memory_not_equal(ks.secret, zero, sizeof zero);
}

static void a_sweep_of_every_shard_empties_what_is_dead(void **state)
{
    (void)state;
    struct db *db = &ks.dbs[0];
    for (int i = 0; i < KEYS; i++) {
        set(db, i, SLICE("v"), i % 2 == 0 ? START + 1000 : START + 3600000, 0);
    }
    uint32_t freed = 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        freed += db_sweep(db, i, START + 2000, &stats, &more);
    }
    assert_int_equal(freed, KEYS / 2);
    assert_int_equal(db_size(db), KEYS / 2);
}

/* ---- several loops ---------------------------------------------------------------------------------- */

enum { LOOPS = 4, ROUNDS = 20000, SHARED = 200 };
static struct gate gate;
static uint64_t counts[LOOPS][SHARED]; /* how often each loop counted each key up */

/* Adds one to the number that is a key's value: lost updates would show. */
static void count_up(struct db *db, int number)
{
    char key[16];
    uint64_t value = 0;
    struct store_stats mine = {0};
    struct slice name = {key, (size_t)snprintf(key, sizeof key, "key:%d", number)};
    uint64_t hash = keyspace_hash(&ks, name);
    assert_true(db_lock(db, hash));
    const struct entry *e = db_find(db, hash, name, START, &mine);
    if (e != NULL) {
        memcpy(&value, entry_area(e), sizeof value);
    }
    value++;
    assert_true(db_set(db, hash, TYPE_STRING, name, (struct slice){(char *)&value, sizeof value},
                       ENTRY_NO_DEADLINE, 0, START));
    db_unlock(db, hash);
}

static void *run_loop(void *argument)
{
    int loop = (int)(intptr_t)argument;
    uint64_t random = (uint64_t)loop + 1;
    bool more_to_sweep;
    mem_thread_init();
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        int number = (int)((random >> 33) % SHARED);
        gate_enter(&gate, loop);
        count_up(&ks.dbs[0], number);
        counts[loop][number]++;
        if (i % 512 == 0) {
            db_sweep(&ks.dbs[0], (uint32_t)i % SHARDS, START, &stats, &more_to_sweep);
            db_scan(&ks.dbs[0], random % ((uint64_t)SHARDS << 32), 5, ignore_visit, NULL);
        }
        if (i % 1000 == 0) {
            gate_alone(&gate, loop);
            db_swap(&ks.dbs[0], &ks.dbs[1]);
            db_swap(&ks.dbs[0], &ks.dbs[1]);
            gate_together(&gate, loop);
        }
        gate_leave(&gate, loop);
    }
    return NULL;
}

static void loops_on_the_same_keys_lose_no_update(void **state)
{
    (void)state;
    pthread_t threads[LOOPS];
    gate_init(&gate, LOOPS);
    for (intptr_t i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, (void *)i), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < SHARED; i++) {
        uint64_t value;
        uint64_t expected = 0;
        memcpy(&value, entry_area(get(&ks.dbs[0], i, START)), sizeof value);
        for (int k = 0; k < LOOPS; k++) {
            expected += counts[k][i];
        }
        assert_int_equal(value, expected);
    }
}

/* ---- eviction --------------------------------------------------------------------------------------- */

static struct evictor evictor;

static struct evict_policy policy_of(enum evict_by by, bool volatile_only)
{
    return (struct evict_policy){by, volatile_only, 5, {by == EVICT_LFU, 10, 1}};
}

static void evict(const struct evict_policy *policy, int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(evict_one(&evictor, policy, START, &stats));
    }
}

/* How many of the keys from .. to are gone. */
static int gone(int from, int to)
{
    int count = 0;
    for (int i = from; i < to; i++) {
        count += get(&ks.dbs[0], i, START) == NULL;
    }
    return count;
}

/* The policy must take mostly what is best to take: keys of rising worth, a fifth of which have to go. */
static void check_choice(enum evict_by by)
{
    struct evict_policy policy = policy_of(by, false);
    evictor_init(&evictor, &ks, 42);
    for (int i = 0; i < KEYS; i++) {
        uint32_t access = by == EVICT_LFU ? access_from_frequency((unsigned)(i * 250 / KEYS), START)
                                          : access_from_idle(KEYS - i, START);
        int64_t deadline = by == EVICT_TTL ? START + 100000 + i * 1000 : ENTRY_NO_DEADLINE;
        policy.volatile_only = by == EVICT_TTL;
        set(&ks.dbs[0], i, SLICE("value"), deadline, access);
    }
    evict(&policy, KEYS / 5);
    assert_int_equal(gone(0, KEYS), KEYS / 5);
    assert_true(gone(0, KEYS / 5) > KEYS / 5 * 6 / 10);
    assert_true(gone(KEYS / 2, KEYS) < KEYS / 5 / 20);
    assert_int_equal(stats.evicted, KEYS / 5);
}

static void lru_takes_what_was_idle_longest(void **state)
{
    (void)state;
    check_choice(EVICT_LRU);
}

static void lfu_takes_what_is_used_least(void **state)
{
    (void)state;
    check_choice(EVICT_LFU);
}

static void ttl_takes_what_dies_first(void **state)
{
    (void)state;
    check_choice(EVICT_TTL);
}

static void random_takes_from_everywhere(void **state)
{
    (void)state;
    struct evict_policy policy = policy_of(EVICT_RANDOM, false);
    evictor_init(&evictor, &ks, 43);
    fill(&ks.dbs[0], KEYS);
    evict(&policy, KEYS / 2);
    for (int i = 0; i < KEYS; i += KEYS / 10) {
        assert_in_range(gone(i, i + KEYS / 10), KEYS / 20 * 8 / 10, KEYS / 20 * 12 / 10);
    }
}

static void volatile_policies_spare_keys_without_a_deadline(void **state)
{
    (void)state;
    static const enum evict_by kinds[] = {EVICT_LRU, EVICT_LFU, EVICT_RANDOM, EVICT_TTL};
    for (size_t k = 0; k < 4; k++) {
        struct evict_policy policy = policy_of(kinds[k], true);
        evictor_init(&evictor, &ks, k);
        for (int i = 0; i < 1000; i++) {
            set(&ks.dbs[0], i, SLICE("v"), i < 900 ? ENTRY_NO_DEADLINE : START + 100000, 0);
        }
        evict(&policy, 100);
        assert_false(evict_one(&evictor, &policy, START, &stats));
        assert_int_equal(gone(0, 900), 0);
        assert_int_equal(gone(900, 1000), 100);
    }
}

/* The pool remembers candidates: one that has lost its deadline since is none any more. */
static void a_key_made_persistent_after_it_was_sampled_is_spared(void **state)
{
    (void)state;
    struct evict_policy policy = policy_of(EVICT_TTL, true);
    evictor_init(&evictor, &ks, 44);
    for (int i = 0; i < KEYS; i++) {
        set(&ks.dbs[0], i, SLICE("v"), START + 100000 + i, 0);
    }
    evict(&policy, 1);
    for (int i = 0; i < KEYS; i++) {
        struct entry *e = get(&ks.dbs[0], i, START);
        if (e != NULL) {
            assert_true(db_expire(&ks.dbs[0], hash_of(i), e, ENTRY_NO_DEADLINE, START));
        }
    }
    assert_false(evict_one(&evictor, &policy, START, &stats));
    assert_int_equal(db_size(&ks.dbs[0]), KEYS - 1);
}

static void noeviction_and_an_empty_keyspace_evict_nothing(void **state)
{
    (void)state;
    struct evict_policy nothing = policy_of(EVICT_NOTHING, false);
    struct evict_policy lru = policy_of(EVICT_LRU, false);
    evictor_init(&evictor, &ks, 45);
    assert_false(evict_one(&evictor, &lru, START, &stats));
    fill(&ks.dbs[0], 10);
    assert_false(evict_one(&evictor, &nothing, START, &stats));
    assert_false(evict_to(&evictor, &nothing, mem_used() - 1, START, &stats));
    assert_true(evict_to(&evictor, &nothing, mem_used(), START, &stats));
    assert_int_equal(db_size(&ks.dbs[0]), 10);
}

static void memory_is_brought_to_its_limit_and_hardly_below(void **state)
{
    (void)state;
    struct evict_policy policy = policy_of(EVICT_LRU, false);
    evictor_init(&evictor, &ks, 46);
    for (int i = 0; i < KEYS; i++) {
        set(&ks.dbs[i % DBS], i, (struct slice){large, 1000}, ENTRY_NO_DEADLINE, 0);
    }
    int64_t limit = mem_used() - 1000000;
    assert_true(evict_to(&evictor, &policy, limit, START, &stats));
    assert_in_range(mem_used(), limit - 3000, limit);
    assert_false(evict_to(&evictor, &policy, 0, START, &stats));
    assert_int_equal(stats.evicted, KEYS);
}

/* ---- reaper ----------------------------------------------------------------------------------------- */

static void a_flush_frees_all_in_the_reaper_thread(void **state)
{
    (void)state;
    int64_t before = mem_used();
    reaper_start();
    for (int round = 0; round < 5; round++) {
        fill(&ks.dbs[0], KEYS);
        set(&ks.dbs[0], 0, (struct slice){large, sizeof large}, ENTRY_NO_DEADLINE, 0);
        assert_int_equal(db_flush(&ks.dbs[0]), KEYS);
        assert_int_equal(db_size(&ks.dbs[0]), 0);
        set(&ks.dbs[1], round, (struct slice){large, 180224 + 40}, ENTRY_NO_DEADLINE, 0);
        assert_true(db_remove(&ks.dbs[1], hash_of(round), name_of(round), START, &stats));
    }
    while (reaper_pending() > 0) {
        reaper_wait(100);
    }
    assert_true(reaper_freed() >= 5);
    assert_int_equal(db_flush(&ks.dbs[1]), 0);
    db_free(&ks.dbs[0]);
    db_free(&ks.dbs[1]);
    reaper_stop();
    assert_int_equal(reaper_pending(), 0);
    assert_true(mem_used() == before);
}

static void a_shadow_takes_the_place_of_all_databases(void **state)
{
    (void)state;
    fill(&ks.dbs[1], 10);
    struct keyspace *shadow = shadow_new(&ks);
    assert_non_null(shadow);
    fill(&shadow->dbs[2], 2000);
    assert_int_equal(db_size(&ks.dbs[1]), 10);
    assert_int_equal(db_size(&ks.dbs[2]), 0);
    shadow_take_place(shadow, &ks);
    shadow_free(shadow);
    assert_int_equal(db_size(&ks.dbs[1]), 0);
    assert_int_equal(db_size(&ks.dbs[2]), 2000);
    assert_non_null(get(&ks.dbs[2], 1999, START));
}

static void a_shadow_that_is_dropped_leaves_them_as_they_are(void **state)
{
    (void)state;
    fill(&ks.dbs[1], 10);
    struct keyspace *shadow = shadow_new(&ks);
    assert_non_null(shadow);
    fill(&shadow->dbs[1], 2000);
    shadow_free(shadow);
    assert_int_equal(db_size(&ks.dbs[1]), 10);
    assert_non_null(get(&ks.dbs[1], 9, START));
    assert_null(get(&ks.dbs[1], 10, START));
}

int main(void)
{
    static const struct entry_ops ops = {.free = NULL}; /* no objects here */
    mem_thread_init();
    clock_init();
    entry_set_ops(&ops);
    keyspace_init(&ks, DBS, 2);
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_is_set_is_found_and_what_is_removed_is_not),
        STORE_TEST(values_of_every_size_replace_each_other),
        STORE_TEST(a_value_past_its_deadline_is_never_returned),
        STORE_TEST(a_deadline_is_counted_when_it_comes_and_goes),
        STORE_TEST(a_moved_entry_takes_its_value_along_and_replaces_what_was_there),
        STORE_TEST(an_empty_database_costs_nothing_and_answers),
        STORE_TEST(swapped_databases_exchange_all),
        STORE_TEST(a_flushed_database_takes_no_table_for_its_next_write),
        STORE_TEST(a_shadow_takes_the_place_of_all_databases),
        STORE_TEST(a_shadow_that_is_dropped_leaves_them_as_they_are),
        STORE_TEST(a_scan_returns_what_stays_while_others_come_and_go),
        STORE_TEST(each_calls_for_every_entry_once),
        STORE_TEST(random_keys_are_all_drawn_about_as_often),
        STORE_TEST(the_hash_depends_on_a_secret),
        STORE_TEST(a_sweep_of_every_shard_empties_what_is_dead),
        STORE_TEST(loops_on_the_same_keys_lose_no_update),
        STORE_TEST(lru_takes_what_was_idle_longest),
        STORE_TEST(lfu_takes_what_is_used_least),
        STORE_TEST(ttl_takes_what_dies_first),
        STORE_TEST(random_takes_from_everywhere),
        STORE_TEST(volatile_policies_spare_keys_without_a_deadline),
        STORE_TEST(a_key_made_persistent_after_it_was_sampled_is_spared),
        STORE_TEST(noeviction_and_an_empty_keyspace_evict_nothing),
        STORE_TEST(memory_is_brought_to_its_limit_and_hardly_below),
        STORE_TEST(a_flush_frees_all_in_the_reaper_thread),
    };
    return cmocka_run_group_tests_name("keyspace", tests, NULL, NULL);
}
