/*
 * Connections over socket pairs, with hooks of the test's own: a server that replies with each request's arguments, and
 * does what the first of them says. The loop is turned by hand, so that nothing here depends on timing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "net/conn.h"
#include "net/hold.h"
#include "net/listener.h"

enum { PATIENCE_US = 20000000, BIG = 3 * 1024 * 1024 };

static struct net net;
static struct loop *loop;
static int64_t memory_before;
static int inside, opened, closed, largest_batch;
static struct conn *stalled;
static size_t room_asked; /* the largest */
static char big[BIG];

static void enter(struct loop *l)
{
    (void)l;
    assert_int_equal(inside++, 0); /* the gate is not recursive */
}

static void leave(struct loop *l)
{
    (void)l;
    assert_int_equal(--inside, 0);
}

static const char *admit(struct net *n, const struct sockaddr *peer)
{
    (void)n;
    (void)peer;
    return NULL;
}

static bool on_opened(struct conn *conn)
{
    conn->client = conn;
    opened++;
    return true;
}

static void prepare(struct conn *conn, const struct request *requests, size_t first, size_t count)
{
    assert_ptr_equal(conn->client, conn);
    for (size_t i = first; i < first + count; i++) {
        assert_true(requests[i].argc > 0);
    }
}

static void fetch(struct loop *l, size_t count)
{
    (void)l;
    largest_batch = (int)count > largest_batch ? (int)count : largest_batch;
}

static void run(struct conn *conn, const struct request *request)
{
    struct reply *reply = &conn->loop->reply;
    struct slice name = request->argv[0];
    if (slice_is(name, "big")) {
        reply_bulk(reply, big, sizeof big);
        return;
    }
    if (slice_is(name, "fail")) {
        reply_ok(reply);
        reply->failed = true;
        return;
    }
    if (slice_is(name, "stall")) {
        stalled = conn;
        conn_stall(conn);
    } else if (slice_is(name, "quit")) {
        conn_close_after_write(conn);
    } else if (slice_is(name, "kill")) {
        conn_close(conn);
    } else if (slice_is(name, "flush")) {
        conn_flush(conn);
    } else if (slice_is(name, "auth")) {
        conn->unauthenticated = false;
    }
    reply_array(reply, (int64_t)request->argc);
    for (size_t i = 0; i < request->argc; i++) {
        reply_bulk_slice(reply, request->argv[i]);
    }
}

static size_t serve(struct conn *conn, struct request *requests, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run(conn, &requests[first + i]);
        if (conn->stalled || conn->closing || conn->closing_after_write) {
            return i + 1;
        }
    }
    return count;
}

static void on_closed(struct conn *conn)
{
    stalled = stalled == conn ? NULL : stalled;
    closed++;
}

static void make_room(struct loop *l, size_t bytes)
{
    (void)l;
    room_asked = bytes > room_asked ? bytes : room_asked;
}

/* What output waits for: an offset that every test sets. */
static uint64_t due_at, own_at;

static uint64_t due(struct conn *conn, uint64_t *own)
{
    (void)conn;
    *own = own_at;
    return due_at;
}

static const struct net_hooks hooks = {NULL,  enter,     leave, admit,     on_opened, prepare, fetch,
                                       serve, make_room, NULL,  on_closed, NULL,      due};

static void turn(void)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
    (void)state;
    memory_before = mem_used();
    opened = closed = largest_batch = 0;
    room_asked = 0;
    due_at = own_at = 0;
    net_init(&net, 1, &hooks);
    loop = &net.loops[0];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    mem_free(net.loops, (sizeof(struct loop) + 63) / 64 * 64);
    return opened == closed && mem_used() == memory_before ? 0 : -1;
}

/* A connection; returns the test's end of it. */
static int connect_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    conn_open(loop, fds[0], true);
    return fds[1];
}

