#include "replication/roster_watch.h"

#include "clock.h"
#include "replication/node.h"

static void watch_feed(struct roster *roster, const struct server *server, const struct feed *feed)
{
    int ordinal = feed->acks.ordinal;
    enum feed_state state = feed_state(feed);
    if (ordinal < 0 || state == FEED_HANDSHAKE) {
        return;
    }
    roster_add(roster, ordinal);
    roster_set_state(roster, ordinal,
                     state == FEED_ONLINE && feed->acks.joined ? ROSTER_IN_SYNC : ROSTER_SYNCING);
    if (state == FEED_ONLINE) {
        roster_seen(roster, ordinal, history_of_log(&server->history, atomic_load(&feed->acked)),
                    atomic_load(&feed->heard));
    }
}

static void watch_replicas(struct node *node)
{
    const struct server *server = node->server;
    roster_set_state(&node->roster, node->roster.identity.ordinal,
                     recovery_is_active(&node->recovery) ? ROSTER_SYNCING : ROSTER_IN_SYNC);
    for (const struct feed *feed = node->master.feeds; feed != NULL; feed = feed->next) {
        watch_feed(&node->roster, server, feed);
    }
}

static enum roster_state own_state(const struct replica *r)
{
    switch (atomic_load(&r->state)) {
    case REPLICA_CONNECTED: return lease_holds(&r->lease) ? ROSTER_IN_SYNC : ROSTER_SYNCING;
    case REPLICA_SYNC: return ROSTER_SYNCING;
    default: return ROSTER_CONNECTING;
    }
}

static void watch_master(struct node *node, int64_t now)
{
    const struct replica *r = &node->replica;
    struct roster_member master;
    enum roster_state state = own_state(r);
    roster_set_state(&node->roster, node->roster.identity.ordinal, state);
    if (r->of_roster && roster_master(&node->roster, now, &master)) {
        bool up = state == ROSTER_IN_SYNC;
        roster_set_state(&node->roster, master.ordinal,
                         up                                            ? ROSTER_IN_SYNC
                         : atomic_load(&r->state) == REPLICA_CONNECTED ? ROSTER_SYNCING
                                                                       : ROSTER_GONE);
        if (up) {
            roster_seen(&node->roster, master.ordinal, atomic_load(&r->lease.master_offset), now);
        }
    }
}

void roster_watch(struct node *node)
{
    int64_t now = clock_now();
    if (node->roster.identity.kind == IDENTITY_PLAIN) {
        return;
    }
    if (server_is_replica(node->server)) {
        watch_master(node, now);
    } else {
        watch_replicas(node);
    }
    roster_seen(&node->roster, node->roster.identity.ordinal, history_offset(node->server), now);
}

void roster_watch_lost(struct node *node, const struct feed *feed)
{
    if (feed->acks.ordinal >= 0) {
        roster_set_state(&node->roster, feed->acks.ordinal, ROSTER_GONE);
    }
}
