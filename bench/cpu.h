/* The processor time that a process has used, all its threads together, to the nanosecond.
 *
 * /proc/PID/task/TID/schedstat is the scheduler's own account; getrusage and /proc/PID/stat count in ticks,
 * which is too coarse for windows of a second. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stdint.h>

/* User and system time of process `pid` so far, in nanoseconds; 0 when it cannot be read. */
uint64_t cpu_of_process(int32_t pid);

#endif