static struct conn *newest(void)
{
    return loop->conns;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    int64_t until = clock_now_us() + PATIENCE_US;
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
        turn();
        assert_true(clock_now_us() < until);
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* Reads exactly `len` bytes, or up to the end when there are fewer; returns how many. */
static size_t receive(int fd, char *bytes, size_t len)
{
    int64_t until = clock_now_us() + PATIENCE_US;
    size_t got = 0;
    while (got < len) {
        ssize_t n = recv(fd, bytes + got, len - got, 0);
        if (n == 0) {
            break;
        }
        got += n > 0 ? (size_t)n : 0;
        turn();
        assert_true(clock_now_us() < until);
    }
    return got;
}

static void expect(int fd, const char *text)
{
    char bytes[4096];
    size_t got = receive(fd, bytes, strlen(text));
    assert_int_equal(got, strlen(text));
    assert_memory_equal(bytes, text, got);
}

static void expect_nothing(int fd)
{
    char byte;
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
}

static void expect_end(int fd)
{
    char byte;
    assert_int_equal(receive(fd, &byte, 1), 0);
}

/* ---- what is queued ------------------------------------------------------------------------------------ */

static struct push *make_push(char letter, size_t body)
{
    struct push *push = push_new(SLICE("two:"), SLICE("three:"), body);
    assert_non_null(push);
    memset(push_body(push), letter, body);
    return push;
}

static void expect_letters(int fd, char letter, size_t count)
{
    char *bytes = malloc(count);
    assert_int_equal(receive(fd, bytes, count), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bytes[i], letter);
    }
    free(bytes);
}

static void what_is_queued_goes_out_at_once_and_in_order(void **state)
{
    (void)state;
    int fd = connect_pair();
    struct conn *conn = newest();
    struct push *small = make_push('s', 10);
    int64_t writes = counter_get(&loop->writes);
    for (int i = 0; i < 300; i++) {
        conn_queue(conn, small);
        conn_queue_bytes(conn, "12345", 5);
    }
    assert_true(conn_memory(conn) > 300 * 19);
    for (int i = 0; i < 300; i++) {
        expect(fd, "two:ssssssssss12345");
    }
    assert_int_equal(counter_get(&loop->writes), writes + 1);
    assert_int_equal(counter_get(&conn->unsent_memory), 0);
    push_drop(small);
    close(fd);
}

static void a_large_push_is_shared_and_still_in_order(void **state)
{
    (void)state;
    int fd = connect_pair();
    int other = connect_pair();
    struct push *large = make_push('l', BIG);
    int64_t used = mem_used();
    loop->conns->resp = 3;
    for (struct conn *conn = loop->conns; conn != NULL; conn = conn->next) {
        conn_queue_bytes(conn, "before", 6);
        conn_queue(conn, large);
        conn_queue_bytes(conn, "after", 5);
        assert_true(counter_get(&conn->unsent_memory) > BIG); /* counted for each … */
    }
    assert_true(mem_used() - used < 100000); /* … and there once */
    push_drop(large);
    expect(fd, "beforetwo:");
    expect_letters(fd, 'l', BIG);
    expect(fd, "after");
    expect(other, "beforethree:");
    expect_letters(other, 'l', BIG);
    expect(other, "after");
    close(fd);
    close(other);
}

static void a_push_without_a_head_is_not_sent(void **state)
{
    (void)state;
    int fd = connect_pair();
    struct push *push = push_new(SLICE(""), SLICE("3"), 0);
    conn_queue(newest(), push);
    expect_nothing(fd);
    newest()->resp = 3;
    conn_queue(newest(), push);
    expect(fd, "3");
    push_drop(push);
    close(fd);
}

static void what_a_closed_connection_had_queued_is_freed(void **state)
{
    (void)state;
    int fd = connect_pair();
    int other = connect_pair();
    struct push *push = make_push('x', 20000);
    conn_queue_bytes(newest(), "abc", 3);
    conn_queue(newest(), push);
    conn_queue(newest()->next, push);
    conn_close(newest());
    conn_queue(newest(), push); /* too late */
    push_drop(push);
    expect_end(other);
    expect(fd, "two:");
    expect_letters(fd, 'x', 20000);
    close(fd);
    close(other);
}

