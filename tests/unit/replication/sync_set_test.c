/*
 * Whom the master waits for, and until when.
 */
#include "replication/sync_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"

#define A SLICE("aaaa")
#define B SLICE("bbbb")
#define C SLICE("cccc")

enum { LEASE = 500 };

static struct sync_set set;

static int begin(void **state)
{
    (void)state;
    sync_set_init(&set, 1000, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sync_set_free(&set);
    return 0;
}

static void with_nobody_in_sync_all_is_everybody(void **state)
{
    (void)state;
    assert_true(sync_set_mark(&set, WRITE_ACK_ALL, 0) == LOG_ALL);
    assert_true(sync_set_mark(&set, WRITE_ACK_MASTER, 0) == LOG_ALL);
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_ONE, 1), 0);
}

static void each_level_waits_for_its_number_of_replicas(void **state)
{
    (void)state;
    assert_true(sync_set_join(&set, A, 100, 300, 1000, LEASE));
    assert_true(sync_set_join(&set, B, 200, 300, 1000, LEASE));
    assert_true(sync_set_join(&set, C, 300, 300, 1000, LEASE));
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_ALL, 0), 100);
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_QUORUM, 2), 200);
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_ONE, 1), 300);
    sync_set_acked(&set, A, 250);
    sync_set_acked(&set, A, 240);                                    /* late */
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_QUORUM, 2), 300); /* the mark never goes back */
    assert_int_equal(sync_set_attached(&set), 3);
}

static void a_lease_begins_behind_what_was_acknowledged_without_the_replica(void **state)
{
    (void)state;
    struct sync_member member;
    assert_true(sync_set_join(&set, A, 100, 300, 1000, LEASE));
    assert_false(sync_set_grant(&set, A, 299, 1000, LEASE));
    assert_true(sync_set_grant(&set, A, 300, 1000, LEASE));
    assert_false(sync_set_grant(&set, B, 300, 1000, LEASE));
    assert_true(sync_set_find(&set, A, &member));
    assert_true(member.lease_end > 1000 + LEASE);
}

static void one_that_is_gone_is_waited_for_until_its_lease_is_over(void **state)
{
    (void)state;
    assert_true(sync_set_join(&set, A, 300, 300, 1000, LEASE));
    assert_true(sync_set_grant(&set, A, 300, 1000, LEASE));
    sync_set_detach(&set, A);
    assert_int_equal(sync_set_attached(&set), 0);
    assert_false(sync_set_grant(&set, A, 300, 1100, LEASE));
    assert_int_equal(sync_set_expire(&set, 1000 + LEASE), 0);
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_ALL, 0), 300);
    assert_int_equal(sync_set_expire(&set, 1000 + LEASE + LEASE / 64 + 2), 1);
    assert_true(sync_set_mark(&set, WRITE_ACK_ALL, 0) == LOG_ALL);
    assert_int_equal(set.dropped, 1);
}

static void one_that_never_had_a_lease_goes_with_its_connection(void **state)
{
    (void)state;
    assert_true(sync_set_join(&set, A, 100, 300, 1000, LEASE));
    sync_set_detach(&set, A);
    assert_true(sync_set_mark(&set, WRITE_ACK_ALL, 0) == LOG_ALL);
}

static void a_first_lease_is_waited_for_as_long_as_one(void **state)
{
    (void)state;
    assert_true(sync_set_join(&set, A, 100, 300, 1000, LEASE));
    assert_int_equal(sync_set_expire(&set, 1000 + LEASE - 1), 0);
    assert_true(sync_set_acked(&set, A, 200));
    assert_int_equal(sync_set_expire(&set, 1000 + LEASE), 1);
    assert_false(sync_set_acked(&set, A, 250));
    assert_false(sync_set_grant(&set, A, 300, 1000 + LEASE, LEASE));
}

static void one_that_says_goodbye_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(sync_set_join(&set, A, 100, 300, 1000, LEASE));
    assert_true(sync_set_join(&set, B, 200, 300, 1000, LEASE));
    assert_true(sync_set_grant(&set, A, 300, 1000, LEASE));
    sync_set_leave(&set, A);
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_ALL, 0), 200);
}

static void one_that_comes_back_in_time_keeps_its_lease(void **state)
{
    (void)state;
    struct sync_member member;
    assert_true(sync_set_join(&set, A, 300, 300, 1000, LEASE));
    assert_true(sync_set_grant(&set, A, 300, 1000, LEASE));
    sync_set_detach(&set, A);
    assert_true(sync_set_join(&set, A, 300, 900, 1000, LEASE));
    assert_true(sync_set_find(&set, A, &member));
    assert_true(member.attached);
    assert_int_equal(member.joined, 300); /* nothing was acknowledged without it */
    assert_true(sync_set_grant(&set, A, 310, 1200, LEASE));
}

static void after_a_start_the_leases_of_the_last_life_are_waited_for(void **state)
{
    (void)state;
    sync_set_free(&set);
    sync_set_init(&set, 1000, LEASE);
    assert_int_equal(sync_set_mark(&set, WRITE_ACK_ALL, 0), 0);
    assert_int_equal(sync_set_expire(&set, 1000 + LEASE), 0);
    assert_int_equal(sync_set_expire(&set, 1000 + 2 * LEASE), 1);
    assert_true(sync_set_mark(&set, WRITE_ACK_ALL, 0) == LOG_ALL);
    assert_int_equal(set.dropped, 0);
}

static void there_is_an_end_to_members_and_names(void **state)
{
    (void)state;
    char id[SYNC_SET_ID + 2];
    memset(id, 'x', sizeof id);
    assert_false(sync_set_join(&set, SLICE(""), 0, 0, 1000, LEASE));
    assert_false(sync_set_join(&set, (struct slice){id, SYNC_SET_ID + 1}, 0, 0, 1000, LEASE));
    for (int i = 0; i < SYNC_SET_MOST; i++) {
        id[0] = (char)('0' + i);
        assert_true(sync_set_join(&set, (struct slice){id, SYNC_SET_ID}, 0, 0, 1000, LEASE));
    }
    assert_false(sync_set_join(&set, A, 0, 0, 1000, LEASE));
    sync_set_leave(&set, (struct slice){id, SYNC_SET_ID});
    assert_true(sync_set_join(&set, A, 0, 0, 1000, LEASE));
}

#define SYNC_SET(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNC_SET(with_nobody_in_sync_all_is_everybody),
        SYNC_SET(each_level_waits_for_its_number_of_replicas),
        SYNC_SET(a_lease_begins_behind_what_was_acknowledged_without_the_replica),
        SYNC_SET(one_that_is_gone_is_waited_for_until_its_lease_is_over),
        SYNC_SET(one_that_never_had_a_lease_goes_with_its_connection),
        SYNC_SET(a_first_lease_is_waited_for_as_long_as_one),
        SYNC_SET(one_that_says_goodbye_is_not_waited_for),
        SYNC_SET(one_that_comes_back_in_time_keeps_its_lease),
        SYNC_SET(after_a_start_the_leases_of_the_last_life_are_waited_for),
        SYNC_SET(there_is_an_end_to_members_and_names),
    };
    return cmocka_run_group_tests_name("sync_set", tests, NULL, NULL);
}
