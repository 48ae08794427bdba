/* The history: what a replica that comes back may go on from, and what it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "commands/server.h"
#include "memory.h"

#define OTHER "0123456789abcdef0123456789abcdef01234567"
#define NONE  "0000000000000000000000000000000000000000"

static struct server server;
static struct config config;

static int fresh(void **state)
{
    (void)state;
    memset(&server, 0, sizeof server);
    config.repl_backlog_size = 4 << 20;
    server.config = &config;
    log_init(&server.log, 1);
    history_init(&server);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    history_end_backlog(&server);
    assert_int_equal(server.log.mapped, 0);
    log_free(&server.log);
    return 0;
}

static void append(size_t len)
{
    char *bytes = calloc(1, len);
    log_append_raw(&server.log, 0, bytes, len);
    free(bytes);
}

static bool has(const char *id, int64_t offset)
{
    return history_has(&server, (struct slice){id, strlen(id)}, offset);
}

static void what_is_in_the_backlog_can_be_gone_on_from(void **state)
{
    (void)state;
    assert_false(has(server.history.id, 0)); /* nothing is kept yet */
    assert_true(history_begin_backlog(&server));
    append(100);
    assert_true(has(server.history.id, 0));
    assert_true(has(server.history.id, 100));
    assert_false(has(server.history.id, 101));
    assert_false(has(OTHER, 100));
    assert_false(has("?", 100));
    for (int i = 0; i < 16; i++) {
        append(1 << 20);
    }
    assert_false(has(server.history.id, 100));
    assert_true(has(server.history.id, history_offset(&server) - (4 << 20)));
}

static void an_id_ends_with_the_backlog_and_when_it_begins(void **state)
{
    char before[HISTORY_ID + 1], during[HISTORY_ID + 1];
    (void)state;
    memcpy(before, server.history.id, sizeof before);
    assert_true(history_begin_backlog(&server));
    memcpy(during, server.history.id, sizeof during);
    assert_string_not_equal(during, before);
    assert_true(history_begin_backlog(&server)); /* it has begun: that changes nothing */
    assert_string_equal(during, server.history.id);
    history_end_backlog(&server);
    assert_string_not_equal(during, server.history.id);
    assert_true(history_begin_backlog(&server));
    assert_false(has(during, history_offset(&server)));
}

static void after_a_promotion_the_old_id_is_good_up_to_there(void **state)
{
    char old[HISTORY_ID + 1];
    (void)state;
    history_adopt(&server, (struct slice){OTHER, HISTORY_ID}, 5000);
    assert_int_equal(history_offset(&server), 5000);
    assert_true(log_follow(&server.log, true));
    assert_true(history_begin_backlog(&server)); /* of a replica: the id stays the master's */
    assert_string_equal(server.history.id, OTHER);
    append(50);
    memcpy(old, server.history.id, sizeof old);
    history_shift(&server);
    assert_true(log_follow(&server.log, false));
    append(50);
    assert_string_not_equal(server.history.id, OTHER);
    assert_string_equal(server.history.id2, OTHER);
    assert_true(has(old, 5000));
    assert_true(has(old, 5050));
    assert_false(has(old, 5051));
    assert_true(has(server.history.id, 5100));
    assert_false(has(server.history.id, 4999));
}

static void after_a_start_from_a_file_its_id_is_good_at_its_end(void **state)
{
    struct history_mark mark = {.offset = -1};
    (void)state;
    assert_true(history_note(&mark, SLICE("repl-id"), SLICE(OTHER)));
    assert_true(history_note(&mark, SLICE("repl-offset"), SLICE("777")));
    assert_true(history_note(&mark, SLICE("repl-stream-db"), SLICE("3")));
    assert_false(history_note(&mark, SLICE("redis-ver"), SLICE("7.0.15")));
    assert_int_equal(mark.db, 3);
    history_resume(&server, &mark);
    assert_true(has(OTHER, 777));
    assert_false(has(OTHER, 776));
    append(10);
    assert_true(has(OTHER, 777));
    assert_false(has(OTHER, 778));
    assert_true(has(server.history.id, 787));
    history_renew(&server);
    assert_string_equal(server.history.id2, NONE);
    assert_false(has(OTHER, 777));
}

static void a_damaged_note_is_none(void **state)
{
    struct history_mark mark = {.offset = -1};
    (void)state;
    assert_true(history_note(&mark, SLICE("repl-id"), SLICE("short")));
    assert_string_equal(mark.id, "");
    assert_true(history_note(&mark, SLICE("repl-offset"), SLICE("many")));
    assert_int_equal(mark.offset, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_in_the_backlog_can_be_gone_on_from),
        TEST(an_id_ends_with_the_backlog_and_when_it_begins),
        TEST(after_a_promotion_the_old_id_is_good_up_to_there),
        TEST(after_a_start_from_a_file_its_id_is_good_at_its_end),
        TEST(a_damaged_note_is_none),
    };
    mem_thread_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