static void a_slow_reader_of_pushes_is_cut_at_its_limit(void **state)
{
    (void)state;
    static struct conn_limit limit;
    counter_set(&limit.hard, 8 * 1024 * 1024);
    int fd = connect_pair();
    struct push *push = make_push('x', 100000);
    int64_t cut = counter_get(&loop->closed_for_output);
    newest()->limit = &limit;
    for (int i = 0; i < 1000 && loop->conns != NULL; i++) {
        conn_queue(loop->conns, push);
        turn();
    }
    assert_null(loop->conns);
    assert_int_equal(counter_get(&loop->closed_for_output), cut + 1);
    push_drop(push);
    close(fd);
}

/* ---- requests ------------------------------------------------------------------------------------------ */

/* ---- what is held -------------------------------------------------------------------------------------- */

static void output_waits_for_its_mark_and_keeps_its_order(void **state)
{
    (void)state;
    int fd = connect_pair();
    struct push *push = make_push('p', 3);
    hold_on(&net);
    due_at = 10;
    send_text(fd, "one\r\n");
    conn_queue(newest(), push);
    send_text(fd, "two\r\n");
    expect_nothing(fd);
    due_at = 20;
    send_text(fd, "three\r\n");
    due_at = 0; /* due by itself, but not before what came before it */
    send_text(fd, "four\r\n");
    hold_release(&net, 9);
    expect_nothing(fd);
    hold_release(&net, 10);
    expect(fd, "*1\r\n$3\r\none\r\ntwo:ppp*1\r\n$3\r\ntwo\r\n");
    expect_nothing(fd);
    assert_true(atomic_load(&loop->holds));
    hold_release(&net, 20);
    expect(fd, "*1\r\n$5\r\nthree\r\n*1\r\n$4\r\nfour\r\n");
    assert_false(atomic_load(&loop->holds));
    assert_int_equal(counter_get(&newest()->unsent_memory), 0);
    due_at = 20; /* reached already */
    send_text(fd, "five\r\n");
    expect(fd, "*1\r\n$4\r\nfive\r\n");
    push_drop(push);
    close(fd);
}

static void what_is_held_goes_out_when_holding_ends(void **state)
{
    (void)state;
    int fd = connect_pair();
    hold_on(&net);
    due_at = 10;
    send_text(fd, "one\r\n");
    expect_nothing(fd);
    hold_off(&net);
    send_text(fd, "two\r\n");
    expect(fd, "*1\r\n$3\r\none\r\n*1\r\n$3\r\ntwo\r\n");
    close(fd);
}

static void relaxed_only_acknowledgements_are_held(void **state)
{
    (void)state;
    int writer = connect_pair();
    int reader = connect_pair();
    hold_on(&net);
    due_at = own_at = 10;
    send_text(writer, "write\r\n");
    own_at = 3;
    hold_release(&net, 5);
    send_text(reader, "read\r\n");
    expect_nothing(reader);
    hold_relax(&net, true);
    expect(reader, "*1\r\n$4\r\nread\r\n");
    send_text(reader, "again\r\n");
    expect(reader, "*1\r\n$5\r\nagain\r\n");
    send_text(writer, "read\r\n");
    expect_nothing(writer);
    hold_relax(&net, false);
    hold_release(&net, 10);
    expect(writer, "*1\r\n$5\r\nwrite\r\n*1\r\n$4\r\nread\r\n");
    close(writer);
    close(reader);
}

static void a_connection_closes_when_what_it_holds_is_sent(void **state)
{
    (void)state;
    int fd = connect_pair();
    int killed = connect_pair();
    struct conn *second = newest();
    hold_on(&net);
    due_at = 1;
    send_text(killed, "one\r\n");
    send_text(fd, "flush\r\nquit\r\n");
    conn_close(second);
    expect_end(killed);
    expect_nothing(fd);
    assert_int_equal(closed, 1);
    hold_release(&net, 1);
    expect(fd, "*1\r\n$5\r\nflush\r\n*1\r\n$4\r\nquit\r\n");
    expect_end(fd);
    close(fd);
    close(killed);
}

