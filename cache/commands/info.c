/*
 * INFO: the state of the server as lines of text, in sections. Names and meanings are Redis's, since monitoring knows them;
 * what Ordinal does not have (forks, replicas, scripts) is told with its resting value. What only Ordinal has is in a
 * section of its own, "Ordinal"; what stands above the commands brings its sections by info_add.
 *
 * Runs alone: it adds up what every worker counts for itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "commands/aof.h"
#include "commands/block.h"
#include "commands/call.h"
#include "commands/errorstats.h"
#include "commands/folder.h"
#include "commands/groups.h"
#include "commands/histogram.h"
#include "commands/info.h"
#include "commands/load.h"
#include "commands/memory_report.h"
#include "commands/pubsub.h"
#include "commands/saving.h"
#include "commands/text.h"
#include "commands/tracking.h"
#include "commands/watch.h"
#include "net/listener.h"
#include "store/reaper.h"

struct info {
    struct server *server;
    struct worker *worker;
    int64_t now; /* ms of clock.h */
    struct reply *out;
    struct stats_totals totals;
    struct client_totals clients;
    int64_t used; /* memory before this text took any */
};

static void line(struct info *info, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct info *info, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_addv(info->out, format, args);
    va_end(args);
    REPLY_LITERAL(info->out, "\r\n");
}

static void number(struct info *info, const char *name, int64_t value)
{
    line(info, "%s:%lld", name, (long long)value);
}

/* Several fields that rest at 0. */
static void zeros(struct info *info, const char *const *names)
{
    for (; *names != NULL; names++) {
        number(info, *names, 0);
    }
}

/* "1.50M" beside the number of bytes. */
static void human(struct info *info, const char *name, int64_t bytes)
{
    static const char units[] = "KMGTP";
    double value = (double)bytes;
    int unit = -1;
    while (value >= 1024 && unit < (int)sizeof units - 2) {
        value /= 1024;
        unit++;
    }
    if (unit < 0) {
        line(info, "%s_human:%lldB", name, (long long)bytes);
    } else {
        line(info, "%s_human:%.2f%c", name, value, units[unit]);
    }
}

static void bytes_and_human(struct info *info, const char *name, int64_t bytes)
{
    number(info, name, bytes);
    human(info, name, bytes);
}

/* ---- server, clients -------------------------------------------------------------------------------- */

static void listeners(struct info *info)
{
    const struct config *config = info->server->config;
    char text[512];
    int count = 0;
    if (config->port != 0) {
        size_t len = 0;
        for (size_t i = 0; i < config->bind.count && len < sizeof text - 64; i++) {
            len += (size_t)snprintf(text + len, sizeof text - len, ",bind=%.60s", config->bind.items[i]);
        }
        line(info, "listener%d:name=tcp%s,port=%d", count++, len > 0 ? text : "", config->port);
    }
    if (config->unixsocket[0] != '\0') {
        line(info, "listener%d:name=unix,bind=%s", count, config->unixsocket);
    }
}

static void section_server(struct info *info)
{
    const struct server *server = info->server;
    struct utsname system;
    char executable[512];
    int64_t uptime = (info->now - server->started) / 1000;
    ssize_t len = readlink("/proc/self/exe", executable, sizeof executable - 1);
    executable[len > 0 ? len : 0] = '\0';
    uname(&system);
    line(info, "redis_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\nredis_build_id:0",
         REDIS_VERSION);
    line(info, "ordinal_version:%s", ORDINAL_VERSION);
    line(info, "redis_mode:standalone\r\nos:%s %s %s", system.sysname, system.release, system.machine);
    line(info, "arch_bits:%zu\r\nmonotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll",
         sizeof(void *) * 8);
    line(info, "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d", __GNUC__, __GNUC_MINOR__,
         __GNUC_PATCHLEVEL__);
    line(info, "process_id:%d\r\nprocess_supervised:no\r\nrun_id:%s", (int)getpid(), server->run_id);
    line(info, "tcp_port:%d\r\nserver_time_usec:%lld", server->config->port, (long long)clock_wall_us());
    number(info, "uptime_in_seconds", uptime);
    number(info, "uptime_in_days", uptime / 86400);
    line(info, "hz:10\r\nconfigured_hz:10\r\nlru_clock:%u", access_lru_now(info->now));
    line(info, "executable:%s", executable);
    line(info, "config_file:%s\r\nio_threads_active:0", server->config->config_file);
    listeners(info);
}

