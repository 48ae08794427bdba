/*
 * The reader of commands: whole files, files cut off at every byte, files with every byte altered, and arguments larger than any
 * window.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "persist/aof_reader.h"

static const char sample[] = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
                             "#TS:1628217470\r\n"
                             "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"
                             "*3\r\n$5\r\nRPUSH\r\n$0\r\n\r\n$12\r\n\r\n*1\r\n$1\r\nx\r\r\n"
                             "#another\n"
                             "*2\r\n$3\r\nDEL\r\n$3\r\nkey\r\n";
enum { SAMPLE = sizeof sample - 1, SAMPLE_COMMANDS = 4 };

static int file_of(const char *bytes, size_t len)
{
    int fd = memfd_create("aof", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    return fd;
}

struct found {
    enum aof_read end;
    size_t commands;
    uint64_t offset;
    char text[4096]; /* all arguments, each followed by a bar, each command by a semicolon */
    char reason[160];
};

static void add_text(struct found *found, const struct aof_command *command)
{
    size_t len = strlen(found->text);
    for (size_t i = 0; i < command->argc; i++) {
        len += (size_t)snprintf(found->text + len, sizeof found->text - len, "%.*s|",
                                (int)command->argv[i].len, command->argv[i].ptr);
    }
    snprintf(found->text + len, sizeof found->text - len, ";");
}

/* Reads a file in batches of `max`. */
static struct found read_file(int fd, uint64_t from, size_t max)
{
    struct found found = {.commands = 0};
    struct aof_reader reader;
    struct aof_command commands[8];
    size_t count;
    assert_true(aof_reader_open(&reader, fd, from));
    while ((found.end = aof_reader_next(&reader, commands, max, &count)) == AOF_READ_COMMANDS) {
        assert_in_range(count, 1, max);
        for (size_t i = 0; i < count; i++) {
            assert_true(commands[i].argc > 0);
            assert_true(commands[i].offset < reader.offset);
            add_text(&found, &commands[i]);
        }
        found.commands += count;
    }
    assert_int_equal(count, 0);
    found.offset = reader.offset;
    memcpy(found.reason, reader.reason, sizeof found.reason);
    aof_reader_close(&reader);
    close(fd);
    return found;
}

static void commands_are_given_in_order(void **state)
{
    (void)state;
    for (size_t max = 1; max <= 8; max++) {
        struct found found = read_file(file_of(sample, SAMPLE), 0, max);
        assert_int_equal(found.end, AOF_READ_END);
        assert_int_equal(found.offset, SAMPLE);
        assert_string_equal(found.text, "SELECT|0|;SET|key|value|;RPUSH||\r\n*1\r\n$1\r\nx\r|;DEL|key|;");
    }
}

static void an_empty_file_holds_nothing(void **state)
{
    (void)state;
    struct found found = read_file(file_of("", 0), 0, 8);
    assert_int_equal(found.end, AOF_READ_END);
    assert_int_equal(found.offset, 0);
}

static void reading_begins_at_an_offset(void **state)
{
    (void)state;
    struct found found = read_file(file_of(sample, SAMPLE), 23, 8);
    assert_int_equal(found.end, AOF_READ_END);
    assert_int_equal(found.offset, SAMPLE);
    assert_string_equal(found.text, "SET|key|value|;RPUSH||\r\n*1\r\n$1\r\nx\r|;DEL|key|;");
}

/* Where the commands and annotations of the sample end. */
static size_t end_before(size_t len)
{
    static const size_t ends[] = {0, 23, 39, 72, 112, 121, SAMPLE};
    size_t end = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        end = ends[i] <= len ? ends[i] : end;
    }
    return end;
}

static void a_file_cut_off_at_any_byte_is_torn_behind_its_last_whole_command(void **state)
{
    (void)state;
    for (size_t len = 0; len < SAMPLE; len++) {
        struct found found = read_file(file_of(sample, len), 0, 8);
        size_t end = end_before(len);
        assert_int_equal(found.end, end == len ? AOF_READ_END : AOF_READ_TORN);
        assert_int_equal(found.offset, end);
    }
}

