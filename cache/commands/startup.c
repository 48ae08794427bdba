/*
 * Start-up: puts databases, loops, workers, command table and the hooks between net and commands together. The only file of
 * this floor that knows them all.
 */
#include "commands/startup.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "cgroup.h"
#include "clock.h"
#include "commands/aof.h"
#include "commands/block.h"
#include "commands/change.h"
#include "commands/client.h"
#include "commands/command.h"
#include "commands/cron.h"
#include "commands/dispatch.h"
#include "commands/latency.h"
#include "commands/load.h"
#include "commands/monitor.h"
#include "commands/notify.h"
#include "commands/outbox.h"
#include "commands/pause.h"
#include "commands/propagate.h"
#include "commands/pubsub.h"
#include "commands/saving.h"
#include "commands/shutdown.h"
#include "commands/tracking.h"
#include "commands/transaction.h"
#include "commands/type.h"
#include "commands/watch.h"
#include "logger.h"
#include "memory.h"

/* ---- hooks of net ----------------------------------------------------------------------------------- */

/* A snapshot that lags behind the writers makes them wait: LATENCY tells. */
static void await_snapshot(struct server *server)
{
    uint64_t began = clock_ticks();
    cut_await_room(&server->keyspace.cut);
    latency_note(server, "snapshot-wait", clock_ticks() - began);
}

static void enter(struct loop *loop)
{
    struct server *server = server_of_net(loop->net);
    log_await_room(&server->log);
    if (cut_is_crowded(&server->keyspace.cut)) {
        await_snapshot(server);
    }
    gate_enter(&server->gate, loop->index);
}

static void leave(struct loop *loop)
{
    tracking_hand_over(loop->worker);
    outbox_hand_over(loop->worker);
    gate_leave(&server_of_net(loop->net)->gate, loop->index);
}

/* Protected mode: without a password only this host may connect. */
static const char *admit(struct net *net, const struct sockaddr *peer)
{
    const struct config *config = server_of_net(net)->config;
    if (!config->protected_mode || config->requirepass[0] != '\0' || client_address_is_local(peer)) {
        return NULL;
    }
    return "-DENIED Ordinal runs in protected mode, and no password is set: only clients on the same host may connect. "
           "To let others in, set a password (requirepass), or, where the network itself keeps strangers out, turn "
           "protected mode off ('CONFIG SET protected-mode no' from this host, or --protected-mode no at start).\r\n";
}

static bool opened(struct conn *conn)
{
    struct client *client = client_new(conn);
    if (client == NULL) {
        return false;
    }
    conn->client = client;
    auth_opened(client);
    return true;
}

static void closing(struct conn *conn)
{
    if (conn->client != NULL) {
        client_closing(conn->client);
    }
}

static void before_poll(struct loop *loop)
{
    struct server *server = server_of_net(loop->net);
    tracking_before_poll(loop->worker);
    outbox_before_poll(loop->worker);
    if (server->above.before_poll != NULL) {
        server->above.before_poll(loop->worker);
    }
    log_wake_readers(&server->log);
}

static void closed(struct conn *conn)
{
    struct client *client = conn->client;
    client_limits_forget(conn);
    if (client == NULL) {
        return;
    }
    if ((client->flags & CLIENT_PAUSED) != 0) {
        pause_forget(client);
    }
    if ((client->flags & CLIENT_MONITOR) != 0) {
        monitor_forget(client);
    }
    if (client->worker->server->above.client_closed != NULL) {
        client->worker->server->above.client_closed(client);
    }
    transaction_discard(client);
    pubsub_forget(client);
    tracking_forget(client);
    client_free(client);
}

/* ---- start --------------------------------------------------------------------------------------------- */

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

static void worker_init(struct server *server, struct worker *w, struct loop *loop)
{
    memset(w, 0, sizeof *w);
    w->server = server;
    w->loop = loop;
    w->loop->worker = w;
    w->stats = mem_must((size_t)command_count() * sizeof *w->stats);
    memset(w->stats, 0, (size_t)command_count() * sizeof *w->stats);
    if (getrandom(&w->random, sizeof w->random, 0) != (ssize_t)sizeof w->random) {
        w->random = (uint64_t)clock_now_us();
    }
    w->random |= 1;
    evictor_init(&w->evictor, &server->keyspace, worker_random(w));
}

