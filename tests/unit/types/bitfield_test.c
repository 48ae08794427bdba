/* Integers at any bit offset: parsing with Redis's error texts, storage bit by bit, and the three overflow rules. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "types/bitfield.h"
#include "types/bitmap.h"

static const struct bitfield_type u8 = {false, 8};
static const struct bitfield_type i8 = {true, 8};
static const struct bitfield_type u63 = {false, 63};
static const struct bitfield_type i64 = {true, 64};
static const struct bitfield_type i1 = {true, 1};
static const struct bitfield_type u1 = {false, 1};

static void types_are_those_of_the_manual(void **state)
{
    (void)state;
    struct bitfield_type type;
    assert_int_equal(bitfield_parse_type("u8", 2, &type), BITFIELD_OK);
    assert_true(!type.is_signed && type.bits == 8);
    assert_int_equal(bitfield_parse_type("i64", 3, &type), BITFIELD_OK);
    assert_true(type.is_signed && type.bits == 64);
    assert_int_equal(bitfield_parse_type("u63", 3, &type), BITFIELD_OK);
    static const char *const bad[] = {"u64", "i65", "i0",  "u0", "u",   "", "x8",
                                      "u08", "u+8", "i 8", "I8", "u-1", "8"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(bitfield_parse_type(bad[i], strlen(bad[i]), &type), BITFIELD_BAD_TYPE);
    }
    assert_string_equal(
        bitfield_error(BITFIELD_BAD_TYPE),
        "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
}

static enum bitfield_status offset_status(const char *text, const struct bitfield_type *type,
                                          uint64_t *offset)
{
    return bitfield_parse_offset(text, strlen(text), type, 536870912, offset);
}

static void offsets_reach_512_megabytes(void **state)
{
    (void)state;
    uint64_t offset;
    assert_int_equal(offset_status("17", &u8, &offset), BITFIELD_OK);
    assert_int_equal(offset, 17);
    assert_int_equal(offset_status("#3", &u8, &offset), BITFIELD_OK);
    assert_int_equal(offset, 24);
    assert_int_equal(offset_status("4294967295", &u8, &offset), BITFIELD_OK);
    assert_int_equal(offset, 4294967295);
    assert_int_equal(offset_status("#536870911", &u8, &offset), BITFIELD_OK);
    static const char *const bad[] = {"-1",
                                      "#-1",
                                      "#",
                                      "",
                                      "##1",
                                      "4294967296",
                                      "#536870912",
                                      "a",
                                      "1 ",
                                      "#9223372036854775807",
                                      "#2305843009213693952",
                                      "9223372036854775807",
                                      "18446744073709551616"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(offset_status(bad[i], &u8, &offset), BITFIELD_BAD_OFFSET);
    }
    assert_int_equal(offset_status("#1", NULL, &offset), BITFIELD_BAD_OFFSET);
    assert_string_equal(bitfield_error(BITFIELD_BAD_OFFSET), "bit offset is not an integer or out of range");
}

static void overflow_rules_are_read_in_any_case(void **state)
{
    (void)state;
    enum bitfield_overflow overflow;
    assert_int_equal(bitfield_parse_overflow("wRaP", 4, &overflow), BITFIELD_OK);
    assert_int_equal(overflow, BITFIELD_WRAP);
    assert_int_equal(bitfield_parse_overflow("SAT", 3, &overflow), BITFIELD_OK);
    assert_int_equal(overflow, BITFIELD_SAT);
    assert_int_equal(bitfield_parse_overflow("fail", 4, &overflow), BITFIELD_OK);
    assert_int_equal(overflow, BITFIELD_FAIL);
    assert_int_equal(bitfield_parse_overflow("sate", 4, &overflow), BITFIELD_BAD_OVERFLOW);
    assert_string_equal(bitfield_error(BITFIELD_BAD_OVERFLOW), "Invalid OVERFLOW type specified");
}

/* Puts the value among ones and among zeros, reads it back, and looks at every bit outside the field. */
static void check_stored(struct bitfield_type type, uint64_t offset, int64_t value)
{
    for (int background = 0; background < 2; background++) {
        uint8_t bytes[32];
        memset(bytes, background ? 0xff : 0, sizeof(bytes));
        bitfield_put(bytes, type, offset, value);
        assert_true(bitfield_get(bytes, sizeof(bytes), type, offset) == value);
        for (uint64_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
            if (bit < offset || bit >= offset + type.bits) {
                assert_int_equal(bitmap_get(bytes, sizeof(bytes), bit), background);
            }
        }
    }
}

