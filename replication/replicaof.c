/*
 * REPLICAOF, and SLAVEOF, its old name: which master this node follows, or none. Both run while a snapshot of a master comes in, which is
 * when one may want them most, though a node that loads its own data refuses them.
 */
#include "commands/refusing.h"
#include "logger.h"
#include "replication/node.h"
#include "replication/replica.h"

static struct replica *replica_of(const struct call *c)
{
    return &node_of(c->server)->replica;
}

static void stop_following(struct call *c)
{
    if (replica_of(c)->host != NULL) {
        replica_promote(replica_of(c));
        replica_keep_order(replica_of(c));
        logger_notice("No master is followed any more (user request from '%s')", c->client->peer);
    }
    reply_ok(c->reply);
}

static void follow(struct call *c, int port)
{
    struct replica *replica = replica_of(c);
    struct slice host = c->argv[1];
    if (replica->host != NULL && replica->port == port &&
        slice_equal(host, (struct slice){replica->host, strlen(replica->host)})) {
        logger_notice(
            "REPLICAOF would result into synchronization with the master we are already connected with. "
            "No operation performed.");
        reply_status(c->reply, "OK Already connected to specified master");
        return;
    }
    if (!replica_follow(replica, host, port)) {
        call_out_of_memory(c);
        return;
    }
    replica_keep_order(replica);
    logger_notice("REPLICAOF %.*s:%d enabled (user request from '%s')", (int)host.len, host.ptr, port,
                  c->client->peer);
    reply_ok(c->reply);
}

static void run_replicaof(struct call *c)
{
    int64_t port;
    if (refusing_is_loading(c->server) && !replica_of(c)->syncing) {
        reply_error(c->reply, "LOADING Redis is loading the dataset in memory");
    } else if (failover_is_active(&node_of(c->server)->failover)) {
        reply_error(c->reply, "ERR REPLICAOF not allowed while failing over.");
    } else if (slice_is(c->argv[1], "no") && slice_is(c->argv[2], "one")) {
        stop_following(c);
    } else if (call_int_range(c, c->argv[2], 0, 65535, "ERR Invalid master port", &port)) {
        follow(c, (int)port);
    }
}

#define FLAGS (CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING | CMD_SYNCING | CMD_ALONE)

const struct command replicaof_commands[] = {
    {
        .name = "replicaof",
        .run = run_replicaof,
        .arity = 3,
        .flags = FLAGS,
        .group = GROUP_SERVER,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Configures a server as replica of another, or promotes it to a master.",
        .syntax = "<host port | NO ONE>",
    },
    {
        .name = "slaveof",
        .run = run_replicaof,
        .arity = 3,
        .flags = FLAGS,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Sets a Redis server as a replica of another, or promotes it to being a master.",
        .syntax = "<host port | NO ONE>",
        .deprecated_since = "5.0.0",
        .replaced_by = "`REPLICAOF`",
    },
    {0},
};
