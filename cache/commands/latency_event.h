/*
 * The samples of one kind of event that took long (LATENCY): 160 of them, and one at most in a second, the longest.
 *
 * Threads: under the lock of latency.c.
 */
#ifndef ORDINAL_COMMANDS_LATENCY_EVENT_H
#define ORDINAL_COMMANDS_LATENCY_EVENT_H

#include <stdint.h>

enum { LATENCY_SAMPLES = 160, LATENCY_NAME = 32 };

struct latency_sample {
    int64_t seconds; /* wall time */
    int64_t ms;
};

/* The samples stand in a ring, from `first` on. */
struct latency_event {
    char name[LATENCY_NAME];
    struct latency_sample ring[LATENCY_SAMPLES];
    int first, count;
    int64_t longest; /* of all times, ms */
};

/* The i-th sample, the oldest first. */
static inline const struct latency_sample *latency_at(const struct latency_event *event, int i)
{
    return &event->ring[(event->first + i) % LATENCY_SAMPLES];
}

#endif
