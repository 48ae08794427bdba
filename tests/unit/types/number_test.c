/*
 * Numbers as text. Expected values are what redis-server 7.0.15 replied for the same input, and the C library's
 * own conversions where those are the definition.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types/number.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void an_integer_has_one_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"-1", -1},
                {"10", 10},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775807", -INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t value = 42;
        assert_true(number_parse_i64(good[i].text, strlen(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "-0",
                                      "-01",
                                      "1.0",
                                      "0x10",
                                      "1e3",
                                      "--1",
                                      "1-",
                                      "9223372036854775808",
                                      "00",
                                      "a",
                                      ":",
                                      "/",
                                      "-:",
                                      "1\n",
                                      "-9223372036854775809",
                                      "\t1",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "111111111111111111111",
                                      "-99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t value = 42;
        if (number_parse_i64(bad[i], strlen(bad[i]), &value)) {
            fail_msg("\"%s\" was read as %" PRId64, bad[i], value);
        }
        assert_int_equal(value, 42);
    }
    int64_t value;
    assert_false(number_parse_i64("1\0", 2, &value));
}

static void only_the_given_length_is_read(void **state)
{
    (void)state;
    int64_t value;
    assert_true(number_parse_i64("12345", 3, &value));
    assert_int_equal(value, 123);
    double d;
    assert_true(number_parse_double("1.5e9", 3, &d));
    assert_true(d == 1.5);
}

static void unsigned_integers_reach_their_maximum_and_not_beyond(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(number_parse_u64("18446744073709551615", 20, &value));
    assert_true(value == UINT64_MAX);
    assert_true(number_parse_u64("0", 1, &value));
    assert_true(value == 0);
    assert_false(number_parse_u64("18446744073709551616", 20, &value));
    assert_false(number_parse_u64("18446744073709551620", 20, &value));
    assert_false(number_parse_u64("20000000000000000000", 20, &value));
    assert_false(number_parse_u64("-1", 2, &value));
    assert_false(number_parse_u64("", 0, &value));
}

static void check_format(int64_t v)
{
    char expected[32];
    char got[NUMBER_I64_MAX_CHARS + 1];
    int n = snprintf(expected, sizeof(expected), "%" PRId64, v);
    got[NUMBER_I64_MAX_CHARS] = '!';
    size_t len = number_format_i64(got, v);
    assert_int_equal(len, n);
    assert_memory_equal(got, expected, len);
    assert_int_equal(got[NUMBER_I64_MAX_CHARS], '!');
    assert_int_equal(number_i64_chars(v), n);
    int64_t back;
    assert_true(number_parse_i64(got, len, &back));
    assert_true(back == v);
}

static void integers_are_written_as_the_c_library_does(void **state)
{
    (void)state;
    int64_t power = 1;
    for (int digits = 1; digits <= 19; digits++) {
        for (int64_t d = -2; d <= 2; d++) {
            check_format(power + d);
            check_format(-(power + d));
        }
        power = digits < 19 ? power * 10 : power;
    }
    check_format(INT64_MAX);
    check_format(INT64_MIN);
    for (int i = 0; i < 200000; i++) {
        uint64_t v = next_random();
        check_format((int64_t)(v >> (next_random() % 64)));
        check_format((int64_t)v);
    }
    char text[NUMBER_I64_MAX_CHARS];
    assert_int_equal(number_format_u64(text, UINT64_MAX), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
    assert_int_equal(number_format_u64(text, 9999999999999999999u), 19);
    assert_memory_equal(text, "9999999999999999999", 19);
}

static void floats_are_read_as_redis_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"0x10", 16}, {"0x1p4", 16},         {"inf", INFINITY}, {"+inf", INFINITY}, {"-Infinity", -INFINITY},
        {"1.", 1},    {".5", 0.5},           {"+1", 1},         {"-3.0e3", -3000},  {"1e308", 1e308},
        {"01", 1},    {"4.9e-324", 4.9e-324}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double d = 42;
        long double ld = 42;
        assert_true(number_parse_double(good[i].text, strlen(good[i].text), &d));
        assert_true(d == good[i].value);
        assert_true(number_parse_long_double(good[i].text, strlen(good[i].text), &ld));
        assert_true((double)ld == good[i].value);
    }
    static const char *const bad[] = {"",    " 1",  "1 ",  "\t1", "1e", "e1", "nan",    "-nan",    "nan(1)",
                                      "1_0", "1,5", "--1", ".",   "0x", "1x", "1e5000", "-1e5000", "1e-5000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double d;
        long double ld;
        if (number_parse_double(bad[i], strlen(bad[i]), &d) ||
            number_parse_long_double(bad[i], strlen(bad[i]), &ld)) {
            fail_msg("\"%s\" was read as a number", bad[i]);
        }
    }
    double d;
    assert_false(number_parse_double("1\0", 2, &d));
    assert_false(number_parse_double("1e400", 5, &d));
    assert_false(number_parse_double("1e-400", 6, &d));
}

static void a_float_of_absurd_length_is_refused(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N);
    assert_non_null(text);
    memset(text, '1', N);
    double d;
    long double ld;
    assert_false(number_parse_double(text, N, &d));
    assert_false(number_parse_long_double(text, N, &ld));
    assert_true(number_parse_double(text, 300, &d));
    free(text);
}

static void check_human(const char *input, const char *expected)
{
    static char text[NUMBER_LONG_DOUBLE_MAX_CHARS];
    long double v;
    assert_true(number_parse_long_double(input, strlen(input), &v));
    size_t n = number_format_long_double_human(text, v);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void incrbyfloat_replies_have_no_exponent_and_no_trailing_zeros(void **state)
{
    (void)state;
    check_human("3.0e3", "3000");
    check_human("10.50", "10.5");
    check_human("0.1", "0.1");
    check_human("-0", "0");
    check_human("-1e-20", "0");
    check_human("1e-17", "0.00000000000000001");
    check_human("5.0e3", "5000");
    check_human("100", "100");
    check_human("inf", "inf");
    check_human("-inf", "-inf");
    static char text[NUMBER_LONG_DOUBLE_MAX_CHARS];
    long double huge;
    assert_true(number_parse_long_double("1e4931", 6, &huge));
    assert_int_equal(number_format_long_double_human(text, huge), 4932);
}

static void check_double(double v, const char *shortest, const char *seventeen)
{
    char text[NUMBER_DOUBLE_MAX_CHARS + 1];
    text[number_format_double(text, v)] = '\0';
    assert_string_equal(text, shortest);
    text[number_format_double_17g(text, v)] = '\0';
    assert_string_equal(text, seventeen);
}

static void doubles_are_laid_out_as_redis_does(void **state)
{
    (void)state;
    check_double(0.1, "0.1", "0.10000000000000001");
    check_double(3, "3", "3");
    check_double(-0.0, "-0", "-0");
    check_double(0, "0", "0");
    check_double(1e9, "1000000000", "1000000000");
    check_double(1e18, "1000000000000000000", "1e+18");
    check_double(1e30, "1e+30", "1e+30");
    check_double(-1.5e-7, "-1.5e-7", "-1.4999999999999999e-07");
    check_double(0.001, "0.001", "0.001");
    check_double(1234.5678, "1234.5678", "1234.5678");
    check_double(1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308");
    check_double(5e-324, "5e-324", "4.9406564584124654e-324");
    check_double(INFINITY, "inf", "inf");
    check_double(-INFINITY, "-inf", "-inf");
    check_double(NAN, "nan", "nan");
}

static void every_double_reads_back_as_itself(void **state)
{
    (void)state;
    char text[NUMBER_DOUBLE_MAX_CHARS + 2];
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random();
        double v;
        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v)) {
            continue;
        }
        size_t n = number_format_double(text, v);
        assert_true(n <= NUMBER_DOUBLE_MAX_CHARS);
        double back;
        assert_true(number_parse_double(text, n, &back));
        assert_true(back == v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_integer_has_one_spelling),
        cmocka_unit_test(only_the_given_length_is_read),
        cmocka_unit_test(unsigned_integers_reach_their_maximum_and_not_beyond),
        cmocka_unit_test(integers_are_written_as_the_c_library_does),
        cmocka_unit_test(floats_are_read_as_redis_reads_them),
        cmocka_unit_test(a_float_of_absurd_length_is_refused),
        cmocka_unit_test(incrbyfloat_replies_have_no_exponent_and_no_trailing_zeros),
        cmocka_unit_test(doubles_are_laid_out_as_redis_does),
        cmocka_unit_test(every_double_reads_back_as_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
