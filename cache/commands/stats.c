#include "commands/stats.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "commands/command.h"
#include "commands/errorstats.h"
#include "commands/histogram.h"
#include "commands/server.h"
#include "memory.h"
#include "store/reaper.h"

void stats_start(struct server *server)
{
    server->stats.startup_memory = mem_used();
    server->stats.sampled = clock_now();
}

/* ---- totals ----------------------------------------------------------------------------------------- */

/* Sums since start. */
static void sum(struct server *server, struct stats_totals *t)
{
    *t = (struct stats_totals){.rejected = counter_get(&server->net.rejected), .freed = reaper_freed()};
    for (int i = 0; i < server->net.count; i++) {
        const struct loop *loop = &server->net.loops[i];
        t->connections += counter_get(&loop->received);
        t->connections_open += counter_get(&loop->connections);
        t->bytes_in += counter_get(&loop->bytes_in);
        t->bytes_out += counter_get(&loop->bytes_out);
        t->reads += counter_get(&loop->reads);
        t->writes += counter_get(&loop->writes);
        t->closed_for_output += counter_get(&loop->closed_for_output);
        t->closed_for_input += counter_get(&loop->closed_for_input);
    }
    for (int i = 0; i <= server->net.count; i++) {
        const struct worker *w = &server->workers[i];
        t->commands += (uint64_t)counter_get(&w->commands);
        t->hits += w->hits;
        t->misses += w->misses;
        t->expired += w->store.expired;
        t->expired_parts += w->store.expired_parts;
        t->evicted += w->store.evicted;
        t->errors += w->errors;
        t->dirty += w->dirty;
        t->closed_for_output += (int64_t)w->limits.output_closed;
        t->evicted_clients += w->limits.evicted;
        t->sweep_ticks += w->sweep_ticks;
        t->sweeps_cut += w->sweeps_cut;
    }
}

void stats_totals(struct server *server, struct stats_totals *totals)
{
    const struct stats_totals *base = &server->stats.base;
    sum(server, totals);
    totals->connections -= base->connections;
    totals->rejected -= base->rejected;
    totals->bytes_in -= base->bytes_in;
    totals->bytes_out -= base->bytes_out;
    totals->reads -= base->reads;
    totals->writes -= base->writes;
    totals->closed_for_output -= base->closed_for_output;
    totals->closed_for_input -= base->closed_for_input;
    totals->commands -= base->commands;
    totals->hits -= base->hits;
    totals->misses -= base->misses;
    totals->expired -= base->expired;
    totals->expired_parts -= base->expired_parts;
    totals->evicted -= base->evicted;
    totals->errors -= base->errors;
    totals->evicted_clients -= base->evicted_clients;
    totals->sweep_ticks -= base->sweep_ticks;
    totals->sweeps_cut -= base->sweeps_cut;
    totals->freed -= base->freed;
}

bool stats_histogram(const struct server *server, int id, struct histogram *sum)
{
    bool any = false;
    *sum = (struct histogram){{0}};
    for (int i = 0; i <= server->net.count; i++) {
        const struct histogram *h = server->workers[i].stats[id].histogram;
        if (h != NULL) {
            histogram_merge(sum, h);
            any = true;
        }
    }
    return any;
}

static void reset_commands(struct worker *w)
{
    for (int id = 0; id < command_count(); id++) {
        histogram_free(w->stats[id].histogram);
        w->stats[id] = (struct command_stats){0};
    }
}

void stats_reset(struct server *server)
{
    struct stats *stats = &server->stats;
    sum(server, &stats->base);
    stats->over_ms = 0;
    stats->full_syncs = stats->partial_syncs = stats->refused_partial_syncs = 0;
    for (int i = 0; i < STATS_RATES; i++) {
        memset(stats->rates[i].samples, 0, sizeof stats->rates[i].samples);
    }
    for (int i = 0; i <= server->net.count; i++) {
        reset_commands(&server->workers[i]);
    }
    errorstats_reset(server);
}

/* ---- samples ---------------------------------------------------------------------------------------- */

static void sample(struct rate *rate, int64_t value, int64_t ms)
{
    int64_t per_second = (value - rate->last) * 1000 / ms;
    rate->samples[rate->at] = per_second > 0 ? per_second : 0;
    rate->at = (rate->at + 1) % STATS_SAMPLES;
    rate->last = value;
}

int64_t stats_rate(const struct server *server, enum stats_rate rate)
{
    int64_t all = 0;
    for (int i = 0; i < STATS_SAMPLES; i++) {
        all += server->stats.rates[rate].samples[i];
    }
    return all / STATS_SAMPLES;
}

static void sample_rates(struct server *server, int64_t ms)
{
    int64_t commands = counter_get(&server_player(server)->commands), in = 0, out = 0;
    for (int i = 0; i < server->net.count; i++) {
        commands += counter_get(&server->workers[i].commands);
        in += counter_get(&server->net.loops[i].bytes_in);
        out += counter_get(&server->net.loops[i].bytes_out);
    }
    sample(&server->stats.rates[RATE_COMMANDS], commands, ms);
    sample(&server->stats.rates[RATE_INPUT], in, ms);
    sample(&server->stats.rates[RATE_OUTPUT], out, ms);
}

static void sample_thread(struct stats *stats)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        stats->user_us = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
        stats->system_us = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    }
}

static void sample_memory(struct server *server, int64_t now)
{
    struct stats *stats = &server->stats;
    bool over = server->max_memory > 0 && mem_used() > server->max_memory;
    if (over && stats->over_since == 0) {
        stats->over_since = now;
    } else if (!over && stats->over_since != 0) {
        stats->over_ms += now - stats->over_since;
        stats->over_since = 0;
    }
}

void stats_sample(struct server *server)
{
    int64_t now = clock_now();
    int64_t ms = now - server->stats.sampled;
    if (ms < STATS_SAMPLE_MS) {
        return;
    }
    server->stats.sampled = now;
    sample_rates(server, ms);
    sample_thread(&server->stats);
    sample_memory(server, now);
}
