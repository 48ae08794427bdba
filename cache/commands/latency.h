/*
 * LATENCY: samples of events that took longer than latency-monitor-threshold.
 *
 * Threads: any; the samples have a lock of their own.
 */
#ifndef ORDINAL_COMMANDS_LATENCY_H
#define ORDINAL_COMMANDS_LATENCY_H

#include "commands/server.h"

/* Notes an event ("command", "fast-command", "expire-cycle", "eviction-cycle", …) that took `ticks` of clock_ticks. */
void latency_note(struct server *server, const char *event, uint64_t ticks);

#endif
