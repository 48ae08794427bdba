/* maxmemory, where nobody has set it, follows from the container's memory limit, by either version of cgroups. */
#include "config_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MB (INT64_C(1) << 20)

struct fixture {
    char root[64];
    struct config config;
};

static void run(const struct fixture *f, const char *script)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && %s", f->root, script);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->root, "/tmp/ordinal-container-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    run(f, "mkdir -p proc/self sys/fs/cgroup/memory");
    config_init_defaults(&f->config);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    run(f, "rm -r proc sys");
    remove(f->root);
    config_free(&f->config);
    free(f);
    return 0;
}

static void limit(struct fixture *f, int version, int64_t bytes)
{
    char script[256];
    snprintf(script, sizeof script, "echo %s > proc/self/cgroup && echo %lld > sys/fs/cgroup/%s",
             version == 1 ? "4:memory:/kubepods/pod1" : "0::/", (long long)bytes,
             version == 1 ? "memory/memory.limit_in_bytes" : "memory.max");
    run(f, script);
    config_fit_container(&f->config, f->root);
}

static void what_the_limit_leaves_is_for_data(void **state)
{
    struct fixture *f = *state;
    limit(f, 1, 256 * MB);
    assert_int_equal(f->config.maxmemory, 120 * MB);
    limit(f, 2, 1024 * MB);
    assert_int_equal(f->config.maxmemory, 696 * MB);
}

static void a_small_container_has_a_quarter(void **state)
{
    struct fixture *f = *state;
    limit(f, 2, 64 * MB);
    assert_int_equal(f->config.maxmemory, 16 * MB);
}

static void without_a_limit_there_is_none(void **state)
{
    struct fixture *f = *state;
    config_fit_container(&f->config, f->root);
    assert_int_equal(f->config.maxmemory, 0);
    limit(f, 1, INT64_C(9223372036854771712));
    assert_int_equal(f->config.maxmemory, 0);
}

static void what_was_set_stands(void **state)
{
    char *given[] = {"ORDINAL_MAXMEMORY=0", NULL};
    char error[CONFIG_ERR_SIZE];
    struct fixture *f = *state;
    assert_true(config_load_env(&f->config, given, error, sizeof error));
    limit(f, 1, 256 * MB);
    assert_int_equal(f->config.maxmemory, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_the_limit_leaves_is_for_data),
        TEST(a_small_container_has_a_quarter),
        TEST(without_a_limit_there_is_none),
        TEST(what_was_set_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
