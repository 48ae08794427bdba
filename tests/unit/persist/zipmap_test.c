/*
 * Zipmaps: what sound ones hold, and that no other is taken for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "persist/zipmap.h"

/* "foo" => "bar", "hello" => "world" with two free bytes, as Redis 2.4's documentation draws it. */
static const uint8_t example[] = "\x02\x03"
                                 "foo\x03\x00"
                                 "bar\x05"
                                 "hello\x05\x02"
                                 "world..\xff";
enum { EXAMPLE = sizeof example - 1 };

static void the_pairs_of_a_zipmap_are_read_in_order(void **state)
{
    (void)state;
    struct zipmap_pair pair;
    size_t at = 0;
    assert_true(zipmap_validate(example, EXAMPLE));
    assert_true(zipmap_next(example, &at, &pair));
    assert_true(slice_equal(pair.field, SLICE("foo")) && slice_equal(pair.value, SLICE("bar")));
    assert_true(zipmap_next(example, &at, &pair));
    assert_true(slice_equal(pair.field, SLICE("hello")) && slice_equal(pair.value, SLICE("world")));
    assert_false(zipmap_next(example, &at, &pair));
}

static void long_lengths_and_uncounted_fields_are_read(void **state)
{
    (void)state;
    enum { LONG = 300 };
    uint8_t zm[LONG + 32] = {254, 1, 'f', 254, LONG & 255, LONG >> 8, 0, 0, 0};
    size_t len = 9 + LONG;
    struct zipmap_pair pair;
    size_t at = 0;
    memset(zm + 9, 'v', LONG);
    zm[len++] = 255;
    assert_true(zipmap_validate(zm, len));
    assert_true(zipmap_next(zm, &at, &pair));
    assert_int_equal(pair.value.len, LONG);
    assert_int_equal(pair.value.ptr[LONG - 1], 'v');
    assert_false(zipmap_next(zm, &at, &pair));
}

static void a_short_length_in_the_long_form_is_refused(void **state)
{
    (void)state;
    static const uint8_t field[] = {1, 254, 1, 0, 0, 0, 'f', 1, 0, 'v', 255};
    static const uint8_t value[] = {1, 1, 'f', 254, 1, 0, 0, 0, 0, 'v', 255};
    assert_false(zipmap_validate(field, sizeof field));
    assert_false(zipmap_validate(value, sizeof value));
}

static void an_empty_zipmap_is_sound_and_has_no_pairs(void **state)
{
    (void)state;
    static const uint8_t empty[] = {0, 255};
    struct zipmap_pair pair;
    size_t at = 0;
    assert_true(zipmap_validate(empty, sizeof empty));
    assert_false(zipmap_next(empty, &at, &pair));
}

/* In memory of exactly its size, so that a sanitizer sees a byte read too far. */
static bool sound(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0));
    memcpy(copy, bytes, len);
    bool is = zipmap_validate(copy, len);
    free(copy);
    return is;
}

static void what_is_cut_or_counts_wrongly_is_refused(void **state)
{
    (void)state;
    uint8_t bad[EXAMPLE + 1];
    for (size_t len = 0; len < EXAMPLE; len++) {
        assert_false(sound(example, len));
    }
    memcpy(bad, example, EXAMPLE);
    bad[EXAMPLE] = 255;
    assert_false(sound(bad, EXAMPLE + 1));
    bad[0] = 3;
    assert_false(sound(bad, EXAMPLE));
    bad[0] = 254;
    assert_true(sound(bad, EXAMPLE));
}

static void whatever_byte_changes_what_is_sound_can_be_read(void **state)
{
    (void)state;
    uint8_t bad[EXAMPLE];
    for (size_t at = 0; at < EXAMPLE; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            struct zipmap_pair pair;
            size_t place = 0;
            memcpy(bad, example, EXAMPLE);
            bad[at] = (uint8_t)byte;
            if (sound(bad, EXAMPLE)) {
                while (zipmap_next(bad, &place, &pair)) {
                    assert_true(pair.value.ptr + pair.value.len <= (char *)bad + EXAMPLE - 1);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pairs_of_a_zipmap_are_read_in_order),
        cmocka_unit_test(long_lengths_and_uncounted_fields_are_read),
        cmocka_unit_test(a_short_length_in_the_long_form_is_refused),
        cmocka_unit_test(an_empty_zipmap_is_sound_and_has_no_pairs),
        cmocka_unit_test(what_is_cut_or_counts_wrongly_is_refused),
        cmocka_unit_test(whatever_byte_changes_what_is_sound_can_be_read),
    };
    return cmocka_run_group_tests_name("zipmap", tests, NULL, NULL);
}
