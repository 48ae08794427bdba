/* The link: it waits for as long as it was told, ends at once when it is not wanted any more, and says what happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "replication/link.h"

static struct link to_master;
static _Atomic bool wanted;
static int ticks;
static int listener, port;

static bool goes_on(void *context)
{
    (void)context;
    return atomic_load(&wanted);
}

static void waits(void *context)
{
    (void)context;
    ticks++;
}

static int set_up(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    (void)state;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    atomic_store(&wanted, true);
    ticks = 0;
    link_init(&to_master, eventfd(0, EFD_NONBLOCK), &(struct link_hooks){.goes_on = goes_on, .waits = waits});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    link_free(&to_master);
    close(to_master.event);
    close(listener);
    return 0;
}

static int open_both(int64_t timeout)
{
    assert_true(link_open(&to_master, &(struct link_address){"127.0.0.1", port, ""}, timeout));
    int other = accept(listener, NULL, NULL);
    assert_true(other >= 0);
    return other;
}

static void bytes_go_both_ways(void **state)
{
    char line[16], rest[16];
    (void)state;
    int other = open_both(1000);
    assert_true(link_write(&to_master, "hello", 5));
    assert_int_equal(read(other, rest, sizeof rest), 5);
    assert_int_equal(write(other, "\n\r\n+OK\r\nbytes", 13), 13);
    assert_true(link_read_line(&to_master, line, sizeof line));
    assert_string_equal(line, "+OK");
    assert_int_equal(link_read(&to_master, rest, 2), 2);
    assert_int_equal(link_read(&to_master, rest + 2, sizeof rest - 2), 3);
    assert_memory_equal(rest, "bytes", 5);
    close(other);
    assert_int_equal(link_read(&to_master, rest, sizeof rest), 0);
    assert_string_equal(to_master.error, "the other end has closed the connection");
}

static void a_line_has_an_end(void **state)
{
    char line[8];
    (void)state;
    int other = open_both(1000);
    assert_int_equal(write(other, "a long line\r\n", 13), 13);
    assert_false(link_read_line(&to_master, line, sizeof line));
    assert_string_equal(to_master.error, "a line of more than 8 bytes has come");
    close(other);
}

static void silence_has_an_end(void **state)
{
    char byte;
    (void)state;
    int other = open_both(120);
    to_master.tick = 20;
    int64_t began = clock_now();
    assert_int_equal(link_read(&to_master, &byte, 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(clock_now() - began >= 120);
    assert_true(ticks >= 2 && ticks <= 6);
    close(other);
}

static void *call_off(void *unused)
{
    uint64_t one = 1;
    (void)unused;
    atomic_store(&wanted, false);
    assert_int_equal(write(to_master.event, &one, sizeof one), sizeof one);
    return NULL;
}

static void who_is_not_wanted_waits_no_longer(void **state)
{
    char byte;
    pthread_t thread;
    (void)state;
    int other = open_both(60000);
    int64_t began = clock_now();
    assert_int_equal(pthread_create(&thread, NULL, call_off, NULL), 0);
    assert_int_equal(link_read(&to_master, &byte, 1), -1);
    assert_int_equal(errno, ECANCELED);
    assert_true(clock_now() - began < 10000);
    pthread_join(thread, NULL);
    close(other);
}

static void nobody_is_there(void **state)
{
    (void)state;
    close(listener);
    listener = -1;
    assert_false(link_open(&to_master, &(struct link_address){"127.0.0.1", port, ""}, 1000));
    assert_string_equal(to_master.error, "Connection refused");
    assert_false(link_open(&to_master, &(struct link_address){"no.such.host.invalid", port, ""}, 1000));
    assert_non_null(strstr(to_master.error, "no.such.host.invalid"));
    assert_false(link_open(&to_master, &(struct link_address){"127.0.0.1", port, "nonsense"}, 1000));
    assert_non_null(strstr(to_master.error, "bind-source-addr"));
    assert_int_equal(to_master.fd, -1);
}

static void it_comes_from_where_it_is_told(void **state)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    (void)state;
    assert_true(link_open(&to_master, &(struct link_address){"localhost", port, "127.0.0.3"}, 1000));
    int other = accept(listener, (struct sockaddr *)&peer, &size);
    assert_int_equal(ntohl(peer.sin_addr.s_addr), 0x7f000003);
    close(other);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_go_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_has_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_has_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_not_wanted_waits_no_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_comes_from_where_it_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
