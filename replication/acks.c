#include "replication/acks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands/refusing.h"
#include "log.h"
#include "logger.h"
#include "net/hold.h"

enum {
    JOIN_BEHIND =
        1 << 20, /* a replica joins when it lacks less than so many bytes: writes begin to wait for it */
    GRANTS = 5   /* in the time of a lease */
};

static enum write_ack level_of(const struct acks *acks)
{
    _Static_assert(
        (int)CONFIG_ACK_MASTER == (int)WRITE_ACK_MASTER && (int)CONFIG_ACK_ONE == (int)WRITE_ACK_ONE &&
            (int)CONFIG_ACK_QUORUM == (int)WRITE_ACK_QUORUM && (int)CONFIG_ACK_ALL == (int)WRITE_ACK_ALL,
        "the levels are numbered alike");
    return (enum write_ack)acks->server->config->write_ack;
}

/* How many replicas must have a write; of `all` that is said by the set. A quorum counts this node. */
static int needed(const struct acks *acks)
{
    switch (level_of(acks)) {
    case WRITE_ACK_ONE: return 1;
    case WRITE_ACK_QUORUM: return (int)roster_count(acks->roster) / 2;
    default: return 0;
    }
}

static struct slice id_of(const struct acks_replica *replica)
{
    return (struct slice){replica->id, strlen(replica->id)};
}

/* Lets go what may go, and refuses writes that could not be acknowledged. */
static void move_mark(struct acks *acks, const struct loop *self)
{
    struct server *server = acks->server;
    pthread_mutex_lock(&acks->lock);
    if (sync_set_attached(&acks->set) < needed(acks)) {
        refusing_set(server, REFUSING_NO_QUORUM);
    } else {
        refusing_clear(server, REFUSING_NO_QUORUM);
    }
    hold_release(&server->net, HOLD_REPLICAS, sync_set_mark(&acks->set, level_of(acks), needed(acks)), self);
    pthread_mutex_unlock(&acks->lock);
}

void acks_heard(struct acks *acks, struct acks_replica *replica, uint64_t acked, int64_t clock,
                const struct loop *self)
{
    uint64_t end = log_end(&acks->server->log);
    if (!acks->active || replica->id[0] == '\0' || replica->left) {
        return;
    }
    replica->clock = clock;
    replica->joined = replica->joined && sync_set_acked(&acks->set, id_of(replica), acked);
    if (!replica->joined && end - acked < JOIN_BEHIND) {
        replica->joined = sync_set_join(&acks->set, id_of(replica), acked, end, clock_boot(),
                                        acks->server->config->read_lease);
    }
    move_mark(acks, self);
}

bool acks_grant(struct acks *acks, struct acks_replica *replica, uint64_t sent, char line[ACKS_LEASE_LINE])
{
    int64_t lease = acks->server->config->read_lease;
    int64_t now = clock_boot();
    if (!acks->active || !replica->joined || replica->clock == 0 || now - replica->granted < lease / GRANTS ||
        !sync_set_grant(&acks->set, id_of(replica), sent, now, lease)) {
        return false;
    }
    snprintf(line, ACKS_LEASE_LINE, "#LEASE %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\r\n",
             replica->clock, lease, clock_to_wall(clock_now()), history_offset(acks->server));
    replica->clock = 0;
    replica->granted = now;
    return true;
}

void acks_lost(struct acks *acks, struct acks_replica *replica)
{
    if (replica->joined) {
        sync_set_detach(&acks->set, id_of(replica));
        replica->joined = false;
    }
}

void acks_left(struct acks *acks, struct acks_replica *replica, const struct loop *self)
{
    replica->left = true;
    if (replica->joined) {
        sync_set_leave(&acks->set, id_of(replica));
        replica->joined = false;
        move_mark(acks, self);
    }
}

void acks_tick(struct acks *acks)
{
    if (!acks->active) {
        return;
    }
    int dropped = sync_set_expire(&acks->set, clock_boot());
    if (dropped > 0) {
        logger_notice("%d lease%s ended: no write waits for that any more", dropped,
                      dropped == 1 ? " has" : "s have");
    }
    move_mark(acks, NULL);
}

/* ---- start and settings -------------------------------------------------------------------------------------- */

static void apply(struct acks *acks)
{
    struct net *net = &acks->server->net;
    if (acks->active && level_of(acks) != WRITE_ACK_MASTER) {
        hold_on(net, HOLD_REPLICAS);
    } else {
        hold_off(net, HOLD_REPLICAS);
    }
}

static bool on_setting(void *context, struct config *config, const char **error)
{
    struct acks *acks = context;
    (void)config;
    (void)error;
    apply(acks);
    if (acks->active) {
        move_mark(acks, NULL);
    }
    return true;
}

void acks_init(struct acks *acks, struct server *server, struct roster *roster)
{
    memset(acks, 0, sizeof *acks);
    acks->server = server;
    acks->roster = roster;
    pthread_mutex_init(&acks->lock, NULL);
    sync_set_init(&acks->set, 0, 0);
    config_on_change(server->config, "write-ack", on_setting, acks);
}

void acks_begin(struct acks *acks)
{
    sync_set_free(&acks->set);
    sync_set_init(&acks->set, clock_boot(), acks->server->config->read_lease);
    acks->active = true;
    apply(acks);
    move_mark(acks, NULL);
}

void acks_end(struct acks *acks)
{
    acks->active = false;
    apply(acks);
    refusing_clear(acks->server, REFUSING_NO_QUORUM);
}
