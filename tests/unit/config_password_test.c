/* A password that a reload replaces goes on working for a while; one that CONFIG SET replaces does not. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"

struct fixture {
    char folder[64];
    char variable[128];
    char *environment[2];
    struct config config;
};

static void put_password(struct fixture *f, const char *password)
{
    FILE *file = fopen(strchr(f->variable, '=') + 1, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", password);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    static char *arguments[] = {"ordinal", NULL};
    char error[CONFIG_ERR_SIZE];
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/ordinal-password-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->variable, sizeof f->variable, "ORDINAL_REQUIREPASS_FILE=%s/password", f->folder);
    f->environment[0] = f->variable;
    clock_init();
    config_init_defaults(&f->config);
    put_password(f, "first");
    assert_true(config_load(&f->config, 1, arguments, f->environment, error, sizeof error));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    remove(strchr(f->variable, '=') + 1);
    remove(f->folder);
    config_free(&f->config);
    free(f);
    return 0;
}

static void reload(struct fixture *f, const char *password)
{
    char error[CONFIG_ERR_SIZE];
    put_password(f, password);
    if (!config_reload(&f->config, f->environment, error, sizeof error)) {
        fail_msg("%s", error);
    }
}

static void set(struct fixture *f, const char *name, const char *value)
{
    char error[2 * CONFIG_ERR_SIZE];
    const struct slice pair[] = {{name, strlen(name)}, {value, strlen(value)}};
    assert_true(config_set(&f->config, pair, 1, true, error, sizeof error));
}

static bool fits(struct fixture *f, const char *password)
{
    return config_password_matches(&f->config, password, strlen(password));
}

static void both_passwords_work_after_a_reload(void **state)
{
    struct fixture *f = *state;
    assert_true(fits(f, "first"));
    reload(f, "second");
    assert_true(fits(f, "second"));
    assert_true(fits(f, "first"));
    assert_false(fits(f, "third"));
    assert_false(fits(f, ""));
    reload(f, "third");
    assert_true(fits(f, "third"));
    assert_true(fits(f, "second"));
    assert_false(fits(f, "first"));
}

static void a_reload_without_a_new_password_changes_nothing(void **state)
{
    struct fixture *f = *state;
    reload(f, "second");
    reload(f, "second");
    assert_true(fits(f, "first"));
}

static void the_old_password_ends(void **state)
{
    struct fixture *f = *state;
    reload(f, "second");
    int64_t left = f->config.old_password_until - clock_now();
    assert_in_range(left, 599000, 600000);
    f->config.old_password_until = clock_now();
    assert_false(fits(f, "first"));
    assert_true(fits(f, "second"));
}

static void without_an_overlap_the_old_password_is_gone_at_once(void **state)
{
    struct fixture *f = *state;
    set(f, "password-overlap", "0");
    reload(f, "second");
    assert_false(fits(f, "first"));
    assert_true(fits(f, "second"));
}

static void config_set_ends_the_old_password(void **state)
{
    struct fixture *f = *state;
    reload(f, "second");
    set(f, "requirepass", "third");
    assert_true(fits(f, "third"));
    assert_false(fits(f, "second"));
    assert_false(fits(f, "first"));
}

static void no_password_lets_nobody_match(void **state)
{
    struct fixture *f = *state;
    reload(f, "");
    assert_false(fits(f, "first"));
    assert_false(fits(f, ""));
    reload(f, "second"); /* none before it: whoever connects now must know it */
    assert_false(fits(f, ""));
    assert_true(fits(f, "second"));
}

static void another_node_is_shown_the_old_one_first(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(config_roster_password(&f->config), "first");
    reload(f, "second");
    assert_string_equal(config_roster_password(&f->config), "first");
    config_password_refused(&f->config);
    assert_string_equal(config_roster_password(&f->config), "second");
    config_password_refused(&f->config);
    assert_string_equal(config_roster_password(&f->config), "first");
    f->config.old_password_until = clock_now();
    assert_string_equal(config_roster_password(&f->config), "second");
    set(f, "masterauth", "masters");
    assert_string_equal(config_roster_password(&f->config), "masters");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_passwords_work_after_a_reload),
        TEST(a_reload_without_a_new_password_changes_nothing),
        TEST(the_old_password_ends),
        TEST(without_an_overlap_the_old_password_is_gone_at_once),
        TEST(config_set_ends_the_old_password),
        TEST(no_password_lets_nobody_match),
        TEST(another_node_is_shown_the_old_one_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