/* Altered anywhere, the file must not lose whole commands without a word: at most the last one may look torn. */
static void a_file_altered_at_any_byte_never_loses_commands_silently(void **state)
{
    static const char others[] = {0, '\n', '\r', '0', '1', '9', '*', '$', '#', 'x', (char)0xff};
    (void)state;
    for (size_t at = 0; at < SAMPLE; at++) {
        for (size_t i = 0; i < sizeof others; i++) {
            char bytes[SAMPLE];
            memcpy(bytes, sample, SAMPLE);
            bytes[at] = others[i];
            struct found found = read_file(file_of(bytes, SAMPLE), 0, 8);
            if (found.end == AOF_READ_END) {
                assert_in_range(found.commands, SAMPLE_COMMANDS - (others[i] == '#'), SAMPLE_COMMANDS);
            } else if (found.end == AOF_READ_TORN) {
                assert_in_range(found.commands, SAMPLE_COMMANDS - 1, SAMPLE_COMMANDS - 1);
                assert_true(at >= 112);
            } else {
                assert_int_equal(found.end, AOF_READ_DAMAGED);
                assert_true(found.reason[0] != '\0');
                assert_in_range(found.offset + 40, at, at + 80); /* told where it is, or where that shows */
            }
        }
    }
}

static void what_is_no_command_is_refused_where_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint64_t offset;
    } wrong[] = {
        {"SET a b\r\n", 0},
        {"*0\r\n", 1},
        {"*-1\r\n", 1},
        {"*1\r\n$-1\r\n", 5},
        {"*1\r\n+OK\r\n", 4},
        {"*1\n$1\r\na\r\n", 2},
        {"*1\rX$1\r\na\r\n", 3},
        {"*1\r\n$1\r\nab\r\n", 9},
        {"*1\r\n$1\r\na\rX", 10},
        {"*\r\n", 1},
        {"*1234567890123456789\r\n", 19},
        {"\r\n", 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct found found = read_file(file_of(wrong[i].bytes, strlen(wrong[i].bytes)), 0, 8);
        assert_int_equal(found.end, AOF_READ_DAMAGED);
        assert_int_equal(found.offset, wrong[i].offset);
    }
}

static void a_length_that_hides_commands_is_damage(void **state)
{
    (void)state;
    const char bytes[] = "*2\r\n$3\r\nDEL\r\n$900000000000\r\na\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n";
    struct found found = read_file(file_of(bytes, sizeof bytes - 1), 0, 8);
    assert_int_equal(found.end, AOF_READ_DAMAGED);
    assert_int_equal(found.offset, 0);
    assert_non_null(strstr(found.reason, "at offset 31"));
}

static void arguments_larger_than_a_window_are_read_whole(void **state)
{
    enum { LARGE = 3 << 20, COMMANDS = 5 };
    (void)state;
    char *value = malloc(LARGE), head[64];
    int fd = memfd_create("aof", MFD_CLOEXEC);
    memset(value, 'v', LARGE);
    for (int i = 0; i < COMMANDS; i++) {
        int len = snprintf(head, sizeof head, "*2\r\n$4\r\nECHO\r\n$%d\r\n", LARGE);
        assert_int_equal(write(fd, head, (size_t)len), len);
        assert_int_equal(write(fd, value, LARGE), LARGE);
        assert_int_equal(write(fd, "\r\n*1\r\n$1\r\nx\r\n", 13), 13);
    }
    struct aof_reader reader;
    struct aof_command commands[8];
    size_t count, large = 0, small = 0;
    assert_true(aof_reader_open(&reader, fd, 0));
    while (aof_reader_next(&reader, commands, 8, &count) == AOF_READ_COMMANDS) {
        for (size_t i = 0; i < count; i++) {
            if (commands[i].argc == 1) {
                small++;
                continue;
            }
            large++;
            assert_int_equal(commands[i].argv[1].len, LARGE);
            assert_memory_equal(commands[i].argv[1].ptr, value, LARGE);
        }
    }
    assert_int_equal(large, COMMANDS);
    assert_int_equal(small, COMMANDS);
    aof_reader_close(&reader);
    close(fd);
    free(value);
}

