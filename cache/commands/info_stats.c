/* INFO stats, commandstats, errorstats and latencystats: what was counted since the start, or CONFIG RESETSTAT. */
#include <stdlib.h>

#include "clock.h"
#include "commands/errorstats.h"
#include "commands/histogram.h"
#include "commands/info_lines.h"
#include "commands/pubsub.h"
#include "commands/tracking.h"

static void count_denied(void *denied, const char *code, uint64_t count)
{
    if (strcmp(code, "WRONGPASS") == 0) {
        *(uint64_t *)denied += count;
    }
}

static void rates(struct info *info)
{
    const struct server *server = info->server;
    info_number(info, "instantaneous_ops_per_sec", stats_rate(server, RATE_COMMANDS));
    info_number(info, "total_net_input_bytes", info->totals.bytes_in);
    info_number(info, "total_net_output_bytes", info->totals.bytes_out);
    info_line(info, "total_net_repl_input_bytes:0\r\ntotal_net_repl_output_bytes:0");
    info_line(info, "instantaneous_input_kbps:%.2f", (double)stats_rate(server, RATE_INPUT) / 1024);
    info_line(info, "instantaneous_output_kbps:%.2f", (double)stats_rate(server, RATE_OUTPUT) / 1024);
    info_line(info, "instantaneous_input_repl_kbps:0.00\r\ninstantaneous_output_repl_kbps:0.00");
}

static void expiry_and_eviction(struct info *info)
{
    const struct stats *stats = &info->server->stats;
    int64_t over = stats->over_since != 0 ? info->now - stats->over_since : 0;
    info_number(info, "expired_keys", (int64_t)info->totals.expired);
    info_number(info, "expired_subkeys", (int64_t)info->totals.expired_parts);
    info_line(info, "expired_stale_perc:0.00");
    info_number(info, "expired_time_cap_reached_count", (int64_t)info->totals.sweeps_cut);
    info_number(info, "expire_cycle_cpu_milliseconds",
                (int64_t)(clock_ticks_ns(info->totals.sweep_ticks) / 1000000));
    info_number(info, "evicted_keys", (int64_t)info->totals.evicted);
    info_number(info, "evicted_clients", (int64_t)info->totals.evicted_clients);
    info_number(info, "total_eviction_exceeded_time", stats->over_ms + over);
    info_number(info, "current_eviction_exceeded_time", over);
}

void info_stats(struct info *info)
{
    static const char *const resting[] = {
        "latest_fork_usec",         "total_forks",
        "migrate_cached_sockets",   "slave_expires_tracked_keys",
        "active_defrag_hits",       "active_defrag_misses",
        "active_defrag_key_hits",   "active_defrag_key_misses",
        "total_active_defrag_time", "current_active_defrag_time",
        "unexpected_error_replies", NULL,
    };
    const struct stats_totals *totals = &info->totals;
    uint64_t denied = 0;
    errorstats_each(info->server, count_denied, &denied);
    info_number(info, "total_connections_received", totals->connections);
    info_number(info, "total_commands_processed", (int64_t)totals->commands);
    rates(info);
    info_number(info, "rejected_connections", totals->rejected);
    info_number(info, "sync_full", (int64_t)info->server->stats.full_syncs);
    info_number(info, "sync_partial_ok", (int64_t)info->server->stats.partial_syncs);
    info_number(info, "sync_partial_err", (int64_t)info->server->stats.refused_partial_syncs);
    expiry_and_eviction(info);
    info_number(info, "keyspace_hits", (int64_t)totals->hits);
    info_number(info, "keyspace_misses", (int64_t)totals->misses);
    info_number(info, "pubsub_channels", (int64_t)pubsub_channels(info->server));
    info_number(info, "pubsub_patterns", (int64_t)pubsub_patterns(info->server));
    info_number(info, "pubsubshard_channels", (int64_t)pubsub_shard_channels(info->server));
    info_number(info, "tracking_total_keys", (int64_t)tracking_keys(info->server));
    info_number(info, "tracking_total_items", (int64_t)tracking_items(info->server));
    info_number(info, "tracking_total_prefixes", (int64_t)tracking_prefixes(info->server));
    info_zeros(info, resting);
    info_number(info, "total_error_replies", (int64_t)totals->errors);
    info_number(info, "dump_payload_sanitizations", 0);
    info_number(info, "total_reads_processed", totals->reads);
    info_number(info, "total_writes_processed", totals->writes);
    info_line(info, "io_threaded_reads_processed:0\r\nio_threaded_writes_processed:0");
    info_number(info, "client_query_buffer_limit_disconnections", totals->closed_for_input);
    info_number(info, "client_output_buffer_limit_disconnections", totals->closed_for_output);
    info_line(info, "reply_buffer_shrinks:0\r\nreply_buffer_expands:0");
    info_number(info, "acl_access_denied_auth", (int64_t)denied);
    info_line(info, "acl_access_denied_cmd:0\r\nacl_access_denied_key:0\r\nacl_access_denied_channel:0");
}

/* ---- commandstats, errorstats, latencystats ----------------------------------------------------------- */

void info_commandstats(struct info *info)
{
    const struct server *server = info->server;
    char name[64];
    for (int id = 0; id < command_count(); id++) {
        struct command_stats sum = {0};
        for (int i = 0; i <= server->net.count; i++) {
            const struct command_stats *stats = &server->workers[i].stats[id];
            sum.calls += stats->calls;
            sum.ticks += stats->ticks;
            sum.rejected += stats->rejected;
            sum.failed += stats->failed;
        }
        if (sum.calls == 0 && sum.rejected == 0 && sum.failed == 0) {
            continue;
        }
        uint64_t us = clock_ticks_ns(sum.ticks) / 1000;
        command_full_name(command_at(id), name, sizeof name);
        info_line(info,
                  "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
                  name, (unsigned long long)sum.calls, (unsigned long long)us,
                  sum.calls > 0 ? (double)us / (double)sum.calls : 0.0, (unsigned long long)sum.rejected,
                  (unsigned long long)sum.failed);
    }
}

static void errorstat(void *info, const char *code, uint64_t count)
{
    info_line(info, "errorstat_%s:count=%llu", code, (unsigned long long)count);
}

void info_errorstats(struct info *info)
{
    errorstats_each(info->server, errorstat, info);
}

/* "p50=8.031,p99=12.5": the percentiles of the setting, in microseconds. */
static void percentiles(const struct histogram *h, const char *wanted, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    while (*wanted != '\0' && len + 64 < size) {
        double percent = strtod(wanted, NULL);
        double us = (double)clock_ticks_ns(histogram_percentile(h, percent)) / 1000;
        len += (size_t)snprintf(text + len, size - len, "%sp%.10g=%.3f", len > 0 ? "," : "", percent, us);
        wanted += strcspn(wanted, " ");
        wanted += strspn(wanted, " ");
    }
}

void info_latencystats(struct info *info)
{
    const struct server *server = info->server;
    char name[64], text[900];
    if (!server->config->latency_tracking) {
        return;
    }
    for (int id = 0; id < command_count(); id++) {
        struct histogram sum;
        if (stats_histogram(server, id, &sum)) {
            command_full_name(command_at(id), name, sizeof name);
            percentiles(&sum, server->config->latency_tracking_info_percentiles, text, sizeof text);
            info_line(info, "latency_percentiles_usec_%s:%s", name, text);
        }
    }
}