static void too_much_that_is_held_closes_the_connection(void **state)
{
    (void)state;
    static const struct conn_limit limit = {.hard = 2 * BIG};
    int fd = connect_pair();
    newest()->limit = &limit;
    hold_on(&net);
    due_at = 1;
    send_text(fd, "big\r\n");
    expect_nothing(fd);
    assert_true(conn_memory(newest()) > BIG);
    send_text(fd, "big\r\n");
    expect_end(fd);
    assert_int_equal(counter_get(&loop->closed_for_output), 1);
    close(fd);
}

static void requests_are_answered_in_order_however_they_are_cut(void **state)
{
    (void)state;
    static const char requests[] = "*2\r\n$1\r\na\r\n$3\r\nxyz\r\nb c\r\n*1\r\n$1\r\nd\r\n";
    for (size_t cut = 1; cut < sizeof requests - 1; cut++) {
        int fd = connect_pair();
        send_all(fd, requests, cut);
        turn();
        send_all(fd, requests + cut, sizeof requests - 1 - cut);
        expect(fd, "*2\r\n$1\r\na\r\n$3\r\nxyz\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n*1\r\n$1\r\nd\r\n");
        assert_null(newest()->input);
        close(fd);
    }
}

static void many_pipelined_requests_are_all_answered(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    char requests[COUNT * 8], expected[COUNT * 24], got[COUNT * 24];
    size_t len = 0;
    size_t expected_len = 0;
    int fd = connect_pair();
    for (int i = 0; i < COUNT; i++) {
        len += (size_t)sprintf(requests + len, "r %03d\r\n", i);
        expected_len += (size_t)sprintf(expected + expected_len, "*2\r\n$1\r\nr\r\n$3\r\n%03d\r\n", i);
    }
    send_all(fd, requests, len);
    assert_int_equal(receive(fd, got, expected_len), expected_len);
    assert_memory_equal(got, expected, expected_len);
    assert_int_equal(largest_batch, LOOP_BATCH);
    close(fd);
}

static void a_large_argument_comes_through(void **state)
{
    (void)state;
    char head[64];
    int fd = connect_pair();
    char *back = malloc(BIG + 64);
    int n = sprintf(head, "*1\r\n$%d\r\n", BIG);
    send_all(fd, head, (size_t)n);
    send_all(fd, big, BIG);
    send_all(fd, "\r\n", 2);
    assert_int_equal(receive(fd, back, (size_t)n + BIG + 2), n + BIG + 2);
    assert_memory_equal(back + n, big, BIG);
    assert_null(newest()->input);
    assert_in_range(room_asked, BIG / 2, 2 * BIG);
    free(back);
    close(fd);
}

static void a_stalled_connection_is_served_no_further_until_it_is_resumed(void **state)
{
    (void)state;
    int fd = connect_pair();
    send_text(fd, "stall\r\na\r\n*1\r\n$1\r\nb\r\n*1\r\n$1\r\n");
    expect(fd, "*1\r\n$5\r\nstall\r\n");
    expect_nothing(fd);
    send_text(fd, "c\r\n");
    expect_nothing(fd);
    conn_resume(stalled);
    expect(fd, "*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n");
    close(fd);
}

