/*
 * Entries: every layout gives back what was put in, whatever becomes of the deadline, the name or the value, and all
 * memory that was counted for them is counted back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "store/entry.h"

enum { MAX_VALUE = 300 * 1024 };

static char bytes[MAX_VALUE];
static int objects_freed;

static void free_object(enum entry_type type, void *object)
{
    assert_int_equal(type, TYPE_HASH);
    objects_freed++;
    mem_free(object, 100);
}

static size_t object_memory(enum entry_type type, const void *object)
{
    (void)type;
    (void)object;
    return mem_class(100);
}

static const struct entry_ops ops = {.free = free_object, .memory = object_memory};

static struct slice run_of(size_t len)
{
    return (struct slice){bytes, len};
}

static const int64_t deadlines[] = {
    ENTRY_NO_DEADLINE,
    ENTRY_DEADLINE_BASE,
    ENTRY_DEADLINE_BASE - 1,
    ENTRY_DEADLINE_BASE + (1LL << 32) - 1,
    ENTRY_DEADLINE_BASE + (1LL << 32),
    ENTRY_DEADLINE_BASE + (1LL << 40) - 1,
    ENTRY_DEADLINE_BASE + (1LL << 40),
    0,
    1,
    -1,
    -1234567890123,
    INT64_MIN,
    INT64_MAX - 1,
    1700000000000,
};
enum { DEADLINES = sizeof deadlines / sizeof *deadlines };

static const size_t key_lens[] = {0, 1, 7, 16, 255, 256, 1000, 70000};
static const size_t value_lens[] = {0,    1,    8,    20,   100,  999,   1000,  1024,  1100,  1200,   1280,
                                    2000, 2048, 3885, 4096, 5000, 16384, 65535, 65536, 70000, 131072, 262144};
enum { KEY_LENS = sizeof key_lens / sizeof *key_lens, VALUE_LENS = sizeof value_lens / sizeof *value_lens };

static void assert_value(const struct entry *e, const char *expected, size_t len)
{
    struct entry_bytes runs = entry_bytes(e);
    assert_int_equal(entry_value_len(e), len);
    assert_int_equal(runs.head.len + runs.tail.len, len);
    if (runs.head.len > 0) {
        assert_memory_equal(runs.head.ptr, expected, runs.head.len);
    }
    if (runs.tail.len > 0) {
        assert_memory_equal(runs.tail.ptr, expected + runs.head.len, runs.tail.len);
    }
}

static void assert_entry(const struct entry *e, struct slice key, size_t value_len, int64_t deadline,
                         uint32_t access)
{
    assert_int_equal(entry_type(e), TYPE_STRING);
    assert_int_equal(entry_key_len(e), key.len);
    assert_true(slice_equal(entry_key(e), key));
    assert_true(entry_deadline(e) == deadline);
    assert_int_equal(entry_has_deadline(e), deadline != ENTRY_NO_DEADLINE);
    assert_int_equal(entry_access(e), access);
    assert_value(e, bytes, value_len);
}

/* Calls `check` for every combination of key length, value length and deadline, and checks that memory balances. */
static void for_all(void (*check)(struct slice key, size_t value_len, int64_t deadline))
{
    int64_t before = mem_used();
    for (int k = 0; k < KEY_LENS; k++) {
        for (int v = 0; v < VALUE_LENS; v++) {
            for (int d = 0; d < DEADLINES; d++) {
                check((struct slice){bytes + 3, key_lens[k]}, value_lens[v], deadlines[d]);
                assert_true(mem_used() == before);
            }
        }
    }
}

static void check_new(struct slice key, size_t value_len, int64_t deadline)
{
    int64_t before = mem_used();
    struct entry *e = entry_new_bytes(TYPE_STRING, key, run_of(value_len), deadline, 0xABCDEF);
    assert_entry(e, key, value_len, deadline, 0xABCDEF);
    assert_true(mem_used() - before == (int64_t)entry_memory(e));
    entry_set_access(e, 0x123456);
    assert_entry(e, key, value_len, deadline, 0x123456);
    entry_free(e);
}

