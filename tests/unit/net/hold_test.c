/*
 * Output that waits until a mark has come far enough.
 */
#include "net/hold.h"
#include "tests/unit/net/hand_turned.h"

static void output_waits_for_its_mark_and_keeps_its_order(void **state)
{
    (void)state;
    int fd = connect_pair();
    struct push *push = make_push('p', 3);
    hold_on(&net, HOLD_DISK);
    due_at = 10;
    send_text(fd, "one\r\n");
    conn_queue(newest(), push);
    send_text(fd, "two\r\n");
    expect_nothing(fd);
    due_at = 20;
    send_text(fd, "three\r\n");
    due_at = 0; /* due by itself, but not before what came before it */
    send_text(fd, "four\r\n");
    hold_release(&net, HOLD_DISK, 9, NULL);
    expect_nothing(fd);
    hold_release(&net, HOLD_DISK, 10, NULL);
    expect(fd, "*1\r\n$3\r\none\r\ntwo:ppp*1\r\n$3\r\ntwo\r\n");
    expect_nothing(fd);
    assert_true(atomic_load(&loop->holds));
    hold_release(&net, HOLD_DISK, 20, NULL);
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
    hold_on(&net, HOLD_DISK);
    due_at = 10;
    send_text(fd, "one\r\n");
    expect_nothing(fd);
    hold_off(&net, HOLD_DISK);
    send_text(fd, "two\r\n");
    expect(fd, "*1\r\n$3\r\none\r\n*1\r\n$3\r\ntwo\r\n");
    close(fd);
}

static void relaxed_only_acknowledgements_are_held(void **state)
{
    (void)state;
    int writer = connect_pair();
    int reader = connect_pair();
    hold_on(&net, HOLD_DISK);
    due_at = own_at = 10;
    send_text(writer, "write\r\n");
    own_at = 3;
    hold_release(&net, HOLD_DISK, 5, NULL);
    send_text(reader, "read\r\n");
    expect_nothing(reader);
    hold_relax(&net, true);
    expect(reader, "*1\r\n$4\r\nread\r\n");
    send_text(reader, "again\r\n");
    expect(reader, "*1\r\n$5\r\nagain\r\n");
    send_text(writer, "read\r\n");
    expect_nothing(writer);
    hold_relax(&net, false);
    hold_release(&net, HOLD_DISK, 10, NULL);
    expect(writer, "*1\r\n$5\r\nwrite\r\n*1\r\n$4\r\nread\r\n");
    close(writer);
    close(reader);
}

static void only_writers_wait_for_replicas(void **state)
{
    (void)state;
    int writer = connect_pair();
    int reader = connect_pair();
    hold_on(&net, HOLD_REPLICAS);
    due_at = own_at = 10;
    send_text(writer, "write\r\n");
    own_at = 0;
    send_text(reader, "read\r\n");
    expect(reader, "*1\r\n$4\r\nread\r\n");
    hold_release(&net, HOLD_REPLICAS, 9, NULL);
    expect_nothing(writer);
    hold_release(&net, HOLD_REPLICAS, 10, NULL);
    expect(writer, "*1\r\n$5\r\nwrite\r\n");
    close(writer);
    close(reader);
}

static void what_waits_for_both_marks_goes_out_with_the_later_one(void **state)
{
    (void)state;
    int fd = connect_pair();
    hold_on(&net, HOLD_REPLICAS);
    hold_on(&net, HOLD_DISK);
    due_at = own_at = 10;
    send_text(fd, "one\r\n");
    hold_release(&net, HOLD_DISK, 10, NULL);
    expect_nothing(fd);
    hold_release(&net, HOLD_REPLICAS, 10, NULL);
    expect(fd, "*1\r\n$3\r\none\r\n");
    due_at = own_at = 20;
    send_text(fd, "two\r\n");
    hold_release(&net, HOLD_REPLICAS, 20, NULL);
    expect_nothing(fd);
    hold_off(&net, HOLD_DISK);
    expect(fd, "*1\r\n$3\r\ntwo\r\n");
    close(fd);
}

static void a_connection_closes_when_what_it_holds_is_sent(void **state)
{
    (void)state;
    int fd = connect_pair();
    int killed = connect_pair();
    struct conn *second = newest();
    hold_on(&net, HOLD_DISK);
    due_at = 1;
    send_text(killed, "one\r\n");
    send_text(fd, "flush\r\nquit\r\n");
    conn_close(second);
    expect_end(killed);
    expect_nothing(fd);
    assert_int_equal(closed, 1);
    hold_release(&net, HOLD_DISK, 1, NULL);
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
    hold_on(&net, HOLD_DISK);
    due_at = 1;
    send_text(fd, "big\r\n");
    expect_nothing(fd);
    assert_true(conn_memory(newest()) > BIG);
    send_text(fd, "big\r\n");
    expect_end(fd);
    assert_int_equal(counter_get(&loop->closed_for_output), 1);
    close(fd);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        HAND_TURNED(output_waits_for_its_mark_and_keeps_its_order),
        HAND_TURNED(what_is_held_goes_out_when_holding_ends),
        HAND_TURNED(relaxed_only_acknowledgements_are_held),
        HAND_TURNED(only_writers_wait_for_replicas),
        HAND_TURNED(what_waits_for_both_marks_goes_out_with_the_later_one),
        HAND_TURNED(a_connection_closes_when_what_it_holds_is_sent),
        HAND_TURNED(too_much_that_is_held_closes_the_connection),
    };
    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
