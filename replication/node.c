#include "replication/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/info.h"
#include "commands/load.h"
#include "commands/text.h"
#include "logger.h"
#include "replication/roster_text.h"
#include "replication/roster_watch.h"
#include "replication/sync_command.h"

/* ---- INFO -------------------------------------------------------------------------------------------- */

static void write_history(struct server *server, struct reply *text)
{
    const struct history *history = &server->history;
    struct log_stats stats;
    log_stats(&server->log, &stats);
    int64_t kept = history->backlog ? (int64_t)(stats.end - stats.first) : 0;
    int64_t first = history->backlog ? history_of_log(history, stats.first) + 1 : 0;
    text_addf(text, "master_failover_state:%s\r\nmaster_replid:%s\r\nmaster_replid2:%s\r\n",
              failover_state_name(&node_of(server)->failover), history->id, history->id2);
    text_addf(text, "master_repl_offset:%lld\r\nsecond_repl_offset:%lld\r\n",
              (long long)history_offset(server), (long long)(history->end2 >= 0 ? history->end2 + 1 : -1));
    text_addf(text,
              "repl_backlog_active:%d\r\nrepl_backlog_size:%lld\r\nrepl_backlog_first_byte_offset:%lld\r\n"
              "repl_backlog_histlen:%lld\r\n",
              history->backlog, (long long)history_backlog_size(server), (long long)first, (long long)kept);
}

/* Whom this node will follow once what it has is loaded. False: nobody. */
static bool will_follow(struct node *node, struct roster_member *master)
{
    const struct identity *identity = &node->roster.identity;
    const char *setting = node->server->config->replicaof;
    const char *blank = strrchr(setting, ' ');
    if (blank != NULL) {
        snprintf(master->host, sizeof master->host, "%.*s", (int)(blank - setting), setting);
        master->port = atoi(blank + 1);
        return true;
    }
    return identity->kind != IDENTITY_PLAIN && identity->ordinal > 0 &&
           roster_member(&node->roster, 0, 0, master);
}

static void info(struct server *server, struct reply *text)
{
    struct roster_member master;
    if (server_is_replica(server)) {
        replica_info(&node_of(server)->replica, text);
    } else if (load_is_active(server) && will_follow(node_of(server), &master)) {
        text_addf(text, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:down\r\n",
                  master.host, master.port);
    } else {
        text_addf(text, "role:master\r\n");
    }
    master_info(&node_of(server)->master, text);
    write_history(server, text);
}

static void write_roster(void *context, int64_t now, struct reply *text)
{
    static struct roster_view view; /* INFO runs alone */
    struct node *node = context;
    roster_view(&node->roster, now, &view);
    roster_write_info(&view, text);
    if (node->roster.identity.kind != IDENTITY_PLAIN || forward_is_on(&node->forward)) {
        forward_info(&node->forward, text);
    }
}

/* ---- hooks ------------------------------------------------------------------------------------------- */

static void before_poll(struct worker *w)
{
    forward_before_poll(&node_of(w->server)->forward, w);
    master_before_poll(&node_of(w->server)->master, w);
}

static void tick(struct worker *w)
{
    struct node *node = node_of(w->server);
    recovery_tick(&node->recovery, w);
    if (w->loop->index == 0) {
        acks_tick(&node->acks);
        gate_enter(&w->server->gate, 0);
        roster_watch(node);
        gate_leave(&w->server->gate, 0);
        drain_tick(node);
        failover_tick(node);
    }
    forward_tick(&node->forward, w);
    master_tick(&node->master, w);
}

static void client_closed(struct client *client)
{
    struct gate *gate = &client->worker->server->gate;
    int loop = client->worker->loop->index;
    forward_client_closed(client);
    if (client->above != NULL) {
        gate_alone(gate, loop);
        feed_close(client->above);
        gate_together(gate, loop);
    }
}

static void durable(struct server *server)
{
    master_wake_waits(&node_of(server)->master);
}

static enum drain begin_drain(struct server *server, void (*done)(struct server *server))
{
    return drain_begin(node_of(server), done);
}

static void call_off_drain(struct server *server)
{
    drain_call_off(node_of(server));
}

