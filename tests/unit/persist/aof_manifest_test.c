/*
 * The manifest of the append-only file: every form of line that servers write is read, what is written is read again, and what
 * must not be believed is refused with the line that says it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "persist/aof_manifest.h"

static enum aof_manifest_status parse(const char *text, struct aof_manifest *m, char *error, size_t size)
{
    return aof_manifest_parse("x.manifest", text, strlen(text), m, error, size);
}

static void lines_of_all_servers_are_read(void **state)
{
    (void)state;
    struct aof_manifest m;
    char error[256];
    const char *text = "# a comment\n"
                       "file appendonly.aof.2.base.rdb seq 2 type b\n"
                       "file \"with \\\"quotes\\\" \\x41.aof\" seq 1 type h\n"
                       "file 'single quotes.aof' seq 2 type h\r\n"
                       "#another\n"
                       "file appendonly.aof.4.incr.aof seq 4 type i startoffset 10 endoffset 345\n"
                       "SEQ 7  TYPE i\tFILE appendonly.aof.7.incr.aof STARTOFFSET 345\n"
                       "# no line end";
    assert_int_equal(parse(text, &m, error, sizeof error), AOF_MANIFEST_LOADED);
    assert_true(m.has_base);
    assert_string_equal(m.base.name, "appendonly.aof.2.base.rdb");
    assert_int_equal(m.base.number, 2);
    assert_int_equal(m.history.count, 2);
    assert_string_equal(m.history.items[0].name, "with \"quotes\" A.aof");
    assert_string_equal(m.history.items[1].name, "single quotes.aof");
    assert_int_equal(m.increments.count, 2);
    assert_string_equal(m.increments.items[0].name, "appendonly.aof.4.incr.aof");
    assert_int_equal(m.increments.items[0].number, 4);
    assert_string_equal(m.increments.items[1].name, "appendonly.aof.7.incr.aof");
    assert_int_equal(m.increments.items[1].number, 7);
    assert_false(aof_manifest_is_empty(&m));
    aof_manifest_free(&m);
    assert_true(aof_manifest_is_empty(&m));
}

static void a_manifest_of_comments_names_nothing(void **state)
{
    (void)state;
    struct aof_manifest m;
    char error[256];
    assert_int_equal(parse("# nothing\n", &m, error, sizeof error), AOF_MANIFEST_LOADED);
    assert_true(aof_manifest_is_empty(&m));
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"", "line 0: Found an empty AOF manifest"},
        {"\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq 1 type b\n\n", "line 2: Invalid AOF manifest file format"},
        {"file a seq 1 type b", "line 1: The AOF manifest file contains too long line"},
        {"file a seq 1\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq 1 type b x\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq 0 type b\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq -1 type b\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq x type b\n", "line 1: Invalid AOF manifest file format"},
        {"file \"\" seq 1 type b\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq 1 type \"\"\n", "line 1: Invalid AOF manifest file format"},
        {"file \"a seq 1 type b\n", "line 1: Invalid AOF manifest file format"},
        {"file a seq 1 kind b\n", "line 1: Invalid AOF manifest file format"},
        {"file a/b seq 1 type b\n", "line 1: File can't be a path, just a filename"},
        {"file .. seq 1 type b\n", "line 1: File can't be a path, just a filename"},
        {"file a seq 1 type x\n", "line 1: Unknown AOF file type"},
        {"file a seq 1 type b\nfile b seq 2 type b\n", "line 2: Found duplicate base file information"},
        {"file a seq 2 type i\nfile b seq 2 type i\n", "line 2: Found a non-monotonic sequence number"},
        {"file a seq 2 type i\n#\nfile b seq 1 type i\n", "line 3: Found a non-monotonic sequence number"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct aof_manifest m;
        char error[256] = "", expected[256];
        snprintf(expected, sizeof expected, "AOF manifest x.manifest, %s", wrong[i].error);
        assert_int_equal(parse(wrong[i].text, &m, error, sizeof error), AOF_MANIFEST_BAD);
        assert_string_equal(error, expected);
        assert_true(aof_manifest_is_empty(&m));
    }
}

static void a_name_longer_than_files_have_is_refused(void **state)
{
    (void)state;
    struct aof_manifest m;
    char name[AOF_FILE_NAME_SIZE + 1], text[AOF_FILE_NAME_SIZE + 64], error[256];
    memset(name, 'n', sizeof name);
    name[AOF_FILE_NAME_SIZE] = '\0';
    snprintf(text, sizeof text, "file %s seq 1 type i\n", name);
    assert_int_equal(parse(text, &m, error, sizeof error), AOF_MANIFEST_BAD);
    struct aof_files files = {0};
    assert_false(aof_files_add(&files, name, 1));
    name[AOF_FILE_NAME_SIZE - 1] = '\0';
    snprintf(text, sizeof text, "file %s seq 1 type i\n", name);
    assert_int_equal(parse(text, &m, error, sizeof error), AOF_MANIFEST_LOADED);
    assert_string_equal(m.increments.items[0].name, name);
    aof_manifest_free(&m);
    char line[2000];
    memset(line, ' ', sizeof line);
    memcpy(line, "file a seq 1 type i", 19);
    strcpy(line + 1100, "\n");
    assert_int_equal(parse(line, &m, error, sizeof error), AOF_MANIFEST_BAD);
    assert_non_null(strstr(error, "too long line"));
}

/* Base, two increments and one of the history, whose name needs quotes. */
static struct aof_manifest sample(void)
{
    struct aof_manifest m = {.has_base = true, .base = {"a.aof.3.base.rdb", 3}};
    assert_true(aof_files_add(&m.history, "a b\".aof", 2));
    assert_true(aof_files_add(&m.increments, "a.aof.5.incr.aof", 5));
    assert_true(aof_files_add(&m.increments, "a.aof.6.incr.aof", 6));
    return m;
}

