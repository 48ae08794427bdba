/*
 * A shard against a plain map: whatever was put in, replaced, removed or swept, at every size and with homes chosen to
 * crowd together, what is found and what is scanned is what the map holds. Time is simulated.
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
#include "store/shard.h"

enum { MAX_KEYS = 20000 };
#define START 1700000000000LL
#define HOUR  3600000LL

static uint64_t seed = 88172645463325252u;

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545F4914F6CDD1DULL;
}

static uint64_t random_below(uint64_t n)
{
    return (random_bits() >> 11) % n;
}

/* Keys are four bytes, a number below MAX_KEYS, and hash to what the test wants. */
static uint64_t hashes[MAX_KEYS];
static int64_t model[MAX_KEYS]; /* deadline of each key; 0: not there */
static unsigned visits[MAX_KEYS];

static uint32_t number_of(struct slice key)
{
    uint32_t number;
    assert_int_equal(key.len, sizeof number);
    memcpy(&number, key.ptr, sizeof number);
    return number;
}

static uint64_t test_hash(const void *context, struct slice key)
{
    (void)context;
    return hashes[number_of(key)];
}

static struct slice key_of(const uint32_t *number)
{
    return (struct slice){(const char *)number, sizeof *number};
}

static struct entry *entry_of(uint32_t number, int64_t deadline)
{
    struct entry *e = entry_new_bytes(TYPE_STRING, key_of(&number), SLICE("value"), deadline, 0);
    assert_non_null(e);
    return e;
}

static struct slot find(const struct shard *s, uint32_t number)
{
    return shard_find(s, hashes[number], key_of(&number));
}

static void insert(struct shard *s, uint32_t number, int64_t deadline, int64_t now)
{
    assert_true(shard_insert(s, hashes[number], entry_of(number, deadline), now));
    model[number] = deadline;
}

static void take_out(struct shard *s, uint32_t number)
{
    struct slot slot = find(s, number);
    assert_non_null(slot.line);
    entry_free(shard_remove(s, slot, hashes[number]));
    model[number] = 0;
}

static void hash_at_random(void)
{
    for (int i = 0; i < MAX_KEYS; i++) {
        hashes[i] = random_bits();
    }
    memset(model, 0, sizeof model);
}

/* All homes within `share` of 2^32 positions that end at the table's end, with few different tags. */
static void hash_crowded(uint32_t share)
{
    for (int i = 0; i < MAX_KEYS; i++) {
        uint32_t position = UINT32_MAX - (uint32_t)random_below(share);
        hashes[i] = (uint64_t)position << 16 | random_below(3);
    }
    memset(model, 0, sizeof model);
}

static void assert_as_model(const struct shard *s, uint32_t keys)
{
    uint32_t used = 0;
    uint32_t timed = 0;
    for (uint32_t i = 0; i < keys; i++) {
        struct slot slot = find(s, i);
        assert_int_equal(slot.line != NULL, model[i] != 0);
        if (model[i] != 0) {
            assert_true(entry_deadline(slot_entry(slot)) == model[i]);
            assert_int_equal(number_of(entry_key(slot_entry(slot))), i);
            used++;
            timed += model[i] != ENTRY_NO_DEADLINE;
        }
    }
    assert_int_equal(s->used, used);
    assert_int_equal(s->timed, timed);
}

/* What `displaced` promises, counted afresh: every entry that passed a full line is counted there. */
static void assert_displaced(const struct shard *s)
{
    uint32_t *passed = calloc(s->lines + 1, sizeof *passed);
    for (uint32_t i = 0; i < s->lines; i++) {
        for (unsigned k = 0; k < LINE_SLOTS; k++) {
            const struct line *line = shard_line(s, i);
            if (line->tag[k] != 0) {
                uint64_t hash = test_hash(NULL, entry_key(slot_entry((struct slot){(struct line *)line, k})));
                assert_int_equal(line->tag[k], hash_tag(hash));
                for (uint32_t at = shard_home(s, hash); at != i; at = at + 1 < s->lines ? at + 1 : 0) {
                    passed[at]++;
                }
            }
        }
    }
    for (uint32_t i = 0; i < s->lines; i++) {
        uint8_t displaced = shard_line(s, i)->displaced;
        if (displaced != UINT8_MAX) {
            assert_int_equal(displaced, passed[i]);
        }
    }
    free(passed);
}

static int setup(void **state)
{
    struct shard *s = mem_alloc_lines(sizeof *s);
    shard_init(s);
    *state = s;
    hash_at_random();
    return 0;
}

