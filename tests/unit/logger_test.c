/* The log: its lines, what it does to hostile bytes, rotation, and lines of many threads. */
#include "logger.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define THREADS 8
#define LINES   500

struct fixture {
    char folder[64];
    char path[128];
    char content[1 << 20];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->folder, "/tmp/ordinal-logger-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/log", fixture->folder);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    assert_true(logger_configure(&(struct logger_options){.level = LOGGER_NOTICE}));
    snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static void configure(struct fixture *fixture, enum logger_level level, bool json)
{
    assert_true(
        logger_configure(&(struct logger_options){.level = level, .file = fixture->path, .json = json}));
}

static const char *read_path(struct fixture *fixture, const char *path)
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    fixture->content[fread(fixture->content, 1, sizeof fixture->content - 1, in)] = '\0';
    fclose(in);
    return fixture->content;
}

/* The part of a line after its time, which must have the form 2026-11-21T01:29:18.061Z. */
static const char *after_time(const char *line)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (form[i] == '0') {
            assert_in_range(line[i], '0', '9');
        } else {
            assert_int_equal(line[i], form[i]);
        }
    }
    return line + sizeof form - 1;
}

static void a_text_line_has_time_level_and_words(void **state)
{
    configure(*state, LOGGER_DEBUG, false);
    logger_notice("ready on %s:%d", "host", 6379);
    assert_string_equal(after_time(read_path(*state, ((struct fixture *)*state)->path)),
                        " notice  ready on host:6379\n");
}

static void a_json_line_is_an_object(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, LOGGER_DEBUG, true);
    logger_warning("a \"b\" \\ \n\t\x01\x7f \xC3\xA4 \xFF \xED\xA0\x80 \xF0\x9F\x98\x80");
    const char *line = read_path(fixture, fixture->path);
    static const char head[] = "{\"time\":\"";
    assert_memory_equal(line, head, sizeof head - 1);
    assert_string_equal(
        after_time(line + sizeof head - 1),
        "\",\"level\":\"warning\",\"message\":\"a \\\"b\\\" \\\\ \\u000a\\u0009\\u0001\\u007f \xC3\xA4 "
        "\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \xF0\x9F\x98\x80\"}\n");
}

static void a_message_cannot_forge_a_line(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, LOGGER_DEBUG, false);
    logger_notice("%s", "x\r\n2026-01-01T00:00:00.000Z warning forged \x1b[31m \xFF");
    assert_string_equal(after_time(read_path(fixture, fixture->path)),
                        " notice  x\\x0d\\x0a2026-01-01T00:00:00.000Z warning forged \\x1b[31m \\xff\n");
}

static void lines_below_the_level_are_dropped(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, LOGGER_NOTICE, false);
    logger_debug("no");
    logger_verbose("no");
    logger_warning("yes");
    assert_string_equal(after_time(read_path(fixture, fixture->path)), " warning yes\n");
    assert_true(logger_enabled(LOGGER_NOTICE));
    assert_false(logger_enabled(LOGGER_VERBOSE));
    configure(fixture, LOGGER_NOTHING, false);
    logger_warning("no");
    assert_null(strstr(read_path(fixture, fixture->path), "no"));
}

static void a_long_message_is_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    char message[3 * LOGGER_LINE_MAX];
    configure(fixture, LOGGER_DEBUG, true);
    for (size_t i = 0; i + 2 < sizeof message; i += 2) {
        memcpy(message + i, "\xC3\xA4", 3);
    }
    logger_notice("x%s", message);
    const char *line = read_path(fixture, fixture->path);
    assert_null(strstr(line, "\xEF\xBF\xBD"));
    assert_string_equal(line + strlen(line) - 8, "\xC3\xA4\xE2\x80\xA6\"}\n");
    assert_in_range(strlen(line), LOGGER_LINE_MAX, LOGGER_LINE_MAX + 100);
}

static void errno_survives_a_line(void **state)
{
    configure(*state, LOGGER_DEBUG, false);
    errno = E2BIG;
    logger_notice("x");
    assert_int_equal(errno, E2BIG);
}

static void a_rotated_file_is_opened_anew(void **state)
{
    struct fixture *fixture = *state;
    char rotated[256];
    snprintf(rotated, sizeof rotated, "%s.1", fixture->path);
    configure(fixture, LOGGER_DEBUG, false);
    logger_notice("one");
    assert_int_equal(rename(fixture->path, rotated), 0);
    logger_notice("two");
    assert_true(logger_reopen());
    logger_notice("three");
    assert_non_null(strstr(read_path(fixture, rotated), "two"));
    assert_string_equal(after_time(read_path(fixture, fixture->path)), " notice  three\n");
}

static void a_file_that_cannot_be_opened_leaves_the_old_one(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, LOGGER_DEBUG, false);
    assert_false(
        logger_configure(&(struct logger_options){.level = LOGGER_NOTHING, .file = "/nonexistent/x"}));
    assert_int_equal(errno, ENOENT);
    logger_debug("still here");
    assert_string_equal(after_time(read_path(fixture, fixture->path)), " debug   still here\n");
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        logger_notice("thread %d line %d of a length that would show a torn write", *(int *)arg, i);
    }
    return NULL;
}

/* Every thread's lines arrive whole and in its order, while the file is rotated under them. */
static void lines_of_threads_stay_whole(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    int numbers[THREADS], next[THREADS] = {0};
    configure(fixture, LOGGER_DEBUG, false);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < 100; i++) {
        assert_true(logger_reopen());
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (const char *line = read_path(fixture, fixture->path); *line != '\0'; line = strchr(line, '\n') + 1) {
        int thread, number, end = 0;
        sscanf(after_time(line), " notice  thread %d line %d of a length that would show a torn write%n",
               &thread, &number, &end);
        assert_int_equal(after_time(line)[end], '\n');
        assert_int_equal(number, next[thread]++);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(next[i], LINES);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_line_has_time_level_and_words),
        TEST(a_json_line_is_an_object),
        TEST(a_message_cannot_forge_a_line),
        TEST(lines_below_the_level_are_dropped),
        TEST(a_long_message_is_cut_between_characters),
        TEST(errno_survives_a_line),
        TEST(a_rotated_file_is_opened_anew),
        TEST(a_file_that_cannot_be_opened_leaves_the_old_one),
        TEST(lines_of_threads_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
