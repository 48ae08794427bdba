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

bool drain_begin(struct node *node, void (*done)(struct server *server))
{
    struct server *server = node->server;
    struct drain *drain = &node->drain;
    if (drain->done != NULL || node->roster.identity.kind == IDENTITY_PLAIN ||
        recovery_is_active(&node->recovery)) {
        return false;
    }
    drain->done = done;
    drain->began = clock_now();
    if (server_is_replica(server)) {
        logger_notice("Leaving the roster's in-sync set");
        replica_leave(&node->replica);
        return true;
    }
    logger_notice("Handing the end of the log to %d replica%s", node->master.count,
                  node->master.count == 1 ? "" : "s");
    for (int i = 0; i < server->net.count; i++) {
        loop_post(&server->net.loops[i], tell_carriers, NULL);
    }
    return true;
}

/* Whether all who follow have everything, and every reply that waited for them may go. */
static bool is_delivered(const struct node *node)
{
    uint64_t end = log_end(&node->server->log);
    bool everywhere = true;
    for (const struct feed *feed = node->master.feeds; feed != NULL; feed = feed->next) {
        everywhere = everywhere && (feed_state(feed) != FEED_ONLINE || atomic_load(&feed->acked) >= end);
    }
    return everywhere && (!node->acks.active || hold_mark(&node->server->net, HOLD_REPLICAS) >= end);
}

void drain_tick(struct node *node)
{
    struct server *server = node->server;
    struct drain *drain = &node->drain;
    int64_t lasts = clock_now() - drain->began;
    if (drain->done == NULL || lasts < LEAST_MS) {
        return;
    }
    gate_enter(&server->gate, 0);
    gate_alone(&server->gate, 0);
    bool late = lasts > (int64_t)server->config->shutdown_timeout * 1000;
    if (late || server_is_replica(server) || is_delivered(node)) {
        void (*done)(struct server *) = drain->done;
        if (late && !server_is_replica(server)) {
            logger_warning("Not every replica has the end of the log after shutdown-timeout");
        }
        drain->done = NULL;
        done(server);
    }
    gate_together(&server->gate, 0);
    gate_leave(&server->gate, 0);
}