static void a_request_with_quotes_that_had_to_wait_is_understood(void **state)
{
    (void)state;
    int fd = connect_pair();
    send_text(fd, "stall\r\nset k \"a b\"\r\nstall \"\\x41 c\" 'd'\r\nx \"y\"\r\n");
    expect(fd, "*1\r\n$5\r\nstall\r\n");
    conn_resume(stalled);
    expect(fd, "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$3\r\na b\r\n*3\r\n$5\r\nstall\r\n$3\r\nA c\r\n$1\r\nd\r\n");
    expect_nothing(fd);
    conn_resume(stalled);
    expect(fd, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    close(fd);
}

static void replies_are_sent_before_a_connection_closes(void **state)
{
    (void)state;
    int fd = connect_pair();
    char *bytes = malloc(BIG + 100);
    send_text(fd, "big\r\nquit\r\nnever\r\n");
    size_t got = receive(fd, bytes, BIG + 100);
    assert_int_equal(got, strlen("$3145728\r\n\r\n") + BIG + strlen("*1\r\n$4\r\nquit\r\n"));
    assert_memory_equal(bytes + 10, big, BIG);
    free(bytes);
    close(fd);
}

static void a_broken_stream_is_told_why_and_closed(void **state)
{
    (void)state;
    int fd = connect_pair();
    send_text(fd, "a\r\n*1\r\n+\r\nb\r\n");
    expect(fd, "*1\r\n$1\r\na\r\n-ERR Protocol error: expected '$', got '+'\r\n");
    expect_end(fd);
    close(fd);
}

static void the_small_limits_end_with_authentication(void **state)
{
    (void)state;
    int fd = connect_pair();
    newest()->unauthenticated = true;
    send_text(
        fd,
        "*1\r\n$4\r\nauth\r\n*11\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n"
        "$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$1\r\nx\r\n");
    expect(fd, "*1\r\n$4\r\nauth\r\n*11\r\n");
    close(fd);
    fd = connect_pair();
    newest()->unauthenticated = true;
    send_text(fd, "*11\r\n");
    expect(fd, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    expect_end(fd);
    close(fd);
}

static void a_reply_without_memory_ends_its_connection_alone(void **state)
{
    (void)state;
    int bad = connect_pair();
    int good = connect_pair();
    assert_int_equal(send(bad, "a\r\nfail\r\n", 9, 0), 9);
    assert_int_equal(send(good, "b\r\n", 3, 0), 3);
    expect(good, "*1\r\n$1\r\nb\r\n");
    expect_end(bad);
    close(bad);
    close(good);
}

static void connections_of_one_turn_each_get_their_own_replies(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    int fds[COUNT];
    char text[64];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < COUNT; i++) {
            fds[i] = connect_pair();
            int n = sprintf(text, i % 7 == 3 ? "flush %d\r\n" : "plain %d\r\npart", i);
            assert_int_equal(send(fds[i], text, (size_t)n, 0), n);
        }
        for (int i = 0; i < COUNT; i++) {
            char number[16];
            int n = snprintf(number, sizeof number, "%d", i);
            snprintf(text, sizeof text, "*2\r\n$5\r\n%s\r\n$%d\r\n%s\r\n", i % 7 == 3 ? "flush" : "plain", n,
                     number);
            expect(fds[i], text);
        }
        for (int i = 0; i < COUNT; i++) {
            if (i % 7 != 3) {
                send_text(fds[i], "ial\r\n");
                expect(fds[i], "*1\r\n$7\r\npartial\r\n");
            }
            close(fds[i]);
        }
    }
}

/* What libuv does with bytes that have come, within one poll. */
static void deliver(struct conn *conn, const char *text)
{
    uv_buf_t buf;
    conn->uv.stream.alloc_cb(&conn->uv.handle, 65536, &buf);
    assert_true(buf.len >= strlen(text));
    memcpy(buf.base, text, strlen(text));
    conn->uv.stream.read_cb(&conn->uv.stream, (ssize_t)strlen(text), &buf);
}

/* With more events than fit one call of epoll, a connection can be read twice before the turns are served. */
static void bytes_read_while_a_turn_waits_come_behind_it(void **state)
{
    (void)state;
    int fd_a = connect_pair();
    struct conn *a = newest();
    int fd_b = connect_pair();
    struct conn *b = newest();
    deliver(a, "*1\r\n$5\r\nfi");
    deliver(a, "rst\r\n*1\r\n$6\r\nsecond\r\n");
    deliver(b, "*1\r\n$1\r\nb\r\n");
    deliver(a, "*1\r\n$5\r\nthird\r\n");
    deliver(a, "*1\r\n$6\r\nfourth\r\n");
    deliver(b, "*1\r\n$30\r\n000000000000000000000000000000\r\n");
    turn();
    expect(fd_a, "*1\r\n$5\r\nfirst\r\n*1\r\n$6\r\nsecond\r\n*1\r\n$5\r\nthird\r\n*1\r\n$6\r\nfourth\r\n");
    expect(fd_b, "*1\r\n$1\r\nb\r\n*1\r\n$30\r\n000000000000000000000000000000\r\n");
    close(fd_a);
    close(fd_b);
}

