/*
 * LATENCY: samples of events that took longer than latency-monitor-threshold (latency_event.h); and the histograms of
 * commands, told as cumulative distributions.
 *
 * Threads: any; the samples have a lock of their own.
 */
#ifndef ORDINAL_COMMANDS_LATENCY_H
#define ORDINAL_COMMANDS_LATENCY_H

#include <stdint.h>

struct server;

/* Notes an event ("command", "fast-command", "expire-cycle", "eviction-cycle", "snapshot-wait", …) that took `ticks` of clock_ticks;
 * nothing when that is below the threshold. */
void latency_note(struct server *server, const char *name, uint64_t ticks);

#endif
