#include "replication/sync_command.h"

#include "commands/call.h"
#include "commands/refusing.h"
#include "logger.h"
#include "replication/node.h"
#include "types/number.h"

/* ---- REPLCONF ------------------------------------------------------------------------------------------ */

static bool note_port(struct call *c, struct feed *feed, struct slice value)
{
    int64_t port;
    if (!call_int(c, value, &port)) {
        return false;
    }
    feed->port = port >= 0 && port <= UINT16_MAX ? (int)port : 0;
    return true;
}

static bool note_address(struct call *c, struct feed *feed, struct slice value)
{
    if (value.len >= sizeof feed->address) {
        reply_errorf(c->reply, "ERR REPLCONF ip-address provided by replica instance is too long: %zu bytes",
                     value.len);
        return false;
    }
    memcpy(feed->address, value.ptr, value.len);
    feed->address[value.len] = '\0';
    return true;
}

/* What is not known is no error: it is for another master. */
static void note_capability(struct feed *feed, struct slice value)
{
    feed->knows_eof |= slice_is(value, "eof");
    feed->knows_psync2 |= slice_is(value, "psync2");
    feed->recovers |= slice_is(value, "recovers");
}

/* Of the roster: it may be waited for, and granted leases. */
static void note_node(struct feed *feed, struct slice id)
{
    if (id.len < sizeof feed->acks.id) {
        memcpy(feed->acks.id, id.ptr, id.len);
        feed->acks.id[id.len] = '\0';
    }
}

static bool note_ordinal(struct call *c, struct feed *feed, struct slice value)
{
    int64_t ordinal;
    if (!call_int_range(c, value, 0, IDENTITY_ORDINAL_MAX, "ERR value is out of range", &ordinal)) {
        return false;
    }
    feed->acks.ordinal = (int)ordinal;
    return true;
}

/* One pair of words. False: an error has been replied. */
static bool note_option(struct call *c, struct feed *feed, struct slice name, struct slice value)
{
    int64_t number = 0;
    if (slice_is(name, "listening-port")) {
        return note_port(c, feed, value);
    }
    if (slice_is(name, "ordinal")) {
        return note_ordinal(c, feed, value);
    }
    if (slice_is(name, "ip-address")) {
        return note_address(c, feed, value);
    }
    if (slice_is(name, "capa")) {
        note_capability(feed, value);
    } else if (slice_is(name, "newer")) {
        recovery_reconsider(&node_of(c->server)->recovery);
    } else if (slice_is(name, "node-id")) {
        note_node(feed, value);
    } else if (slice_is(name, "rdb-only")) {
        if (!call_int_range(c, value, 0, 1, "ERR value is out of range, must be 0 or 1", &number)) {
            return false;
        }
        feed->wants_rdb_only = number == 1;
    } else {
        reply_errorf(c->reply, "ERR Unrecognized REPLCONF option: %.*s", (int)name.len, name.ptr);
        return false;
    }
    return true;
}

/* REPLCONF ACK offset [FACK offset] [CLOCK milliseconds | LEAVE milliseconds]: the only words of a replica that are not replied to in any case. */
static void acknowledge(struct call *c)
{
    struct feed *feed = c->client->above;
    int64_t offset, synced = -1, clock = 0;
    if ((c->client->flags & CLIENT_REPLICA) == 0 || feed == NULL ||
        !number_parse_i64(c->argv[2].ptr, c->argv[2].len, &offset)) {
        return;
    }
    for (size_t i = 3; i + 1 < c->argc; i += 2) {
        if (slice_is(c->argv[i], "leave")) {
            acks_left(&node_of(c->server)->acks, &feed->acks, c->worker->loop);
        }
        int64_t *to = slice_is(c->argv[i], "fack") ? &synced : slice_is(c->argv[i], "clock") ? &clock : NULL;
        if (to != NULL && !number_parse_i64(c->argv[i + 1].ptr, c->argv[i + 1].len, to)) {
            return;
        }
    }
    feed_acknowledge(feed, offset, synced, clock);
}

static void tell_history(struct call *c)
{
    struct history_line line;
    char text[HISTORY_LINE_SIZE];
    recovery_history(&node_of(c->server)->recovery, &line);
    history_line_write(&line, text);
    reply_status(c->reply, text);
}

static void run_replconf(struct call *c)
{
    if (forward_replconf(c)) {
        return;
    }
    if (c->argc == 2 && slice_is(c->argv[1], "history")) {
        tell_history(c);
        return;
    }
    if (c->argc % 2 == 0) {
        call_syntax_error(c);
        return;
    }
    if (c->argc > 2 && slice_is(c->argv[1], "ack")) {
        acknowledge(c);
        return;
    }
    if (c->argc > 2 && slice_is(c->argv[1], "getack")) {
        return; /* a master asks so in its stream, where the replica's end sees it */
    }
    struct feed *feed = feed_of(c);
    for (size_t i = 1; feed != NULL && i < c->argc; i += 2) {
        if (!note_option(c, feed, c->argv[i], c->argv[i + 1])) {
            return;
        }
    }
    if (feed != NULL) {
        reply_ok(c->reply);
    }
}