static void a_broken_stream_behind_a_stall_stays_broken(void **state)
{
    (void)state;
    int fd = connect_pair();
    send_text(fd, "stall\r\n*2\r\n$1\r\na\r\n$-5\r\n$1\r\nb\r\n");
    expect(fd, "*1\r\n$5\r\nstall\r\n");
    conn_resume(stalled);
    expect(fd, "-ERR Protocol error: invalid bulk length\r\n");
    expect_end(fd);
    close(fd);
}

/* Sends without turning the loop: what is queued for several connections is read in one turn. */
static void queue_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

/* Requests that are cut, of two connections that are served together. */
static void an_unfinished_request_keeps_its_own_arguments(void **state)
{
    (void)state;
    int first = connect_pair();
    int second = connect_pair();
    queue_text(first, "*3\r\n$1\r\na\r\n");
    queue_text(second, "*2\r\n$6\r\nsecret\r\n$1\r\nx\r\n*2\r\n$1\r\nc\r\n");
    expect(second, "*2\r\n$6\r\nsecret\r\n$1\r\nx\r\n");
    send_text(first, "$1\r\nk\r\n$1\r\nv\r\n");
    expect(first, "*3\r\n$1\r\na\r\n$1\r\nk\r\n$1\r\nv\r\n");
    send_text(second, "$1\r\nd\r\n");
    expect(second, "*2\r\n$1\r\nc\r\n$1\r\nd\r\n");
    close(first);
    close(second);
}

static void a_stall_leaves_the_next_connection_its_unfinished_request(void **state)
{
    (void)state;
    int first = connect_pair();
    struct conn *waiting = newest();
    int second = connect_pair();
    queue_text(first, "stall\r\na\r\nb\r\n");
    queue_text(second, "*1\r\n$1\r\nx\r\n*2\r\n$1\r\nc\r\n");
    expect(second, "*1\r\n$1\r\nx\r\n");
    send_text(second, "$1\r\nd\r\n");
    expect(second, "*2\r\n$1\r\nc\r\n$1\r\nd\r\n");
    expect(first, "*1\r\n$5\r\nstall\r\n");
    conn_resume(waiting);
    expect(first, "*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n");
    close(first);
    close(second);
}

static void unsent_replies_beyond_the_limit_close_the_connection(void **state)
{
    (void)state;
    static const struct conn_limit limit = {.hard = BIG};
    int fd = connect_pair();
    newest()->limit = &limit;
    send_text(fd, "big\r\nbig\r\nbig\r\n");
    int64_t until = clock_now_us() + PATIENCE_US;
    while (closed == 0) {
        turn();
        assert_true(clock_now_us() < until);
    }
    assert_int_equal(counter_get(&loop->closed_for_output), 1);
    close(fd);
}

/* 256 MB of unsent replies: served no further, and served to the end once they are read. */
static void too_much_unsent_throttles_but_does_not_wake_who_was_stalled(void **state)
{
    (void)state;
    int fd = connect_pair();
    struct conn *conn = newest();
    size_t replies = 0;
    for (; !conn->throttled; replies++) {
        assert_true(replies <= CONN_MAX_UNSENT / BIG + 1);
        send_text(fd, "big\r\n");
    }
    send_text(fd, "stall\r\nafter\r\n");
    conn_stall(conn);
    size_t len = replies * (BIG + strlen("$3145728\r\n\r\n"));
    char *bytes = malloc(BIG);
    size_t got = 0;
    while (got + BIG < len) {
        got += receive(fd, bytes, BIG);
    }
    receive(fd, bytes, len - got);
    assert_false(conn->throttled);
    assert_true(conn->stalled);
    expect_nothing(fd);
    conn_resume(conn);
    expect(fd, "*1\r\n$5\r\nstall\r\n");
    expect_nothing(fd);
    conn_resume(conn);
    expect(fd, "*1\r\n$5\r\nafter\r\n");
    free(bytes);
    close(fd);
}

