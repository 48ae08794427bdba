/*
 * Connections: requests in, replies out, and the limits of both.
 */
#include <stdio.h>

#include "tests/unit/net/hand_turned.h"

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

int main(void)
{
    mem_thread_init();
    clock_init();
    memset(big, 'b', sizeof big);
    const struct CMUnitTest tests[] = {
        HAND_TURNED(requests_are_answered_in_order_however_they_are_cut),
        HAND_TURNED(many_pipelined_requests_are_all_answered),
        HAND_TURNED(a_large_argument_comes_through),
        HAND_TURNED(a_stalled_connection_is_served_no_further_until_it_is_resumed),
        HAND_TURNED(a_request_with_quotes_that_had_to_wait_is_understood),
        HAND_TURNED(replies_are_sent_before_a_connection_closes),
        HAND_TURNED(a_broken_stream_is_told_why_and_closed),
        HAND_TURNED(the_small_limits_end_with_authentication),
        HAND_TURNED(a_reply_without_memory_ends_its_connection_alone),
        HAND_TURNED(connections_of_one_turn_each_get_their_own_replies),
        HAND_TURNED(bytes_read_while_a_turn_waits_come_behind_it),
        HAND_TURNED(a_broken_stream_behind_a_stall_stays_broken),
        HAND_TURNED(an_unfinished_request_keeps_its_own_arguments),
        HAND_TURNED(a_stall_leaves_the_next_connection_its_unfinished_request),
        HAND_TURNED(unsent_replies_beyond_the_limit_close_the_connection),
        HAND_TURNED(too_much_unsent_throttles_but_does_not_wake_who_was_stalled),
        HAND_TURNED(unfinished_input_beyond_the_limit_closes_the_connection),
        HAND_TURNED(a_message_is_sent_unasked_and_nothing_after_closing),
        HAND_TURNED(an_idle_connection_keeps_no_buffers),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
