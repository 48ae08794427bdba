/*
 * Statistics that no single worker keeps: rates per second, processor time of the first loop, and the counters of net
 * since CONFIG RESETSTAT. Counters of net belong to their loops and are never set back: a reset notes their sums, and
 * what is shown is the difference.
 *
 * Threads: sampled by loop 0 inside the gate; read and reset under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_STATS_H
#define ORDINAL_COMMANDS_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct histogram;
struct server;

enum { STATS_RATES = 3, STATS_SAMPLES = 16, STATS_SAMPLE_MS = 100 };

enum stats_rate { RATE_COMMANDS, RATE_INPUT, RATE_OUTPUT };

/* A value per second, as the mean of the last 16 samples. */
struct rate {
    int64_t last; /* the counter when it was sampled last */
    int64_t samples[STATS_SAMPLES];
    int at;
};

/* Sums over all loops and workers. */
struct stats_totals {
    int64_t connections, connections_open, rejected;
    int64_t bytes_in, bytes_out, reads, writes;
    int64_t closed_for_output, closed_for_input;
    uint64_t commands, hits, misses, expired, expired_parts, evicted, errors, dirty;
    uint64_t evicted_clients;
    uint64_t sweep_ticks, sweeps_cut;
    uint64_t freed; /* by the reaper */
};

struct stats {
    struct rate rates[STATS_RATES];
    int64_t sampled; /* ms of clock.h of the last sample */
    struct stats_totals base;
    int64_t startup_memory;
    int64_t user_us, system_us;                                /* processor time of loop 0's thread */
    uint64_t full_syncs, partial_syncs, refused_partial_syncs; /* of replicas, alone */
    int64_t over_since, over_ms; /* memory over maxmemory: since when (0: it is not), and in all */
};

/* Once, at start, when the server's memory is set up. */
void stats_start(struct server *server);

/* From loop 0's cron; does something once in 100 ms. */
void stats_sample(struct server *server);

/* Everything since start or the last reset; connections_open and dirty are never set back. */
void stats_totals(struct server *server, struct stats_totals *totals);

int64_t stats_rate(const struct server *server, enum stats_rate rate);

/* Adds up a command's histograms of latency over all workers. False when it has none. */
bool stats_histogram(const struct server *server, int id, struct histogram *sum);

/* CONFIG RESETSTAT: all counters of INFO, commands' statistics and histograms with them. */
void stats_reset(struct server *server);

#endif
