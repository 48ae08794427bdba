#include "replication/drain.h"

#include "clock.h"
#include "logger.h"
#include "net/hold.h"
#include "replication/node.h"

enum { LEAST_MS = 250 }; /* what was told to other nodes is with them by then */

/* Behind the replies to all that ran before writes were held back. */
static void tell_carriers(struct loop *loop, void *argument)
{
    (void)argument;
    for (struct conn *conn = loop->conns, *next; conn != NULL; conn = next) {
        const struct client *client = conn->client;
        next = conn->next;
        if (client != NULL && (client->flags & CLIENT_FORWARDED) != 0) {
            conn_send(conn, DRAIN_NOTICE, sizeof DRAIN_NOTICE - 1);
        }
    }
}

/* Whether all who follow have everything, and every reply that waited for them may go. */
static bool is_delivered(const struct node *node)
{
    uint64_t end = log_end(&node->server->log);
    bool everywhere = true;
    for (const struct feed *feed = node->master.feeds; feed != NULL; feed = feed->next) {
        bool tells = feed_state(feed) == FEED_ONLINE && !feed->old;
        everywhere = everywhere && (!tells || atomic_load(&feed->acked) >= end);
    }
    return everywhere && (!node->acks.active || hold_mark(&node->server->net, HOLD_REPLICAS) >= end);
}

/* Who has not, as Redis tells it. */
static void tell_lags(const struct node *node)
{
    const struct master *master = &node->master;
    uint64_t end = log_end(&node->server->log);
    int lagging = 0;
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        uint64_t acked = atomic_load(&feed->acked);
        char address[64];
        if (acked < end) {
            lagging++;
            feed_address(feed, address, sizeof address);
            logger_warning("Lagging replica %s:%d reported offset %lld behind master, lag=%lld, state=%s.",
                           address, feed->port, (long long)(end - acked),
                           (long long)(feed_lag_ms(feed, clock_now()) / 1000), feed_state_name(feed));
        }
    }
    if (master->count > 0) {
        logger_notice("%d of %d replicas are in sync when shutting down.", master->count - lagging,
                      master->count);
    }
}

/* Of a node that is in no roster. */
static enum drain wait_for_replicas(struct node *node)
{
    const struct server *server = node->server;
    if (server_is_replica(server) || server->config->shutdown_timeout == 0 || is_delivered(node)) {
        tell_lags(node);
        return DRAIN_NOTHING;
    }
    logger_notice("Waiting for replicas before shutting down.");
    master_ask_acks(&node->master);
    return DRAIN_WAITS;
}

static void leave_roster(struct node *node)
{
    struct server *server = node->server;
    if (server_is_replica(server)) {
        logger_notice("Leaving the roster's in-sync set");
        replica_leave(&node->replica);
        return;
    }
    logger_notice("Handing the end of the log to %d replica%s", node->master.count,
                  node->master.count == 1 ? "" : "s");
    for (int i = 0; i < server->net.count; i++) {
        loop_post(&server->net.loops[i], tell_carriers, NULL);
    }
}

enum drain drain_begin(struct node *node, void (*done)(struct server *server))
{
    struct drain_state *drain = &node->drain;
    enum drain what = DRAIN_BINDS;
    if (drain->done != NULL || recovery_is_active(&node->recovery)) {
        return DRAIN_NOTHING;
    }
    if (node->roster.identity.kind == IDENTITY_PLAIN) {
        what = wait_for_replicas(node);
    } else {
        leave_roster(node);
    }
    drain->done = what != DRAIN_NOTHING ? done : NULL;
    drain->least = what == DRAIN_BINDS ? LEAST_MS : 0;
    drain->began = clock_now();
    return what;
}

void drain_call_off(struct node *node)
{
    node->drain.done = NULL;
}

static void look(struct node *node)
{
    struct server *server = node->server;
    struct drain_state *drain = &node->drain;
    int64_t lasts = clock_now() - drain->began;
    bool late = lasts > (int64_t)server->config->shutdown_timeout * 1000;
    if (drain->done == NULL || lasts < drain->least) {
        return;
    }
    if (late || server_is_replica(server) || is_delivered(node)) {
        void (*done)(struct server *) = drain->done;
        tell_lags(node);
        drain->done = NULL;
        done(server);
    }
}

void drain_tick(struct node *node)
{
    struct gate *gate = &node->server->gate;
    gate_enter(gate, 0);
    if (node->drain.done != NULL) {
        gate_alone(gate, 0);
        look(node);
        gate_together(gate, 0);
    }
    gate_leave(gate, 0);
}
