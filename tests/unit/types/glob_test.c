/*
 * Glob patterns. The corner cases are what redis-server 7.0.15 answered; the random ones are compared with a
 * matcher that is written as the definition reads, exponential and obvious.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "types/glob.h"

struct glob_case {
    const char *pattern;
    const char *string;
    bool matches;
};

static void check_cases(const struct glob_case *cases, size_t count, bool nocase)
{
    for (size_t i = 0; i < count; i++) {
        const struct glob_case *c = &cases[i];
        bool got = glob_match(c->pattern, strlen(c->pattern), c->string, strlen(c->string), nocase);
        if (got != c->matches) {
            fail_msg("\"%s\" on \"%s\": %d, expected %d", c->pattern, c->string, got, c->matches);
        }
    }
}

#define CHECK(cases, nocase) check_cases(cases, sizeof(cases) / sizeof((cases)[0]), nocase)

static void the_manuals_examples_hold(void **state)
{
    (void)state;
    static const struct glob_case cases[] = {
        {"h?llo", "hello", true},      {"h?llo", "hllo", false},     {"h*llo", "hllo", true},
        {"h*llo", "heeeello", true},   {"h[ae]llo", "hello", true},  {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},   {"h[^e]llo", "hello", false}, {"h[a-b]llo", "hbllo", true},
        {"h[a-b]llo", "hcllo", false}, {"h\\?llo", "h?llo", true},   {"h\\?llo", "hello", false},
        {"*", "anything", true},       {"a*c*e", "abcde", true},     {"a*c*e", "abcdef", false},
        {"*foo", "barfoofoo", true},   {"foo*", "foo", true},        {"foo**", "foo", true},
        {"hello", "Hello", false},     {"hello", "hell", false},     {"hello", "helloo", false},
    };
    CHECK(cases, false);
}

static void the_corners_are_those_of_redis(void **state)
{
    (void)state;
    static const struct glob_case cases[] = {
        {"", "", true},       {"*", "", false},       {"**", "", false},       {"", "a", false},
        {"[abc", "b", true},  {"[abc", "d", false},   {"[", "[", false},       {"[^", "x", true},
        {"[]", "]", false},   {"[^]", "]", true},     {"[]a]", "]a]", false},  {"[\\]]", "]", true},
        {"[a-]", "a", true},  {"[a-]", "^", true},    {"[a-]", "b", false},    {"[z-a]", "m", true},
        {"[a-", "-", true},   {"[a-", "a", true},     {"\\", "\\", true},      {"\\\\", "\\", true},
        {"a\\", "a\\", true}, {"[a\\-z]", "-", true}, {"[a\\-z]", "m", false}, {"[*]", "*", true},
        {"[?]", "a", false},  {"a[", "a", false},     {"*[", "a", false},      {"[^a-c]x", "dx", true},
    };
    CHECK(cases, false);
}

static void case_is_ignored_when_asked(void **state)
{
    (void)state;
    static const struct glob_case cases[] = {
        {"MaxMemory*", "maxmemory-policy", true},
        {"[A-C]x", "bX", true},
        {"[^A]", "a", false},
        {"[\\A]", "a", false},
        {"\\A", "a", true},
        {"[abc]", "B", true},
    };
    CHECK(cases, true);
}

static void zero_bytes_are_bytes(void **state)
{
    (void)state;
    assert_true(glob_match("a\0?", 3, "a\0b", 3, false));
    assert_false(glob_match("a\0c", 3, "a\0b", 3, false));
    assert_true(glob_match("*\0", 2, "xyz\0", 4, false));
}

/* The definition for patterns of letters, '?' and '*'. */
static bool by_definition(const char *p, const char *s)
{
    if (*p == '\0') {
        return *s == '\0';
    }
    if (*p == '*') {
        return by_definition(p + 1, s) || (*s != '\0' && by_definition(p, s + 1));
    }
    return *s != '\0' && (*p == '?' || *p == *s) && by_definition(p + 1, s + 1);
}

/* Writes number in base strlen(alphabet) with exactly n digits; distinct numbers give distinct words. */
static void spell(char *word, size_t n, size_t number, const char *alphabet)
{
    size_t base = strlen(alphabet);
    for (size_t i = 0; i < n; i++) {
        word[i] = alphabet[number % base];
        number /= base;
    }
    word[n] = '\0';
}

static void every_short_pattern_matches_as_defined(void **state)
{
    (void)state;
    char pattern[8];
    char string[8];
    size_t matched = 0;
    for (size_t p = 0; p < 4 * 4 * 4 * 4 * 4; p++) {
        spell(pattern, 5, p, "ab?*");
        for (size_t s = 0; s < 2 * 2 * 2 * 2 * 2 * 2; s++) {
            spell(string, 6, s, "ab");
            bool expected = by_definition(pattern, string);
            if (glob_match(pattern, 5, string, 6, false) != expected) {
                fail_msg("\"%s\" on \"%s\", expected %d", pattern, string, expected);
            }
            matched += expected;
        }
    }
    assert_true(matched > 1000);
}

static void a_hostile_pattern_takes_no_exponential_time(void **state)
{
    (void)state;
    char pattern[1001];
    char string[2000];
    for (size_t i = 0; i < 1000; i++) {
        pattern[i] = i % 2 == 0 ? 'a' : '*';
    }
    pattern[1000] = 'b';
    memset(string, 'a', sizeof(string));
    clock_t begin = clock();
    assert_false(glob_match(pattern, sizeof(pattern), string, sizeof(string), false));
    /* Two million steps at most; trying every split would outlast the universe. */
    assert_true(clock() - begin < 5 * CLOCKS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manuals_examples_hold),
        cmocka_unit_test(the_corners_are_those_of_redis),
        cmocka_unit_test(case_is_ignored_when_asked),
        cmocka_unit_test(zero_bytes_are_bytes),
        cmocka_unit_test(every_short_pattern_matches_as_defined),
        cmocka_unit_test(a_hostile_pattern_takes_no_exponential_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