static void section_clients(struct info *info)
{
    number(info, "connected_clients", info->totals.connections_open);
    number(info, "cluster_connections", 0);
    number(info, "maxclients", info->server->config->maxclients);
    number(info, "client_recent_max_input_buffer", info->clients.max_input);
    number(info, "client_recent_max_output_buffer", info->clients.max_output);
    number(info, "blocked_clients", info->clients.blocked);
    number(info, "tracking_clients", (int64_t)tracking_clients(info->server));
    number(info, "watching_clients", (int64_t)watch_clients(info->server));
    number(info, "pubsub_clients", (int64_t)pubsub_clients(info->server));
    number(info, "clients_in_timeout_table", 0); /* loops have their own timers, and no such table */
    number(info, "total_watched_keys", (int64_t)watch_keys(info->server));
    number(info, "total_blocking_keys", (int64_t)block_keys(info->server));
    number(info, "total_blocking_keys_on_nokey", 0);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static void scripts_memory(struct info *info)
{
    static const char *const fields[] = {
        "used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions",
        "number_of_libraries",      "used_memory_vm_functions", NULL,
    };
    bytes_and_human(info, "used_memory_lua", 0);
    number(info, "used_memory_vm_eval", 0);
    zeros(info, fields);
    bytes_and_human(info, "used_memory_vm_total", 0);
    number(info, "used_memory_functions", 0);
    bytes_and_human(info, "used_memory_scripts", 0);
}

static void allocator_memory(struct info *info, const struct memory_report *report)
{
    int64_t allocated = (int64_t)report->allocator.allocated;
    int64_t active = (int64_t)report->allocator.active;
    int64_t resident = (int64_t)report->allocator.resident;
    line(info, "allocator_frag_ratio:%.2f", memory_ratio(active, allocated));
    number(info, "allocator_frag_bytes", active - allocated);
    line(info, "allocator_rss_ratio:%.2f", memory_ratio(resident, active));
    number(info, "allocator_rss_bytes", resident - active);
    line(info, "rss_overhead_ratio:%.2f", memory_ratio(report->resident, resident));
    number(info, "rss_overhead_bytes", report->resident - resident);
    line(info, "mem_fragmentation_ratio:%.2f", memory_ratio(report->resident, report->used));
    number(info, "mem_fragmentation_bytes", report->resident - report->used);
}

static void section_memory(struct info *info)
{
    const struct server *server = info->server;
    struct memory_report report;
    struct log_stats log;
    memory_report_make(info->server, &info->clients, info->used, &report);
    char *policy = config_value(server->config, "maxmemory-policy");
    bytes_and_human(info, "used_memory", report.used);
    bytes_and_human(info, "used_memory_rss", report.resident);
    bytes_and_human(info, "used_memory_peak", report.peak);
    line(info, "used_memory_peak_perc:%.2f%%", 100 * memory_ratio(report.used, report.peak));
    number(info, "used_memory_overhead", report.overhead);
    number(info, "used_memory_startup", report.startup);
    number(info, "used_memory_dataset", report.dataset);
    line(info, "used_memory_dataset_perc:%.2f%%", memory_report_dataset_percent(&report));
    number(info, "allocator_allocated", (int64_t)report.allocator.allocated);
    number(info, "allocator_active", (int64_t)report.allocator.active);
    number(info, "allocator_resident", (int64_t)report.allocator.resident);
    bytes_and_human(info, "total_system_memory",
                    (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE));
    scripts_memory(info);
    bytes_and_human(info, "maxmemory", server->config->maxmemory);
    line(info, "maxmemory_policy:%s", policy != NULL ? policy : "");
    free(policy);
    allocator_memory(info, &report);
    log_stats(&info->server->log, &log);
    number(info, "mem_not_counted_for_evict", (int64_t)log.memory + cut_bytes(&server->keyspace.cut));
    int64_t backlog = server->history.backlog ? (int64_t)log.memory : 0; /* replicas' buffers are this, too */
    number(info, "mem_replication_backlog", backlog);
    number(info, "mem_total_replication_buffers", backlog);
    number(info, "mem_clients_slaves", 0);
    number(info, "mem_clients_normal", report.clients);
    line(info, "mem_cluster_links:0\r\nmem_aof_buffer:0\r\nmem_allocator:%s", mem_allocator_name());
    number(info, "active_defrag_running", 0);
    number(info, "lazyfree_pending_objects", (int64_t)reaper_pending());
    number(info, "lazyfreed_objects", (int64_t)info->totals.freed);
}

/* ---- persistence, replication, modules, cluster: what rests until they exist ---------------------------- */

/* Of a load that is under way. */
static void loading_fields(struct info *info)
{
    const struct loading *loading = info->server->loading;
    double total = (double)loading->progress.total;
    double bytes = (double)loading->progress.bytes;
    double seconds = (double)(info->now - loading->began) / 1000;
    line(info, "loading_start_time:%lld", (long long)loading->began_wall);
    number(info, "loading_total_bytes", (int64_t)loading->progress.total);
    number(info, "loading_rdb_used_mem", (int64_t)loading->progress.used_memory);
    number(info, "loading_loaded_bytes", (int64_t)loading->progress.bytes);
    line(info, "loading_loaded_perc:%.2f", total > 0 ? 100 * bytes / total : 0.0);
    number(info, "loading_eta_seconds",
           bytes > 0 && total > bytes ? (int64_t)(seconds * (total - bytes) / bytes) : 1);
}

static const char *status(bool good)
{
    return good ? "ok" : "err";
}

static void aof_lines(struct info *info)
{
    struct aof_figures aof;
    aof_figures(info->server, &aof);
    line(info, "aof_enabled:%d\r\naof_rewrite_in_progress:%d\r\naof_rewrite_scheduled:%d", aof.on,
         aof.rewriting, aof.scheduled);
    number(info, "aof_last_rewrite_time_sec", aof.last_seconds);
    number(info, "aof_current_rewrite_time_sec", aof.current_seconds);
    line(info, "aof_last_bgrewrite_status:%s", status(aof.last_rewrite_good));
    number(info, "aof_rewrites", aof.rewrites);
    number(info, "aof_rewrites_consecutive_failures", aof.failures);
    line(info, "aof_last_write_status:%s\r\naof_last_cow_size:0", status(aof.last_write_good));
    if (!aof.on) {
        return;
    }
    number(info, "aof_current_size", aof.size);
    number(info, "aof_base_size", aof.base_size);
    number(info, "aof_pending_rewrite", aof.scheduled);
    number(info, "aof_buffer_length", aof.buffered);
    number(info, "aof_pending_bio_fsync", aof.syncing);
    number(info, "aof_delayed_fsync", aof.delayed);
}

/* "cow": what is kept beside the data for the snapshot's sake. There is no fork, but its share of the keys tells as much. */
static void snapshot_under_way(struct info *info, const struct snapshot *s)
{
    const struct cut *cut = &info->server->keyspace.cut;
    bool running = snapshot_running(s);
    uint64_t keys = running ? s->progress.keys : 0, total = running ? s->progress.keys_total : 0;
    number(info, "current_cow_peak", running ? cut->kept_peak : 0);
    number(info, "current_cow_size", cut->kept);
    number(info, "current_cow_size_age", 0);
    line(info, "current_fork_perc:%.2f", total > 0 ? 100 * (double)keys / (double)total : 0.0);
    number(info, "current_save_keys_processed", (int64_t)keys);
    number(info, "current_save_keys_total", (int64_t)total);
}

static void snapshot_file(struct info *info, const struct saving *saving)
{
    bool running = saving->kind != SAVING_NOTHING;
    number(info, "rdb_changes_since_last_save", (int64_t)saving_changes(info->server));
    number(info, "rdb_bgsave_in_progress", running);
    number(info, "rdb_last_save_time", saving->last_save);
    line(info, "rdb_last_bgsave_status:%s", saving->failed ? "err" : "ok");
    number(info, "rdb_last_bgsave_time_sec", saving->last_seconds);
    number(info, "rdb_current_bgsave_time_sec",
           running ? (info->now - saving->snapshot.progress.began) / 1000 : -1);
    number(info, "rdb_saves", (int64_t)saving->saves);
    number(info, "rdb_last_cow_size", saving->last_kept);
}

/* Who may write into the data folder. */
static void claim_fields(struct info *info)
{
    static const char *const states[] = {
        [CLAIM_NONE] = "none", [CLAIM_WATCHING] = "watching", [CLAIM_HELD] = "held", [CLAIM_LOST] = "lost"};
    struct claim_figures claim;
    folder_figures(&claim);
    line(info, "claim_state:%s", states[claim.state]);
    number(info, "claim_epoch", (int64_t)(claim.state == CLAIM_HELD ? claim.epoch : claim.other.epoch));
    number(info, "claim_heartbeat", (int64_t)(claim.state == CLAIM_HELD ? claim.beat : claim.other.beat));
    if (claim.state == CLAIM_WATCHING || claim.state == CLAIM_LOST) {
        line(info, "claim_owner_host:%s\r\nclaim_owner_pid:%lld", claim.other.host,
             (long long)claim.other.pid);
        number(info, "claim_heartbeat_age_ms", claim.age);
    }
}

static void section_persistence(struct info *info)
{
    const struct server *server = info->server;
    const struct rdb_load_progress *last = &server->loading->progress;
    bool loading = load_is_active(server);
    line(info, "loading:%d\r\nasync_loading:0", loading);
    snapshot_under_way(info, &server->saving->snapshot);
    snapshot_file(info, server->saving);
    number(info, "rdb_last_load_keys_expired", (int64_t)last->expired);
    number(info, "rdb_last_load_keys_loaded", (int64_t)last->loaded);
    number(info, "rdb_last_load_streams_skipped", (int64_t)last->skipped[RDB_SKIPPED_STREAM]);
    number(info, "rdb_last_load_modules_skipped", (int64_t)last->skipped[RDB_SKIPPED_MODULE]);
    number(info, "rdb_last_load_functions_skipped", (int64_t)last->skipped[RDB_SKIPPED_FUNCTION]);
    aof_lines(info);
    line(info, "module_fork_in_progress:0\r\nmodule_fork_last_cow_size:0");
    claim_fields(info);
    if (loading) {
        loading_fields(info);
    }
}

static void section_replication(struct info *info)
{
    if (info->server->above.info != NULL) {
        info->server->above.info(info->server, info->out);
    }
}

static void section_modules(struct info *info)
{
    (void)info; /* there are none: the section is its name alone */
}

static void section_cluster(struct info *info)
{
    number(info, "cluster_enabled", 0);
}

/* ---- stats ------------------------------------------------------------------------------------------ */

static void count_denied(void *denied, const char *code, uint64_t count)
{
    if (strcmp(code, "WRONGPASS") == 0) {
        *(uint64_t *)denied += count;
    }
}

static void rates(struct info *info)
{
    const struct server *server = info->server;
    number(info, "instantaneous_ops_per_sec", stats_rate(server, RATE_COMMANDS));
    number(info, "total_net_input_bytes", info->totals.bytes_in);
    number(info, "total_net_output_bytes", info->totals.bytes_out);
    line(info, "total_net_repl_input_bytes:0\r\ntotal_net_repl_output_bytes:0");
    line(info, "instantaneous_input_kbps:%.2f", (double)stats_rate(server, RATE_INPUT) / 1024);
    line(info, "instantaneous_output_kbps:%.2f", (double)stats_rate(server, RATE_OUTPUT) / 1024);
    line(info, "instantaneous_input_repl_kbps:0.00\r\ninstantaneous_output_repl_kbps:0.00");
}

static void expiry_and_eviction(struct info *info)
{
    const struct stats *stats = &info->server->stats;
    int64_t over = stats->over_since != 0 ? info->now - stats->over_since : 0;
    number(info, "expired_keys", (int64_t)info->totals.expired);
    number(info, "expired_subkeys", (int64_t)info->totals.expired_parts);
    line(info, "expired_stale_perc:0.00");
    number(info, "expired_time_cap_reached_count", (int64_t)info->totals.sweeps_cut);
    number(info, "expire_cycle_cpu_milliseconds",
           (int64_t)(clock_ticks_ns(info->totals.sweep_ticks) / 1000000));
    number(info, "evicted_keys", (int64_t)info->totals.evicted);
    number(info, "evicted_clients", (int64_t)info->totals.evicted_clients);
    number(info, "total_eviction_exceeded_time", stats->over_ms + over);
    number(info, "current_eviction_exceeded_time", over);
}

static void section_stats(struct info *info)
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
    number(info, "total_connections_received", totals->connections);
    number(info, "total_commands_processed", (int64_t)totals->commands);
    rates(info);
    number(info, "rejected_connections", totals->rejected);
    number(info, "sync_full", (int64_t)info->server->stats.full_syncs);
    number(info, "sync_partial_ok", (int64_t)info->server->stats.partial_syncs);
    number(info, "sync_partial_err", (int64_t)info->server->stats.refused_partial_syncs);
    expiry_and_eviction(info);
    number(info, "keyspace_hits", (int64_t)totals->hits);
    number(info, "keyspace_misses", (int64_t)totals->misses);
    number(info, "pubsub_channels", (int64_t)pubsub_channels(info->server));
    number(info, "pubsub_patterns", (int64_t)pubsub_patterns(info->server));
    number(info, "pubsubshard_channels", (int64_t)pubsub_shard_channels(info->server));
    number(info, "tracking_total_keys", (int64_t)tracking_keys(info->server));
    number(info, "tracking_total_items", (int64_t)tracking_items(info->server));
    number(info, "tracking_total_prefixes", (int64_t)tracking_prefixes(info->server));
    zeros(info, resting);
    number(info, "total_error_replies", (int64_t)totals->errors);
    number(info, "dump_payload_sanitizations", 0);
    number(info, "total_reads_processed", totals->reads);
    number(info, "total_writes_processed", totals->writes);
    line(info, "io_threaded_reads_processed:0\r\nio_threaded_writes_processed:0");
    number(info, "client_query_buffer_limit_disconnections", totals->closed_for_input);
    number(info, "client_output_buffer_limit_disconnections", totals->closed_for_output);
    line(info, "reply_buffer_shrinks:0\r\nreply_buffer_expands:0");
    number(info, "acl_access_denied_auth", (int64_t)denied);
    line(info, "acl_access_denied_cmd:0\r\nacl_access_denied_key:0\r\nacl_access_denied_channel:0");
}

