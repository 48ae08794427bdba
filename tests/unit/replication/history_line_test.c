/*
 * What nodes say of their histories, and which of two is the newer.
 */
#include "replication/history_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef01234567"

static void what_is_written_is_read(void **state)
{
    (void)state;
    char text[HISTORY_LINE_SIZE];
    struct history_line line = {HISTORY_RECOVERS, INT64_MAX, INT64_MAX, ID, INT64_MAX}, read;
    history_line_write(&line, text);
    assert_true(history_line_read(text, &read));
    assert_int_equal(read.state, line.state);
    assert_true(read.epoch == line.epoch && read.offset == line.offset && read.clock == line.clock);
    assert_string_equal(read.id, line.id);
    assert_true(history_line_read("HISTORY follows 3 99 " ID " 7", &read));
    assert_int_equal(read.state, HISTORY_FOLLOWS);
    assert_int_equal(read.epoch, 3);
    assert_int_equal(read.offset, 99);
    assert_int_equal(read.clock, 7);
}

static void what_is_no_history_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "OK",
        "HISTORY",
        "HISTORY serves 1 2",
        "HISTORY serves 1 2 " ID,
        "HISTORY serves 1 2 short 7",
        "HISTORY serves 1 2 " ID "x 7",
        "HISTORY serves 1 2 " ID " 7 more",
        "HISTORY serves -1 2 " ID " 7",
        "HISTORY serves 1 -2 " ID " 7",
        "HISTORY sleeps 1 2 " ID " 7",
        "HISTORY a-state-that-is-much-too-long 1 2 " ID " 7",
    };
    struct history_line line;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(history_line_read(texts[i], &line));
    }
}

static void the_later_epoch_counts_before_the_offset(void **state)
{
    (void)state;
    struct history_line old = {HISTORY_FOLLOWS, 2, 1000, ID, 0}, further = {HISTORY_FOLLOWS, 2, 1001, ID, 0},
                        later = {HISTORY_FOLLOWS, 3, 5, ID, 0};
    assert_true(history_line_is_newer(&further, &old));
    assert_true(history_line_is_newer(&later, &further));
    assert_false(history_line_is_newer(&old, &old));
    assert_false(history_line_is_newer(&old, &later));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_no_history_is_refused),
        cmocka_unit_test(the_later_epoch_counts_before_the_offset),
    };
    return cmocka_run_group_tests_name("history_line", tests, NULL, NULL);
}
