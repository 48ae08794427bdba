/* The roster as text: INFO's lines there and back, the table, and what is said of it. */
#include "replication/roster_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "memory.h"

static char why[512];

static struct roster_view two_pods(void)
{
    struct roster_view view = {.kind = IDENTITY_POD, .self = 1, .count = 2};
    view.members[0] = (struct roster_member){
        0, "redis-0.redis.ns.svc", 6379, ROSTER_MASTER, ROSTER_IN_SYNC, 123456789012, 0, 0, 0};
    view.members[1] =
        (struct roster_member){1, "fd00::1", 7000, ROSTER_REPLICA, ROSTER_SYNCING, 123456789000, 0, 12, 340};
    return view;
}

static char *info_of(const struct roster_view *view)
{
    struct reply text = {.resp = 2};
    roster_write_info(view, &text);
    assert_false(text.failed);
    char *copy = strndup(text.data, text.len);
    reply_free(&text);
    return copy;
}

static void info_has_a_line_for_each_member(void **state)
{
    (void)state;
    struct roster_view view = two_pods();
    char *info = info_of(&view);
    assert_string_equal(
        info, "roster_from:pod\r\nroster_self:1\r\nroster_members:2\r\n"
              "roster_member0:ordinal=0,host=redis-0.redis.ns.svc,port=6379,role=master,state=in_sync,"
              "offset=123456789012,lag_bytes=0,lag_ms=0\r\n"
              "roster_member1:ordinal=1,host=fd00::1,port=7000,role=replica,state=syncing,"
              "offset=123456789000,lag_bytes=12,lag_ms=340\r\n");
    free(info);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    static struct roster_view view, read;
    view = (struct roster_view){.kind = IDENTITY_LISTED, .self = 63, .count = ROSTER_MEMBERS};
    for (int i = 0; i < ROSTER_MEMBERS; i++) {
        struct roster_member *m = &view.members[i];
        *m = (struct roster_member){
            .ordinal = i, .port = 65535, .role = i == 5, .state = (enum roster_state)(i % 5)};
        m->offset = m->lag_bytes = m->lag_ms = i % 2 == 0 ? INT64_MAX : -1;
        memset(m->host, 'a', IDENTITY_HOST_SIZE - 1);
    }
    char *info = info_of(&view);
    assert_true(roster_read_info(info, &read, why, sizeof why));
    char *again = info_of(&read);
    assert_string_equal(again, info);
    free(again);
    free(info);
}

static void a_whole_info_can_be_read(void **state)
{
    (void)state;
    struct roster_view view;
    assert_true(roster_read_info("# Server\r\nredis_version:7.2.0\r\n\r\n# Roster\r\nroster_from:nothing\r\n"
                                 "roster_self:-1\r\nroster_members:0\r\nroster_new:1\r\n",
                                 &view, why, sizeof why));
    assert_int_equal(view.kind, IDENTITY_PLAIN);
    assert_int_equal(view.self, -1);
    assert_int_equal(view.count, 0);
}

static void damaged_lines_are_refused(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "",
        "# Replication\r\nrole:master\r\n",
        "roster_from:pod\r\nroster_self:0\r\nroster_members:1\r\n",
        "roster_from:elsewhere\r\nroster_members:0\r\n",
        "roster_from:pod\r\nroster_members:1\r\nroster_member0:\r\n",
        "roster_from:pod\r\nroster_members:1\r\nroster_member0:ordinal=0,host=a,port=1,role=master,state=in_sync,"
        "offset=1,lag_bytes=0\r\n",
        "roster_from:pod\r\nroster_members:1\r\nroster_member0:ordinal=0,host=a,port=1,role=king,state=in_sync,"
        "offset=1,lag_bytes=0,lag_ms=0\r\n",
        "roster_from:pod\r\nroster_members:1\r\nroster_member0:ordinal=0,host=a,port=1,role=master,state=odd,"
        "offset=1,lag_bytes=0,lag_ms=0\r\n",
        "roster_from:pod\r\nroster_members:1\r\nroster_member0:ordinal=0,host=a,port=1,role=master,state=in_sync,"
        "offset=1,lag_bytes=0,lag_ms=0x\r\n",
        "roster_from:pod\r\nroster_members:1\r\nroster_member0:ordinal=0,host=\x1b[2J,port=1,role=master,"
        "state=in_sync,offset=1,lag_bytes=0,lag_ms=0\r\n",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct roster_view view;
        why[0] = '\0';
        if (roster_read_info(damaged[i], &view, why, sizeof why)) {
            fail_msg("taken for a roster: %s", damaged[i]);
        }
        assert_string_not_equal(why, "");
    }
}

static void more_members_than_there_can_be_are_refused(void **state)
{
    (void)state;
    static struct roster_view view;
    static char info[16384] = "roster_from:pod\r\nroster_members:65\r\n";
    for (int i = 0; i <= ROSTER_MEMBERS; i++) {
        snprintf(
            info + strlen(info), sizeof info - strlen(info),
            "roster_member%d:ordinal=%d,host=a,port=1,role=replica,state=gone,offset=1,lag_bytes=0,lag_ms=0\r\n",
            i, i);
    }
    assert_false(roster_read_info(info, &view, why, sizeof why));
}

static void the_table_is_aligned_and_marks_who_was_asked(void **state)
{
    (void)state;
    struct roster_view view = two_pods();
    view.members[1].lag_bytes = view.members[1].offset = -1;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    roster_print(&view, out);
    fclose(out);
    assert_string_equal(
        text, "  ordinal  address                    role     state          offset  lag bytes  lag ms\n"
              "        0  redis-0.redis.ns.svc:6379  master   in sync  123456789012          0       0\n"
              "*       1  [fd00::1]:7000             replica  syncing             -          -     340\n");
    free(text);
}

static void assert_judged(const struct roster_view *view, bool good, const char *expected)
{
    bool judged = roster_judge(view, why, sizeof why);
    assert_string_equal(why, expected);
    assert_int_equal(judged, good);
}

static void it_is_good_when_a_master_is_there_and_all_are_in_sync(void **state)
{
    (void)state;
    struct roster_view view = two_pods();
    assert_judged(&view, false, "not in sync: ordinal 1, [fd00::1]:7000, is still syncing");
    view.members[1].state = ROSTER_GONE;
    assert_judged(&view, false, "not in sync: ordinal 1, [fd00::1]:7000, is gone");
    view.members[1].state = ROSTER_CONNECTING;
    assert_judged(&view, false, "not in sync: ordinal 1, [fd00::1]:7000, is being connected to");
    view.members[0].state = ROSTER_UNKNOWN;
    assert_judged(&view, false,
                  "not in sync: ordinal 0, redis-0.redis.ns.svc:6379, is not known to be in sync");
    view.members[0].state = view.members[1].state = ROSTER_IN_SYNC;
    assert_judged(&view, true, "in sync: 2 members, the master is ordinal 0, redis-0.redis.ns.svc:6379");
    view.members[0].role = ROSTER_REPLICA;
    assert_judged(&view, false, "no member is the master");
    view = (struct roster_view){.kind = IDENTITY_PLAIN, .self = -1};
    assert_judged(&view, false, "no roster: a plain server");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_has_a_line_for_each_member),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(a_whole_info_can_be_read),
        cmocka_unit_test(damaged_lines_are_refused),
        cmocka_unit_test(more_members_than_there_can_be_are_refused),
        cmocka_unit_test(the_table_is_aligned_and_marks_who_was_asked),
        cmocka_unit_test(it_is_good_when_a_master_is_there_and_all_are_in_sync),
    };
    mem_thread_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