static void every_layout_gives_back_what_was_put_in(void **state)
{
    (void)state;
    for_all(check_new);
}

static void check_deadlines(struct slice key, size_t value_len, int64_t deadline)
{
    for (int d = 0; d < DEADLINES; d++) {
        struct entry *e = entry_new_bytes(TYPE_STRING, key, run_of(value_len), deadline, 77);
        struct entry *moved = entry_with_deadline(e, deadlines[d]);
        assert_non_null(moved);
        assert_entry(moved, key, value_len, deadlines[d], 77);
        moved = entry_with_deadline(moved, deadline);
        assert_entry(moved, key, value_len, deadline, 77);
        entry_free(moved);
    }
}

static void a_deadline_is_given_changed_and_taken_away(void **state)
{
    (void)state;
    for_all(check_deadlines);
}

static void check_renamed(struct slice key, size_t value_len, int64_t deadline)
{
    for (int k = 0; k < KEY_LENS; k++) {
        struct slice name = {bytes + 11, key_lens[k]};
        struct entry *e = entry_new_bytes(TYPE_STRING, key, run_of(value_len), deadline, 78);
        struct entry *renamed = entry_renamed(e, name);
        assert_non_null(renamed);
        entry_free_shell(e);
        assert_entry(renamed, name, value_len, deadline, 78);
        entry_free(renamed);
    }
}

static void a_renamed_entry_keeps_its_value_deadline_and_clock(void **state)
{
    (void)state;
    for_all(check_renamed);
}

static void check_overwrite(struct slice key, size_t value_len, int64_t deadline)
{
    for (size_t other = value_len > 40 ? value_len - 40 : 0; other < value_len + 40; other++) {
        struct entry *e = entry_new_bytes(TYPE_STRING, key, run_of(value_len), deadline, 79);
        size_t memory = entry_memory(e);
        if (entry_overwrite(e, TYPE_STRING, (struct slice){bytes, other}, deadline, 80)) {
            assert_entry(e, key, other, deadline, 80);
            assert_int_equal(entry_memory(e), memory);
        } else {
            assert_entry(e, key, value_len, deadline, 79);
        }
        entry_free(e);
    }
}

static void a_value_overwritten_in_place_is_the_new_one_whole(void **state)
{
    (void)state;
    for_all(check_overwrite);
}

static void a_longer_value_of_the_same_size_class_goes_in_place(void **state)
{
    (void)state;
    struct entry *e = entry_new_bytes(TYPE_STRING, SLICE("key"), run_of(10), ENTRY_NO_DEADLINE, 1);
    assert_true(entry_overwrite(e, TYPE_STRING, run_of(20), ENTRY_NO_DEADLINE, 1));
    assert_value(e, bytes, 20);
    assert_true(entry_overwrite(e, TYPE_STRING, run_of(7), ENTRY_NO_DEADLINE, 1));
    assert_true(entry_overwrite(e, TYPE_STRING, run_of(22), ENTRY_NO_DEADLINE, 1));
    assert_value(e, bytes, 22);
    entry_free(e);
}

static void a_value_is_split_only_where_that_saves_memory(void **state)
{
    (void)state;
    int splits = 0;
    for (size_t len = 0; len < 20000; len += 7) {
        struct entry *e = entry_new_bytes(TYPE_STRING, SLICE("some:key"), run_of(len), 1700000000000, 1);
        size_t size = ENTRY_NARROW_HEADER + 5 + 8 + len;
        size_t whole = mem_class(size) + (size > 14336 ? 4096 : 0); /* a page of padding beyond slabs */
        assert_true(entry_memory(e) <= whole);
        if (entry_form(e) == FORM_SPLIT) {
            assert_true(len >= 1000);
            assert_true(entry_memory(e) + whole / 8 <= whole);
            splits++;
        }
        entry_free(e);
    }
    assert_true(splits > 0);
}

