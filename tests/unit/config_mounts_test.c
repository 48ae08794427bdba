/* A folder that Kubernetes has mounted is seen to change, and no other is. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    char folder[64];
    struct config config;
};

static void run(const struct fixture *f, const char *script)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && %s", f->folder, script);
    assert_int_equal(system(command), 0);
}

/* As kubelet lays a mounted folder out: config/ordinal.conf and secret/password. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/ordinal-mounts-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    run(f,
        "mkdir -p config/..1 secret/..1 plain && touch config/..1/ordinal.conf secret/..1/password plain/file");
    run(f, "for at in config secret; do ln -s ..1 $at/..data; done");
    run(f, "ln -s ..data/ordinal.conf config/ordinal.conf && ln -s ..data/password secret/password");
    config_init_defaults(&f->config);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    run(f, "rm -r config secret plain");
    remove(f->folder);
    config_free(&f->config);
    free(f);
    return 0;
}

/* Puts a new folder in the place of the old one, as kubelet does. */
static void change(const struct fixture *f, const char *folder, int number)
{
    char script[256];
    snprintf(script, sizeof script, "cd %s && mkdir ..%d && ln -s ..%d ..data_tmp && mv -T ..data_tmp ..data",
             folder, number, number);
    run(f, script);
}

static void load_file(struct fixture *f, const char *name)
{
    char path[128], error[CONFIG_ERR_SIZE];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    assert_true(config_load_file(&f->config, path, error, sizeof error));
}

/* Whether what it says now differs from `before`, which is freed and replaced. */
static bool changed(const struct fixture *f, char **environment, char **before)
{
    char *now = config_mounts(&f->config, environment);
    bool differs = strcmp(now, *before) != 0;
    free(*before);
    *before = now;
    return differs;
}

static void a_mounted_file_of_settings_is_seen_to_change(void **state)
{
    struct fixture *f = *state;
    char *environment[] = {NULL};
    load_file(f, "config/ordinal.conf");
    char *before = config_mounts(&f->config, environment);
    assert_string_not_equal(before, "");
    assert_false(changed(f, environment, &before));
    change(f, "config", 2);
    assert_true(changed(f, environment, &before));
    assert_false(changed(f, environment, &before));
    change(f, "secret", 2);
    assert_false(changed(f, environment, &before));
    free(before);
}

static void mounted_secrets_are_seen_to_change(void **state)
{
    static const char *const names[] = {"ORDINAL_REQUIREPASS_FILE", "ORDINAL_MASTERAUTH_FILE",
                                        "REDIS_PASSWORD_FILE"};
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        char variable[160];
        char *environment[] = {"HOME=/", variable, NULL};
        snprintf(variable, sizeof variable, "%s=%s/secret/password", names[i], f->folder);
        char *before = config_mounts(&f->config, environment);
        change(f, "secret", 2 + i);
        assert_true(changed(f, environment, &before));
        free(before);
    }
}

static void what_is_no_mount_is_not_looked_at(void **state)
{
    struct fixture *f = *state;
    char plain[160], unknown[160];
    char *environment[] = {plain, unknown, "ORDINAL_REQUIREPASS_FILE", "ORDINAL_PORT_FILE=tcp://10.0.0.1:1",
                           NULL};
    snprintf(plain, sizeof plain, "ORDINAL_REQUIREPASS_FILE=%s/plain/file", f->folder);
    snprintf(unknown, sizeof unknown, "ORDINAL_NO_SUCH_SETTING_FILE=%s/secret/password", f->folder);
    load_file(f, "plain/file");
    char *told = config_mounts(&f->config, environment);
    assert_string_equal(told, "");
    free(told);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_mounted_file_of_settings_is_seen_to_change),
        TEST(mounted_secrets_are_seen_to_change),
        TEST(what_is_no_mount_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