/* ---- PSYNC and SYNC ------------------------------------------------------------------------------------ */

/* Whether a client may become a replica; else it has been told why not. */
static bool may_sync(struct call *c)
{
    if ((c->client->flags & CLIENT_REPLICA) != 0) {
        return false; /* it is one */
    }
    const struct node *node = node_of(c->server);
    const struct feed *feed = c->client->above;
    if (recovery_is_active(&node->recovery)) {
        reply_error(c->reply, REFUSING_RECOVERY_ERROR);
        return false;
    }
    if (failover_is_active(&node->failover)) {
        reply_error(c->reply, "NOMASTERLINK Can't SYNC while failing over");
        return false;
    }
    if (!replica_has_data(&node->replica) && !(feed != NULL && feed->recovers && node->replica.has_past)) {
        reply_error(c->reply, "NOMASTERLINK Can't SYNC while not connected with my master");
        return false;
    }
    if (c->client->conn->queue != NULL || c->client->conn->hold != NULL ||
        counter_get(&c->client->conn->unsent) > 0) {
        reply_error(c->reply, "ERR SYNC and PSYNC are invalid with pending output");
        return false;
    }
    if (!history_begin_backlog(c->server)) {
        call_out_of_memory(c);
        return false;
    }
    return true;
}

static void sync_fully(struct call *c, struct feed *feed)
{
    c->server->stats.full_syncs++;
    logger_notice("Replica %s asks for a full synchronization", c->client->peer);
    feed_wait(feed);
}

/* From the next byte wanted, numbered from 1, to how many bytes are there. */
static bool parse_offset(struct slice text, int64_t *offset)
{
    bool good = number_parse_i64(text.ptr, text.len, offset) && *offset > INT64_MIN;
    *offset -= good;
    return good;
}

static bool has_offset(struct call *c, int64_t *offset)
{
    if (!parse_offset(c->argv[2], offset)) {
        logger_warning("Replica %s asks for synchronization but with a wrong offset", c->client->peer);
        reply_error(c->reply, "ERR value is not an integer or out of range");
        return false;
    }
    return true;
}

static void run_psync(struct call *c)
{
    int64_t offset;
    struct slice id = c->argv[1];
    bool takes_over = c->argc > 3 && slice_is(c->argv[3], "failover");
    if ((takes_over && !failover_take_over(c, id)) || !has_offset(c, &offset) || !may_sync(c)) {
        return;
    }
    struct feed *feed = feed_of(c);
    if (feed == NULL) {
        return;
    }
    if (history_has(c->server, id, offset) && feed_go_on(feed, offset)) {
        c->server->stats.partial_syncs++;
        return;
    }
    if (!slice_equal(id, SLICE("?"))) {
        c->server->stats.refused_partial_syncs++;
        logger_notice("Partial resynchronization not accepted from %s: offset %lld of %.*s is not here",
                      c->client->peer, (long long)offset + 1, (int)(id.len < 64 ? id.len : 64), id.ptr);
    }
    sync_fully(c, feed);
}

static void run_sync(struct call *c)
{
    struct feed *feed = may_sync(c) ? feed_of(c) : NULL;
    if (feed != NULL) {
        feed->old = true;
        sync_fully(c, feed);
    }
}

/* ---- ROLE ---------------------------------------------------------------------------------------------- */

static void run_role(struct call *c)
{
    const struct node *node = node_of(c->server);
    if (server_is_replica(c->server)) {
        replica_role(&node->replica, c->reply);
    } else {
        master_role(&node->master, c->reply);
    }
}

const struct command sync_commands[] = {
    {
        .name = "psync",
        .run = run_psync,
        .arity = -3,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI | CMD_ALONE,
        .group = GROUP_SERVER,
        .since = "2.8.0",
        .complexity = "O(1) where the log has what the replica misses, else O(N)",
        .summary = "An internal command used in replication.",
        .syntax = "replicationid offset",
    },
    {
        .name = "replconf",
        .run = run_replconf,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_ALLOW_BUSY | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "An internal command for configuring the replication stream.",
        .doc_flags = "syscmd",
    },
    {
        .name = "role",
        .run = run_role,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALONE,
        .group = GROUP_SERVER,
        .since = "2.8.12",
        .complexity = "O(1)",
        .summary = "Returns the replication role.",
        .categories = "admin dangerous",
    },
    {
        .name = "sync",
        .run = run_sync,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI | CMD_ALONE,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "An internal command used in replication.",
    },
    {0},
};