static void section_cpu(struct info *info)
{
    const struct stats *stats = &info->server->stats;
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    line(info, "used_cpu_sys:%ld.%06ld", (long)self.ru_stime.tv_sec, (long)self.ru_stime.tv_usec);
    line(info, "used_cpu_user:%ld.%06ld", (long)self.ru_utime.tv_sec, (long)self.ru_utime.tv_usec);
    line(info, "used_cpu_sys_children:%ld.%06ld", (long)children.ru_stime.tv_sec,
         (long)children.ru_stime.tv_usec);
    line(info, "used_cpu_user_children:%ld.%06ld", (long)children.ru_utime.tv_sec,
         (long)children.ru_utime.tv_usec);
    line(info, "used_cpu_sys_main_thread:%.6f", (double)stats->system_us / 1e6);
    line(info, "used_cpu_user_main_thread:%.6f", (double)stats->user_us / 1e6);
}

/* ---- commandstats, errorstats, latencystats ----------------------------------------------------------- */

static void section_commandstats(struct info *info)
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
        line(info, "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
             name, (unsigned long long)sum.calls, (unsigned long long)us,
             sum.calls > 0 ? (double)us / (double)sum.calls : 0.0, (unsigned long long)sum.rejected,
             (unsigned long long)sum.failed);
    }
}

