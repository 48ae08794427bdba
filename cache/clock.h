/*
 * The clock of deadlines. It counts milliseconds since 1970 like the wall clock, but it is the monotonic
 * clock, anchored to the wall clock once, at start: a step of the wall clock (an administrator, NTP, a
 * resumed virtual machine) neither expires an entry early nor keeps one late. The kernel already slews the
 * monotonic clock together with the wall clock, so the two differ by steps alone; the sum of these steps is
 * looked at afresh whenever a command speaks of wall time (EXPIREAT, PEXPIRETIME).
 *
 * Any thread may call everything here.
 */
#ifndef ORDINAL_CLOCK_H
#define ORDINAL_CLOCK_H

#include <stdint.h>

/* Anchors the clock; called once, before any thread is started. */
void clock_init(void);

/* Milliseconds (since 1970 at start) that never jump. The unit of every deadline. */
int64_t clock_now(void);

/* The same in microseconds. */
int64_t clock_now_us(void);

/* Milliseconds of a clock that also goes on while the machine sleeps, since some time before its start: for leases. */
int64_t clock_boot(void);

/* The wall clock in microseconds since 1970: for TIME, logs and dates that people read. */
int64_t clock_wall_us(void);

/* Turns a wall time in milliseconds into this clock's, and back; both saturate instead of overflowing. */
int64_t clock_from_wall(int64_t wall_ms);
int64_t clock_to_wall(int64_t ms);

/* A replica's wall time is its master's, whose deadlines it is given: from here on the calls above go by a wall clock that showed
 * `wall_ms` when clock_now was `ms`, whatever this machine's own does; until clock_keep_own_wall. */
void clock_keep_wall(int64_t wall_ms, int64_t ms);
void clock_keep_own_wall(void);

/* clock_to_wall by the steps of the wall clock that the two calls above, or clock_look_at_wall, which the cron calls, have seen
 * last: no system call, for the log. */
int64_t clock_to_wall_kept(int64_t ms);
void clock_look_at_wall(void);

/* Ticks of the processor's own constant counter: the cheapest way to time one command (8 ns against 25). */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return (uint64_t)clock_now_us() * 1000;
#endif
}

/* Ticks to nanoseconds, by the rate measured since clock_init() (refined by clock_calibrate()). */
uint64_t clock_ticks_ns(uint64_t ticks);
void clock_calibrate(void);

#endif