static void a_command_of_many_arguments_is_read_whole(void **state)
{
    enum { ARGUMENTS = 200000 };
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    fprintf(file, "*%d\r\n", ARGUMENTS);
    for (int i = 0; i < ARGUMENTS; i++) {
        fprintf(file, "$6\r\n%06d\r\n", i);
    }
    assert_int_equal(fflush(file), 0);
    struct aof_reader reader;
    struct aof_command command;
    size_t count;
    assert_true(aof_reader_open(&reader, fileno(file), 0));
    assert_int_equal(aof_reader_next(&reader, &command, 1, &count), AOF_READ_COMMANDS);
    assert_int_equal(command.argc, ARGUMENTS);
    for (int i = 0; i < ARGUMENTS; i++) {
        char digits[16];
        snprintf(digits, sizeof digits, "%06d", i);
        assert_memory_equal(command.argv[i].ptr, digits, 6);
    }
    assert_int_equal(aof_reader_next(&reader, &command, 1, &count), AOF_READ_END);
    aof_reader_close(&reader);
    fclose(file);
}

/* ---- a stream --------------------------------------------------------------------------------------------- */

/* Bytes that come `step` at a time. */
struct drip {
    const char *bytes;
    size_t len, at, step;
};

static ssize_t read_drip(void *context, void *buffer, size_t n)
{
    struct drip *d = context;
    size_t got = d->len - d->at < d->step ? d->len - d->at : d->step;
    got = got < n ? got : n;
    memcpy(buffer, d->bytes + d->at, got);
    d->at += got;
    return (ssize_t)got;
}

static const char two[] = "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";

/* However the bytes come, and however many were there before: two commands, whose bytes can be passed on as they are. */
static void a_stream_is_cut_into_its_commands(void **state)
{
    (void)state;
    for (size_t before = 0; before < sizeof two; before++) {
        for (size_t step = 1; step < sizeof two; step += 3) {
            struct drip drip = {two + before, sizeof two - 1 - before, 0, step};
            const struct rdb_source source = {.context = &drip, .read = read_drip};
            struct aof_reader reader;
            struct aof_command commands[8];
            size_t count, seen = 0;
            char passed[sizeof two] = "";
            assert_true(aof_reader_open_stream(&reader, &source, two, before));
            while (aof_reader_next(&reader, commands, 8, &count) == AOF_READ_COMMANDS) {
                seen += count;
                memcpy(passed + commands[0].offset, aof_reader_bytes(&reader),
                       reader.offset - commands[0].offset);
            }
            assert_int_equal(seen, 2);
            assert_string_equal(passed, two);
            aof_reader_close(&reader);
        }
    }
}

static void a_stream_ends_between_commands_or_within_one(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof two; len++) {
        struct drip drip = {two, len, 0, 7};
        const struct rdb_source source = {.context = &drip, .read = read_drip};
        struct aof_reader reader;
        struct aof_command commands[8];
        size_t count;
        enum aof_read got;
        assert_true(aof_reader_open_stream(&reader, &source, NULL, 0));
        do {
            got = aof_reader_next(&reader, commands, 8, &count);
        } while (got == AOF_READ_COMMANDS);
        assert_int_equal(got, len == 0 || len == 14 || len == sizeof two - 1 ? AOF_READ_END : AOF_READ_TORN);
        aof_reader_close(&reader);
    }
}

static void a_stream_has_no_annotations(void **state)
{
    (void)state;
    struct drip drip = {"#TS:1\r\n", 7, 0, 7};
    const struct rdb_source source = {.context = &drip, .read = read_drip};
    struct aof_reader reader;
    struct aof_command command;
    size_t count;
    assert_true(aof_reader_open_stream(&reader, &source, NULL, 0));
    assert_int_equal(aof_reader_next(&reader, &command, 1, &count), AOF_READ_DAMAGED);
    aof_reader_close(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_given_in_order),
        cmocka_unit_test(an_empty_file_holds_nothing),
        cmocka_unit_test(reading_begins_at_an_offset),
        cmocka_unit_test(a_file_cut_off_at_any_byte_is_torn_behind_its_last_whole_command),
        cmocka_unit_test(a_file_altered_at_any_byte_never_loses_commands_silently),
        cmocka_unit_test(what_is_no_command_is_refused_where_it_stands),
        cmocka_unit_test(a_length_that_hides_commands_is_damage),
        cmocka_unit_test(arguments_larger_than_a_window_are_read_whole),
        cmocka_unit_test(a_command_of_many_arguments_is_read_whole),
        cmocka_unit_test(a_stream_is_cut_into_its_commands),
        cmocka_unit_test(a_stream_ends_between_commands_or_within_one),
        cmocka_unit_test(a_stream_has_no_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
