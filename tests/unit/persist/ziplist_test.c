/*
 * Ziplists: every encoding is read as the number or string that it stands for, and bytes that are broken anywhere are refused, or
 * read within their bounds.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "persist/ziplist.h"

/* The example of the RDB format's description: 9223372036854775807, 1073741823, 16380, 63. */
static const uint8_t four_numbers[] = {0x23, 0,    0,    0,    0x1e, 0,    0,    0,    4,    0,    0,    0xe0,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x0a, 0xd0, 0xff, 0xff,
                                       0xff, 0x3f, 0x06, 0xc0, 0xfc, 0x3f, 0x04, 0xc0, 0x3f, 0,    0xff};

/* ---- ziplists made here ------------------------------------------------------------------------------- */

static uint8_t made[70000];
static size_t made_len, last_at, last_size, entries;

static void begin(void)
{
    made_len = last_at = 10;
    last_size = entries = 0;
}

static void put(const void *bytes, size_t len)
{
    memcpy(made + made_len, bytes, len);
    made_len += len;
}

/* An entry: encoding and data as they are. */
static void add(const char *head, size_t head_len, size_t text)
{
    size_t at = made_len;
    if (last_size < 254) {
        put(&(uint8_t){(uint8_t)last_size}, 1);
    } else {
        put(&(uint8_t){0xFE}, 1);
        put(&(uint32_t){(uint32_t)last_size}, 4);
    }
    put(head, head_len);
    memset(made + made_len, 'x', text);
    made_len += text;
    last_at = at;
    last_size = made_len - at;
    entries++;
}

static void end(void)
{
    made[made_len++] = 0xFF;
    memcpy(made, &(uint32_t){(uint32_t)made_len}, 4);
    memcpy(made + 4, &(uint32_t){(uint32_t)last_at}, 4);
    memcpy(made + 8, &(uint16_t){(uint16_t)entries}, 2);
}

#define ADD_INT(head) add(head, sizeof(head) - 1, 0)

static void make_all_kinds(void)
{
    begin();
    add("\x05", 1, 5);
    add("\x3f", 1, 63);
    add("\x40\x40", 2, 64);
    add("\x7f\xff", 2, 16383);
    add("\x80\x00\x00\x40\x00", 5, 16384);
    ADD_INT("\xc0\x00\x80");
    ADD_INT("\xd0\x00\x00\x00\x80");
    ADD_INT("\xe0\x00\x00\x00\x00\x00\x00\x00\x80");
    ADD_INT("\xf0\xff\xff\x7f");
    ADD_INT("\xf0\x00\x00\x80");
    ADD_INT("\xfe\x80");
    ADD_INT("\xf1");
    ADD_INT("\xfd");
    end();
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void the_documented_example_is_read(void **state)
{
    (void)state;
    static const int64_t expected[] = {INT64_MAX, 1073741823, 16380, 63};
    struct ziplist_value value;
    size_t count, at = 0;
    assert_true(ziplist_validate(four_numbers, sizeof four_numbers, &count));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(ziplist_next(four_numbers, &at, &value));
        assert_true(value.is_int);
        assert_int_equal(value.number, expected[i]);
    }
    assert_false(ziplist_next(four_numbers, &at, &value));
}

static void every_encoding_is_read(void **state)
{
    (void)state;
    static const size_t lens[] = {5, 63, 64, 16383, 16384};
    static const int64_t numbers[] = {-32768, INT32_MIN, INT64_MIN, 8388607, -8388608, -128, 0, 12};
    struct ziplist_value value;
    size_t count, at = 0;
    make_all_kinds();
    assert_true(ziplist_validate(made, made_len, &count));
    assert_int_equal(count, 13);
    for (size_t i = 0; i < 5; i++) {
        assert_true(ziplist_next(made, &at, &value));
        assert_false(value.is_int);
        assert_int_equal(value.bytes.len, lens[i]);
        assert_int_equal(value.bytes.ptr[0], 'x');
        assert_int_equal(value.bytes.ptr[lens[i] - 1], 'x');
    }
    for (size_t i = 0; i < 8; i++) {
        char room[20];
        assert_true(ziplist_next(made, &at, &value));
        assert_true(value.is_int);
        assert_int_equal(value.number, numbers[i]);
        struct slice text = ziplist_text(&value, room);
        char copy[21] = {0};
        memcpy(copy, text.ptr, text.len);
        assert_int_equal(strtoll(copy, NULL, 10), numbers[i]);
    }
    assert_false(ziplist_next(made, &at, &value));
}

static void an_empty_one_is_sound(void **state)
{
    (void)state;
    struct ziplist_value value;
    size_t count, at = 0;
    begin();
    end();
    assert_true(ziplist_validate(made, made_len, &count));
    assert_int_equal(count, 0);
    assert_false(ziplist_next(made, &at, &value));
}

/* Each in a block of exactly its size, so that AddressSanitizer sees a read beyond it. */
static bool sound(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0));
    struct ziplist_value value;
    size_t count, seen = 0, at = 0;
    memcpy(copy, bytes, len);
    bool is = ziplist_validate(copy, len, &count);
    while (is && ziplist_next(copy, &at, &value)) {
        seen++;
        assert_true(value.is_int || (const uint8_t *)value.bytes.ptr + value.bytes.len < copy + len);
    }
    if (is) {
        assert_int_equal(seen, count);
    }
    free(copy);
    return is;
}

static void what_is_cut_short_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof four_numbers; len++) {
        assert_false(sound(four_numbers, len));
        uint8_t told[sizeof four_numbers];
        memcpy(told, four_numbers, sizeof told);
        told[0] = (uint8_t)len; /* and owns up to it */
        assert_false(sound(told, len));
    }
}

static void a_changed_header_or_link_is_refused(void **state)
{
    (void)state;
    static const size_t places[] = {0, 1, 4, 5, 8, 10, 20, 26, 30, 34};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint8_t changed[sizeof four_numbers];
        memcpy(changed, four_numbers, sizeof changed);
        changed[places[i]] ^= 1;
        assert_false(sound(changed, sizeof changed));
    }
}

static void whatever_the_bytes_nothing_beyond_them_is_read(void **state)
{
    (void)state;
    uint64_t seed = 0x2545f4914f6cdd1du;
    size_t refused = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t changed[sizeof four_numbers];
        memcpy(changed, four_numbers, sizeof changed);
        for (int k = 0; k < 3; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            changed[10 + seed % (sizeof changed - 11)] = (uint8_t)(seed >> 32);
        }
        refused += !sound(changed, sizeof changed);
    }
    assert_true(refused > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_example_is_read),
        cmocka_unit_test(every_encoding_is_read),
        cmocka_unit_test(an_empty_one_is_sound),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(a_changed_header_or_link_is_refused),
        cmocka_unit_test(whatever_the_bytes_nothing_beyond_them_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
