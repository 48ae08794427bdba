/*
 * Strings that grow: what was there stays, what is new is zero, and every byte taken is counted and given back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "memory.h"
#include "types/string.h"

static int start(void **state)
{
    (void)state;
    mem_thread_init();
    return 0;
}

static size_t zeros_from(const struct string *s, size_t at)
{
    size_t count = 0;
    while (at + count < s->len && s->bytes[at + count] == 0) {
        count++;
    }
    return count;
}

static void a_new_string_holds_its_bytes_and_the_room_asked_for(void **state)
{
    (void)state;
    struct string *s = string_new(SLICE("hello"), 100);
    assert_non_null(s);
    assert_int_equal(s->len, 5);
    assert_memory_equal(s->bytes, "hello", 5);
    assert_true(s->cap >= 100);
    string_free(s);
}

static void room_fills_the_size_class_that_is_paid_for(void **state)
{
    (void)state;
    for (size_t len = 0; len < 20000; len += 37) {
        struct string *s = string_zeros(len);
        assert_non_null(s);
        assert_int_equal(sizeof *s + s->cap, mem_class(sizeof *s + len));
        assert_int_equal(string_memory(s), mem_class(sizeof *s + len));
        string_free(s);
    }
}

static void growing_keeps_the_bytes_and_adds_zeros(void **state)
{
    (void)state;
    struct string *s = string_new(SLICE("abc"), 0);
    for (size_t len = 4; len < 3000000; len = len * 3 + 1) {
        size_t old = s->len;
        s = string_resize(s, len);
        assert_non_null(s);
        assert_int_equal(s->len, len);
        assert_memory_equal(s->bytes, "abc", 3);
        assert_int_equal(zeros_from(s, 3), len - 3);
        assert_true(len > old);
    }
    string_free(s);
}

static void bytes_cut_off_come_back_as_zeros(void **state)
{
    (void)state;
    struct string *s = string_new(SLICE("abcdef"), 0);
    s = string_resize(s, 2);
    s = string_resize(s, 6);
    assert_memory_equal(s->bytes, "ab\0\0\0\0", 6);
    string_free(s);
}

static void zeros_are_zeros_at_every_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 16367, 16368, 16369, 100000, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct string *dirty = string_zeros(sizes[i]); /* whose pages the next one may get */
        memset(dirty->bytes, 0xFF, sizes[i]);
        string_free(dirty);
        struct string *s = string_zeros(sizes[i]);
        assert_int_equal(s->len, sizes[i]);
        assert_int_equal(zeros_from(s, 0), sizes[i]);
        string_free(s);
    }
}

static void growth_byte_by_byte_moves_rarely(void **state)
{
    (void)state;
    struct string *s = string_new((struct slice){NULL, 0}, 0);
    size_t moves = 0;
    for (size_t len = 1; len <= 3000000; len++) {
        size_t cap = s->cap;
        s = string_resize(s, len);
        s->bytes[len - 1] = (char)len;
        moves += s->cap != cap;
    }
    assert_in_range(moves, 1, 24);
    assert_int_equal(s->bytes[1000], (char)1001);
    string_free(s);
}

static void what_is_freed_is_no_longer_counted(void **state)
{
    (void)state;
    int64_t before = mem_used();
    struct string *s = string_new(SLICE("x"), 0);
    s = string_resize(s, 100000);
    struct string *zeros = string_zeros(1 << 20);
    assert_int_equal(mem_used() - before, string_memory(s) + string_memory(zeros));
    string_free(s);
    string_free(zeros);
    assert_int_equal(mem_used(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_string_holds_its_bytes_and_the_room_asked_for),
        cmocka_unit_test(room_fills_the_size_class_that_is_paid_for),
        cmocka_unit_test(growing_keeps_the_bytes_and_adds_zeros),
        cmocka_unit_test(bytes_cut_off_come_back_as_zeros),
        cmocka_unit_test(zeros_are_zeros_at_every_size),
        cmocka_unit_test(growth_byte_by_byte_moves_rarely),
        cmocka_unit_test(what_is_freed_is_no_longer_counted),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
