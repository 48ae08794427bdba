#include "replication/node.h"

#include "commands/text.h"
#include "replication/sync_command.h"

/* ---- INFO -------------------------------------------------------------------------------------------- */

static void write_history(struct server *server, struct reply *text)
{
    const struct history *history = &server->history;
    struct log_stats stats;
    log_stats(&server->log, &stats);
    int64_t kept = history->backlog ? (int64_t)(stats.end - stats.first) : 0;
    int64_t first = history->backlog ? history_of_log(history, stats.first) + 1 : 0;
    text_addf(text, "master_failover_state:no-failover\r\nmaster_replid:%s\r\nmaster_replid2:%s\r\n",
              history->id, history->id2);
    text_addf(text, "master_repl_offset:%lld\r\nsecond_repl_offset:%lld\r\n",
              (long long)history_offset(server), (long long)(history->end2 >= 0 ? history->end2 + 1 : -1));
    text_addf(text,
              "repl_backlog_active:%d\r\nrepl_backlog_size:%lld\r\nrepl_backlog_first_byte_offset:%lld\r\n"
              "repl_backlog_histlen:%lld\r\n",
              history->backlog, (long long)history_backlog_size(server), (long long)first, (long long)kept);
}

static void info(struct server *server, struct reply *text)
{
    if (server_is_replica(server)) {
        replica_info(&node_of(server)->replica, text);
    } else {
        text_addf(text, "role:master\r\n");
    }
    master_info(&node_of(server)->master, text);
    write_history(server, text);
}

/* ---- hooks ------------------------------------------------------------------------------------------- */

static void before_poll(struct worker *w)
{
    master_before_poll(&node_of(w->server)->master, w);
}

static void tick(struct worker *w)
{
    master_tick(&node_of(w->server)->master, w);
}

static void client_closed(struct client *client)
{
    struct gate *gate = &client->worker->server->gate;
    int loop = client->worker->loop->index;
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

/* ---- start ------------------------------------------------------------------------------------------- */

void node_register(void)
{
    static const struct command *const groups[] = {sync_commands, wait_commands, replicaof_commands};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        command_register(groups[i]);
    }
}

static void loaded(struct server *server)
{
    replica_loaded(&node_of(server)->replica);
}

void node_init(struct node *node, struct server *server)
{
    *node = (struct node){.server = server};
    master_init(&node->master, server);
    replica_init(&node->replica, server);
    server->above = (struct server_above){
        .context = node,
        .before_poll = before_poll,
        .tick = tick,
        .client_closed = client_closed,
        .durable = durable,
        .loaded = loaded,
        .info = info,
    };
}

bool node_stop(struct node *node)
{
    return replica_stop(&node->replica);
}
