#include "clock.h"

#include <stdatomic.h>
#include <time.h>

static int64_t anchor_us; /* wall minus monotonic at start; constant once threads run */
static uint64_t first_ticks;
static int64_t first_us;
static _Atomic uint64_t ns_per_tick_q32; /* nanoseconds for a tick, 32.32 fixed point */

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_us(CLOCK_MONOTONIC) + anchor_us;
}

int64_t clock_boot(void)
{
    return read_us(CLOCK_BOOTTIME) / 1000;
}

/* The wall clock minus clock_now_us(). A thread may be put aside between two readings, which must not look
 * like a step: the wall is read between two readings of the other clock, and the closest of a few such
 * triples counts. */
static int64_t read_difference_us(void)
{
    enum { TRIES = 8, CLOSE_US = 100 };
    int64_t closest = INT64_MAX;
    int64_t difference = 0;
    for (int i = 0; i < TRIES && closest > CLOSE_US; i++) {
        int64_t before = clock_now_us();
        int64_t wall = read_us(CLOCK_REALTIME);
        int64_t width = clock_now_us() - before;
        if (width < closest) {
            closest = width;
            difference = wall - before;
        }
    }
    return difference;
}

void clock_init(void)
{
    anchor_us += read_difference_us();
    first_us = read_us(CLOCK_MONOTONIC);
    first_ticks = clock_ticks();
    while (read_us(CLOCK_MONOTONIC) - first_us < 2000) {
        /* two milliseconds give the rate to about a thousandth; the cron refines it */
    }
    clock_calibrate();
}

void clock_calibrate(void)
{
    uint64_t ticks = clock_ticks() - first_ticks;
    uint64_t ns = (uint64_t)(read_us(CLOCK_MONOTONIC) - first_us) * 1000;
    if (ticks > 0) {
        double rate = (double)ns / (double)ticks;
        atomic_store_explicit(&ns_per_tick_q32, (uint64_t)(rate * 4294967296.0), memory_order_relaxed);
    }
}

uint64_t clock_ticks_ns(uint64_t ticks)
{
    uint64_t rate = atomic_load_explicit(&ns_per_tick_q32, memory_order_relaxed);
    return (uint64_t)(((unsigned __int128)ticks * rate) >> 32);
}

int64_t clock_now(void)
{
    return clock_now_us() / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

/* How far the wall clock has stepped away since start, in milliseconds. A step is kept until it differs by
 * two milliseconds, so that a deadline set in wall time reads back as the same number, whatever the two
 * clock readings' own delay. */
static _Atomic int64_t kept_steps;

/* Another node's wall clock minus clock_now, while that is what counts; INT64_MIN: it is not. */
static _Atomic int64_t others_wall = INT64_MIN;

static int64_t steps_ms(void)
{
    int64_t others = atomic_load_explicit(&others_wall, memory_order_relaxed);
    if (others != INT64_MIN) {
        return others;
    }
    int64_t ms = read_difference_us() / 1000;
    int64_t last = atomic_load_explicit(&kept_steps, memory_order_relaxed);
    if (ms - last >= 2 || last - ms >= 2) {
        atomic_store_explicit(&kept_steps, ms, memory_order_relaxed);
        return ms;
    }
    return last;
}

int64_t clock_from_wall(int64_t wall_ms)
{
    int64_t ms;
    if (__builtin_sub_overflow(wall_ms, steps_ms(), &ms)) {
        return wall_ms > 0 ? INT64_MAX : INT64_MIN;
    }
    return ms;
}

static int64_t stepped(int64_t ms, int64_t steps)
{
    int64_t wall_ms;
    if (__builtin_add_overflow(ms, steps, &wall_ms)) {
        return ms > 0 ? INT64_MAX : INT64_MIN;
    }
    return wall_ms;
}

int64_t clock_to_wall(int64_t ms)
{
    return stepped(ms, steps_ms());
}

int64_t clock_to_wall_kept(int64_t ms)
{
    int64_t others = atomic_load_explicit(&others_wall, memory_order_relaxed);
    return stepped(ms,
                   others != INT64_MIN ? others : atomic_load_explicit(&kept_steps, memory_order_relaxed));
}

void clock_keep_wall(int64_t wall_ms, int64_t ms)
{
    atomic_store_explicit(&others_wall, wall_ms - ms, memory_order_relaxed);
}

void clock_keep_own_wall(void)
{
    atomic_store_explicit(&others_wall, INT64_MIN, memory_order_relaxed);
}

void clock_look_at_wall(void)
{
    steps_ms();
}