static void errorstat(void *info, const char *code, uint64_t count)
{
    line(info, "errorstat_%s:count=%llu", code, (unsigned long long)count);
}

static void section_errorstats(struct info *info)
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

static void section_latencystats(struct info *info)
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
            line(info, "latency_percentiles_usec_%s:%s", name, text);
        }
    }
}

/* ---- keyspace --------------------------------------------------------------------------------------- */

enum { TTL_SAMPLES = 64, TTL_VISITS = 4096, TTL_STEP = 128 };

struct ttl_sample {
    int64_t now, timed, seen;
    double sum;
};

static void sample_ttl(void *context, struct entry *e, uint64_t hash)
{
    struct ttl_sample *sample = context;
    (void)hash;
    sample->seen++;
    if (entry_has_deadline(e)) {
        int64_t ttl = entry_deadline(e) - sample->now;
        sample->sum += ttl > 0 ? (double)ttl : 0; /* two deadlines may be more than fits 64 bits */
        sample->timed++;
    }
}

/* The mean time to live in ms, estimated from entries of random shards. */
static int64_t average_ttl(struct info *info, struct db *db)
{
    struct ttl_sample sample = {.now = info->now};
    uint64_t cursor = (worker_random(info->worker) >> (64 - SHARD_BITS)) << 32;
    bool from_start = cursor == 0;
    while (sample.timed < TTL_SAMPLES && sample.seen < TTL_VISITS) {
        cursor = db_scan(db, cursor, TTL_STEP, sample_ttl, &sample);
        if (cursor == 0 && from_start) {
            break;
        }
        from_start = from_start || cursor == 0;
    }
    return sample.timed > 0 ? (int64_t)(sample.sum / (double)sample.timed) : 0;
}

