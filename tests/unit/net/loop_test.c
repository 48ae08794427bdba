/*
 * Loops: their mailboxes, their end, and the connections that the listener deals out to them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#include "net/listener.h"
#include "tests/unit/net/hand_turned.h"

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
        fds[i] = connect_to(two.port);
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
    const struct CMUnitTest tests[] = {
        HAND_TURNED(a_stopping_loop_opens_nothing),
        cmocka_unit_test_setup(a_loop_that_has_ended_still_takes_messages, setup),
        HAND_TURNED(messages_arrive_in_the_order_in_which_each_thread_posts_them),
        HAND_TURNED(a_crowd_is_dealt_out_evenly),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
