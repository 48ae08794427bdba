/*
 * Acknowledgements: when a client's reply to a write may go out (write-ack), and which replicas may answer reads. Replicas of the
 * roster say what they have applied and what time it is for them; here they join the in-sync set (sync_set.h), the mark by which
 * output is held (net/hold.h) moves on, and leases are granted.
 *
 * A lease is a line in the replica's stream, between two records and outside of its offsets:
 *
 *     #LEASE <the replica's clock, as it sent it> <milliseconds> <the master's wall time in milliseconds> <its offset>
 *
 * Threads: acks_heard and acks_grant on the loop of the replica's connection, inside the gate or not; acks_tick on loop 0; acks_begin
 * and acks_end alone. The mark moves under a lock.
 */
#ifndef ORDINAL_REPLICATION_ACKS_H
#define ORDINAL_REPLICATION_ACKS_H

#include "commands/server.h"
#include "replication/roster.h"
#include "replication/sync_set.h"

enum { ACKS_LEASE_LINE = 112 };

struct acks {
    struct server *server;
    struct sync_set set;
    struct roster *roster; /* a quorum is of its members, as they are now */
    pthread_mutex_t lock;  /* for moving the mark */
    _Atomic bool active;   /* this node is the roster's master, and serves; changes alone */
};

/* What a replica has told of itself, and its turn for a lease. */
struct acks_replica {
    char id[SYNC_SET_ID + 1]; /* "": it is none of the roster's */
    int ordinal;              /* in the roster; -1: it did not say */
    int64_t clock;            /* of the acknowledgement that came last; 0: a lease has been granted since */
    int64_t granted;          /* when it was granted one last (clock_boot) */
    _Atomic bool joined;      /* others look at it */
    bool left;
};

void acks_init(struct acks *acks, struct server *server, struct roster *roster);

/* This node begins to serve as the roster's master, or does so no more. Alone. */
void acks_begin(struct acks *acks);
void acks_end(struct acks *acks);

/* A replica has applied everything before `acked` (an offset of the log) when its clock showed `clock`; 0: it did not say. */
void acks_heard(struct acks *acks, struct acks_replica *replica, uint64_t acked, int64_t clock,
                const struct loop *self);

/* Whether a lease is to be granted now, in a stream that stands at `sent`, between two records: writes its line. */
bool acks_grant(struct acks *acks, struct acks_replica *replica, uint64_t sent, char line[ACKS_LEASE_LINE]);

/* Its connection is gone; or it has said that it answers nothing any more. */
void acks_lost(struct acks *acks, struct acks_replica *replica);
void acks_left(struct acks *acks, struct acks_replica *replica, const struct loop *self);

/* Several times a second: leases end. */
void acks_tick(struct acks *acks);

#endif
