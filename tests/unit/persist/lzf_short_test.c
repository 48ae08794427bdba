/* lzf_short_compress: what it makes, liblzf reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <liblzf/lzf.h>

#include "persist/lzf_short.h"

static uint64_t state = 88172645463325252ull;

static uint32_t random_below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16) % n;
}

/* Compresses into exactly `room` bytes, checks that what comes back is the same, and returns the compressed length. */
static size_t round_trip(const uint8_t *bytes, size_t n, size_t room)
{
    uint8_t *packed = malloc(room > 0 ? room : 1);
    uint8_t *back = malloc(n + 1);
    size_t len = lzf_short_compress(bytes, n, packed, room);
    assert_true(len <= room);
    if (len > 0) {
        assert_int_equal(lzf_decompress(packed, (unsigned)len, back, (unsigned)n), n);
        assert_memory_equal(back, bytes, n);
    }
    free(packed);
    free(back);
    return len;
}

static void what_repeats_becomes_short(void **unused)
{
    uint8_t bytes[LZF_SHORT_MOST];
    (void)unused;
    memset(bytes, 'a', sizeof bytes);
    for (size_t n = 21; n <= sizeof bytes; n += n / 3) {
        size_t len = round_trip(bytes, n, n - 4);
        assert_true(len > 0 && len < 8 + n / 80);
    }
}

static void what_does_not_repeat_is_refused(void **unused)
{
    uint8_t bytes[256];
    (void)unused;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(lzf_short_compress(bytes, sizeof bytes, (uint8_t[256]){0}, sizeof bytes - 4), 0);
}

/* Texts of a few letters, of every length and with every room: blocks of malloc's let a sanitizer see a byte too far. */
static void any_text_comes_back(void **unused)
{
    uint8_t bytes[LZF_SHORT_MOST];
    size_t compressed = 0;
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + random_below(round % 50 == 0 ? LZF_SHORT_MOST : 200);
        uint32_t letters = 1 + random_below(30);
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)('a' + random_below(letters));
        }
        uint8_t *exact = malloc(n);
        memcpy(exact, bytes, n);
        compressed += round_trip(exact, n, round % 3 == 0 ? random_below((uint32_t)n + 1) : n + 8) > 0;
        free(exact);
    }
    assert_true(compressed > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_repeats_becomes_short),
        cmocka_unit_test(what_does_not_repeat_is_refused),
        cmocka_unit_test(any_text_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
