/*
 * The tracking table and the prefixes: against a model, and under several threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/tracking.h"
#include "commands/tracking_prefix.h"
#include "commands/tracking_table.h"
#include "memory.h"

enum { KEYS = 60, IDS = 40, STEPS = 50000, THREADS = 4 };

static struct tracking_table *table;
static int64_t memory_before;

static int setup(void **state)
{
    (void)state;
    memory_before = mem_used();
    table = tracking_table_new();
    return table != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tracking_table_free(table);
    return mem_used() == memory_before ? 0 : -1;
}

static struct slice name_of(int number, char *text, size_t size)
{
    return (struct slice){text, (size_t)snprintf(text, size, "key%d", number)};
}

/* Many keys share a hash. */
static uint64_t hash_of(int number)
{
    return (uint64_t)(number / 3) * 0x9e3779b97f4a7c15U;
}

static void what_was_added_is_taken_out_once_and_whole(void **state)
{
    (void)state;
    static bool model[KEYS][IDS];
    char text[16];
    uint64_t items = 0;
    srand(5);
    for (int step = 0; step < STEPS; step++) {
        int number = rand() % KEYS;
        struct slice name = name_of(number, text, sizeof text);
        if (rand() % 20 > 0) {
            int id = rand() % IDS;
            assert_true(tracking_table_add(table, hash_of(number), name, id));
            items += !model[number][id];
            model[number][id] = true;
        } else {
            struct tracked_key *key = tracking_table_take(table, hash_of(number), name);
            uint32_t at = 0;
            for (int id = 0; id < IDS; id++) {
                if (model[number][id]) {
                    assert_true(key != NULL && at < key->count && key->ids[at] == id);
                    at++;
                    items--;
                }
                model[number][id] = false;
            }
            assert_int_equal(key != NULL ? key->count : 0, at);
            if (key != NULL) {
                assert_true(slice_equal((struct slice){key->name, key->len}, name));
                tracked_key_free(key);
            }
        }
        assert_int_equal(tracking_table_items(table), items);
    }
    memset(model, 0, sizeof model);
}

static void any_key_is_found_while_there_is_one(void **state)
{
    (void)state;
    char text[16];
    for (int i = 0; i < KEYS; i++) {
        tracking_table_add(table, hash_of(i), name_of(i, text, sizeof text), i);
    }
    for (uint64_t left = KEYS; left > 0; left--) {
        assert_int_equal(tracking_table_keys(table), left);
        struct tracked_key *key = tracking_table_take_any(table, left * 0x9e3779b97f4a7c15U);
        assert_non_null(key);
        tracked_key_free(key);
    }
    assert_null(tracking_table_take_any(table, 1));
    tracking_table_add(table, 1, SLICE("a"), 1);
    tracking_table_clear(table);
    assert_int_equal(tracking_table_keys(table) + tracking_table_items(table), 0);
}

static _Atomic int64_t added, taken;

static void *hammer(void *argument)
{
    unsigned seed = *(unsigned *)argument;
    char text[16];
    mem_thread_init();
    for (int step = 0; step < STEPS; step++) {
        int number = rand_r(&seed) % KEYS;
        struct slice name = name_of(number, text, sizeof text);
        if (step % 2 == 0) { /* an id that nobody else has */
            added += tracking_table_add(table, hash_of(number), name,
                                        (int64_t)step * THREADS + *(unsigned *)argument);
            continue;
        }
        struct tracked_key *key = tracking_table_take(table, hash_of(number), name);
        if (key != NULL) {
            taken += key->count;
            tracked_key_free(key);
        }
    }
    return NULL;
}

static void no_id_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, hammer, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(added, STEPS / 2 * THREADS);
    assert_int_equal(added - taken, tracking_table_items(table));
}

static void prefixes_live_as_long_as_somebody_has_them(void **state)
{
    (void)state;
    struct prefixes prefixes = {0};
    struct tracker a = {0};
    struct tracker b = {0};
    assert_true(prefix_add(&prefixes, &a, SLICE("x:")));
    assert_true(prefix_add(&prefixes, &a, SLICE("")));
    assert_true(prefix_add(&prefixes, &a, SLICE("x:"))); /* again: nothing changes */
    assert_true(prefix_add(&prefixes, &b, SLICE("x:")));
    assert_int_equal(prefixes.count, 2);
    assert_true(slice_equal(prefix_name(a.first->prefix), SLICE("x:")));
    assert_ptr_equal(a.first->prefix, b.first->prefix);
    prefix_leave_all(&prefixes, &a);
    assert_int_equal(prefixes.count, 1);
    assert_ptr_equal(prefixes.first->first->tracker, &b);
    assert_null(prefixes.first->first->next);
    prefix_leave_all(&prefixes, &b);
    assert_null(prefixes.first);
}

static void prefixes_overlap_when_one_begins_with_the_other(void **state)
{
    (void)state;
    assert_true(prefix_overlaps(SLICE("user:"), SLICE("user:1")));
    assert_true(prefix_overlaps(SLICE("user:1"), SLICE("user:")));
    assert_true(prefix_overlaps(SLICE(""), SLICE("x")));
    assert_true(prefix_overlaps(SLICE("x"), SLICE("x")));
    assert_false(prefix_overlaps(SLICE("user:1"), SLICE("user:2")));
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_is_taken_out_once_and_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(any_key_is_found_while_there_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(no_id_is_lost_between_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(prefixes_live_as_long_as_somebody_has_them, setup, teardown),
        cmocka_unit_test(prefixes_overlap_when_one_begins_with_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