static void section_keyspace(struct info *info)
{
    const struct keyspace *ks = &info->server->keyspace;
    for (int i = 0; i < ks->count; i++) {
        uint64_t keys = db_size(&ks->dbs[i]);
        uint64_t timed = db_timed(&ks->dbs[i]);
        if (keys > 0) {
            line(info, "db%d:keys=%llu,expires=%llu,avg_ttl=%lld", i, (unsigned long long)keys,
                 (unsigned long long)timed, timed > 0 ? (long long)average_ttl(info, &ks->dbs[i]) : 0LL);
        }
    }
}

/* ---- what only Ordinal has -------------------------------------------------------------------------- */

static void log_state(struct info *info)
{
    struct log_stats log;
    log_stats(&info->server->log, &log);
    line(info, "log:readers=%d,first=%llu,end=%llu,memory=%llu", log.readers, (unsigned long long)log.first,
         (unsigned long long)log.end, (unsigned long long)log.memory);
    line(info, "log_waits:count=%llu,usec=%llu,breaks=%llu", (unsigned long long)log.waits,
         (unsigned long long)log.wait_us, (unsigned long long)log.breaks);
}

static void section_ordinal(struct info *info)
{
    const struct server *server = info->server;
    int64_t lag = 0;
    uint64_t timed_out = 0;
    for (int i = 0; i < server->net.count; i++) {
        const struct worker *w = &server->workers[i];
        int64_t under_way = info->now - w->pass_began;
        lag = w->pass_ms > lag ? w->pass_ms : lag;
        lag = under_way > lag ? under_way : lag;
        timed_out += w->limits.timed_out;
    }
    number(info, "loops", server->net.count);
    number(info, "shards", SHARDS);
    number(info, "sweep_lag_ms", lag);
    number(info, "reaper_pending", (int64_t)reaper_pending());
    number(info, "accept_errors", counter_get(&server->net.accept_errors));
    number(info, "clients_timed_out", (int64_t)timed_out);
    log_state(info);
    number(info, "snapshot_waits", (int64_t)server->keyspace.cut.waits);
    number(info, "snapshot_wait_usec", (int64_t)server->keyspace.cut.wait_us);
    for (int i = 0; i < server->net.count; i++) {
        const struct loop *loop = &server->net.loops[i];
        line(info, "loop%d:connections=%lld,received=%lld,commands=%lld,reads=%lld,writes=%lld", i,
             (long long)counter_get(&loop->connections), (long long)counter_get(&loop->received),
             (long long)counter_get(&server->workers[i].commands), (long long)counter_get(&loop->reads),
             (long long)counter_get(&loop->writes));
    }
}