static void workers_init(struct server *server, int loops)
{
    for (int i = 0; i < loops; i++) {
        worker_init(server, &server->workers[i], &server->net.loops[i]);
        server->workers[i].batch = mem_must(dispatch_batch_size());
        cron_start(&server->workers[i]);
    }
    struct loop *none = mem_must(sizeof *none);
    memset(none, 0, sizeof *none);
    none->index = loops;
    none->net = &server->net;
    worker_init(server, server_player(server), none);
}

/* Applies rename-command, whose items are pairs of names. */
static void rename_commands(const struct config *config)
{
    const struct config_list *names = &config->rename_command;
    for (size_t i = 0; i + 1 < names->count; i += 2) {
        const char *error;
        if (!command_rename(names->items[i], names->items[i + 1], &error)) {
            logger_warning("Failed to start: rename-command %s \"%s\": %s", names->items[i],
                           names->items[i + 1], error);
            exit(1);
        }
    }
}

/* Loops wait for a reader that is behind by so much: a container's memory is for its keys. */
static void limit_log(struct log *log)
{
    enum { SHARE = 10 };
    uint64_t memory = (uint64_t)cgroup_memory_limit("");
    if (memory > 0 && memory / SHARE < LOG_DEFAULT_ROOM) {
        log_set_room(log, memory / SHARE);
    }
}

static bool on_backlog_size(void *context, struct config *config, const char **error)
{
    (void)config;
    (void)error;
    history_apply_backlog_size(context);
    return true;
}

void server_init(struct server *server, struct config *config)
{
    struct net_hooks hooks = {
        .context = server,
        .enter = enter,
        .leave = leave,
        .admit = admit,
        .opened = opened,
        .prepare = dispatch_prepare,
        .fetch = dispatch_fetch,
        .serve = dispatch_serve,
        .make_room = dispatch_make_room,
        .closing = closing,
        .closed = closed,
        .before_poll = before_poll,
        .due = aof_due,
    };
    int loops = config_loops(config);
    memset(server, 0, sizeof *server);
    server->config = config;
    server->started = clock_now();
    server->started_wall_us = clock_wall_us();
    server->next_client_id = 1;
    make_run_id(server->run_id);
    entry_set_ops(&type_entry_ops);
    rename_commands(config);
    gate_init(&server->gate, loops);
    log_init(&server->log, loops);
    limit_log(&server->log);
    history_init(server);
    propagate_init(server);
    keyspace_init(&server->keyspace, config->databases, loops);
    block_init(server);
    server->keyspace.gone = change_gone;
    server->watches = watch_table_new();
    net_init(&server->net, loops, &hooks);
    server_apply_config(server);
    server_follow_settings(server);
    auth_follow_settings(server);
    notify_follow_settings(server);
    aof_init(server);
    config_on_change(config, "repl-backlog-size", on_backlog_size, server);
    server->workers = mem_alloc_lines((((size_t)loops + 1) * sizeof *server->workers + 63) / 64 * 64);
    if (server->workers == NULL) {
        fprintf(stderr, "ordinal: out of memory at start\n");
        exit(1);
    }
    workers_init(server, loops);
    load_init(server);
    outbox_init(server);
    pubsub_init(server);
    tracking_init(server);
    saving_init(server);
    shutdown_init(server);
}

void server_free(struct server *server)
{
#ifdef ORDINAL_SYSTEM_MALLOC /* for leak checkers alone: the system takes all of it back sooner than we could */
    pubsub_free(server);
    tracking_free(server);
    outbox_free(server);
    for (int i = 0; i < server->keyspace.count; i++) {
        db_free(&server->keyspace.dbs[i]);
    }
    log_free(&server->log);
#else
    (void)server;
#endif
}
