/* The roster: who is in it, what is noted of each, and how far each lags. */
#include "replication/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "memory.h"

static struct roster roster;
static struct roster_view view;

static void start_listed(const char *members, int self)
{
    struct identity_own own = {.port = 6379};
    struct identity identity;
    char error[CONFIG_ERR_SIZE], number[16];
    snprintf(number, sizeof number, "%d", self);
    assert_true(identity_from_list(members, number, &own, &identity, error, sizeof error));
    roster_init(&roster, &identity);
}

static void start_pod(int ordinal)
{
    struct identity identity = {.kind = IDENTITY_POD, .ordinal = ordinal, .port = 6379};
    strcpy(identity.set, "redis");
    strcpy(identity.service, "headless.ns.svc");
    roster_init(&roster, &identity);
}

/* "0 2 3": the ordinals of all members. */
static const char *ordinals(void)
{
    static char text[1024];
    text[0] = '\0';
    roster_view(&roster, 0, &view);
    for (size_t i = 0; i < view.count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i > 0 ? " " : "",
                 view.members[i].ordinal);
    }
    return text;
}

static struct roster_member member(int ordinal, int64_t now)
{
    struct roster_member found;
    assert_true(roster_member(&roster, ordinal, now, &found));
    return found;
}

static void a_listed_roster_has_all_its_members_at_once(void **state)
{
    (void)state;
    start_listed("a,b:7000,[fd00::1]", 1);
    assert_string_equal(ordinals(), "0 1 2");
    assert_int_equal(view.self, 1);
    assert_int_equal(view.kind, IDENTITY_LISTED);
    assert_string_equal(view.members[1].host, "b");
    assert_int_equal(view.members[1].port, 7000);
    for (size_t i = 0; i < view.count; i++) {
        assert_int_equal(view.members[i].role, i == 0 ? ROSTER_MASTER : ROSTER_REPLICA);
        assert_int_equal(view.members[i].state, ROSTER_UNKNOWN);
        assert_int_equal(view.members[i].offset, -1);
        assert_int_equal(view.members[i].lag_bytes, -1);
        assert_int_equal(view.members[i].lag_ms, -1);
        assert_int_equal(view.members[i].last_seen, 0);
    }
    assert_null(roster_service(&roster));
    assert_false(roster_add(&roster, 3));
    struct lookup_target target = {.host = "c"};
    assert_int_equal(roster_take_service(&roster, &target, 1), 0);
    assert_string_equal(ordinals(), "0 1 2");
    roster_free(&roster);
}

static void a_plain_server_has_no_roster(void **state)
{
    (void)state;
    struct identity identity = {.kind = IDENTITY_PLAIN, .ordinal = -1};
    struct roster_member master;
    roster_init(&roster, &identity);
    assert_string_equal(ordinals(), "");
    assert_int_equal(view.self, -1);
    assert_false(roster_master(&roster, 0, &master));
    assert_false(roster_set_state(&roster, 0, ROSTER_IN_SYNC));
    assert_false(roster_set_master(&roster, 0));
    assert_false(roster_seen(&roster, 0, 1, 1));
    assert_false(roster_add(&roster, 0));
    roster_free(&roster);
}

static void a_pod_begins_with_itself_and_ordinal_0(void **state)
{
    (void)state;
    struct roster_member master;
    start_pod(2);
    assert_string_equal(ordinals(), "0 2");
    assert_string_equal(roster_service(&roster), "headless.ns.svc");
    assert_true(roster_master(&roster, 0, &master));
    assert_string_equal(master.host, "redis-0.headless.ns.svc");
    assert_true(roster_add(&roster, 1));
    assert_true(roster_add(&roster, 1));
    assert_string_equal(ordinals(), "0 1 2");
    assert_false(roster_add(&roster, -1));
    assert_false(roster_add(&roster, IDENTITY_ORDINAL_MAX + 1));
    roster_free(&roster);
    start_pod(0);
    assert_string_equal(ordinals(), "0");
    for (int i = 0; i < ROSTER_MEMBERS; i++) {
        assert_true(roster_add(&roster, i));
    }
    assert_false(roster_add(&roster, ROSTER_MEMBERS));
    roster_free(&roster);
}

