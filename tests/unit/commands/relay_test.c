/* The relay: bytes reach the log once, in order, and those of a transaction only when it has run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "clock.h"
#include "commands/relay.h"
#include "memory.h"

static struct log the_log;
static struct log_reader reader;
static struct relay relay;

static int set_up(void **state)
{
    (void)state;
    log_init(&the_log, 1);
    assert_true(log_follow(&the_log, true));
    assert_true(log_reader_open(&the_log, &reader, 0, LOG_KEEPS));
    relay = (struct relay){.log = &the_log, .slot = 1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    relay_reset(&relay);
    log_reader_close(&the_log, &reader);
    log_follow(&the_log, false);
    log_free(&the_log);
    return 0;
}

static void assert_logged(const char *text)
{
    struct slice run;
    assert_int_equal(log_end(&the_log), strlen(text));
    if (text[0] != '\0') {
        assert_int_equal(log_reader_peek(&the_log, &reader, LOG_ALL, &run, 1), 1);
        assert_int_equal(run.len, strlen(text));
        assert_memory_equal(run.ptr, text, run.len);
    }
}

static void whole_commands_go_on_at_once(void **state)
{
    (void)state;
    relay_begin(&relay, "onetwothree", 100);
    relay_until(&relay, 103);
    assert_logged("one");
    relay_until(&relay, 103);
    assert_logged("one");
    relay_until(&relay, 111);
    assert_logged("onetwothree");
}

static void a_transaction_goes_on_as_a_whole(void **state)
{
    (void)state;
    relay_begin(&relay, "beforemulti", 0);
    relay_until(&relay, 6);
    assert_true(relay_keep(&relay, 11));
    assert_logged("before");
    relay_begin(&relay, "middle", 11);
    assert_true(relay_keep(&relay, 17));
    assert_logged("before");
    relay_begin(&relay, "execafter", 17);
    relay_until(&relay, 21);
    assert_logged("beforemultimiddleexec");
    relay_until(&relay, 26);
    assert_logged("beforemultimiddleexecafter");
}

static void what_is_forgotten_does_not_come_back(void **state)
{
    (void)state;
    relay_begin(&relay, "multi", 0);
    assert_true(relay_keep(&relay, 5));
    relay_reset(&relay);
    relay_begin(&relay, "again", 0);
    relay_until(&relay, 5);
    assert_logged("again");
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_commands_go_on_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_transaction_goes_on_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_forgotten_does_not_come_back, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
