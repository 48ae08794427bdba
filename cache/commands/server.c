#include "commands/server.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "clock.h"
#include "commands/client.h"
#include "commands/command.h"
#include "commands/cron.h"
#include "commands/dispatch.h"
#include "commands/groups.h"
#include "commands/value.h"
#include "memory.h"
#include "net/listener.h"
#include "store/reaper.h"

uint64_t worker_random(struct worker *w)
{
    uint64_t x = w->random; /* xorshift64* */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    w->random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

/* ---- hooks of net ----------------------------------------------------------------------------------- */

static void enter(struct loop *loop)
{
    gate_enter(&server_of_net(loop->net)->gate, loop->index);
}

static void leave(struct loop *loop)
{
    gate_leave(&server_of_net(loop->net)->gate, loop->index);
}

static bool from_this_host(const struct sockaddr *peer)
{
    if (peer->sa_family == AF_INET) {
        return ntohl(((const struct sockaddr_in *)peer)->sin_addr.s_addr) >> 24 == 127;
    }
    return peer->sa_family != AF_INET6 ||
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)peer)->sin6_addr);
}

/* Protected mode: without a password only this host may connect. */
static const char *admit(struct net *net, const struct sockaddr *peer)
{
    const struct config *config = server_of_net(net)->config;
    if (!config->protected_mode || config->requirepass[0] != '\0' || from_this_host(peer)) {
        return NULL;
    }
    return "-DENIED Ordinal runs in protected mode, and no password is set: only clients on the same host may connect. "
           "To let others in, set a password (requirepass), or, where the network itself keeps strangers out, turn "
           "protected mode off ('CONFIG SET protected-mode no' from this host, or --protected-mode no at start).\r\n";
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
    server->slow_ticks =
        ticks_or_never(config->slowlog_log_slower_than, config->slowlog_log_slower_than >= 0);
    server->latency_ticks =
        ticks_or_never(config->latency_monitor_threshold * 1000, config->latency_monitor_threshold > 0);
    for (int i = 0; i < CONFIG_CLASSES; i++) {
        const struct config_buffer_limit *limit = &config->client_output_buffer_limit[i];
        server->output_limits[i] = (struct conn_limit){limit->hard, limit->soft, limit->soft_seconds};
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

static void follow_settings(struct server *server)
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

/* ---- start and stop --------------------------------------------------------------------------------- */

static void make_run_id(char *id)
{
    uint8_t bytes[20];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        perror("ordinal: getrandom");
        exit(1);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void worker_init(struct server *server, struct worker *w, int index)
{
    memset(w, 0, sizeof *w);
    w->server = server;
    w->loop = &server->net.loops[index];
    w->loop->worker = w;
    w->batch = mem_must(dispatch_batch_size());
    w->stats = mem_must((size_t)command_count() * sizeof *w->stats);
    memset(w->stats, 0, (size_t)command_count() * sizeof *w->stats);
    if (getrandom(&w->random, sizeof w->random, 0) != (ssize_t)sizeof w->random) {
        w->random = (uint64_t)clock_now_us();
    }
    w->random |= 1;
    evictor_init(&w->evictor, &server->keyspace, worker_random(w));
    cron_start(w);
}

void server_init(struct server *server, struct config *config)
{
    struct net_hooks hooks = {server,           enter,          leave,          admit,        client_opened,
                              dispatch_prepare, dispatch_fetch, dispatch_serve, client_closed};
    int loops = config_loops(config);
    memset(server, 0, sizeof *server);
    server->config = config;
    server->started = clock_now();
    server->started_wall_us = clock_wall_us();
    server->next_client_id = 1;
    make_run_id(server->run_id);
    entry_set_ops(&value_ops);
    groups_register();
    gate_init(&server->gate, loops);
    keyspace_init(&server->keyspace, config->databases, loops);
    net_init(&server->net, loops, &hooks);
    server_apply_config(server);
    follow_settings(server);
    server->workers = mem_alloc_lines(((size_t)loops * sizeof *server->workers + 63) / 64 * 64);
    if (server->workers == NULL) {
        fprintf(stderr, "ordinal: out of memory at start\n");
        exit(1);
    }
    for (int i = 0; i < loops; i++) {
        worker_init(server, &server->workers[i], i);
    }
}

static void stop_first_loop(struct loop *loop, void *server)
{
    (void)server;
    listener_close_all(loop->net);
    loop_stop(loop);
}

void server_stop(struct server *server)
{
    if (!atomic_exchange(&server->stopping, true)) {
        loop_post(&server->net.loops[0], stop_first_loop, server);
    }
}