static void assert_same(const struct aof_manifest *a, const struct aof_manifest *b)
{
    char *x = aof_manifest_text(a), *y = aof_manifest_text(b);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void the_text_is_that_of_redis(void **state)
{
    (void)state;
    struct aof_manifest m = sample();
    char *text = aof_manifest_text(&m);
    assert_string_equal(text, "file a.aof.3.base.rdb seq 3 type b\n"
                              "file \"a b\\\".aof\" seq 2 type h\n"
                              "file a.aof.5.incr.aof seq 5 type i\n"
                              "file a.aof.6.incr.aof seq 6 type i\n");
    free(text);
    aof_manifest_free(&m);
}

static void a_copy_is_another_one(void **state)
{
    (void)state;
    struct aof_manifest m = sample(), copy;
    assert_true(aof_manifest_copy(&copy, &m));
    assert_same(&m, &copy);
    assert_true(aof_files_add(&copy.increments, "x", 9));
    assert_int_equal(m.increments.count, 2);
    aof_manifest_free(&copy);
    aof_manifest_free(&m);
}

static void what_is_stored_is_loaded(void **state)
{
    (void)state;
    char folder[] = "/tmp/manifest-test-XXXXXX", error[256], path[128];
    struct aof_manifest m = sample(), found;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(aof_manifest_load(folder, "a.aof", &found, error, sizeof error), AOF_MANIFEST_NONE);
    assert_true(aof_manifest_store(folder, "a.aof", &m));
    assert_int_equal(aof_manifest_load(folder, "a.aof", &found, error, sizeof error), AOF_MANIFEST_LOADED);
    assert_same(&m, &found);
    aof_manifest_free(&found);
    snprintf(path, sizeof path, "%s/temp-a.aof.manifest", folder);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/a.aof.manifest", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(aof_manifest_load(folder, "a.aof", &found, error, sizeof error), AOF_MANIFEST_NONE);
    assert_false(aof_manifest_store(folder, "a.aof", &m));
    aof_manifest_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_all_servers_are_read),
        cmocka_unit_test(a_manifest_of_comments_names_nothing),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(a_name_longer_than_files_have_is_refused),
        cmocka_unit_test(the_text_is_that_of_redis),
        cmocka_unit_test(a_copy_is_another_one),
        cmocka_unit_test(what_is_stored_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
