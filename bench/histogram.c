/* The log-linear histogram: see histogram.h. A step's number is the power of two above the step bits, then
 * the step bits themselves; values below 128 ns have a step each. */
#include "histogram.h"

#include <inttypes.h>
#include <string.h>

#define STEPS_OF_A_POWER (UINT64_C(1) << HISTOGRAM_STEP_BITS)

static uint32_t step_of(uint64_t ns)
{
    if (ns < STEPS_OF_A_POWER)
        return (uint32_t)ns;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(ns) - HISTOGRAM_STEP_BITS;
    if (power >= HISTOGRAM_POWERS)
        return HISTOGRAM_STEPS - 1;
    return ((power + 1) << HISTOGRAM_STEP_BITS) | (uint32_t)((ns >> power) & (STEPS_OF_A_POWER - 1));
}

/* The middle of a step, in nanoseconds. */
static uint64_t middle_of(uint32_t step)
{
    if (step < STEPS_OF_A_POWER)
        return step;
    uint32_t power = (step >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t first = (STEPS_OF_A_POWER | (step & (STEPS_OF_A_POWER - 1))) << power;
    return first + ((UINT64_C(1) << power) >> 1);
}

void histogram_record(histogram *self, uint64_t ns)
{
    self->steps[step_of(ns)]++;
    self->count++;
    if (ns > self->max)
        self->max = ns;
}

void histogram_clear(histogram *self)
{
    memset(self, 0, sizeof *self);
}

uint64_t histogram_quantile(const histogram *self, double fraction)
{
    uint64_t wanted = (uint64_t)(fraction * (double)self->count);
    if (wanted >= self->count)
        return self->max;
    uint64_t seen = 0;
    for (uint32_t step = 0; step < HISTOGRAM_STEPS; step++) {
        seen += self->steps[step];
        if (seen > wanted)
            return middle_of(step) < self->max ? middle_of(step) : self->max;
    }
    return self->max;
}

void histogram_print(const histogram *self, FILE *out)
{
    fprintf(out, "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p99_9_us\": %.1f, \"p100_us\": %.1f",
            (double)histogram_quantile(self, 0.50) / 1000.0, (double)histogram_quantile(self, 0.99) / 1000.0,
            (double)histogram_quantile(self, 0.999) / 1000.0, (double)self->max / 1000.0);
}
