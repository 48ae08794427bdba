/*
 * MEMORY: where the memory goes, for one key or for all.
 */
#include <stdio.h>
#ifndef ORDINAL_SYSTEM_MALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "commands/call.h"
#include "commands/groups.h"
#include "commands/memory_report.h"
#include "commands/text.h"

/* What an entry takes of its shard's lines: a slot of 64 / 7 bytes in lines that are four fifths full. */
enum { SLOT_SHARE = 12 };

/* MEMORY USAGE key [SAMPLES count]. Values know their memory, so nothing has to be sampled. */
static void run_usage(struct call *c)
{
    int64_t samples;
    for (size_t i = 3; i < c->argc; i += 2) {
        if (!slice_is(c->argv[i], "samples") || i + 1 >= c->argc) {
            call_syntax_error(c);
            return;
        }
        if (!call_int(c, c->argv[i + 1], &samples)) {
            return;
        }
        if (samples < 0) {
            call_syntax_error(c);
            return;
        }
    }
    struct key key = call_key(c, 2);
    const struct entry *e = key_peek(c, &key);
    if (e == NULL) {
        reply_null(c->reply);
    } else {
        reply_int(c->reply, (int64_t)entry_memory(e) + SLOT_SHARE);
    }
}

/* ---- STATS ------------------------------------------------------------------------------------------ */

struct stats_reply {
    struct reply *reply;
    int64_t pairs;
};

static void stat_int(struct stats_reply *stats, const char *name, int64_t value)
{
    reply_bulk_string(stats->reply, name);
    reply_int(stats->reply, value);
    stats->pairs++;
}

static void stat_double(struct stats_reply *stats, const char *name, double value)
{
    reply_bulk_string(stats->reply, name);
    reply_double(stats->reply, value);
    stats->pairs++;
}

static void database_stats(struct stats_reply *stats, const struct db *db)
{
    char name[32];
    if (db_size(db) == 0) {
        return;
    }
    snprintf(name, sizeof name, "db.%d", db->id);
    reply_bulk_string(stats->reply, name);
    reply_map(stats->reply, 3);
    reply_bulk_string(stats->reply, "overhead.hashtable.main");
    reply_int(stats->reply, memory_report_table(db));
    reply_bulk_string(stats->reply, "overhead.hashtable.expires");
    reply_int(stats->reply, 0); /* deadlines lie in the entries and their lines */
    reply_bulk_string(stats->reply, "overhead.hashtable.slot-to-keys");
    reply_int(stats->reply, 0);
    stats->pairs++;
}

static void allocator_stats(struct stats_reply *stats, const struct memory_report *report)
{
    int64_t allocated = (int64_t)report->allocator.allocated;
    int64_t active = (int64_t)report->allocator.active;
    int64_t resident = (int64_t)report->allocator.resident;
    stat_int(stats, "allocator.allocated", allocated);
    stat_int(stats, "allocator.active", active);
    stat_int(stats, "allocator.resident", resident);
    stat_double(stats, "allocator-fragmentation.ratio", memory_ratio(active, allocated));
    stat_int(stats, "allocator-fragmentation.bytes", active - allocated);
    stat_double(stats, "allocator-rss.ratio", memory_ratio(resident, active));
    stat_int(stats, "allocator-rss.bytes", resident - active);
    stat_double(stats, "rss-overhead.ratio", memory_ratio(report->resident, resident));
    stat_int(stats, "rss-overhead.bytes", report->resident - resident);
    stat_double(stats, "fragmentation", memory_ratio(report->resident, report->used));
    stat_int(stats, "fragmentation.bytes", report->resident - report->used);
}

static void take_report(struct server *server, struct memory_report *report)
{
    struct client_totals totals;
    client_limits_totals(server, &totals);
    memory_report_make(server, &totals, mem_used(), report);
}

static void run_stats(struct call *c)
{
    struct memory_report report;
    struct stats_reply stats = {c->reply, 0};
    take_report(c->server, &report);
    int64_t keys = (int64_t)report.keys;
    size_t hole = reply_hole(c->reply);
    stat_int(&stats, "peak.allocated", report.peak);
    stat_int(&stats, "total.allocated", report.used);
    stat_int(&stats, "startup.allocated", report.startup);
    stat_int(&stats, "replication.backlog", 0);
    stat_int(&stats, "clients.slaves", 0);
    stat_int(&stats, "clients.normal", report.clients);
    stat_int(&stats, "cluster.links", 0);
    stat_int(&stats, "aof.buffer", 0);
    stat_int(&stats, "lua.caches", 0);
    stat_int(&stats, "functions.caches", 0);
    for (int i = 0; i < c->server->keyspace.count; i++) {
        database_stats(&stats, &c->server->keyspace.dbs[i]);
    }
    stat_int(&stats, "overhead.total", report.overhead);
    stat_int(&stats, "keys.count", keys);
    stat_int(&stats, "keys.bytes-per-key", keys > 0 ? (report.used - report.startup) / keys : 0);
    stat_int(&stats, "dataset.bytes", report.dataset);
    stat_double(&stats, "dataset.percentage", memory_report_dataset_percent(&report));
    stat_double(&stats, "peak.percentage", 100 * memory_ratio(report.used, report.peak));
    allocator_stats(&stats, &report);
    reply_fill_map(c->reply, hole, stats.pairs);
}

