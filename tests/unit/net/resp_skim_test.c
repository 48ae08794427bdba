/*
 * Skimming over replies: wherever the bytes are cut, the same ends are found; what is no RESP is refused where it is seen; and neither
 * depth nor lengths cost memory or time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "net/resp_skim.h"

/* What is found in a stream: "r" for a reply and "p" for a push, each with where it ends; "!" when something is no RESP. */
struct trace {
    char text[1024];
    size_t len;
};

static void note(struct trace *t, char what, size_t at)
{
    int written = snprintf(t->text + t->len, sizeof t->text - t->len, "%c%zu ", what, at);
    t->len += (size_t)written;
    assert_true(t->len < sizeof t->text);
}

/* Feeds the bytes from .. to. False when the stream was refused. */
static bool feed(struct resp_skim *s, const char *data, size_t from, size_t to, struct trace *t)
{
    while (from < to) {
        enum resp_skim_status status;
        size_t used = resp_skim(s, data + from, to - from, &status);
        assert_in_range(used, 1, to - from);
        from += used;
        switch (status) {
        case RESP_SKIM_MORE: assert_int_equal(from, to); break;
        case RESP_SKIM_REPLY: note(t, 'r', from); break;
        case RESP_SKIM_PUSH: note(t, 'p', from); break;
        case RESP_SKIM_INVALID: t->len += (size_t)sprintf(t->text + t->len, "! "); return false;
        }
        assert_int_equal(resp_skim_between(s), status != RESP_SKIM_MORE);
    }
    return true;
}

static const struct {
    const char *data, *ends;
} streams[] = {
    {"+OK\r\n:1\r\n-ERR no\r\n", "r5 r9 r18 "},
    {"$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n", "r11 r17 r22 "},
    {"*0\r\n*-1\r\n*2\r\n$1\r\na\r\n:-5\r\n+x\r\n", "r4 r9 r25 r29 "},
    {"*3\r\n*1\r\n*0\r\n$-1\r\n*2\r\n+a\r\n+b\r\n_\r\n", "r29 r32 "},
    {"%1\r\n+a\r\n~2\r\n:1\r\n#t\r\n,1.5\r\n(123456789012345678901234567890\r\n", "r20 r26 r59 "},
    {"=7\r\ntxt:a\r\n\r\n!3\r\nERR\r\n%0\r\n~0\r\n", "r13 r22 r26 r30 "},
    {"|1\r\n+ttl\r\n:5\r\n+OK\r\n|0\r\n*1\r\n|1\r\n+a\r\n+b\r\n:1\r\n", "r19 r43 "},
    {">2\r\n+message\r\n$1\r\n>\r\n+OK\r\n>0\r\n:2\r\n", "p21 r26 p30 r34 "},
    {"*1\r\n>1\r\n+a\r\n", "r12 "},
    {"hello", "! "},
    {"+OK\r\nx", "r5 ! "},
    {"$x\r\n", "! "},
    {"$-2\r\n", "! "},
    {"~-1\r\n", "! "},
    {"$\r\n", "! "},
    {"$01\r\n", "! "},
    {"$1\r\nab\r\n", "! "},
    {"$1\r\na\rb", "! "},
    {"+a\n", "! "},
    {"+\n", "! "},
    {"*?\r\n", "! "},
    {"*2147483648\r\n", "! "},
    {"*9223372036854775808\r\n", "! "},
    {"$9223372036854775807\r\n", ""},
};

static void every_cut_of_a_stream_gives_the_same_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        size_t len = strlen(streams[i].data);
        for (size_t cut = 0; cut <= len; cut++) {
            struct trace t = {0};
            struct resp_skim s;
            resp_skim_init(&s);
            if (feed(&s, streams[i].data, 0, cut, &t)) {
                feed(&s, streams[i].data, cut, len, &t);
            }
            assert_string_equal(t.text, streams[i].ends);
        }
    }
}

static void single_bytes_give_the_same_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct trace t = {0};
        struct resp_skim s;
        size_t len = strlen(streams[i].data);
        resp_skim_init(&s);
        for (size_t at = 0; at < len && feed(&s, streams[i].data, at, at + 1, &t); at++) {}
        assert_string_equal(t.text, streams[i].ends);
    }
}