static void a_field_holds_its_value_and_touches_nothing_else(void **state)
{
    (void)state;
    for (uint8_t bits = 1; bits <= 64; bits++) {
        struct bitfield_type type = {true, bits};
        int64_t highest = (int64_t)(UINT64_MAX >> (64 - bits) >> 1);
        for (uint64_t offset = 0; offset < 20; offset++) {
            check_stored(type, offset, highest);
            check_stored(type, offset, -highest - 1);
            check_stored(type, offset, 0);
            check_stored(type, offset, -1);
            if (bits < 64) {
                check_stored((struct bitfield_type){false, bits}, offset,
                             (int64_t)(UINT64_MAX >> (64 - bits)));
            }
        }
    }
}

static void bits_behind_the_end_are_zero(void **state)
{
    (void)state;
    uint8_t byte = 0xff;
    assert_int_equal(bitfield_get(&byte, 1, u8, 4), 0xf0);
    assert_int_equal(bitfield_get(&byte, 1, u8, 8), 0);
    assert_int_equal(bitfield_get(NULL, 0, i64, 1000), 0);
    assert_int_equal(bitfield_bytes(u8, 0), 1);
    assert_int_equal(bitfield_bytes(u8, 1), 2);
    assert_int_equal(bitfield_bytes(i64, 7), 9);
}

static void check_fit(struct bitfield_type type, int64_t value, int64_t wrapped, int64_t saturated)
{
    int64_t out;
    assert_true(bitfield_fit(type, BITFIELD_WRAP, value, &out));
    assert_true(out == wrapped);
    assert_true(bitfield_fit(type, BITFIELD_SAT, value, &out));
    assert_true(out == saturated);
    assert_int_equal(bitfield_fit(type, BITFIELD_FAIL, value, &out), wrapped == value);
}

static void set_follows_the_overflow_rule(void **state)
{
    (void)state;
    check_fit(u8, 255, 255, 255);
    check_fit(u8, 256, 0, 255);
    check_fit(u8, -1, 255, 255);
    check_fit(i8, 127, 127, 127);
    check_fit(i8, 128, -128, 127);
    check_fit(i8, -129, 127, -128);
    check_fit(i8, INT64_MIN, 0, -128);
    check_fit(i1, 1, -1, 0);
    check_fit(i1, -1, -1, -1);
    check_fit(u1, 2, 0, 1);
    check_fit(u63, -1, INT64_MAX, INT64_MAX);
    check_fit(i64, INT64_MIN, INT64_MIN, INT64_MIN);
}

static void check_add(struct bitfield_type type, int64_t value, int64_t increment, int64_t wrapped,
                      int64_t saturated)
{
    int64_t out = 4242;
    assert_true(bitfield_add(type, BITFIELD_WRAP, value, increment, &out));
    assert_true(out == wrapped);
    assert_true(bitfield_add(type, BITFIELD_SAT, value, increment, &out));
    assert_true(out == saturated);
    out = 4242;
    bool fits = wrapped == saturated;
    assert_int_equal(bitfield_add(type, BITFIELD_FAIL, value, increment, &out), fits);
    assert_true(out == (fits ? wrapped : 4242));
}

static void incrby_follows_the_overflow_rule(void **state)
{
    (void)state;
    check_add(u8, 250, 5, 255, 255);
    check_add(u8, 250, 10, 4, 255);
    check_add(u8, 3, -4, 255, 0);
    check_add(i8, 127, 1, -128, 127);
    check_add(i8, -128, -1, 127, -128);
    check_add(i8, 100, -100, 0, 0);
    check_add(i1, -1, -1, 0, -1);
    check_add(i64, INT64_MAX, 1, INT64_MIN, INT64_MAX);
    check_add(i64, INT64_MIN, -1, INT64_MAX, INT64_MIN);
    check_add(i64, INT64_MIN, INT64_MAX, -1, -1);
    check_add(u63, INT64_MAX, 1, 0, INT64_MAX);
    check_add(u63, 5, INT64_MIN, 5, 0);
    check_add(i8, 0, INT64_MAX, -1, 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_those_of_the_manual),
        cmocka_unit_test(offsets_reach_512_megabytes),
        cmocka_unit_test(overflow_rules_are_read_in_any_case),
        cmocka_unit_test(a_field_holds_its_value_and_touches_nothing_else),
        cmocka_unit_test(bits_behind_the_end_are_zero),
        cmocka_unit_test(set_follows_the_overflow_rule),
        cmocka_unit_test(incrby_follows_the_overflow_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
