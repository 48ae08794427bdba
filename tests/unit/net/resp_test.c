/*
 * The RESP parser: however the bytes are cut, the same arguments come out; limits and errors are Redis's; and the work is
 * in proportion to the bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "net/resp.h"

static const struct resp_limits normal = {.max_bulk = 512 * 1024 * 1024};
static const struct resp_limits small = {.max_bulk = 512 * 1024 * 1024, .unauthenticated = true};

/* All requests of a stream as text: "[word][word]\n" for each, then the error if there is one. */
struct trace {
    char text[4096];
    size_t len;
};

static void note(struct trace *t, const char *bytes, size_t len)
{
    assert_true(t->len + len < sizeof t->text);
    memcpy(t->text + t->len, bytes, len);
    t->len += len;
}

static void note_request(struct trace *t, const struct resp_parser *p, const struct resp_args *args)
{
    for (size_t i = p->first; i < args->len; i++) {
        note(t, "[", 1);
        note(t, args->items[i].ptr, args->items[i].len);
        note(t, "]", 1);
    }
    note(t, "\n", 1);
}

static enum resp_status drain(struct resp_parser *p, const char *data, size_t len,
                              const struct resp_limits *limits, struct resp_args *args, struct trace *t)
{
    enum resp_status status;
    while ((status = resp_parse(p, data, len, limits, args)) == RESP_REQUEST) {
        note_request(t, p, args);
    }
    if (status == RESP_INVALID) {
        note(t, p->error, strlen(p->error));
    }
    return status;
}

/* Parses data in two pieces, moved to another buffer in between. */
static void parse_split(const char *data, size_t len, size_t cut, struct trace *t)
{
    struct resp_parser p;
    struct resp_args args = {0};
    char *first = malloc(cut + 1);
    memcpy(first, data, cut);
    memset(t, 0, sizeof *t);
    resp_parser_init(&p);
    enum resp_status status = drain(&p, first, cut, &normal, &args, t);
    if (status == RESP_INCOMPLETE) {
        size_t start = p.start;
        char *second = malloc(len - start + 1);
        memcpy(second, data + start, len - start);
        args.len -= p.first;
        if (args.len > 0) {
            memmove(args.items, args.items + p.first, args.len * sizeof *args.items);
        }
        p.first = 0;
        resp_parser_rebase(&p, &args, first, second);
        memset(first, '?', cut);
        drain(&p, second, len - start, &normal, &args, t);
        free(second);
    }
    free(first);
    resp_args_free(&args);
}

static void assert_trace(const struct trace *t, const char *expected)
{
    assert_int_equal(t->len, strlen(expected));
    assert_memory_equal(t->text, expected, t->len);
}

static const struct {
    const char *data, *trace;
} streams[] = {
    {"*1\r\n$4\r\nPING\r\n", "[PING]\n"},
    {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\n\r\n*1\r\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
     "[SET][k][\r\n*1\r]\n[GET][]\n"},
    {"PING\r\n\r\nECHO hi\n*0\r\n*-1\r\n*1\r\n$2\r\nOK\r\n", "[PING]\n[ECHO][hi]\n[OK]\n"},
    {"SET k \"a b\\x41\\n\\\"\" 'it\\'s \\n'\r\nGET k\r\n", "[SET][k][a bA\n\"][it's \\n]\n[GET][k]\n"},
    {"  SET   k\tv  \r\n\"\" ''\r\nfoo\"bar\"\r\n", "[SET][k][v]\n[][]\n[foobar]\n"},
    {"*11\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n"
     "$10\r\n0123456789\r\n",
     "[a][b][c][d][e][f][g][h][i][j][0123456789]\n"},
    {"\"unbalanced\r\n", "unbalanced quotes in request"},
    {"\"a\"b\r\n", "unbalanced quotes in request"},
    {"'a\\'\r\n", "unbalanced quotes in request"},
    {"*x\r\n", "invalid multibulk length"},
    {"*2147483648\r\n", "invalid multibulk length"},
    {"*00001\r\n", "invalid multibulk length"},
    {"*9223372036854775808\r\n", "invalid multibulk length"},
    {"*\r\n", "invalid multibulk length"},
    {"*1\r\nPING\r\n", "expected '$', got 'P'"},
    {"*1\r\n$-1\r\n", "invalid bulk length"},
    {"*1\r\n$536870913\r\n", "invalid bulk length"},
    {"*1\r\n$abc\r\n", "invalid bulk length"},
    {"*1\r\n$\r\n", "invalid bulk length"},
    {"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n+\r\n", "[PING]\n[PING]\nexpected '$', got '+'"},
};

static void every_cut_of_a_stream_gives_the_same_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        size_t len = strlen(streams[i].data);
        for (size_t cut = 0; cut <= len; cut++) {
            struct trace t;
            parse_split(streams[i].data, len, cut, &t);
            assert_trace(&t, streams[i].trace);
        }
    }
    assert_int_equal(mem_used(), 0);
}

/* A connection that has to wait parses again what it could not run. */
static void parsing_again_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        char *data = strdup(streams[i].data);
        for (int round = 0; round < 2; round++) {
            struct resp_parser p;
            struct resp_args args = {0};
            struct trace t = {0};
            resp_parser_init(&p);
            drain(&p, data, strlen(streams[i].data), &normal, &args, &t);
            assert_trace(&t, streams[i].trace);
            resp_args_free(&args);
        }
        free(data);
    }
}