static bool cut_master(struct server *server, struct slice address)
{
    return replica_cut(&node_of(server)->replica, address);
}

/* A replica of the roster reads by its lease. */
static bool may_read(const struct server *server)
{
    const struct replica *replica = &node_of(server)->replica;
    return !replica->of_roster || lease_holds(&replica->lease);
}

/* ---- start ------------------------------------------------------------------------------------------- */

void node_register(void)
{
    static const struct command *const groups[] = {sync_commands, wait_commands, replicaof_commands,
                                                   failover_commands};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        command_register(groups[i]);
    }
}

const char *node_password(const struct node *node)
{
    const struct config *config = node->server->config;
    return node->roster.identity.kind != IDENTITY_PLAIN ? config_roster_password(config) : config->masterauth;
}

/* Where all share one folder the master alone writes into it. */
static void keep_off_disk(struct node *node)
{
    struct config *config = node->server->config;
    if (!config->replica_persistence && node->roster.identity.ordinal > 0) {
        config->appendonly = false;
        config->save_count = 0;
    }
}

/* Ordinal 0 becomes the master, and the others follow it, unless replicaof says otherwise. */
static void take_role(struct node *node)
{
    const struct identity *identity = &node->roster.identity;
    struct roster_member master;
    if (identity->kind == IDENTITY_PLAIN || node->server->config->replicaof[0] != '\0') {
        return;
    }
    if (identity->ordinal == 0) {
        recovery_begin(&node->recovery);
    } else if (!roster_member(&node->roster, 0, 0, &master) ||
               !replica_follow(&node->replica, (struct slice){master.host, strlen(master.host)},
                               master.port)) {
        logger_warning(
            "Failed to start: there is not enough memory, or no thread, to follow the roster's master");
        exit(1);
    }
    node->replica.of_roster = identity->ordinal != 0;
}

static void loaded(struct server *server)
{
    struct node *node = node_of(server);
    replica_loaded(&node->replica);
    take_role(node);
    if (!census_start(&node->census, &node->roster)) {
        logger_warning(
            "Failed to start: there is not enough memory, or no thread, to look the set's members up");
        exit(1);
    }
}

static void find_roster(struct node *node)
{
    static struct identity identity;
    char error[CONFIG_ERR_SIZE];
    if (!identity_find(node->server->config, &identity, error, sizeof error)) {
        logger_warning("Failed to start: %s", error);
        exit(1);
    }
    if (identity.kind == IDENTITY_POD) {
        logger_notice("This is ordinal %d of the set %s, service %s", identity.ordinal, identity.set,
                      identity.service);
    } else if (identity.kind == IDENTITY_LISTED) {
        logger_notice("This is ordinal %d of a roster of %zu", identity.ordinal, identity.count);
    }
    roster_init(&node->roster, &identity);
}

void node_init(struct node *node, struct server *server)
{
    static struct info_section section = {"roster", "Roster", write_roster, NULL, NULL};
    memset(node, 0, sizeof *node);
    node->server = server;
    server->above = (struct server_above){
        .context = node,
        .before_poll = before_poll,
        .tick = tick,
        .client_closed = client_closed,
        .durable = durable,
        .loaded = loaded,
        .drain = begin_drain,
        .call_off_drain = call_off_drain,
        .cut_master = cut_master,
        .info = info,
    };
    section.context = node;
    find_roster(node);
    keep_off_disk(node);
    info_add(server, &section);
    master_init(&node->master, server);
    node->master.keeps_backlog = node->roster.identity.kind != IDENTITY_PLAIN;
    replica_init(&node->replica, server);
    acks_init(&node->acks, server, &node->roster);
    recovery_init(&node->recovery, server, &node->roster, &node->replica);
    forward_init(&node->forward, server);
    atomic_store(&node->forward.roster, node->roster.identity.kind != IDENTITY_PLAIN);
    node->forward.may_read = may_read;
}

bool node_stop(struct node *node)
{
    census_stop(&node->census);
    recovery_stop(&node->recovery);
    return replica_stop(&node->replica);
}

void node_free(struct node *node)
{
    roster_free(&node->roster);
}