static int teardown(void **state)
{
    struct shard *s = *state;
    shard_clear(s);
    mem_free(s, sizeof *s);
    return mem_used() == 0 ? 0 : -1;
}

static void every_key_is_found_at_every_size(void **state)
{
    struct shard *s = *state;
    for (uint32_t n = 0; n < 3000; n++) {
        insert(s, n, ENTRY_NO_DEADLINE, START);
        assert_true(n < 7 || (uint64_t)s->used <= (uint64_t)s->lines * (LINE_SLOTS - 1));
        if (n < 300 || n % 100 == 0) {
            assert_as_model(s, n + 2);
            assert_displaced(s);
        }
    }
    for (uint32_t n = 0; n < 3000; n++) {
        take_out(s, n);
        if (n > 2700 || n % 100 == 0) {
            assert_as_model(s, 3000);
            assert_displaced(s);
        }
    }
}

static void full_lines_pass_on_and_wrap_around_the_end(void **state)
{
    struct shard *s = *state;
    hash_crowded(1u << 16);
    for (uint32_t n = 0; n < 1000; n++) {
        insert(s, n, n % 2 == 0 ? START + HOUR : ENTRY_NO_DEADLINE, START);
        if (n % 50 == 0) {
            assert_as_model(s, 1000);
            assert_displaced(s);
        }
    }
    for (uint32_t n = 0; n < 1000; n += 3) {
        take_out(s, n);
    }
    assert_as_model(s, 1000);
    assert_displaced(s);
    assert_int_equal(shard_sweep(s, START + HOUR + (1 << DUE_SHIFT), false, NULL, NULL), 333);
    for (uint32_t n = 0; n < 1000; n += 2) {
        model[n] = 0;
    }
    assert_as_model(s, 1000);
    assert_displaced(s);
}

static void equal_hashes_are_told_apart_by_their_keys(void **state)
{
    struct shard *s = *state;
    for (uint32_t n = 0; n < 400; n++) {
        hashes[n] = 0x123456789ABCDEF0;
    }
    for (uint32_t n = 0; n < 400; n++) {
        insert(s, n, ENTRY_NO_DEADLINE, START);
    }
    assert_as_model(s, 400);
    for (uint32_t n = 0; n < 400; n += 2) {
        take_out(s, n);
    }
    assert_as_model(s, 400);
    assert_non_null(shard_find_hash(s, hashes[0]).line);
}

static int64_t random_deadline(int64_t now)
{
    switch (random_below(8)) {
    case 0:
    case 1: return ENTRY_NO_DEADLINE;
    case 2: return now + 1 + (int64_t)random_below(200 * HOUR);
    case 3: return now - (int64_t)random_below(1000);
    case 4: return -1 - (int64_t)random_below(1000);
    default: return now + 1 + (int64_t)random_below(20000);
    }
}

static void sweep_and_check(struct shard *s, uint32_t keys, int64_t now)
{
    uint32_t dead = 0;
    for (uint32_t i = 0; i < keys; i++) {
        /* What has been dead for a unit of time must go, what lives must stay. */
        if (model[i] != 0 && model[i] <= now - (2 << DUE_SHIFT)) {
            dead++;
        }
    }
    uint32_t freed = shard_sweep(s, now, false, NULL, NULL);
    assert_true(freed >= dead);
    for (uint32_t i = 0; i < keys; i++) {
        if (model[i] != 0 && find(s, i).line == NULL) {
            assert_true(model[i] <= now);
            model[i] = 0;
            freed--;
        } else if (model[i] != 0) {
            assert_true(model[i] > now - (2 << DUE_SHIFT));
        }
    }
    assert_int_equal(freed, 0);
}

static void replace(struct shard *s, uint32_t number, int64_t deadline, int64_t now)
{
    struct slot slot = find(s, number);
    struct entry *old = slot_entry(slot);
    shard_replace(s, slot, entry_of(number, deadline), entry_has_deadline(old), now);
    entry_free(old);
    model[number] = deadline;
}

static void run_model(struct shard *s, uint32_t keys, uint32_t operations)
{
    int64_t now = START;
    for (uint32_t i = 0; i < operations; i++) {
        uint32_t number = (uint32_t)random_below(keys);
        bool there = find(s, number).line != NULL;
        assert_int_equal(there, model[number] != 0);
        if (!there) {
            insert(s, number, random_deadline(now), now);
        } else if (random_below(2) == 0) {
            replace(s, number, random_deadline(now), now);
        } else {
            take_out(s, number);
        }
        now += (int64_t)random_below(20);
        if (i % 10000 == 0) {
            sweep_and_check(s, keys, now);
            assert_as_model(s, keys);
            assert_displaced(s);
        }
    }
}

