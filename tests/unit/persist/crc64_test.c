/* CRC-64/Jones against its published check value and against the bit-by-bit definition. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "persist/crc64.h"

static void the_check_value_is_right(void **state)
{
    (void)state;
    assert_true(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9ca);
    assert_true(crc64(0, "", 0) == 0);
}

/* The polynomial's long division, input and output reflected. */
static uint64_t by_definition(uint64_t crc, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x95ac9329ac4bc9b5u : crc >> 1;
        }
    }
    return crc;
}

static void every_length_and_alignment_agrees_with_the_definition(void **state)
{
    (void)state;
    static uint8_t bytes[1500]; /* long enough for what takes 64 bytes a step */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 167 + 13);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 0; n < sizeof(bytes) - from; n++) {
            assert_true(crc64(n, bytes + from, n) == by_definition(n, bytes + from, n));
        }
    }
}

static void parts_add_up_to_the_whole(void **state)
{
    (void)state;
    static const char text[] = "a payload that arrives in two parts, cut anywhere";
    size_t n = sizeof(text) - 1;
    for (size_t cut = 0; cut <= n; cut++) {
        assert_true(crc64(crc64(0, text, cut), text + cut, n - cut) == crc64(0, text, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_is_right),
        cmocka_unit_test(every_length_and_alignment_agrees_with_the_definition),
        cmocka_unit_test(parts_add_up_to_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
