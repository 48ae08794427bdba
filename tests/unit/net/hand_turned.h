/*
 * What the tests of loops and connections share: a loop that is turned by hand, so that nothing hangs on timing, with hooks of a
 * server that replies with each request's arguments, and does what the first of them says; and connections over socket pairs.
 */
#ifndef ORDINAL_TESTS_UNIT_NET_HAND_TURNED_H
#define ORDINAL_TESTS_UNIT_NET_HAND_TURNED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "net/conn.h"

enum { PATIENCE_US = 20000000, BIG = 3 * 1024 * 1024 };

static struct net net;
static struct loop *loop;
static int64_t memory_before;
static int inside, opened, closed, largest_batch;
static struct conn *stalled;
static size_t room_asked; /* the largest */
static char big[BIG];

static inline void enter(struct loop *l)
{
    (void)l;
    assert_int_equal(inside++, 0); /* the gate is not recursive */
}

static inline void leave(struct loop *l)
{
    (void)l;
    assert_int_equal(--inside, 0);
}

static inline const char *admit(struct net *n, const struct sockaddr *peer)
{
    (void)n;
    (void)peer;
    return NULL;
}

static inline bool on_opened(struct conn *conn)
{
    conn->client = conn;
    opened++;
    return true;
}

static inline void prepare(struct conn *conn, const struct request *requests, size_t first, size_t count)
{
    assert_ptr_equal(conn->client, conn);
    for (size_t i = first; i < first + count; i++) {
        assert_true(requests[i].argc > 0);
    }
}

static inline void fetch(struct loop *l, size_t count)
{
    (void)l;
    largest_batch = (int)count > largest_batch ? (int)count : largest_batch;
}

static inline void run(struct conn *conn, const struct request *request)
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

static inline size_t serve(struct conn *conn, struct request *requests, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run(conn, &requests[first + i]);
        if (conn->stalled || conn->closing || conn->closing_after_write) {
            return i + 1;
        }
    }
    return count;
}

static inline void on_closed(struct conn *conn)
{
    stalled = stalled == conn ? NULL : stalled;
    closed++;
}

static inline void make_room(struct loop *l, size_t bytes)
{
    (void)l;
    room_asked = bytes > room_asked ? bytes : room_asked;
}

/* What output waits for: an offset that every test sets. */
static uint64_t due_at, own_at;

static inline uint64_t due(struct conn *conn, uint64_t *own)
{
    (void)conn;
    *own = own_at;
    return due_at;
}

static const struct net_hooks hooks = {NULL,  enter,     leave, admit,     on_opened, prepare, fetch,
                                       serve, make_room, NULL,  on_closed, NULL,      due};

static inline void turn(void)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
    (void)state;
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    mem_free(net.loops, (sizeof(struct loop) + 63) / 64 * 64);
    return opened == closed && mem_used() == memory_before ? 0 : -1;
}

/* A connection; returns the test's end of it. */
static inline int connect_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    conn_open(loop, fds[0], true);
    return fds[1];
}

static inline struct conn *newest(void)
{
    return loop->conns;
}

static inline void send_all(int fd, const char *bytes, size_t len)
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

static inline void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* Reads exactly `len` bytes, or up to the end when there are fewer; returns how many. */
static inline size_t receive(int fd, char *bytes, size_t len)
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

static inline void expect(int fd, const char *text)
{
    char bytes[4096];
    size_t got = receive(fd, bytes, strlen(text));
    assert_int_equal(got, strlen(text));
    assert_memory_equal(bytes, text, got);
}

static inline void expect_nothing(int fd)
{
    char byte;
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
}

static inline void expect_end(int fd)
{
    char byte;
    assert_int_equal(receive(fd, &byte, 1), 0);
}

static inline struct push *make_push(char letter, size_t body)
{
    struct push *push = push_new(SLICE("two:"), SLICE("three:"), body);
    assert_non_null(push);
    memset(push_body(push), letter, body);
    return push;
}

/* A test with such a loop of its own. */
#define HAND_TURNED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
