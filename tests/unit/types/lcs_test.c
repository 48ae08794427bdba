/*
 * The longest common subsequence, compared with the textbook's table of lengths and the walk back through it that
 * prefers the second string on a tie, which is the subsequence and the order of ranges that Redis replies.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "types/lcs.h"

enum { MAX_LEN = 150, LIMIT = 1 << 20 };

static uint64_t seed = 2463534242u;

static size_t random_below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

struct ranges {
    struct lcs_range list[MAX_LEN];
    size_t count;
};

static void keep_range(void *context, const struct lcs_range *range)
{
    struct ranges *ranges = context;
    assert_true(ranges->count < MAX_LEN);
    ranges->list[ranges->count++] = *range;
}

static unsigned lengths[MAX_LEN + 1][MAX_LEN + 1];

static void fill_table(const struct lcs_pair *pair)
{
    for (size_t i = 0; i <= pair->a_len; i++) {
        for (size_t j = 0; j <= pair->b_len; j++) {
            if (i == 0 || j == 0) {
                lengths[i][j] = 0;
            } else if (pair->a[i - 1] == pair->b[j - 1]) {
                lengths[i][j] = lengths[i - 1][j - 1] + 1;
            } else {
                lengths[i][j] = lengths[i - 1][j] > lengths[i][j - 1] ? lengths[i - 1][j] : lengths[i][j - 1];
            }
        }
    }
}

/* The textbook's answer, match by match joined into ranges. */
static void walk_table(const struct lcs_pair *pair, struct ranges *ranges)
{
    bool joined = false;
    for (size_t i = pair->a_len, j = pair->b_len; i > 0 && j > 0;) {
        if (pair->a[i - 1] == pair->b[j - 1]) {
            if (!joined) {
                struct lcs_range range = {i - 1, i - 1, j - 1, j - 1};
                keep_range(ranges, &range);
            }
            ranges->list[ranges->count - 1].a_first = --i;
            ranges->list[ranges->count - 1].b_first = --j;
            joined = true;
        } else {
            joined = false;
            if (lengths[i - 1][j] > lengths[i][j - 1]) {
                i--;
            } else {
                j--;
            }
        }
    }
}

static void check_string(const struct lcs_pair *pair, const struct ranges *ranges, size_t expected_len)
{
    uint8_t *string;
    size_t len;
    assert_int_equal(lcs_string(pair, LIMIT, &string, &len), LCS_OK);
    assert_int_equal(len, expected_len);
    size_t at = len;
    for (size_t i = 0; i < ranges->count; i++) {
        size_t n = ranges->list[i].a_last - ranges->list[i].a_first + 1;
        at -= n;
        assert_memory_equal(string + at, pair->a + ranges->list[i].a_first, n);
    }
    assert_int_equal(at, 0);
    free(string);
}

static void check_pair(const struct lcs_pair *pair)
{
    struct ranges expected = {.count = 0};
    struct ranges got = {.count = 0};
    size_t len;
    fill_table(pair);
    walk_table(pair, &expected);
    assert_int_equal(lcs_length(pair, LIMIT, &len), LCS_OK);
    assert_int_equal(len, lengths[pair->a_len][pair->b_len]);
    assert_int_equal(lcs_ranges(pair, LIMIT, 0, keep_range, &got, &len), LCS_OK);
    assert_int_equal(len, lengths[pair->a_len][pair->b_len]);
    assert_int_equal(got.count, expected.count);
    for (size_t i = 0; i < got.count; i++) {
        assert_int_equal(got.list[i].a_first, expected.list[i].a_first);
        assert_int_equal(got.list[i].a_last, expected.list[i].a_last);
        assert_int_equal(got.list[i].b_first, expected.list[i].b_first);
        assert_int_equal(got.list[i].b_last, expected.list[i].b_last);
    }
    check_string(pair, &expected, len);
}

static void random_pairs_agree_with_the_textbook(void **state)
{
    (void)state;
    static const size_t edges[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, MAX_LEN};
    uint8_t a[MAX_LEN];
    uint8_t b[MAX_LEN];
    for (int round = 0; round < 3000; round++) {
        size_t letters = 1 + random_below(round % 2 == 0 ? 4 : 40);
        struct lcs_pair pair = {a, edges[random_below(10)], b, edges[random_below(10)]};
        for (size_t i = 0; i < MAX_LEN; i++) {
            a[i] = (uint8_t)random_below(letters);
            b[i] = (uint8_t)(random_below(50) == 0 ? 255 : random_below(letters));
        }
        check_pair(&pair);
    }
}

static struct lcs_pair pair_of(const char *a, const char *b)
{
    return (struct lcs_pair){(const uint8_t *)a, strlen(a), (const uint8_t *)b, strlen(b)};
}

static void the_manuals_example_holds(void **state)
{
    (void)state;
    struct lcs_pair pair = pair_of("ohmytext", "mynewtext");
    struct ranges got = {.count = 0};
    size_t len;
    assert_int_equal(lcs_ranges(&pair, LIMIT, 0, keep_range, &got, &len), LCS_OK);
    assert_int_equal(len, 6);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.list[0].a_first, 4);
    assert_int_equal(got.list[0].a_last, 7);
    assert_int_equal(got.list[0].b_first, 5);
    assert_int_equal(got.list[0].b_last, 8);
    assert_int_equal(got.list[1].a_first, 2);
    assert_int_equal(got.list[1].b_last, 1);
    got.count = 0;
    assert_int_equal(lcs_ranges(&pair, LIMIT, 4, keep_range, &got, &len), LCS_OK);
    assert_int_equal(got.count, 1);
    assert_int_equal(len, 6);
    assert_int_equal(lcs_ranges(&pair, LIMIT, 0, NULL, NULL, &len), LCS_OK);
    assert_int_equal(len, 6);
}

static void nothing_in_common_is_an_empty_string(void **state)
{
    (void)state;
    struct lcs_pair pairs[] = {pair_of("abc", "xyz"), pair_of("", "xyz"), pair_of("abc", ""),
                               pair_of("", "")};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        uint8_t *string = NULL;
        size_t len = 42;
        assert_int_equal(lcs_string(&pairs[i], LIMIT, &string, &len), LCS_OK);
        assert_non_null(string);
        assert_int_equal(len, 0);
        free(string);
    }
}

static void work_beyond_the_limit_is_refused_in_redis_words(void **state)
{
    (void)state;
    static uint8_t bytes[6400];
    struct lcs_pair pair = {bytes, sizeof(bytes), bytes, sizeof(bytes)};
    uint8_t *string;
    size_t len;
    uint64_t needed = 100 * 6400 * 8; /* one bit for each cell */
    assert_int_equal(lcs_string(&pair, needed - 1, &string, &len), LCS_TOO_LARGE);
    assert_int_equal(lcs_length(&pair, needed - 1, &len), LCS_TOO_LARGE);
    assert_int_equal(lcs_length(&pair, needed, &len), LCS_OK);
    assert_int_equal(len, 6400);
    struct lcs_pair longer = {bytes, UINT32_MAX, bytes, 1};
    assert_int_equal(lcs_length(&longer, UINT64_MAX, &len), LCS_TOO_LONG);
    assert_string_equal(lcs_error(LCS_TOO_LARGE),
                        "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    assert_string_equal(lcs_error(LCS_TOO_LONG), "String too long for LCS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manuals_example_holds),
        cmocka_unit_test(nothing_in_common_is_an_empty_string),
        cmocka_unit_test(random_pairs_agree_with_the_textbook),
        cmocka_unit_test(work_beyond_the_limit_is_refused_in_redis_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
