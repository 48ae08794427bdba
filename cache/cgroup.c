/* Reads the container's limits from /proc/self/cgroup and /sys/fs/cgroup.
 *
 * Version 2 has one tree (`0::/path`), version 1 a tree for each controller (`4:cpu,cpuacct:/path`). Inside a
 * container the path of /proc/self/cgroup is often one that only the host knows, while the mount shows the
 * container's own group at its root; so the search starts at the path and walks up to the mount's root,
 * skipping what is not there.
 */
#include "cgroup.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Above this a version 1 "limit" is the kernel's word for none (the largest page multiple of a long). */
#define NO_LIMIT ((int64_t)1 << 60)

typedef bool (*group_reader)(const char *folder, int64_t *value);

static bool read_line(const char *folder, const char *file, char *out, int size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *in = length < (int)sizeof path ? fopen(path, "re") : NULL;
    if (in == NULL) {
        return false;
    }
    bool done = fgets(out, size, in) != NULL;
    fclose(in);
    return done;
}

static bool read_number(const char *folder, const char *file, int64_t *value)
{
    char line[64];
    char *end;
    if (!read_line(folder, file, line, sizeof line)) {
        return false;
    }
    *value = strtoll(line, &end, 10);
    return end != line;
}

/* ---- one group ----------------------------------------------------------------------------------------- */

static bool round_up(int64_t quota, int64_t period, int64_t *cpus)
{
    if (quota <= 0 || period <= 0) {
        return false;
    }
    *cpus = quota / period + (quota % period != 0);
    return true;
}

/* cpu.max: "150000 100000" or "max 100000". */
static bool cpus_v2(const char *folder, int64_t *cpus)
{
    char line[64];
    long long quota, period;
    return read_line(folder, "cpu.max", line, sizeof line) &&
           sscanf(line, "%lld %lld", &quota, &period) == 2 && round_up(quota, period, cpus);
}

static bool cpus_v1(const char *folder, int64_t *cpus)
{
    int64_t quota, period;
    return read_number(folder, "cpu.cfs_quota_us", &quota) &&
           read_number(folder, "cpu.cfs_period_us", &period) && round_up(quota, period, cpus);
}

static bool memory_v2(const char *folder, int64_t *bytes)
{
    return read_number(folder, "memory.max", bytes) && *bytes < NO_LIMIT;
}

static bool memory_v1(const char *folder, int64_t *bytes)
{
    return read_number(folder, "memory.limit_in_bytes", bytes) && *bytes > 0 && *bytes < NO_LIMIT;
}

/* ---- the way up from our group ------------------------------------------------------------------------- */

/* The least value from mount/path up to mount itself; INT64_MAX when no group on the way has one. */
static int64_t least_on_path(const char *mount, const char *path, group_reader reader)
{
    char folder[PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s%s", mount, strcmp(path, "/") == 0 ? "" : path);
    if (length >= (int)sizeof folder) {
        return INT64_MAX;
    }
    int64_t least = INT64_MAX;
    for (;;) {
        int64_t value;
        if (reader(folder, &value) && value < least) {
            least = value;
        }
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(mount) || slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

static bool has_controller(const char *list, const char *controller)
{
    size_t size = strlen(controller);
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == size && strncmp(at, controller, size) == 0) {
            return true;
        }
        at += length + (at[length] == ',' ? 1 : 0);
    }
    return false;
}

/* Version 1 mounts controllers together (cpu,cpuacct) and leaves a link for each by its own name. */
static int64_t least_of_line(const char *root, char *line, const char *controller, group_reader v1,
                             group_reader v2)
{
    char mount[PATH_MAX];
    char *names = strchr(line, ':');
    char *path = names == NULL ? NULL : strchr(names + 1, ':');
    if (path == NULL || strstr(path, "..") != NULL) {
        return INT64_MAX;
    }
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    bool unified = names[1] == '\0';
    if (!unified && !has_controller(names + 1, controller)) {
        return INT64_MAX;
    }
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root, unified ? "" : "/",
             unified ? "" : controller);
    return least_on_path(mount, path, unified ? v2 : v1);
}

static int64_t least_limit(const char *root, const char *controller, group_reader v1, group_reader v2)
{
    char path[PATH_MAX];
    char line[PATH_MAX];
    int64_t least = INT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        int64_t value = least_of_line(root, line, controller, v1, v2);
        least = value < least ? value : least;
    }
    if (in != NULL) {
        fclose(in);
    }
    return least;
}

/* ---- the calls ----------------------------------------------------------------------------------------- */

int cgroup_cpus(const char *root, int cpus)
{
    cpu_set_t set;
    if (cpus <= 0) {
        cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    }
    int64_t quota = least_limit(root, "cpu", cpus_v1, cpus_v2);
    int64_t granted = quota < cpus ? quota : cpus;
    return granted < 1 ? 1 : (int)granted;
}

int64_t cgroup_memory_limit(const char *root)
{
    int64_t limit = least_limit(root, "memory", memory_v1, memory_v2);
    return limit == INT64_MAX ? 0 : limit;
}
