#include "replication/failover.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands/pause.h"
#include "logger.h"
#include "replication/node.h"

const char *failover_state_name(const struct failover *failover)
{
    static const char *const names[] = {[FAILOVER_NONE] = "no-failover",
                                        [FAILOVER_WAITS] = "waiting-for-sync",
                                        [FAILOVER_HANDS_OVER] = "failover-in-progress"};
    return names[atomic_load(&failover->state)];
}

/* ---- its end ------------------------------------------------------------------------------------------- */

static void clear(struct node *node)
{
    atomic_store(&node->failover.state, FAILOVER_NONE);
    pause_for(node->server, PAUSE_FAILOVER, false);
}

static void call_off(struct node *node, const char *why)
{
    const struct failover *failover = &node->failover;
    if (failover->host[0] != '\0') {
        logger_notice("FAILOVER to %s:%d aborted: %s", failover->host, failover->port, why);
    } else {
        logger_notice("FAILOVER to any replica aborted: %s", why);
    }
    if (failover_hands_over(failover)) {
        replica_promote(&node->replica);
    }
    clear(node);
}

void failover_answered(struct node *node, bool taken_over)
{
    if (!failover_hands_over(&node->failover)) {
        return;
    }
    if (taken_over) {
        replica_keep_order(&node->replica);
        clear(node);
    } else {
        call_off(node, "Failover target rejected psync request");
    }
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

static bool is_at(const struct feed *feed, struct slice host, int64_t port)
{
    char address[64];
    feed_address(feed, address, sizeof address);
    return feed->port == port && slice_equal(host, (struct slice){address, strlen(address)});
}

static const struct feed *find_replica(const struct node *node, struct slice host, int64_t port)
{
    const struct feed *feed = node->master.feeds;
    while (feed != NULL && !is_at(feed, host, port)) {
        feed = feed->next;
    }
    return feed;
}

static bool has_everything(const struct node *node, const struct feed *feed)
{
    return feed_state(feed) == FEED_ONLINE && atomic_load(&feed->acked) >= log_end(&node->server->log);
}

/* The replica that takes over now; NULL: none can yet. */
static const struct feed *choose(const struct node *node)
{
    const struct failover *failover = &node->failover;
    struct slice host = {failover->host, strlen(failover->host)};
    if (host.len > 0) {
        const struct feed *feed = find_replica(node, host, failover->port);
        return feed != NULL && has_everything(node, feed) ? feed : NULL;
    }
    const struct feed *feed = node->master.feeds;
    while (feed != NULL && !has_everything(node, feed)) {
        feed = feed->next;
    }
    return feed;
}

/* From here on this node is a replica. */
static void hand_over(struct node *node)
{
    struct failover *failover = &node->failover;
    struct slice host = {failover->host, strlen(failover->host)};
    atomic_store(&failover->state, FAILOVER_HANDS_OVER);
    if (!replica_follow(&node->replica, host, failover->port)) {
        atomic_store(&failover->state, FAILOVER_WAITS); /* it is a master still */
        call_off(node, "There is not enough memory, or no thread");
    }
}

static void look(struct node *node)
{
    struct failover *failover = &node->failover;
    const struct feed *chosen = choose(node);
    if (chosen != NULL) {
        feed_address(chosen, failover->host, sizeof failover->host);
        failover->port = chosen->port;
        logger_notice("Failover target %s:%d is synced, failing over.", failover->host, failover->port);
        hand_over(node);
    } else if (failover->until != 0 && clock_now() >= failover->until && failover->force) {
        logger_notice("FAILOVER to %s:%d time out exceeded, failing over.", failover->host, failover->port);
        hand_over(node);
    } else if (failover->until != 0 && clock_now() >= failover->until) {
        call_off(node, "Replica never caught up before timeout");
    }
}

void failover_tick(struct node *node)
{
    struct gate *gate = &node->server->gate;
    if (atomic_load(&node->failover.state) != FAILOVER_WAITS) {
        return;
    }
    gate_enter(gate, 0);
    gate_alone(gate, 0);
    if (atomic_load(&node->failover.state) == FAILOVER_WAITS) {
        look(node);
    }
    gate_together(gate, 0);
    gate_leave(gate, 0);
}

/* ---- the other end ------------------------------------------------------------------------------------- */

bool failover_take_over(struct call *c, struct slice id)
{
    struct node *node = node_of(c->server);
    if ((c->client->flags & CLIENT_REPLICA) != 0) {
        return false;
    }
    logger_warning("Failover request received for replid %.*s.", (int)(id.len < 64 ? id.len : 64), id.ptr);
    if (!server_is_replica(c->server)) {
        reply_error(c->reply, "ERR PSYNC FAILOVER can't be sent to a master.");
    } else if (node->roster.identity.kind != IDENTITY_PLAIN) {
        reply_error(c->reply, "ERR PSYNC FAILOVER can't be sent to a member of a roster.");
    } else if (!slice_is(id, c->server->history.id)) {
        reply_error(c->reply, "ERR PSYNC FAILOVER replid must match my replid.");
    } else {
        replica_promote(&node->replica);
        replica_keep_order(&node->replica);
        logger_notice("No master is followed any more (failover request from '%s')", c->client->peer);
        return true;
    }
    return false;
}

/* ---- the command --------------------------------------------------------------------------------------- */

struct wish {
    struct slice host; /* ptr NULL: any */
    int64_t port, timeout;
    bool force;
};

static bool parse_timeout(struct call *c, struct slice text, int64_t *timeout)
{
    if (!call_int(c, text, timeout)) {
        return false;
    }
    if (*timeout <= 0) {
        reply_error(c->reply, "ERR FAILOVER timeout must be greater than 0");
    }
    return *timeout > 0;
}

/* One option, of which `at` is the first word. Returns the next one's; 0: an error has been replied. */
static size_t parse_option(struct call *c, size_t at, struct wish *wish)
{
    struct slice word = c->argv[at];
    if (slice_is(word, "timeout") && at + 1 < c->argc && wish->timeout == 0) {
        return parse_timeout(c, c->argv[at + 1], &wish->timeout) ? at + 2 : 0;
    }
    if (slice_is(word, "to") && at + 2 < c->argc && wish->host.ptr == NULL) {
        wish->host = c->argv[at + 1];
        return call_int(c, c->argv[at + 2], &wish->port) ? at + 3 : 0;
    }
    if (slice_is(word, "force") && !wish->force) {
        wish->force = true;
        return at + 1;
    }
    call_syntax_error(c);
    return 0;
}

static bool parse(struct call *c, struct wish *wish)
{
    size_t at = 1;
    *wish = (struct wish){.force = false};
    while (at != 0 && at < c->argc) {
        at = parse_option(c, at, wish);
    }
    return at != 0;
}

/* Why it cannot be; NULL: it can. */
static const char *judge(const struct node *node, const struct wish *wish)
{
    if (failover_is_active(&node->failover)) {
        return "ERR FAILOVER already in progress.";
    }
    if (node->roster.identity.kind != IDENTITY_PLAIN) {
        return "ERR FAILOVER not allowed in a roster: its ordinal 0 is the master.";
    }
    if (server_is_replica(node->server)) {
        return "ERR FAILOVER is not valid when server is a replica.";
    }
    if (node->master.count == 0) {
        return "ERR FAILOVER requires connected replicas.";
    }
    if (wish->force && (wish->timeout == 0 || wish->host.ptr == NULL)) {
        return "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    }
    if (wish->host.ptr == NULL) {
        return NULL;
    }
    const struct feed *feed = find_replica(node, wish->host, wish->port);
    return feed == NULL                      ? "ERR FAILOVER target HOST and PORT is not a replica."
           : feed_state(feed) != FEED_ONLINE ? "ERR FAILOVER target replica is not online."
                                             : NULL;
}

static void begin(struct node *node, const struct wish *wish)
{
    struct failover *failover = &node->failover;
    int64_t now = clock_now();
    int64_t most = INT64_MAX - now;
    failover->until = wish->timeout == 0 ? 0 : now + (wish->timeout < most ? wish->timeout : most);
    failover->force = wish->force;
    failover->port = (int)wish->port;
    failover->host[0] = '\0';
    if (wish->host.ptr != NULL) { /* it is the address of a feed, so it fits */
        snprintf(failover->host, sizeof failover->host, "%.*s", (int)wish->host.len, wish->host.ptr);
        logger_notice("FAILOVER requested to %s:%d.", failover->host, failover->port);
    } else {
        logger_notice("FAILOVER requested to any replica.");
    }
    atomic_store(&failover->state, FAILOVER_WAITS);
    pause_for(node->server, PAUSE_FAILOVER, true);
}

static void abort_failover(struct call *c)
{
    struct node *node = node_of(c->server);
    if (failover_is_active(&node->failover)) {
        call_off(node, "Failover manually aborted");
        reply_ok(c->reply);
    } else {
        reply_error(c->reply, "ERR No failover in progress.");
    }
}

static void run_failover(struct call *c)
{
    struct wish wish;
    if (c->argc == 2 && slice_is(c->argv[1], "abort")) {
        abort_failover(c);
        return;
    }
    if (!parse(c, &wish)) {
        return;
    }
    const char *error = judge(node_of(c->server), &wish);
    if (error != NULL) {
        reply_error(c->reply, error);
    } else {
        begin(node_of(c->server), &wish);
        reply_ok(c->reply);
    }
}

const struct command failover_commands[] = {
    {
        .name = "failover",
        .run = run_failover,
        .arity = -1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_ALONE,
        .group = GROUP_SERVER,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Starts a coordinated failover from a server to one of its replicas.",
        .syntax = "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
    },
    {0},
};
