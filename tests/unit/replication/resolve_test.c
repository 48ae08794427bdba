/* Resolving: a thread gets the addresses of a name, an error with a reason, or its way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "replication/resolve.h"

static struct lookup_target target;
static char error[256];
static bool wanted;
static int event;

static bool goes_on(void *context)
{
    (void)context;
    return wanted;
}

static bool resolve(const char *name)
{
    const struct resolve_patience patience = {2000, event, goes_on, NULL};
    uv_loop_t uv;
    assert_int_equal(uv_loop_init(&uv), 0);
    bool found = resolve_host(&uv, name, 6379, &patience, &target, error, sizeof error);
    int reason = errno;
    assert_int_equal(uv_loop_close(&uv), 0);
    errno = reason;
    return found;
}

static int set_up(void **state)
{
    (void)state;
    event = eventfd(0, EFD_NONBLOCK);
    wanted = true;
    error[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return close(event);
}

static void an_address_is_what_it_says(void **state)
{
    (void)state;
    assert_true(resolve("127.0.0.3"));
    assert_int_equal(target.count, 1);
    assert_int_equal(target.addresses[0].v4.sin_family, AF_INET);
    assert_int_equal(ntohl(target.addresses[0].v4.sin_addr.s_addr), 0x7f000003);
    assert_int_equal(ntohs(target.addresses[0].v4.sin_port), 6379);
    assert_true(resolve("::1"));
    assert_int_equal(target.addresses[0].v6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(target.addresses[0].v6.sin6_port), 6379);
}

static void a_name_of_the_hosts_file_has_addresses(void **state)
{
    (void)state;
    assert_true(resolve("localhost"));
    assert_true(target.count >= 1);
}

static void a_name_that_is_none_has_an_error(void **state)
{
    (void)state;
    assert_false(resolve(""));
    assert_string_not_equal(error, "");
    assert_int_not_equal(errno, ECANCELED);
}

static void who_is_not_wanted_waits_for_no_answer(void **state)
{
    uint64_t one = 1;
    (void)state;
    wanted = false;
    assert_int_equal(write(event, &one, sizeof one), sizeof one);
    assert_false(resolve("no.such.host.invalid"));
    assert_int_equal(errno, ECANCELED);
    assert_string_equal(error, "it is not wanted any more");
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_is_what_it_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_of_the_hosts_file_has_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_none_has_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_not_wanted_waits_for_no_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