/* ---- the command ------------------------------------------------------------------------------------ */

enum section_set { IN_DEFAULT = 1, IN_ALL = 2, IN_EVERYTHING = 4, ALWAYS = 7 };

static const struct section {
    const char *name, *title;
    void (*write)(struct info *info);
    unsigned sets;
} sections[] = {
    {"server", "Server", section_server, ALWAYS},
    {"clients", "Clients", section_clients, ALWAYS},
    {"memory", "Memory", section_memory, ALWAYS},
    {"persistence", "Persistence", section_persistence, ALWAYS},
    {"stats", "Stats", section_stats, ALWAYS},
    {"replication", "Replication", section_replication, ALWAYS},
    {"cpu", "CPU", section_cpu, ALWAYS},
    {"modules", "Modules", section_modules, ALWAYS},
    {"commandstats", "Commandstats", section_commandstats, IN_ALL | IN_EVERYTHING},
    {"errorstats", "Errorstats", section_errorstats, ALWAYS},
    {"latencystats", "Latencystats", section_latencystats, IN_ALL | IN_EVERYTHING},
    {"cluster", "Cluster", section_cluster, ALWAYS},
    {"keyspace", "Keyspace", section_keyspace, ALWAYS},
    {"ordinal", "Ordinal", section_ordinal, ALWAYS},
};

