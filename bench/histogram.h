/* A histogram of latencies in nanoseconds, exact to 0.8 %, in constant memory and constant time.
 *
 * Log-linear, as HdrHistogram is: 128 equal steps for each power of two, so that a microsecond and a second
 * are kept with the same relative error and recording is a shift and an addition. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_STEP_BITS 7
#define HISTOGRAM_POWERS    40 /* the last step begins near 2^46 ns, 20 hours: nothing is ever above */
#define HISTOGRAM_STEPS     ((HISTOGRAM_POWERS + 1) << HISTOGRAM_STEP_BITS)

typedef struct histogram {
    uint64_t steps[HISTOGRAM_STEPS];
    uint64_t count;
    uint64_t max;
} histogram;

/* Counts one latency of `ns` nanoseconds. */
void histogram_record(histogram *self, uint64_t ns);

/* Forgets everything. */
void histogram_clear(histogram *self);

/* The latency in nanoseconds that `fraction` (0 to 1) of all records do not exceed; 0 when there are none. */
uint64_t histogram_quantile(const histogram *self, double fraction);

/* Writes p50, p99, p99.9 and p100 in microseconds as the members of a JSON object, without its braces. */
void histogram_print(const histogram *self, FILE *out);

#endif
