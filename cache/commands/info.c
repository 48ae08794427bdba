/*
 * INFO: the state of the server as lines of text, in sections. Names and meanings are Redis's, since monitoring knows them;
 * what Ordinal does not have (forks, replicas, scripts) is told with its resting value. What only Ordinal has is in a
 * section of its own, "Ordinal"; what stands above the commands brings its sections by info_add. Memory, persistence and statistics have
 * files of their own (info_lines.h).
 *
 * Runs alone: it adds up what every worker counts for itself.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "commands/block.h"
#include "commands/call.h"
#include "commands/groups.h"
#include "commands/info.h"
#include "commands/info_lines.h"
#include "commands/pubsub.h"
#include "commands/shutdown.h"
#include "commands/text.h"
#include "commands/tracking.h"
#include "commands/watch.h"
#include "memory.h"
#include "net/listener.h"
#include "store/reaper.h"

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
        info_line(info, "listener%d:name=tcp%s,port=%d", count++, len > 0 ? text : "", config->port);
    }
    if (config->unixsocket[0] != '\0') {
        info_line(info, "listener%d:name=unix,bind=%s", count, config->unixsocket);
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
    info_line(info, "redis_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\nredis_build_id:0",
              REDIS_VERSION);
    info_line(info, "ordinal_version:%s", ORDINAL_VERSION);
    info_line(info, "redis_mode:standalone\r\nos:%s %s %s", system.sysname, system.release, system.machine);
    info_line(info, "arch_bits:%zu\r\nmonotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll",
              sizeof(void *) * 8);
    info_line(info, "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d", __GNUC__, __GNUC_MINOR__,
              __GNUC_PATCHLEVEL__);
    info_line(info, "process_id:%d\r\nprocess_supervised:no\r\nrun_id:%s", (int)getpid(), server->run_id);
    info_line(info, "tcp_port:%d\r\nserver_time_usec:%lld", server->config->port, (long long)clock_wall_us());
    info_number(info, "uptime_in_seconds", uptime);
    info_number(info, "uptime_in_days", uptime / 86400);
    info_line(info, "hz:10\r\nconfigured_hz:10\r\nlru_clock:%u", access_lru_now(info->now));
    info_line(info, "executable:%s", executable);
    info_line(info, "config_file:%s\r\nio_threads_active:0", server->config->config_file);
    listeners(info);
    if (shutdown_waits_ms(server) >= 0) {
        info_number(info, "shutdown_in_milliseconds", shutdown_waits_ms(server));
    }
}

static void section_clients(struct info *info)
{
    info_number(info, "connected_clients", info->totals.connections_open - info->server->replicas);
    info_number(info, "cluster_connections", 0);
    info_number(info, "maxclients", info->server->config->maxclients);
    info_number(info, "client_recent_max_input_buffer", info->clients.max_input);
    info_number(info, "client_recent_max_output_buffer", info->clients.max_output);
    info_number(info, "blocked_clients", info->clients.blocked);
    info_number(info, "tracking_clients", (int64_t)tracking_clients(info->server));
    info_number(info, "watching_clients", (int64_t)watch_clients(info->server));
    info_number(info, "pubsub_clients", (int64_t)pubsub_clients(info->server));
    info_number(info, "clients_in_timeout_table", 0); /* loops have their own timers, and no such table */
    info_number(info, "total_watched_keys", (int64_t)watch_keys(info->server));
    info_number(info, "total_blocking_keys", (int64_t)block_keys(info->server));
    info_number(info, "total_blocking_keys_on_nokey", 0);
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
    info_number(info, "cluster_enabled", 0);
}

static void section_cpu(struct info *info)
{
    const struct stats *stats = &info->server->stats;
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    info_line(info, "used_cpu_sys:%ld.%06ld", (long)self.ru_stime.tv_sec, (long)self.ru_stime.tv_usec);
    info_line(info, "used_cpu_user:%ld.%06ld", (long)self.ru_utime.tv_sec, (long)self.ru_utime.tv_usec);
    info_line(info, "used_cpu_sys_children:%ld.%06ld", (long)children.ru_stime.tv_sec,
              (long)children.ru_stime.tv_usec);
    info_line(info, "used_cpu_user_children:%ld.%06ld", (long)children.ru_utime.tv_sec,
              (long)children.ru_utime.tv_usec);
    info_line(info, "used_cpu_sys_main_thread:%.6f", (double)stats->system_us / 1e6);
    info_line(info, "used_cpu_user_main_thread:%.6f", (double)stats->user_us / 1e6);
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
            info_line(info, "db%d:keys=%llu,expires=%llu,avg_ttl=%lld", i, (unsigned long long)keys,
                      (unsigned long long)timed, timed > 0 ? (long long)average_ttl(info, &ks->dbs[i]) : 0LL);
        }
    }
}

/* ---- what only Ordinal has -------------------------------------------------------------------------- */

static void log_state(struct info *info)
{
    struct log_stats log;
    log_stats(&info->server->log, &log);
    info_line(info, "log:readers=%d,first=%llu,end=%llu,memory=%llu", log.readers,
              (unsigned long long)log.first, (unsigned long long)log.end, (unsigned long long)log.memory);
    info_line(info, "log_waits:count=%llu,usec=%llu,breaks=%llu", (unsigned long long)log.waits,
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
    info_number(info, "loops", server->net.count);
    info_number(info, "shards", SHARDS);
    info_number(info, "sweep_lag_ms", lag);
    info_number(info, "reaper_pending", (int64_t)reaper_pending());
    info_number(info, "accept_errors", counter_get(&server->net.accept_errors));
    info_number(info, "clients_timed_out", (int64_t)timed_out);
    log_state(info);
    info_number(info, "snapshot_waits", (int64_t)server->keyspace.cut.waits);
    info_number(info, "snapshot_wait_usec", (int64_t)server->keyspace.cut.wait_us);
    for (int i = 0; i < server->net.count; i++) {
        const struct loop *loop = &server->net.loops[i];
        info_line(info, "loop%d:connections=%lld,received=%lld,commands=%lld,reads=%lld,writes=%lld", i,
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
    {"memory", "Memory", info_memory, ALWAYS},
    {"persistence", "Persistence", info_persistence, ALWAYS},
    {"stats", "Stats", info_stats, ALWAYS},
    {"replication", "Replication", section_replication, ALWAYS},
    {"cpu", "CPU", section_cpu, ALWAYS},
    {"modules", "Modules", section_modules, ALWAYS},
    {"commandstats", "Commandstats", info_commandstats, IN_ALL | IN_EVERYTHING},
    {"errorstats", "Errorstats", info_errorstats, ALWAYS},
    {"latencystats", "Latencystats", info_latencystats, IN_ALL | IN_EVERYTHING},
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
    info_line(info, "%s# %s", info->out->len > 0 ? "\r\n" : "", text);
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
