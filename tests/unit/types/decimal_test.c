/*
 * Doubles and their digits against the C library, which is exact: the digits of "%.15e" to "%.17e", the first that read
 * back; and strtod.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types/decimal.h"

enum { ROUNDS = 300000 };

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* The fewest digits by the C library, as "d.ddde±xx". */
static void shortest_by_library(double v, char text[40])
{
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(text, 40, "%.*e", precision, v);
        if (same(strtod(text, NULL), v)) {
            return;
        }
    }
}

static void check_shortest(double v)
{
    struct decimal_digits d;
    char expected[40], digits[48];
    if (!(v >= 0.001 && v < 0x1p52)) {
        assert_false(decimal_shortest(v, &d));
        return;
    }
    assert_true(decimal_shortest(v, &d));
    assert_true(d.decimals == 0 || d.digits % 10 != 0);
    shortest_by_library(v, expected);
    snprintf(digits, sizeof digits, "%llue-%u", (unsigned long long)d.digits, d.decimals);
    char mine[40];
    snprintf(mine, sizeof mine, "%.16e", strtod(digits, NULL));
    char theirs[40];
    snprintf(theirs, sizeof theirs, "%.16e", strtod(expected, NULL));
    assert_string_equal(mine, theirs);
    assert_true(same(strtod(digits, NULL), v));
    /* the same digits, not only the same double */
    char stripped[40];
    size_t n = 0;
    for (const char *at = expected; *at != 'e'; at++) {
        if (*at != '.') {
            stripped[n++] = *at;
        }
    }
    while (n > 1 && stripped[n - 1] == '0') {
        n--;
    }
    stripped[n] = '\0';
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)d.digits);
    while (len > 1 && digits[len - 1] == '0') {
        len--;
    }
    digits[len] = '\0';
    assert_string_equal(digits, stripped);
}

static double random_double(void)
{
    switch (next_random() % 5) {
    case 0: return (double)(next_random() % 1000000) / 1000;
    case 1: return (double)(next_random() >> 11) * 0x1p-53;
    case 2: return 1.7e9 + (double)(next_random() % 1000000000) / 1e6;
    case 3: return ldexp((double)(next_random() >> 11), (int)(next_random() % 70) - 65);
    default: return ldexp(1.0, (int)(next_random() % 64) - 11) * (next_random() % 2 == 0 ? 1 : 1 - 0x1p-53);
    }
}

static void the_digits_are_those_of_the_c_library(void **state)
{
    (void)state;
    static const double cases[] = {0.001,
                                   0.1,
                                   0.01,
                                   0.3,
                                   1,
                                   9.5,
                                   0.5,
                                   1e15,
                                   123456789.12345679,
                                   2.5,
                                   1.005,
                                   4.35,
                                   1.0 / 3,
                                   2.0 / 3,
                                   9007199254740991.0,
                                   4503599627370495.5,
                                   0.0,
                                   -1,
                                   1e22,
                                   INFINITY,
                                   -INFINITY,
                                   5e-324,
                                   0.00099999999999999};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_shortest(cases[i]);
    }
    struct decimal_digits d;
    assert_false(decimal_shortest((double)NAN, &d));
    for (int i = 0; i < ROUNDS; i++) {
        check_shortest(random_double());
    }
}

static void check_read(const char *text)
{
    double v;
    assert_true(decimal_read(text, strlen(text), &v));
    if (!same(v, strtod(text, NULL))) {
        fail_msg("%s is read as %.17g", text, v);
    }
}

static void texts_are_read_as_by_the_c_library(void **state)
{
    (void)state;
    static const char *const cases[] = {"0",
                                        "-0",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "-.5",
                                        "0.1",
                                        "007",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "999999999999999999",
                                        "0.00000000000000001",
                                        "1.00000000000000011",
                                        "-123456789.123456789"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_read(cases[i]);
    }
    for (int i = 0; i < ROUNDS; i++) {
        char text[40];
        int digits = 1 + (int)(next_random() % 18);
        int len = snprintf(text, sizeof text, "%0*llu", digits,
                           (unsigned long long)(next_random() % 1000000000000000000u));
        text[len < digits ? len : digits] = '\0';
        size_t point = next_random() % (strlen(text) + 1);
        memmove(text + point + 1, text + point, strlen(text + point) + 1);
        text[point] = '.';
        check_read(text);
        snprintf(text, sizeof text, "%.17g", random_double());
        if (strchr(text, 'e') == NULL && strlen(text) <= 18) {
            check_read(text);
        }
    }
}

/* Halfway between two doubles, and a little beside it. */
static void what_lies_halfway_goes_to_the_even_one(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS / 10; i++) {
        uint64_t mantissa = UINT64_C(1) << 53 | next_random() >> 11;
        char text[40];
        snprintf(text, sizeof text, "%llu", (unsigned long long)(mantissa * 2 + 1));
        check_read(text);
        snprintf(text, sizeof text, "%llu.5", (unsigned long long)((mantissa >> 1) | 1));
        check_read(text);
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        ".",
                                        "-",
                                        "+",
                                        "-.",
                                        "1e5",
                                        "0x1",
                                        "inf",
                                        "nan",
                                        " 1",
                                        "1 ",
                                        "1..",
                                        "1.2.3",
                                        "--1",
                                        "+-1",
                                        "1-",
                                        "1234567890123456789"};
    double v = 42;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(decimal_read(cases[i], strlen(cases[i]), &v));
        assert_true(same(v, 42));
    }
    assert_true(decimal_read("123abc", 3, &v)); /* only the given length is read */
    assert_true(same(v, 123));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digits_are_those_of_the_c_library),
        cmocka_unit_test(texts_are_read_as_by_the_c_library),
        cmocka_unit_test(what_lies_halfway_goes_to_the_even_one),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
