/*
 * The clock of deadlines, with both system clocks in the test's hand: clock_gettime is this file's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"

/* What the test adds to the two clocks, in microseconds. */
static int64_t wall_step, monotonic_step;
/* Lets this much time pass at the reading with this number, as if the thread had been put aside; 0: never. */
static int64_t delay_us;
static int delay_at, readings;

int clock_gettime(clockid_t id, struct timespec *t)
{
    int status = (int)syscall(SYS_clock_gettime, id, t);
    if (++readings == delay_at) {
        wall_step += delay_us;
        monotonic_step += delay_us;
    }
    int64_t step = id == CLOCK_REALTIME ? wall_step : id == CLOCK_MONOTONIC ? monotonic_step : 0;
    int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + step * 1000;
    t->tv_sec = ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
    return status;
}

#define HOUR_US 3600000000LL

static int setup(void **state)
{
    (void)state;
    wall_step = monotonic_step = delay_us = 0;
    delay_at = 0;
    clock_init();
    return 0;
}

static void assert_close(int64_t a, int64_t b, int64_t most)
{
    int64_t difference = a > b ? a - b : b - a;
    assert_in_range(difference, 0, most);
}

static void it_agrees_with_the_wall_clock_at_start(void **state)
{
    (void)state;
    assert_close(clock_now_us(), clock_wall_us(), 50000);
    assert_close(clock_now(), clock_now_us() / 1000, 50);
}

static void a_step_of_the_wall_clock_moves_no_deadline(void **state)
{
    (void)state;
    int64_t before = clock_now();
    wall_step += HOUR_US;
    assert_close(clock_now(), before, 500);
    wall_step -= 2 * HOUR_US;
    assert_close(clock_now(), before, 500);
    assert_close(clock_wall_us(), clock_now_us() - HOUR_US, 50000);
}

static void it_never_goes_back(void **state)
{
    (void)state;
    int64_t last = clock_now_us();
    for (int i = 0; i < 10000; i++) {
        wall_step -= 1000;
        int64_t now = clock_now_us();
        assert_true(now >= last);
        last = now;
    }
}

static void wall_times_mean_wall_time_after_a_step(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        int64_t in_a_minute = clock_wall_us() / 1000 + 60000;
        assert_close(clock_from_wall(in_a_minute), clock_now() + 60000, 100);
        wall_step += i % 2 == 0 ? HOUR_US : -3 * HOUR_US;
    }
}

static void a_wall_time_reads_back_as_the_same_number(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t wall = 1700000000000 + i * 997;
        assert_int_equal(clock_to_wall(clock_from_wall(wall)), wall);
    }
}

/* A thread that loses the processor between two readings must not see a step. */
static void a_pause_between_two_readings_is_no_step(void **state)
{
    (void)state;
    int64_t deadline = clock_from_wall(1700000000000);
    for (int at = 1; at < 12; at++) {
        readings = 0;
        delay_at = at;
        delay_us = 20000;
        assert_int_equal(clock_from_wall(1700000000000), deadline);
        assert_int_equal(clock_to_wall(deadline), 1700000000000);
    }
}

static void a_pause_at_start_does_not_shift_the_clock(void **state)
{
    (void)state;
    for (int at = 1; at < 5; at++) {
        readings = 0;
        delay_at = at;
        delay_us = 300000;
        clock_init();
        assert_close(clock_now_us(), clock_wall_us(), 50000);
    }
}

static void extreme_times_saturate(void **state)
{
    (void)state;
    wall_step = HOUR_US;
    assert_true(clock_from_wall(INT64_MIN) == INT64_MIN);
    assert_true(clock_to_wall(INT64_MAX) == INT64_MAX);
    wall_step = -HOUR_US;
    assert_true(clock_from_wall(INT64_MAX) == INT64_MAX);
    assert_true(clock_to_wall(INT64_MIN) == INT64_MIN);
    wall_step = 0;
    assert_close(clock_from_wall(0), 0, 2);
}

static void ticks_turn_into_nanoseconds(void **state)
{
    (void)state;
    uint64_t ticks = clock_ticks();
    int64_t us = clock_now_us();
    while (clock_now_us() - us < 20000) {
        /* time passes */
    }
    uint64_t ns = clock_ticks_ns(clock_ticks() - ticks);
    int64_t passed = (clock_now_us() - us) * 1000;
    assert_true(ns > (uint64_t)passed * 8 / 10 && ns < (uint64_t)passed * 12 / 10);
    assert_int_equal(clock_ticks_ns(0), 0);
    clock_calibrate();
    assert_true(clock_ticks_ns(1000000000) > 0);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_agrees_with_the_wall_clock_at_start, setup),
        cmocka_unit_test_setup(a_step_of_the_wall_clock_moves_no_deadline, setup),
        cmocka_unit_test_setup(it_never_goes_back, setup),
        cmocka_unit_test_setup(wall_times_mean_wall_time_after_a_step, setup),
        cmocka_unit_test_setup(a_wall_time_reads_back_as_the_same_number, setup),
        cmocka_unit_test_setup(a_pause_between_two_readings_is_no_step, setup),
        cmocka_unit_test_setup(a_pause_at_start_does_not_shift_the_clock, setup),
        cmocka_unit_test_setup(extreme_times_saturate, setup),
        cmocka_unit_test_setup(ticks_turn_into_nanoseconds, setup),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