static void a_million_random_operations_end_as_in_a_map(void **state)
{
    run_model(*state, 2000, 700000);
}

static void crowded_homes_end_as_in_a_map(void **state)
{
    hash_crowded(1u << 29);
    run_model(*state, 800, 300000);
}

static void a_sweep_frees_exactly_the_dead(void **state)
{
    struct shard *s = *state;
    for (uint32_t n = 0; n < 5000; n++) {
        insert(s, n, START + n * 100, START);
    }
    uint32_t gone = 0;
    for (int64_t now = START; now < START + 520000; now += 777) {
        gone += shard_sweep(s, now, false, NULL, NULL);
        for (uint32_t n = 0; n < 5000; n++) {
            bool there = find(s, n).line != NULL;
            if (model[n] > now) {
                assert_true(there);
            } else if (model[n] <= now - (2 << DUE_SHIFT)) {
                assert_false(there);
            }
        }
    }
    assert_int_equal(gone, 5000);
    assert_int_equal(s->used, 0);
    assert_int_equal(s->lines, 0);
}

static void a_deadline_beyond_the_horizon_is_kept_to_the_moment(void **state)
{
    struct shard *s = *state;
    int64_t deadline = START + 30 * 24 * HOUR;
    insert(s, 1, deadline, START);
    insert(s, 2, deadline + 400 * 24 * HOUR, START);
    for (int64_t now = START; now < deadline; now += HOUR / 7) {
        assert_int_equal(shard_sweep(s, now, false, NULL, NULL), 0);
    }
    assert_int_equal(shard_sweep(s, deadline - 1, false, NULL, NULL), 0);
    assert_int_equal(shard_sweep(s, deadline + (1 << DUE_SHIFT), false, NULL, NULL), 1);
    assert_non_null(find(s, 2).line);
}

static void codes_wrap_around_at_every_phase(void **state)
{
    struct shard *s = *state;
    for (int64_t phase = 0; phase < 65536 + 300; phase += 101) {
        int64_t now = START + (phase << DUE_SHIFT) + phase % 256;
        for (uint32_t n = 0; n < 60; n++) {
            insert(s, n, now + 1 + n * 130000, now);
        }
        for (uint32_t n = 0; n < 60; n++) {
            int64_t deadline = model[n];
            assert_true(shard_sweep(s, deadline - 1, false, NULL, NULL) <= 1);
            assert_non_null(find(s, n).line);
            shard_sweep(s, deadline + (2 << DUE_SHIFT), false, NULL, NULL);
            assert_null(find(s, n).line);
        }
        assert_int_equal(s->used, 0);
    }
}

static void a_sweep_after_any_pause_frees_the_dead(void **state)
{
    struct shard *s = *state;
    for (int64_t pause = HOUR / 2; pause < 40 * HOUR; pause += HOUR / 2) {
        insert(s, 1, START + 1000, START);
        insert(s, 2, START + 10 * HOUR, START);
        insert(s, 3, START + 1000 * HOUR, START);
        shard_sweep(s, START + pause, false, NULL, NULL);
        assert_null(find(s, 1).line);
        assert_int_equal(find(s, 2).line == NULL, pause >= 10 * HOUR);
        assert_non_null(find(s, 3).line);
        shard_sweep(s, START + 2000 * HOUR, false, NULL, NULL);
        assert_int_equal(s->used, 0);
    }
}

static void nothing_is_opened_before_it_is_due(void **state)
{
    struct shard *s = *state;
    insert(s, 1, START + 60000, START);
    assert_true(s->next_due > (START + 59000) >> DUE_SHIFT);
    assert_int_equal(shard_sweep(s, START + 59000, false, NULL, NULL), 0);
    take_out(s, 1);
    insert(s, 2, ENTRY_NO_DEADLINE, START);
    assert_int_equal(shard_sweep(s, START + HOUR, false, NULL, NULL), 0);
    assert_true(s->next_due == INT64_MAX);
}

static void a_table_gives_its_memory_back(void **state)
{
    struct shard *s = *state;
    for (uint32_t n = 0; n < 10000; n++) {
        insert(s, n, n < 9900 ? START + 1000 : ENTRY_NO_DEADLINE, START);
    }
    size_t full = shard_memory(s);
    assert_true(full < 10000 * 14);
    assert_int_equal(shard_sweep(s, START + 2000, false, NULL, NULL), 9900);
    assert_true(shard_memory(s) < full / 20);
    for (uint32_t n = 9900; n < 10000; n++) {
        take_out(s, n);
    }
    shard_sweep(s, START + 3000, false, NULL, NULL);
    assert_int_equal(shard_memory(s), 0);
}

