/* A file being written: the old one is there until the new one is complete, and nothing is left of one that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "persist/rdb_file.h"

static char folder[] = "/tmp/rdb-file-test-XXXXXX";

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *name, const char *text)
{
    char bytes[64] = "";
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    assert_int_equal(len, strlen(text));
    assert_string_equal(bytes, text);
}

static void assert_no_file(const char *name)
{
    assert_int_equal(access(name, F_OK), -1);
    assert_int_equal(errno, ENOENT);
}

static void open_one(struct rdb_file *file, const char *in)
{
    assert_true(rdb_file_open(file, &rdb_file_snapshot, in, "temp-1.rdb", "dump.rdb"));
}

static void it_takes_the_name_when_it_is_complete(void **state)
{
    (void)state;
    struct rdb_file file;
    put("dump.rdb", "old");
    open_one(&file, NULL);
    assert_true(rdb_file_write(&file, "ne", 2));
    assert_file("dump.rdb", "old");
    assert_true(rdb_file_write(&file, "w", 1));
    assert_file("dump.rdb", "old");
    assert_true(rdb_file_commit(&file));
    assert_file("dump.rdb", "new");
    assert_no_file("temp-1.rdb");
    assert_int_equal(file.fd, -1);
    assert_int_equal(file.folder, -1);
}

static void what_is_discarded_leaves_the_old_one(void **state)
{
    (void)state;
    struct rdb_file file;
    put("dump.rdb", "old");
    open_one(&file, NULL);
    assert_true(rdb_file_write(&file, "new", 3));
    errno = EDOM;
    rdb_file_discard(&file);
    assert_int_equal(errno, EDOM);
    assert_no_file("temp-1.rdb");
    assert_file("dump.rdb", "old");
    rdb_file_discard(&file); /* again, or when nothing is open: nothing */
}

static void it_stays_in_the_folder_in_which_it_began(void **state)
{
    (void)state;
    struct rdb_file file;
    assert_int_equal(mkdir("elsewhere", 0755), 0);
    open_one(&file, NULL);
    assert_true(rdb_file_write(&file, "new", 3));
    assert_int_equal(chdir("elsewhere"), 0);
    assert_true(rdb_file_commit(&file));
    assert_no_file("dump.rdb");
    assert_int_equal(chdir(folder), 0);
    assert_file("dump.rdb", "new");
    open_one(&file, "elsewhere");
    assert_true(rdb_file_commit(&file));
    assert_file("elsewhere/dump.rdb", "");
}

static void what_cannot_be_opened_or_named_is_an_error(void **state)
{
    (void)state;
    struct rdb_file file;
    char longest[NAME_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(rdb_file_open(&file, &rdb_file_snapshot, NULL, "temp-1.rdb", longest));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_false(rdb_file_open(&file, &rdb_file_snapshot, NULL, longest, "dump.rdb"));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_false(rdb_file_open(&file, &rdb_file_snapshot, "nowhere", "temp-1.rdb", "dump.rdb"));
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkdir("in-the-way", 0755), 0);
    assert_true(rdb_file_open(&file, &rdb_file_snapshot, NULL, "temp-1.rdb", "in-the-way"));
    assert_false(rdb_file_commit(&file));
    assert_int_equal(errno, EISDIR);
    assert_no_file("temp-1.rdb");
}

static void large_files_are_handed_over_as_they_come(void **state)
{
    (void)state;
    enum { PIECE = 1 << 20, PIECES = 48 };
    struct rdb_file file;
    struct stat status;
    char *piece = calloc(1, PIECE);
    assert_non_null(piece);
    open_one(&file, NULL);
    for (int i = 0; i < PIECES; i++) {
        assert_true(rdb_file_write(&file, piece, PIECE));
        assert_true(file.written - file.handed < 4 * PIECE);
        assert_true(file.handed - file.awaited <= 32 * PIECE);
    }
    assert_true(file.awaited > 0);
    assert_true(rdb_file_commit(&file));
    assert_int_equal(stat("dump.rdb", &status), 0);
    assert_int_equal(status.st_size, PIECE * PIECES);
    free(piece);
}

/* The number of a process that is no more. */
static pid_t dead_process(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void strays_of_the_dead_are_removed_and_nothing_else(void **state)
{
    (void)state;
    char dead[32], alive[32];
    snprintf(dead, sizeof dead, "temp-%d.rdb", (int)dead_process());
    snprintf(alive, sizeof alive, "temp-%d.rdb", (int)getpid());
    const char *const others[] = {alive,         "temp-x.rdb",      "temp-0.rdb",
                                  "temp--1.rdb", "temp-12.rdb.old", "dump.rdb"};
    put(dead, "");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put(others[i], "");
    }
    errno = EDOM;
    rdb_file_remove_strays();
    assert_int_equal(errno, EDOM);
    assert_no_file(dead);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_file(others[i], "");
    }
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_takes_the_name_when_it_is_complete),    TEST(what_is_discarded_leaves_the_old_one),
        TEST(it_stays_in_the_folder_in_which_it_began), TEST(what_cannot_be_opened_or_named_is_an_error),
        TEST(large_files_are_handed_over_as_they_come), TEST(strays_of_the_dead_are_removed_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
