/* Replies: every type in both protocols, arrays whose length comes late, growth, and the flag for memory that ran out. */
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

#include "clock.h"
#include "memory.h"
#include "net/reply.h"

/* What must fail has to fail by NULL, not by a report. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void assert_bytes(const struct reply *r, const char *expected)
{
    assert_false(r->failed);
    assert_int_equal(r->len, strlen(expected));
    assert_memory_equal(r->data, expected, r->len);
}

#define ASSERT_REPLY(call, resp2, resp3)      \
    do {                                      \
        struct reply *r = &(struct reply){0}; \
        r->resp = 2;                          \
        call;                                 \
        assert_bytes(r, resp2);               \
        reply_reset(r, SIZE_MAX);             \
        r->resp = 3;                          \
        call;                                 \
        assert_bytes(r, resp3);               \
        reply_free(r);                        \
    } while (0)

#define ASSERT_SAME(call, expected) ASSERT_REPLY(call, expected, expected)

static void simple_types(void **state)
{
    (void)state;
    ASSERT_SAME(reply_ok(r), "+OK\r\n");
    ASSERT_SAME(reply_status(r, "a\r\nb"), "+a  b\r\n");
    ASSERT_SAME(reply_error(r, "ERR no\nsuch"), "-ERR no such\r\n");
    ASSERT_SAME(reply_errorf(r, "ERR %d\r%s", 7, "x"), "-ERR 7 x\r\n");
    ASSERT_SAME(reply_int(r, 0), ":0\r\n");
    ASSERT_SAME(reply_int(r, 9), ":9\r\n");
    ASSERT_SAME(reply_int(r, 10), ":10\r\n");
    ASSERT_SAME(reply_int(r, -1), ":-1\r\n");
    ASSERT_SAME(reply_int(r, INT64_MIN), ":-9223372036854775808\r\n");
    ASSERT_SAME(reply_int(r, INT64_MAX), ":9223372036854775807\r\n");
    ASSERT_REPLY(reply_bool(r, true), ":1\r\n", "#t\r\n");
    ASSERT_REPLY(reply_bool(r, false), ":0\r\n", "#f\r\n");
    ASSERT_REPLY(reply_null(r), "$-1\r\n", "_\r\n");
    ASSERT_REPLY(reply_null_array(r), "*-1\r\n", "_\r\n");
    ASSERT_REPLY(reply_double(r, 1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    ASSERT_REPLY(reply_double(r, INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    ASSERT_REPLY(reply_double(r, -INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
}

static void strings(void **state)
{
    (void)state;
    ASSERT_SAME(reply_bulk(r, "a\r\nb", 4), "$4\r\na\r\nb\r\n");
    ASSERT_SAME(reply_bulk(r, "", 0), "$0\r\n\r\n");
    ASSERT_SAME(reply_bulk_slice(r, SLICE("abc")), "$3\r\nabc\r\n");
    ASSERT_SAME(reply_bulk_string(r, "abc"), "$3\r\nabc\r\n");
    ASSERT_SAME(reply_bulk_int(r, -12), "$3\r\n-12\r\n");
    ASSERT_SAME(reply_bulkf(r, "%s-%d", "x", 5), "$3\r\nx-5\r\n");
    ASSERT_SAME(reply_bulk_pair(r, SLICE("ab"), SLICE("cde")), "$5\r\nabcde\r\n");
    ASSERT_REPLY(reply_verbatim(r, "txt", SLICE("hello")), "$5\r\nhello\r\n", "=9\r\ntxt:hello\r\n");
    ASSERT_SAME(REPLY_LITERAL(r, "raw"), "raw");
}

static void aggregates(void **state)
{
    (void)state;
    ASSERT_SAME(reply_array(r, 12), "*12\r\n");
    ASSERT_REPLY(reply_map(r, 2), "*4\r\n", "%2\r\n");
    ASSERT_REPLY(reply_set(r, 3), "*3\r\n", "~3\r\n");
    ASSERT_REPLY(reply_push(r, 3), "*3\r\n", ">3\r\n");
}

static void nested(struct reply *r)
{
    reply_ok(r);
    size_t outer = reply_hole(r);
    reply_int(r, 1);
    size_t inner = reply_hole(r);
    reply_bulk_string(r, "x");
    reply_bulk_string(r, "y");
    reply_fill_map(r, inner, 1);
    reply_fill_array(r, outer, 2);
    reply_int(r, 7);
}

static void holes_are_filled_from_the_inside_out(void **state)
{
    (void)state;
    ASSERT_REPLY(nested(r), "+OK\r\n*2\r\n:1\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n:7\r\n",
                 "+OK\r\n*2\r\n:1\r\n%1\r\n$1\r\nx\r\n$1\r\ny\r\n:7\r\n");
}

static void a_hole_at_every_fill_of_the_buffer_keeps_its_bytes(void **state)
{
    (void)state;
    for (size_t before = 16 * 1024 - 60; before < 16 * 1024 + 10; before++) {
        struct reply r = {.resp = 2};
        char *filler = calloc(1, before);
        reply_raw(&r, filler, before);
        size_t hole = reply_hole(&r);
        reply_int(&r, 42);
        reply_fill_array(&r, hole, 1000000);
        assert_int_equal(r.len, before + 10 + 5);
        assert_memory_equal(r.data + before, "*1000000\r\n:42\r\n", 15);
        free(filler);
        reply_free(&r);
    }
}

static void a_long_error_is_sent_whole(void **state)
{
    (void)state;
    int64_t before = mem_used();
    struct reply r = {.resp = 2};
    static char text[3000];
    memset(text, 'x', sizeof text - 1);
    reply_errorf(&r, "ERR %s", text);
    assert_int_equal(r.len, 1 + 4 + 2999 + 2);
    assert_memory_equal(r.data + r.len - 3, "x\r\n", 3);
    reply_reset(&r, SIZE_MAX);
    reply_error(&r, text);
    assert_int_equal(r.len, 1 + 2999 + 2);
    reply_free(&r);
    assert_true(mem_used() == before);
}

static void an_error_ends_where_its_last_line_does(void **state)
{
    (void)state;
    ASSERT_SAME(reply_error(r, "ERR no such\r\n"), "-ERR no such\r\n");
    ASSERT_SAME(reply_errorf(r, "ERR a\nb %s", "c\n"), "-ERR a b c\r\n");
}

static void a_reply_grows_and_gives_its_memory_back(void **state)
{
    (void)state;
    int64_t before = mem_used();
    struct reply r = {.resp = 2};
    for (int i = 0; i < 300000; i++) {
        reply_int(&r, i);
    }
    assert_memory_equal(r.data, ":0\r\n:1\r\n", 8);
    assert_memory_equal(r.data + r.len - 9, ":299999\r\n", 9);
    size_t cap = r.cap;
    reply_reset(&r, cap);
    assert_int_equal(r.cap, cap);
    reply_reset(&r, cap - 1);
    assert_int_equal(r.cap, 0);
    assert_true(mem_used() == before);
}

static void memory_that_runs_out_is_flagged_and_nothing_more_is_taken(void **state)
{
    (void)state;
    int64_t before = mem_used();
    struct reply r = {.resp = 2};
    reply_ok(&r);
    size_t len = r.len;
    assert_null(reply_reserve(&r, (size_t)1 << 50));
    assert_true(r.failed);
    assert_int_equal(r.len, len);
    assert_null(reply_reserve(&r, 100000));
    size_t hole = reply_hole(&r);
    static char large[100000];
    reply_bulk(&r, large, sizeof large);
    reply_fill_array(&r, hole, 1);
    reply_reset(&r, 0);
    assert_false(r.failed);
    reply_ok(&r);
    assert_bytes(&r, "+OK\r\n");
    reply_free(&r);
    assert_true(mem_used() == before);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_types),
        cmocka_unit_test(strings),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(holes_are_filled_from_the_inside_out),
        cmocka_unit_test(a_hole_at_every_fill_of_the_buffer_keeps_its_bytes),
        cmocka_unit_test(a_long_error_is_sent_whole),
        cmocka_unit_test(an_error_ends_where_its_last_line_does),
        cmocka_unit_test(a_reply_grows_and_gives_its_memory_back),
        cmocka_unit_test(memory_that_runs_out_is_flagged_and_nothing_more_is_taken),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
