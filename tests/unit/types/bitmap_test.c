/*
 * Bit operations, each compared with the same thing done one bit at a time, over lengths and edges that fall on
 * and beside words.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "types/bitmap.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void fill_random(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)next_random();
    }
}

static void bit_0_is_the_highest_of_byte_0(void **state)
{
    (void)state;
    uint8_t bytes[2] = {0, 0};
    assert_false(bitmap_set(bytes, 0, true));
    assert_int_equal(bytes[0], 0x80);
    assert_false(bitmap_set(bytes, 15, true));
    assert_int_equal(bytes[1], 0x01);
    assert_true(bitmap_set(bytes, 0, false));
    assert_int_equal(bytes[0], 0);
    assert_true(bitmap_get(bytes, 2, 15));
    assert_false(bitmap_get(bytes, 2, 16));
    assert_false(bitmap_get(bytes, 2, UINT64_MAX));
}

static void check_range(int64_t start, int64_t end, uint64_t total, bool some, uint64_t first, uint64_t last)
{
    uint64_t got_first;
    uint64_t got_last;
    assert_int_equal(bitmap_range(start, end, total, &got_first, &got_last), some);
    if (some) {
        assert_int_equal(got_first, first);
        assert_int_equal(got_last, last);
    }
}

static void indices_count_from_either_end_and_are_clamped(void **state)
{
    (void)state;
    check_range(0, -1, 5, true, 0, 4);
    check_range(-2, -1, 5, true, 3, 4);
    check_range(1, 1, 5, true, 1, 1);
    check_range(-100, 100, 5, true, 0, 4);
    check_range(INT64_MIN, INT64_MAX, 5, true, 0, 4);
    check_range(-100, -100, 5, true, 0, 0);
    check_range(3, 2, 5, false, 0, 0);
    check_range(5, 9, 5, false, 0, 0);
    check_range(0, -1, 0, false, 0, 0);
}

static void counting_agrees_with_one_bit_at_a_time(void **state)
{
    (void)state;
    uint8_t bytes[300];
    fill_random(bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint64_t expected = 0;
        for (uint64_t bit = 0; bit < len * 8; bit++) {
            expected += bitmap_get(bytes, len, bit);
        }
        assert_int_equal(bitmap_count(bytes, len), expected);
    }
    for (int i = 0; i < 3000; i++) {
        uint64_t first = next_random() % 2400;
        uint64_t last = first + next_random() % (2400 - first);
        uint64_t expected = 0;
        for (uint64_t bit = first; bit <= last; bit++) {
            expected += bitmap_get(bytes, sizeof(bytes), bit);
        }
        assert_int_equal(bitmap_count_bits(bytes, first, last), expected);
    }
}

static void check_pos(const uint8_t *bytes, uint64_t first, uint64_t last, bool value)
{
    uint64_t expected = BITMAP_NONE;
    for (uint64_t bit = first; bit <= last && expected == BITMAP_NONE; bit++) {
        if (bitmap_get(bytes, 64, bit) == value) {
            expected = bit;
        }
    }
    assert_true(bitmap_pos(bytes, first, last, value) == expected);
}

static void the_first_bit_is_found_wherever_it_is(void **state)
{
    (void)state;
    uint8_t zeros[64];
    uint8_t ones[64];
    for (uint64_t bit = 0; bit < 512; bit++) {
        memset(zeros, 0, sizeof(zeros));
        memset(ones, 0xff, sizeof(ones));
        bitmap_set(zeros, bit, true);
        bitmap_set(ones, bit, false);
        for (int i = 0; i < 50; i++) {
            uint64_t first = next_random() % 512;
            uint64_t last = first + next_random() % (512 - first);
            check_pos(zeros, first, last, true);
            check_pos(zeros, first, last, false);
            check_pos(ones, first, last, false);
            check_pos(ones, first, last, true);
        }
    }
}

static uint8_t byte_of(const struct bitmap_source *source, size_t at)
{
    return at < source->len ? source->bytes[at] : 0;
}

static uint8_t combined_byte(enum bitmap_op op, const struct bitmap_source *sources, size_t count, size_t at)
{
    uint8_t byte = byte_of(&sources[0], at);
    if (op == BITMAP_NOT) {
        return (uint8_t)~byte;
    }
    for (size_t i = 1; i < count; i++) {
        uint8_t other = byte_of(&sources[i], at);
        byte = (uint8_t)(op == BITMAP_AND ? byte & other : op == BITMAP_OR ? byte | other : byte ^ other);
    }
    return byte;
}

static void sources_of_any_length_are_combined_as_if_filled_with_zeros(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 9, 100, 8191, 8192, 8193, 20000};
    enum { LONGEST = 20000, COUNT = 4 };
    uint8_t *data[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        data[i] = malloc(LONGEST);
        assert_non_null(data[i]);
        fill_random(data[i], LONGEST);
    }
    uint8_t *dst = malloc(LONGEST + 1);
    assert_non_null(dst);
    for (int round = 0; round < 200; round++) {
        struct bitmap_source sources[COUNT];
        enum bitmap_op op = (enum bitmap_op)(round % 4);
        size_t count = op == BITMAP_NOT ? 1 : 1 + next_random() % COUNT;
        for (size_t i = 0; i < count; i++) {
            size_t len = lengths[next_random() % (sizeof(lengths) / sizeof(lengths[0]))];
            sources[i] = (struct bitmap_source){len == 0 ? NULL : data[i], len};
        }
        size_t total = bitmap_combined_len(sources, count);
        memset(dst, 0x5a, LONGEST + 1);
        bitmap_combine(op, dst, sources, count);
        for (size_t at = 0; at < total; at++) {
            assert_int_equal(dst[at], combined_byte(op, sources, count, at));
        }
        assert_int_equal(dst[total], 0x5a);
    }
    free(dst);
    for (size_t i = 0; i < COUNT; i++) {
        free(data[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bit_0_is_the_highest_of_byte_0),
        cmocka_unit_test(indices_count_from_either_end_and_are_clamped),
        cmocka_unit_test(counting_agrees_with_one_bit_at_a_time),
        cmocka_unit_test(the_first_bit_is_found_wherever_it_is),
        cmocka_unit_test(sources_of_any_length_are_combined_as_if_filled_with_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