/* ---- DOCTOR ----------------------------------------------------------------------------------------- */

enum { TOO_SMALL = 5 * 1024 * 1024, LARGE_CLIENT = 200 * 1024 };

static void diagnose(const struct server *server, const struct memory_report *report, int64_t clients,
                     struct reply *out)
{
    int64_t limit = server->max_memory;
    if (report->peak > report->used + report->used / 2) {
        text_addf(
            out,
            " * Peak: memory was %.1f times what it is now. What resident memory stays above that goes back "
            "to the system by itself within seconds; MEMORY PURGE does it now.\n",
            memory_ratio(report->peak, report->used));
    }
    if (memory_ratio((int64_t)report->allocator.active, (int64_t)report->allocator.allocated) > 1.4) {
        text_addf(
            out,
            " * Fragmentation: pages that are in use are far from full. This is common after many values of "
            "changing sizes were deleted, and is used up again as new ones come.\n");
    }
    if (memory_ratio(report->resident, (int64_t)report->allocator.resident) > 1.3) {
        text_addf(out,
                  " * Outside the allocator: the process holds much more memory than its allocator does.\n");
    }
    if (clients > 0 && report->clients / clients > LARGE_CLIENT) {
        text_addf(
            out,
            " * Clients: their buffers take %lld bytes each on average. CLIENT LIST shows whose (tot-mem); "
            "maxmemory-clients and client-output-buffer-limit bound them.\n",
            (long long)(report->clients / clients));
    }
    if (limit > 0 && report->used > limit - limit / 20) {
        text_addf(
            out, " * Limit: memory is within 5 %% of maxmemory or over it; keys are being evicted, or writes "
                 "refused, by maxmemory-policy.\n");
    }
}

static void run_doctor(struct call *c)
{
    struct memory_report report;
    struct stats_totals totals;
    struct reply out = {.resp = 2};
    take_report(c->server, &report);
    stats_totals(c->server, &totals);
    if (report.used < TOO_SMALL) {
        text_addf(&out, "This instance holds too little to judge its memory by.\n");
    } else {
        diagnose(c->server, &report, totals.connections_open, &out);
        if (out.len == 0) {
            text_addf(&out, "No memory problem was found in this instance.\n");
        }
    }
    text_reply(c, &out);
}

/* ---- MALLOC-STATS, PURGE ---------------------------------------------------------------------------- */

#ifndef ORDINAL_SYSTEM_MALLOC

/* Allocates nothing while jemalloc reports on itself: the buffer was made beforehand, and what exceeds it is cut. */
static void write_malloc_stats(void *context, const char *text)
{
    struct reply *out = context;
    size_t room = out->cap - out->len;
    reply_raw(out, text, strlen(text) < room ? strlen(text) : room);
}

static void run_malloc_stats(struct call *c)
{
    enum { ROOM = 1024 * 1024 };
    struct reply out = {.resp = 2};
    if (reply_reserve(&out, ROOM) == NULL) {
        call_out_of_memory(c);
        return;
    }
    malloc_stats_print(write_malloc_stats, &out, NULL);
    text_reply(c, &out);
}

#else

static void run_malloc_stats(struct call *c)
{
    static const struct slice text = {"Stats not supported for the current allocator", 45};
    reply_verbatim(c->reply, "txt", text);
}

#endif

static void run_purge(struct call *c)
{
    mem_purge();
    reply_ok(c->reply);
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Attempt to purge dirty pages for reclamation by the allocator.",
        "STATS",
        "    Return information about the memory usage of the server.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value. Nested values are",
        "    sampled up to <count> times (default: 5, 0 means sample all).",
        NULL,
    };
    call_help(c, lines);
}

#define TIPS "nondeterministic_output request_policy:all_shards response_policy:special"

static const struct command subcommands[] = {
    {
        .name = "doctor",
        .run = run_doctor,
        .arity = 2,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Outputs a memory problems report.",
        .syntax = "",
        .tips = TIPS,
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Returns helpful text about the different subcommands.",
        .syntax = "",
    },
    {
        .name = "malloc-stats",
        .run = run_malloc_stats,
        .arity = 2,
        .flags = CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "Depends on how much memory is allocated, could be slow",
        .summary = "Returns the allocator statistics.",
        .syntax = "",
        .tips = TIPS,
    },
    {
        .name = "purge",
        .run = run_purge,
        .arity = 2,
        .flags = CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "Depends on how much memory is allocated, could be slow",
        .summary = "Asks the allocator to release memory.",
        .syntax = "",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "stats",
        .run = run_stats,
        .arity = 2,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Returns details about memory usage.",
        .syntax = "",
        .tips = TIPS,
    },
    {
        .name = "usage",
        .run = run_usage,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{2, 2, 1, KEY_RO}},
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Estimates the memory usage of a key.",
        .syntax = "key [SAMPLES count]",
    },
    {0},
};

const struct command memory_commands[] = {
    {
        .name = "memory",
        .run = call_unknown_subcommand,
        .arity = -2,
        .group = GROUP_SERVER,
        .since = "4.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for memory diagnostics commands.",
        .subcommands = subcommands,
    },
    {0},
};
