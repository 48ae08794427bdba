/*
 * What the server is made of while it runs: its settings' effect, its random bits, its end. How it is put together stands in
 * startup.c.
 */
#include "commands/server.h"

#include "clock.h"

uint64_t worker_random(struct worker *w)
{
    uint64_t x = w->random; /* xorshift64* */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    w->random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

/* ---- settings --------------------------------------------------------------------------------------- */

static enum evict_by evict_by_of(int policy)
{
    switch (policy) {
    case CONFIG_POLICY_VOLATILE_LRU:
    case CONFIG_POLICY_ALLKEYS_LRU: return EVICT_LRU;
    case CONFIG_POLICY_VOLATILE_LFU:
    case CONFIG_POLICY_ALLKEYS_LFU: return EVICT_LFU;
    case CONFIG_POLICY_VOLATILE_RANDOM:
    case CONFIG_POLICY_ALLKEYS_RANDOM: return EVICT_RANDOM;
    case CONFIG_POLICY_VOLATILE_TTL: return EVICT_TTL;
    default: return EVICT_NOTHING;
    }
}

static int64_t ticks_or_never(int64_t us, bool on)
{
    uint64_t ns_of_a_million = clock_ticks_ns(1000000);
    return on ? (int64_t)((double)us * 1000.0 * 1e6 / (double)ns_of_a_million) : INT64_MAX;
}

void server_apply_config(struct server *server)
{
    const struct config *config = server->config;
    int policy = config->maxmemory_policy;
    enum evict_by by = evict_by_of(policy);
    server->access = (struct access_rules){by == EVICT_LFU, config->lfu_log_factor, config->lfu_decay_time};
    server->max_memory = config->maxmemory;
    server->policy = (struct evict_policy){
        .by = by,
        .volatile_only = policy == CONFIG_POLICY_VOLATILE_LRU || policy == CONFIG_POLICY_VOLATILE_LFU ||
                         policy == CONFIG_POLICY_VOLATILE_RANDOM || policy == CONFIG_POLICY_VOLATILE_TTL,
        .samples = config->maxmemory_samples,
        .access = server->access,
    };
    server->ms_ticks = (uint64_t)ticks_or_never(1000, true);
    server->slow_ticks =
        ticks_or_never(config->slowlog_log_slower_than, config->slowlog_log_slower_than >= 0);
    server->latency_ticks =
        ticks_or_never(config->latency_monitor_threshold * 1000, config->latency_monitor_threshold > 0);
    for (int i = 0; i < CONFIG_CLASSES; i++) {
        const struct config_buffer_limit *limit = &config->client_output_buffer_limit[i];
        counter_set(&server->output_limits[i].hard, limit->hard);
        counter_set(&server->output_limits[i].soft, limit->soft);
        counter_set(&server->output_limits[i].soft_seconds, limit->soft_seconds);
    }
    server->net.max_connections = config->maxclients;
    server->net.keepalive = config->tcp_keepalive;
    server->net.max_bulk = config->proto_max_bulk_len;
    server->net.query_limit = config->client_query_buffer_limit;
}

static bool on_setting(void *context, struct config *config, const char **error)
{
    (void)config;
    (void)error;
    server_apply_config(context);
    return true;
}

void server_follow_settings(struct server *server)
{
    static const char *const names[] = {"maxmemory",
                                        "maxmemory-policy",
                                        "maxmemory-samples",
                                        "lfu-log-factor",
                                        "lfu-decay-time",
                                        "slowlog-log-slower-than",
                                        "maxclients",
                                        "tcp-keepalive",
                                        "proto-max-bulk-len",
                                        "latency-monitor-threshold",
                                        "client-query-buffer-limit",
                                        "client-output-buffer-limit"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        config_on_change(server->config, names[i], on_setting, server);
    }
}

uint64_t server_changes(const struct server *server)
{
    uint64_t changes = 0;
    for (int i = 0; i <= server->net.count; i++) {
        changes += server->workers[i].dirty;
    }
    return changes;
}

/* ---- stop ---------------------------------------------------------------------------------------------- */

void server_stop(struct server *server)
{
    if (!atomic_exchange(&server->stopping, true)) {
        loop_ask_to_stop(&server->net.loops[0]);
    }
}
