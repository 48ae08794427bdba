/*
 * LATENCY: samples of events that took longer than latency-monitor-threshold, 160 for each kind of event and one at most
 * in a second (the longest); and the histograms of commands, told as cumulative distributions.
 *
 * Threads: any; the samples have a lock of their own.
 */
#ifndef ORDINAL_COMMANDS_LATENCY_H
#define ORDINAL_COMMANDS_LATENCY_H

#include "commands/server.h"

enum { LATENCY_SAMPLES = 160, LATENCY_EVENTS = 16, LATENCY_NAME = 32 };

struct latency_sample {
    int64_t seconds; /* wall time */
    int64_t ms;
};

/* The samples of one kind of event, from `first` on round the ring. */
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

/* Notes an event ("command", "fast-command", "expire-cycle", "eviction-cycle", …) that took `ticks` of clock_ticks;
 * nothing when that is below the threshold. */
void latency_note(struct server *server, const char *name, uint64_t ticks);

#endif
