/*
 * What is queued for a connection unasked: pushes, which many may share, and bytes.
 */
#include "tests/unit/net/hand_turned.h"

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

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        HAND_TURNED(what_is_queued_goes_out_at_once_and_in_order),
        HAND_TURNED(a_large_push_is_shared_and_still_in_order),
        HAND_TURNED(a_push_without_a_head_is_not_sent),
        HAND_TURNED(what_a_closed_connection_had_queued_is_freed),
        HAND_TURNED(a_slow_reader_of_pushes_is_cut_at_its_limit),
    };
    return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
