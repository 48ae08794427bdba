/* The container's limits, from cgroup trees laid out in a folder. */
#include "cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    char root[64];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->root, "/tmp/ordinal-cgroup-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static void put(struct fixture *fixture, const char *path, const char *content)
{
    char command[512], full[256];
    snprintf(full, sizeof full, "%s/%s", fixture->root, path);
    snprintf(command, sizeof command, "mkdir -p $(dirname %s)", full);
    assert_int_equal(system(command), 0);
    FILE *out = fopen(full, "w");
    assert_non_null(out);
    fputs(content, out);
    assert_int_equal(fclose(out), 0);
}

static void without_a_cgroup_the_cpus_count(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(cgroup_cpus(fixture->root, 6), 6);
    assert_int_equal(cgroup_memory_limit(fixture->root), 0);
}

static void a_quota_is_rounded_up_and_capped(void **state)
{
    static const struct {
        const char *quota;
        int cpus, expected;
    } cases[] = {
        {"150000 100000\n", 8, 2}, {"200000 100000\n", 8, 2}, {"50000 100000\n", 8, 1},
        {"max 100000\n", 8, 8},    {"900000 100000\n", 4, 4}, {"nonsense\n", 3, 3},
    };
    struct fixture *fixture = *state;
    put(fixture, "proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(fixture, "sys/fs/cgroup/cpu.max", cases[i].quota);
        assert_int_equal(cgroup_cpus(fixture->root, cases[i].cpus), cases[i].expected);
    }
}

static void the_tightest_group_on_the_way_up_counts(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "proc/self/cgroup", "0::/pods/pod1/box\n");
    put(fixture, "sys/fs/cgroup/pods/pod1/box/cpu.max", "max 100000\n");
    put(fixture, "sys/fs/cgroup/pods/pod1/cpu.max", "300000 100000\n");
    put(fixture, "sys/fs/cgroup/pods/cpu.max", "700000 100000\n");
    put(fixture, "sys/fs/cgroup/pods/pod1/box/memory.max", "536870912\n");
    put(fixture, "sys/fs/cgroup/pods/pod1/memory.max", "max\n");
    put(fixture, "sys/fs/cgroup/pods/memory.max", "268435456\n");
    assert_int_equal(cgroup_cpus(fixture->root, 16), 3);
    assert_int_equal(cgroup_memory_limit(fixture->root), 268435456);
}

/* In a container the path is the host's, and the mount shows the own group at its root. */
static void a_path_that_only_the_host_knows_leads_to_the_mount(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "proc/self/cgroup", "0::/kubepods.slice/pod.slice/cri.scope\n");
    put(fixture, "sys/fs/cgroup/cpu.max", "250000 100000\n");
    put(fixture, "sys/fs/cgroup/memory.max", "1048576\n");
    assert_int_equal(cgroup_cpus(fixture->root, 16), 3);
    assert_int_equal(cgroup_memory_limit(fixture->root), 1048576);
}

static void version_1_has_a_tree_for_each_controller(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "proc/self/cgroup", "9:memory:/box\n4:cpuacct,cpu:/box\n2:cpuset:/\n1:name=systemd:/x\n");
    put(fixture, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "120000\n");
    put(fixture, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "50000\n");
    put(fixture, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(fixture, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put(fixture, "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "67108864\n");
    put(fixture, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(cgroup_cpus(fixture->root, 16), 3);
    assert_int_equal(cgroup_memory_limit(fixture->root), 67108864);
}

static void version_1_without_limits_has_none(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "proc/self/cgroup", "9:memory:/\n4:cpu,cpuacct:/\n");
    put(fixture, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(fixture, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put(fixture, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(cgroup_cpus(fixture->root, 5), 5);
    assert_int_equal(cgroup_memory_limit(fixture->root), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_cgroup_the_cpus_count),
        TEST(a_quota_is_rounded_up_and_capped),
        TEST(the_tightest_group_on_the_way_up_counts),
        TEST(a_path_that_only_the_host_knows_leads_to_the_mount),
        TEST(version_1_has_a_tree_for_each_controller),
        TEST(version_1_without_limits_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