static void a_push_is_known_by_its_first_byte(void **state)
{
    (void)state;
    struct resp_skim s;
    enum resp_skim_status status;
    resp_skim_init(&s);
    resp_skim(&s, ">", 1, &status);
    assert_true(resp_skim_is_push(&s));
    resp_skim(&s, "1\r\n+a\r\n", 7, &status);
    assert_int_equal(status, RESP_SKIM_PUSH);
    resp_skim(&s, "*", 1, &status);
    assert_false(resp_skim_is_push(&s));
}

/* A million arrays within each other are a million heads, and no more: what skims has no stack. */
static void depth_costs_nothing(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    struct resp_skim s;
    enum resp_skim_status status;
    resp_skim_init(&s);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(resp_skim(&s, "*1\r\n", 4, &status), 4);
        assert_int_equal(status, RESP_SKIM_MORE);
    }
    resp_skim(&s, ":1\r\n", 4, &status);
    assert_int_equal(status, RESP_SKIM_REPLY);
}

/* Heads that promise more values than can be counted are refused instead of being counted wrongly. */
static void more_values_than_can_be_are_refused(void **state)
{
    (void)state;
    struct resp_skim s;
    enum resp_skim_status status = RESP_SKIM_MORE;
    uint64_t heads = 0;
    resp_skim_init(&s);
    s.values = (uint64_t)1 << 61;
    s.started = true;
    while (status == RESP_SKIM_MORE && heads < (uint64_t)1 << 40) {
        s.values += (uint64_t)1 << 59; /* as a while of such heads would */
        resp_skim(&s, "%2147483647\r\n", 13, &status);
        heads++;
    }
    assert_int_equal(status, RESP_SKIM_INVALID);
    assert_in_range(heads, 3, 5);
}

static void endless_lines_are_refused(void **state)
{
    (void)state;
    static char line[RESP_SKIM_MAX_LINE + 2];
    struct resp_skim s;
    enum resp_skim_status status;
    memset(line, 'a', sizeof line);
    line[0] = '+';
    resp_skim_init(&s);
    resp_skim(&s, line, sizeof line, &status);
    assert_int_equal(status, RESP_SKIM_INVALID);

    memcpy(line + RESP_SKIM_MAX_LINE - 2, "\r\n", 2);
    resp_skim_init(&s);
    assert_int_equal(resp_skim(&s, line, sizeof line, &status), RESP_SKIM_MAX_LINE);
    assert_int_equal(status, RESP_SKIM_REPLY);

    resp_skim_init(&s);
    resp_skim(&s, "$000000000000000000000000000000000", 34, &status);
    assert_int_equal(status, RESP_SKIM_INVALID);
}

/* A body is passed over, not searched: 64 MB in pieces of 64 KB take next to nothing. */
static void bodies_are_not_looked_at(void **state)
{
    (void)state;
    enum { PIECE = 64 * 1024, PIECES = 1024 };
    static char piece[PIECE];
    struct resp_skim s;
    enum resp_skim_status status;
    char head[32];
    int len = snprintf(head, sizeof head, "$%d\r\n", PIECE * PIECES);
    memset(piece, '\n', sizeof piece);
    resp_skim_init(&s);
    resp_skim(&s, head, (size_t)len, &status);
    uint64_t began = clock_ticks();
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(resp_skim(&s, piece, PIECE, &status), PIECE);
        assert_int_equal(status, RESP_SKIM_MORE);
    }
    uint64_t pieces = clock_ticks() - began;
    resp_skim(&s, "\r\n", 2, &status);
    assert_int_equal(status, RESP_SKIM_REPLY);
    began = clock_ticks();
    for (int i = 0; i < PIECES; i++) {
        assert_null(memchr(piece, 'x', PIECE));
    }
    assert_true(pieces < clock_ticks() - began);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_stream_gives_the_same_ends),
        cmocka_unit_test(single_bytes_give_the_same_ends),
        cmocka_unit_test(a_push_is_known_by_its_first_byte),
        cmocka_unit_test(depth_costs_nothing),
        cmocka_unit_test(more_values_than_can_be_are_refused),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(bodies_are_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