static void a_small_entry_with_a_deadline_costs_twelve_bytes_more_than_its_payload(void **state)
{
    (void)state;
    struct entry *e = entry_new_bytes(TYPE_STRING, run_of(20), run_of(64), 1700000000000, 1);
    assert_int_equal(entry_memory(e), mem_class(20 + 64 + 12));
    entry_free(e);
}

static struct entry *object_entry(struct slice key, int64_t deadline)
{
    void *object = mem_alloc(100);
    memset(object, 7, 100);
    return entry_new_object(TYPE_HASH, key, object, deadline, 5);
}

static void an_object_goes_along_and_is_freed_once(void **state)
{
    (void)state;
    int64_t before = mem_used();
    objects_freed = 0;
    for (int d = 0; d < DEADLINES; d++) {
        struct entry *e = object_entry(SLICE("hash"), deadlines[d]);
        void *object = entry_object(e);
        assert_true(mem_used() - before == (int64_t)entry_memory(e));
        assert_false(entry_overwrite(e, TYPE_STRING, run_of(8), deadlines[d], 1));
        e = entry_with_deadline(e, deadlines[(d + 1) % DEADLINES]);
        struct entry *renamed = entry_renamed(e, run_of(300));
        entry_free_shell(e);
        assert_ptr_equal(entry_object(renamed), object);
        assert_int_equal(entry_type(renamed), TYPE_HASH);
        assert_int_equal(objects_freed, d);
        entry_free(renamed);
        assert_int_equal(objects_freed, d + 1);
        assert_true(mem_used() == before);
    }
}

/* A small collection that grows and shrinks keeps its head and as many bytes as fit, in place only within its size class. */
static void a_resized_value_keeps_everything_else(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 2, 9, 40, 39, 200, 5000, 65535, 65536, 70000, 65537, 65535, 300, 299, 7};
    for (size_t d = 0; d < sizeof deadlines / sizeof *deadlines; d++) {
        struct entry *e = entry_new_room(TYPE_SET, SLICE("the key"), 1, deadlines[d], 77);
        memcpy(entry_area(e), bytes, 1);
        size_t kept = 1;
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            size_t before = entry_memory(e);
            struct entry *old = e;
            bool in_place = entry_resize_in_place(e, lens[i]);
            e = entry_resize(e, lens[i]);
            assert_non_null(e);
            assert_true(!in_place || (e == old && entry_memory(e) == before));
            assert_int_equal(entry_value_len(e), lens[i]);
            assert_true(entry_deadline(e) == deadlines[d]);
            assert_int_equal(entry_access(e), 77);
            assert_true(slice_equal(entry_key(e), SLICE("the key")));
            kept = kept < lens[i] ? kept : lens[i];
            assert_memory_equal(entry_area(e), bytes, kept);
            memcpy(entry_area(e), bytes, lens[i]);
            kept = lens[i];
        }
        entry_free(e);
    }
}

int main(void)
{
    mem_thread_init();
    clock_init();
    entry_set_ops(&ops);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 131 + i / 251);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_gives_back_what_was_put_in),
        cmocka_unit_test(a_deadline_is_given_changed_and_taken_away),
        cmocka_unit_test(a_renamed_entry_keeps_its_value_deadline_and_clock),
        cmocka_unit_test(a_value_overwritten_in_place_is_the_new_one_whole),
        cmocka_unit_test(a_longer_value_of_the_same_size_class_goes_in_place),
        cmocka_unit_test(a_value_is_split_only_where_that_saves_memory),
        cmocka_unit_test(a_small_entry_with_a_deadline_costs_twelve_bytes_more_than_its_payload),
        cmocka_unit_test(an_object_goes_along_and_is_freed_once),
        cmocka_unit_test(a_resized_value_keeps_everything_else),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