static void the_headless_service_says_who_else_there_is(void **state)
{
    (void)state;
    const struct lookup_target five[] = {
        {.host = "redis-4.headless.ns.svc", .port = 6379}, {.host = "redis-1.headless.ns.svc.", .port = 6379},
        {.host = "redis-1.headless.ns.svc", .port = 9121}, {.host = "redis-3.headless.ns.svc", .port = 6379},
        {.host = "redis-5.headless.ns.svc", .port = 6379}, {.host = "10-1-1-1.headless.ns.svc", .port = 6379},
    };
    start_pod(2);
    assert_int_equal(roster_take_service(&roster, five, 6), 4);
    assert_string_equal(ordinals(), "0 1 2 3 4 5");
    assert_int_equal(view.members[1].port, 6379);
    assert_int_equal(roster_take_service(&roster, five, 6), 0);
    /* It was made smaller: those who are connected stay until they have gone. */
    assert_true(roster_set_state(&roster, 3, ROSTER_IN_SYNC));
    assert_true(roster_set_state(&roster, 4, ROSTER_GONE));
    assert_true(roster_set_state(&roster, 5, ROSTER_CONNECTING));
    assert_int_equal(roster_take_service(&roster, five + 1, 1), 1);
    assert_string_equal(ordinals(), "0 1 2 3 5");
    assert_true(roster_set_state(&roster, 3, ROSTER_GONE));
    assert_true(roster_set_state(&roster, 5, ROSTER_GONE));
    assert_true(roster_set_master(&roster, 5));
    assert_int_equal(roster_take_service(&roster, NULL, 0), 2);
    assert_string_equal(ordinals(), "0 2 5"); /* this node, ordinal 0 and the master stay */
    roster_free(&roster);
}

static void there_is_one_master_at_most(void **state)
{
    (void)state;
    struct roster_member master;
    start_listed("a,b,c", 0);
    assert_true(roster_set_master(&roster, 2));
    assert_true(roster_master(&roster, 0, &master));
    assert_int_equal(master.ordinal, 2);
    assert_int_equal(member(0, 0).role, ROSTER_REPLICA);
    assert_false(roster_set_master(&roster, 3));
    assert_int_equal(member(2, 0).role, ROSTER_MASTER);
    roster_set_no_master(&roster);
    assert_false(roster_master(&roster, 0, &master));
    assert_int_equal(member(2, 0).role, ROSTER_REPLICA);
    roster_free(&roster);
}

static void assert_lag(int ordinal, int64_t now, int64_t bytes, int64_t ms)
{
    struct roster_member m = member(ordinal, now);
    if (m.lag_bytes != bytes || m.lag_ms != ms) {
        fail_msg("ordinal %d lags by %lld bytes and %lld ms, not by %lld and %lld", ordinal,
                 (long long)m.lag_bytes, (long long)m.lag_ms, (long long)bytes, (long long)ms);
    }
}

static void a_lag_is_bytes_and_the_time_that_they_are_lacking(void **state)
{
    (void)state;
    start_listed("a,b,c", 0);
    assert_true(roster_seen(&roster, 1, 100, 1000));
    assert_lag(1, 1000, -1, -1); /* the master's offset is not known */
    assert_true(roster_seen(&roster, 0, 100, 1000));
    assert_lag(0, 5000, 0, 0);
    assert_lag(1, 5000, 0, 0);
    assert_lag(2, 5000, -1, -1);
    assert_int_equal(member(1, 0).last_seen, 1000);
    /* One that stands still lags more with time. */
    assert_true(roster_seen(&roster, 0, 150, 6000));
    assert_true(roster_seen(&roster, 0, 180, 6500));
    assert_lag(1, 7000, 80, 1000);
    assert_true(roster_seen(&roster, 1, 120, 7000));
    assert_lag(1, 7200, 60, 1200);
    /* Under writes that never end, one that follows lags by no more than its last round trips. */
    for (int64_t now = 8000; now < 9000; now += 10) {
        assert_true(roster_seen(&roster, 0, now, now));
        assert_true(roster_seen(&roster, 1, now - 20, now));
    }
    assert_true(member(1, 9000).lag_ms <= 40);
    assert_int_equal(member(1, 9000).lag_bytes, 20);
    assert_true(roster_seen(&roster, 1, 8990, 9000));
    assert_lag(1, 12000, 0, 0);
    /* A replica may know of more than the master last said. */
    assert_true(roster_seen(&roster, 1, 9100, 12000));
    assert_lag(1, 12000, 0, 0);
    roster_free(&roster);
}

