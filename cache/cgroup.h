/* What the container may use: the CPU quota and the memory limit of its cgroup, version 1 or 2.
 *
 * The file system root is an argument ("" for the real one), so that tests can lay out a cgroup of their own.
 * Inside a container the limit may stand at the process's own group or at any group above it: the tightest
 * counts.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdint.h>

/* CPUs that the quota grants, rounded up, never more than cpus (0: as many as sched_getaffinity says). At
 * least 1. */
int cgroup_cpus(const char *root, int cpus);

/* The memory limit in bytes, 0 when there is none. */
int64_t cgroup_memory_limit(const char *root);

#endif