static unsigned set_of(struct slice word)
{
    return slice_is(word, "default")      ? IN_DEFAULT
           : slice_is(word, "all")        ? IN_ALL
           : slice_is(word, "everything") ? IN_EVERYTHING
                                          : 0;
}

static bool wanted(const struct call *c, const char *name, unsigned sets)
{
    for (size_t i = 1; i < c->argc; i++) {
        if (slice_is(c->argv[i], name) || (set_of(c->argv[i]) & sets) != 0) {
            return true;
        }
    }
    return c->argc == 1 && (sets & IN_DEFAULT) != 0;
}

static void title(struct info *info, const char *text)
{
    line(info, "%s# %s", info->out->len > 0 ? "\r\n" : "", text);
}

void info_add(struct server *server, struct info_section *section)
{
    struct info_section **at = &server->info_sections;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    section->next = NULL;
    *at = section;
}

static void run_info(struct call *c)
{
    struct reply out = {.resp = 2};
    struct info info = {c->server, c->worker, c->now, &out, {0}, {0}, mem_used()};
    stats_totals(c->server, &info.totals);
    client_limits_totals(c->server, &info.clients);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (wanted(c, sections[i].name, sections[i].sets)) {
            title(&info, sections[i].title);
            sections[i].write(&info);
        }
    }
    for (struct info_section *at = c->server->info_sections; at != NULL; at = at->next) {
        if (wanted(c, at->name, ALWAYS)) {
            title(&info, at->title);
            at->write(at->context, c->now, &out);
        }
    }
    text_reply(c, &out);
}

const struct command info_commands[] = {
    {
        .name = "info",
        .run = run_info,
        .arity = -1,
        .flags = CMD_LOADING | CMD_STALE,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns information and statistics about the server.",
        .syntax = "[section [section ...]]",
        .tips = "nondeterministic_output request_policy:all_shards response_policy:special",
        .history = "7.0.0\tAdded support for taking multiple section arguments.",
        .categories = "dangerous",
    },
    {0},
};