static void another_master_counts_lags_anew(void **state)
{
    (void)state;
    start_listed("a,b", 0);
    roster_seen(&roster, 0, 100, 1000);
    roster_seen(&roster, 1, 50, 1000);
    assert_lag(1, 3000, 50, 2000);
    assert_true(roster_set_master(&roster, 1));
    assert_lag(1, 3000, 0, 0);
    assert_lag(0, 3000, 0, 0);
    roster_seen(&roster, 1, 130, 3000);
    assert_lag(0, 3400, 30, 400);
    roster_set_no_master(&roster);
    assert_lag(0, 3400, -1, -1);
    roster_free(&roster);
}

/* ---- looking up ------------------------------------------------------------------------------------- */

static void on_done(struct lookup *lookup, const char *error)
{
    char *said = lookup->data;
    snprintf(said, 256, "%s", error != NULL ? error : lookup->targets->host);
    lookup_close(lookup, NULL);
}

static void a_member_is_looked_up_by_its_name_and_port(void **state)
{
    (void)state;
    uv_loop_t uv;
    struct lookup lookup;
    char said[256] = "";
    uv_loop_init(&uv);
    lookup_init(&lookup, &uv, NULL);
    lookup.data = said;
    start_listed("a,127.0.0.1:7000", 0);
    assert_false(roster_lookup(&roster, 2, &lookup, on_done));
    assert_false(lookup_active(&lookup));
    assert_true(roster_lookup(&roster, 1, &lookup, on_done));
    assert_int_equal(lookup.targets->port, 7000);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_string_equal(said, "127.0.0.1");
    assert_int_equal(uv_loop_close(&uv), 0);
    roster_free(&roster);
}

/* ---- threads ----------------------------------------------------------------------------------------- */

static void write_much(void *context)
{
    (void)context;
    struct lookup_target target = {.host = "redis-7.headless.ns.svc"};
    for (int i = 0; i < 2000; i++) {
        roster_seen(&roster, i % 3, i, i);
        roster_set_state(&roster, i % 3, i % 2 == 0 ? ROSTER_IN_SYNC : ROSTER_SYNCING);
        roster_set_master(&roster, i % 3);
        roster_take_service(&roster, &target, (size_t)(i % 2));
    }
}

static void any_thread_may_read_and_write(void **state)
{
    (void)state;
    uv_thread_t threads[3];
    struct roster_member master;
    start_pod(1);
    roster_add(&roster, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(uv_thread_create(&threads[i], write_much, NULL), 0);
    }
    for (int i = 0; i < 2000; i++) {
        assert_true(roster_master(&roster, i, &master));
        roster_view(&roster, i, &view);
        int masters = 0;
        for (size_t m = 0; m < view.count; m++) {
            masters += view.members[m].role == ROSTER_MASTER;
            assert_true(m == 0 || view.members[m].ordinal > view.members[m - 1].ordinal);
        }
        assert_int_equal(masters, 1);
    }
    for (int i = 0; i < 3; i++) {
        uv_thread_join(&threads[i]);
    }
    roster_free(&roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listed_roster_has_all_its_members_at_once),
        cmocka_unit_test(a_plain_server_has_no_roster),
        cmocka_unit_test(a_pod_begins_with_itself_and_ordinal_0),
        cmocka_unit_test(the_headless_service_says_who_else_there_is),
        cmocka_unit_test(there_is_one_master_at_most),
        cmocka_unit_test(a_lag_is_bytes_and_the_time_that_they_are_lacking),
        cmocka_unit_test(another_master_counts_lags_anew),
        cmocka_unit_test(a_member_is_looked_up_by_its_name_and_port),
        cmocka_unit_test(any_thread_may_read_and_write),
    };
    mem_thread_init();
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