static void quoted_words_of_earlier_requests_stay_good(void **state)
{
    (void)state;
    static char data[60000];
    struct resp_parser p;
    struct resp_args args = {0};
    size_t len = 0;
    for (int i = 0; i < 1000; i++) {
        len += (size_t)snprintf(data + len, sizeof data - len, "ECHO \"a %d\" plain%d ''\r\n", i, i);
    }
    resp_parser_init(&p);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(resp_parse(&p, data, len, &normal, &args), RESP_REQUEST);
    }
    assert_int_equal(args.len, 4000);
    for (size_t i = 0; i < 1000; i++) {
        char expected[32];
        size_t n = (size_t)snprintf(expected, sizeof expected, "a %zu", i);
        assert_true(slice_equal(args.items[4 * i + 1], (struct slice){expected, n}));
        n = (size_t)snprintf(expected, sizeof expected, "plain%zu", i);
        assert_true(slice_equal(args.items[4 * i + 2], (struct slice){expected, n}));
        assert_int_equal(args.items[4 * i + 3].len, 0);
    }
    resp_args_free(&args);
}

static void assert_error(const char *data, size_t len, const struct resp_limits *limits, const char *error)
{
    struct resp_parser p;
    struct resp_args args = {0};
    resp_parser_init(&p);
    assert_int_equal(resp_parse(&p, data, len, limits, &args),
                     error != NULL ? RESP_INVALID : RESP_INCOMPLETE);
    if (error != NULL) {
        assert_string_equal(p.error, error);
    }
    resp_args_free(&args);
}

static void small_limits_hold_before_auth(void **state)
{
    (void)state;
    assert_error("*10\r\n", 5, &small, NULL);
    assert_error("*11\r\n", 5, &small, "unauthenticated multibulk length");
    assert_error("*1\r\n$16384\r\n", 12, &small, NULL);
    assert_error("*1\r\n$16385\r\n", 12, &small, "unauthenticated bulk length");
}

static void endless_lines_are_refused(void **state)
{
    (void)state;
    static char line[RESP_MAX_INLINE + 100];
    static const struct {
        const char *head, *error;
    } cases[] = {
        {"", "too big inline request"},
        {"*", "too big mbulk count string"},
        {"*1\r\n$", "too big bulk count string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(line, '1', sizeof line);
        memcpy(line, cases[i].head, strlen(cases[i].head));
        assert_error(line, RESP_MAX_INLINE - 10, &normal, NULL);
        assert_error(line, RESP_MAX_INLINE + 50, &normal, cases[i].error);
    }
}

static void what_an_argument_still_needs_is_told(void **state)
{
    (void)state;
    struct resp_parser p;
    struct resp_args args = {0};
    resp_parser_init(&p);
    assert_int_equal(resp_parse(&p, "*1\r\n$100\r\nabc", 13, &normal, &args), RESP_INCOMPLETE);
    assert_int_equal(resp_parser_wants(&p, 13), 99);
    resp_parser_init(&p);
    assert_int_equal(resp_parse(&p, "*1\r\n$1", 6, &normal, &args), RESP_INCOMPLETE);
    assert_int_equal(resp_parser_wants(&p, 6), 0);
    resp_args_free(&args);
}

/* Feeds `len` bytes in pieces and returns the microseconds that it took. */
static int64_t feed(const char *data, size_t len, size_t piece, size_t arguments)
{
    struct resp_parser p;
    struct resp_args args = {0};
    int64_t began = clock_now_us();
    resp_parser_init(&p);
    for (size_t at = piece; at < len; at += piece) {
        assert_int_equal(resp_parse(&p, data, at, &normal, &args), RESP_INCOMPLETE);
        resp_parser_rebase(&p, &args, data, data);
    }
    assert_int_equal(resp_parse(&p, data, len, &normal, &args), RESP_REQUEST);
    assert_int_equal(args.len, arguments);
    resp_args_free(&args);
    return clock_now_us() - began;
}

static void a_million_small_arguments_cost_no_quadratic_work(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    size_t len = (size_t)COUNT * 7 + 10;
    char *data = malloc(len + 1);
    size_t at = (size_t)sprintf(data, "*%d\r\n", COUNT);
    for (int i = 0; i < COUNT; i++) {
        memcpy(data + at, "$1\r\nx\r\n", 7);
        at += 7;
    }
    /* Were every argument looked at again for each of 70,000 pieces, this would take minutes. */
    assert_in_range(feed(data, at, 100, COUNT), 0, 10000000);
    free(data);
}

static void a_large_argument_in_small_pieces_costs_no_quadratic_work(void **state)
{
    (void)state;
    size_t size = 64 * 1024 * 1024;
    char *data = malloc(size + 64);
    size_t head = (size_t)sprintf(data, "*2\r\n$3\r\nSET\r\n$%zu\r\n", size);
    memset(data + head, '\r', size + 2);
    assert_in_range(feed(data, head + size + 2, 100, 2), 0, 10000000);
    free(data);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_stream_gives_the_same_requests),
        cmocka_unit_test(parsing_again_gives_the_same),
        cmocka_unit_test(quoted_words_of_earlier_requests_stay_good),
        cmocka_unit_test(small_limits_hold_before_auth),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(what_an_argument_still_needs_is_told),
        cmocka_unit_test(a_million_small_arguments_cost_no_quadratic_work),
        cmocka_unit_test(a_large_argument_in_small_pieces_costs_no_quadratic_work),
    };
    return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
