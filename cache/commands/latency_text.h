/*
 * LATENCY GRAPH and DOCTOR: samples as text for people.
 */
#ifndef ORDINAL_COMMANDS_LATENCY_TEXT_H
#define ORDINAL_COMMANDS_LATENCY_TEXT_H

#include "commands/latency_event.h"
#include "net/reply.h"

/* A graph of an event that has samples: a column for each, the newest at the right, its age below. */
void latency_graph(const struct latency_event *event, int64_t now_seconds, struct reply *out);

/* What the samples say, and what may be done about it. `threshold`: of latency-monitor-threshold, ms. */
void latency_report(const struct latency_event *events, int count, int64_t threshold, struct reply *out);

#endif