static void unfinished_input_beyond_the_limit_closes_the_connection(void **state)
{
    (void)state;
    net.query_limit = 100000;
    int fd = connect_pair();
    send_text(fd, "*1\r\n$3000000\r\n");
    char *bytes = calloc(1, 300000);
    size_t sent = 0;
    int64_t until = clock_now_us() + PATIENCE_US;
    while (closed == 0) {
        ssize_t n = send(fd, bytes + sent, 300000 - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
        assert_true(clock_now_us() < until);
    }
    assert_int_equal(counter_get(&loop->closed_for_input), 1);
    free(bytes);
    close(fd);
}

static void a_message_is_sent_unasked_and_nothing_after_closing(void **state)
{
    (void)state;
    int fd = connect_pair();
    turn();
    conn_send(newest(), "+hello\r\n", 8);
    expect(fd, "+hello\r\n");
    conn_close_after_write(newest());
    conn_send(newest(), "+never\r\n", 8);
    expect_end(fd);
    close(fd);
}

static void an_idle_connection_keeps_no_buffers(void **state)
{
    (void)state;
    int fd = connect_pair();
    send_text(fd, "a\r\n");
    expect(fd, "*1\r\n$1\r\na\r\n");
    assert_true(conn_memory(newest()) <= 1024);
    send_text(fd, "*1\r\n$100000\r\nabc");
    assert_true(conn_memory(newest()) > 1024);
    assert_true(conn_memory(newest()) < 50000); /* a length alone reserves nothing */
    close(fd);
}

static void a_stopping_loop_opens_nothing(void **state)
{
    (void)state;
    int fd = connect_pair();
    loop_stop(loop);
    int late = connect_pair();
    assert_int_equal(opened, 1);
    expect_end(fd);
    expect_end(late);
    close(fd);
    close(late);
}

/* ---- mailbox ---------------------------------------------------------------------------------------- */

enum { POSTERS = 4, POSTS = 5000 };
static int next_of[POSTERS];
static int received_messages;

static void take_message(struct loop *l, void *argument)
{
    int number = (int)(intptr_t)argument;
    assert_ptr_equal(l, loop);
    assert_int_equal(number % POSTS, next_of[number / POSTS]++);
    received_messages++;
}

static void *post_all(void *first)
{
    mem_thread_init();
    for (intptr_t i = 0; i < POSTS; i++) {
        loop_post(loop, take_message, (void *)((intptr_t)first * POSTS + i));
    }
    return NULL;
}

static void messages_arrive_in_the_order_in_which_each_thread_posts_them(void **state)
{
    (void)state;
    pthread_t threads[POSTERS];
    for (intptr_t i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, (void *)i), 0);
    }
    int64_t until = clock_now_us() + PATIENCE_US;
    while (received_messages < POSTERS * POSTS) {
        turn();
        assert_true(clock_now_us() < until);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void count_message(struct loop *l, void *argument)
{
    assert_ptr_equal(l, &net.loops[0]);
    received_messages += (int)(intptr_t)argument;
}

/* At the end a loop that still runs may post to one that has ended. */
static void a_loop_that_has_ended_still_takes_messages(void **state)
{
    (void)state;
    int before = received_messages;
    loop_ask_to_stop(loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    assert_true(loop->stopping);
    assert_true(loop_post(loop, count_message, (void *)1));
    assert_true(loop_post(loop, count_message, (void *)2));
    assert_int_equal(received_messages, before);
    loop_run(loop);
    loop_free(loop);
    assert_int_equal(received_messages, before + 3);
    mem_free(net.loops, (sizeof(struct loop) + 63) / 64 * 64);
    assert_int_equal(mem_used(), memory_before);
}

/* ---- listener --------------------------------------------------------------------------------------- */

static int connect_to(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* Two loops, and the second has not yet looked into its mailbox when a crowd comes. */
static void a_crowd_is_dealt_out_evenly(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    struct net two;
    int fds[CROWD];
    char error[128];
    net_init(&two, 2, &hooks);
    assert_int_equal(listener_open_tcp(&two, "127.0.0.1", 0, 100, error, sizeof error), 0);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = connect_to(listener_port(&two));
    }
    int64_t until = clock_now_us() + PATIENCE_US;
    while (counter_get(&two.loops[0].dealt) + counter_get(&two.loops[1].dealt) < CROWD) {
        uv_run(&two.loops[0].uv, UV_RUN_NOWAIT);
        assert_true(clock_now_us() < until);
    }
    assert_int_equal(counter_get(&two.loops[0].dealt), CROWD / 2);
    uv_run(&two.loops[1].uv, UV_RUN_NOWAIT);
    assert_int_equal(counter_get(&two.loops[0].connections), CROWD / 2);
    assert_int_equal(counter_get(&two.loops[1].connections), CROWD / 2);
    listener_close_all(&two);
    for (int i = 0; i < 2; i++) {
        loop_stop(&two.loops[i]);
        loop_run(&two.loops[i]);
        loop_free(&two.loops[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    mem_free(two.loops, (2 * sizeof(struct loop) + 63) / 64 * 64);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    memset(big, 'b', sizeof big);
#define CONN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CONN_TEST(what_is_queued_goes_out_at_once_and_in_order),
        CONN_TEST(a_large_push_is_shared_and_still_in_order),
        CONN_TEST(a_push_without_a_head_is_not_sent),
        CONN_TEST(what_a_closed_connection_had_queued_is_freed),
        CONN_TEST(a_slow_reader_of_pushes_is_cut_at_its_limit),
        CONN_TEST(output_waits_for_its_mark_and_keeps_its_order),
        CONN_TEST(what_is_held_goes_out_when_holding_ends),
        CONN_TEST(relaxed_only_acknowledgements_are_held),
        CONN_TEST(a_connection_closes_when_what_it_holds_is_sent),
        CONN_TEST(too_much_that_is_held_closes_the_connection),
        CONN_TEST(requests_are_answered_in_order_however_they_are_cut),
        CONN_TEST(many_pipelined_requests_are_all_answered),
        CONN_TEST(a_large_argument_comes_through),
        CONN_TEST(a_stalled_connection_is_served_no_further_until_it_is_resumed),
        CONN_TEST(a_request_with_quotes_that_had_to_wait_is_understood),
        CONN_TEST(replies_are_sent_before_a_connection_closes),
        CONN_TEST(a_broken_stream_is_told_why_and_closed),
        CONN_TEST(the_small_limits_end_with_authentication),
        CONN_TEST(a_reply_without_memory_ends_its_connection_alone),
        CONN_TEST(connections_of_one_turn_each_get_their_own_replies),
        CONN_TEST(bytes_read_while_a_turn_waits_come_behind_it),
        CONN_TEST(a_broken_stream_behind_a_stall_stays_broken),
        CONN_TEST(an_unfinished_request_keeps_its_own_arguments),
        CONN_TEST(a_stall_leaves_the_next_connection_its_unfinished_request),
        CONN_TEST(unsent_replies_beyond_the_limit_close_the_connection),
        CONN_TEST(too_much_unsent_throttles_but_does_not_wake_who_was_stalled),
        CONN_TEST(unfinished_input_beyond_the_limit_closes_the_connection),
        CONN_TEST(a_message_is_sent_unasked_and_nothing_after_closing),
        CONN_TEST(an_idle_connection_keeps_no_buffers),
        CONN_TEST(a_stopping_loop_opens_nothing),
        cmocka_unit_test_setup(a_loop_that_has_ended_still_takes_messages, setup),
        CONN_TEST(messages_arrive_in_the_order_in_which_each_thread_posts_them),
        CONN_TEST(a_crowd_is_dealt_out_evenly),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