static void visit(void *context, struct entry *e, uint64_t hash)
{
    (void)context;
    uint32_t number = number_of(entry_key(e));
    assert_true(hash == hashes[number]);
    visits[number]++;
}

static void one_scan_visits_each_entry_once(void **state)
{
    struct shard *s = *state;
    assert_int_equal(shard_scan(s, 0, 10, visit, NULL), -1);
    for (int crowded = 0; crowded < 2; crowded++) {
        for (uint32_t n = 0; n < 700; n++) {
            insert(s, n, ENTRY_NO_DEADLINE, START);
        }
        for (uint32_t want = 1; want < 1000; want = want * 3 + 1) {
            memset(visits, 0, sizeof visits);
            int64_t from = 0;
            while (from >= 0) {
                int64_t next = shard_scan(s, (uint32_t)from, want, visit, NULL);
                assert_true(next < 0 || next > from);
                from = next;
            }
            for (uint32_t n = 0; n < 700; n++) {
                assert_int_equal(visits[n], 1);
            }
        }
        for (uint32_t n = 0; n < 700; n++) {
            take_out(s, n);
        }
        shard_sweep(s, START, false, NULL, NULL);
        hash_crowded(1u << 20);
    }
}

/* Between steps the table grows and shrinks; what stays throughout must be seen. */
static void a_scan_sees_what_stays_while_the_table_grows_and_shrinks(void **state)
{
    struct shard *s = *state;
    for (int round = 0; round < 60; round++) {
        hash_at_random();
        memset(visits, 0, sizeof visits);
        uint32_t stay = 1 + (uint32_t)random_below(500);
        for (uint32_t n = 0; n < stay; n++) {
            insert(s, n, ENTRY_NO_DEADLINE, START);
        }
        int64_t from = 0;
        for (int step = 0; from >= 0; step++) {
            from = shard_scan(s, (uint32_t)from, 1 + (uint32_t)random_below(40), visit, NULL);
            uint32_t upto = (uint32_t)random_below(8000) * (step % 2 == 0);
            for (uint32_t n = 1000; n < 9000; n++) {
                if (model[n] == 0 && n < 1000 + upto) {
                    insert(s, n, ENTRY_NO_DEADLINE, START);
                } else if (model[n] != 0 && n >= 1000 + upto) {
                    take_out(s, n);
                }
            }
            shard_sweep(s, START, false, NULL, NULL);
        }
        for (uint32_t n = 0; n < stay; n++) {
            assert_int_equal(visits[n], 1);
        }
        shard_clear(s);
    }
}

static void prefetching_an_empty_or_stale_table_is_harmless(void **state)
{
    struct shard *s = *state;
    for (uint32_t n = 0; n < 2000; n++) {
        shard_prefetch(s, hashes[n]);
        shard_prefetch_entry(s, hashes[n], 4);
        insert(s, n, ENTRY_NO_DEADLINE, START);
        shard_prefetch_entry(s, hashes[n], 4);
    }
    assert_as_model(s, 2000);
}

int main(void)
{
    static const struct shard_hasher hasher = {test_hash, NULL};
    mem_thread_init();
    clock_init();
    shard_set_hasher(&hasher);
#define SHARD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        SHARD_TEST(every_key_is_found_at_every_size),
        SHARD_TEST(full_lines_pass_on_and_wrap_around_the_end),
        SHARD_TEST(equal_hashes_are_told_apart_by_their_keys),
        SHARD_TEST(a_million_random_operations_end_as_in_a_map),
        SHARD_TEST(crowded_homes_end_as_in_a_map),
        SHARD_TEST(a_sweep_frees_exactly_the_dead),
        SHARD_TEST(a_deadline_beyond_the_horizon_is_kept_to_the_moment),
        SHARD_TEST(codes_wrap_around_at_every_phase),
        SHARD_TEST(a_sweep_after_any_pause_frees_the_dead),
        SHARD_TEST(nothing_is_opened_before_it_is_due),
        SHARD_TEST(a_table_gives_its_memory_back),
        SHARD_TEST(one_scan_visits_each_entry_once),
        SHARD_TEST(a_scan_sees_what_stays_while_the_table_grows_and_shrinks),
        SHARD_TEST(prefetching_an_empty_or_stale_table_is_harmless),
    };
    return cmocka_run_group_tests_name("shard", tests, NULL, NULL);
}
