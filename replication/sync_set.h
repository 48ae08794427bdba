/*
 * The in-sync set: the replicas whose acknowledgements the master waits for before a client gets its reply (write-ack). A replica in it
 * holds a read lease and answers reads by itself; so the master may stop waiting for one only when its last lease is over, whatever
 * became of its connection.
 *
 *   replica: joins ───────────────▶ reads until t + lease ──renewed by every grant──▶ …
 *   master:  joins, waits for it ─▶ grants (echoing t) ─────▶ waits until now + lease + margin
 *
 * t is the replica's clock when it sent the acknowledgement that the grant answers. It sent it before the master granted, so its lease
 * ends first on any clock that runs at the same rate; the margin is for those that differ by 1 in 64. The first grant is sent behind
 * everything that the log had when the replica joined: with it, the replica has all that was acknowledged without it.
 *
 * A master that starts does not know what leases its last life has granted: a ghost stands for them, a member that acknowledges nothing
 * until they are over.
 *
 * Offsets are the log's. Times are milliseconds of clock_boot (clock.h), which goes on while a machine sleeps.
 *
 * Threads: any, by a lock of its own.
 */
#ifndef ORDINAL_REPLICATION_SYNC_SET_H
#define ORDINAL_REPLICATION_SYNC_SET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum {
    SYNC_SET_MOST = 64, /* members */
    SYNC_SET_ID = 40    /* characters of a node's id */
};

/* How many replicas must have a write before it is acknowledged. */
enum write_ack { WRITE_ACK_MASTER, WRITE_ACK_ONE, WRITE_ACK_QUORUM, WRITE_ACK_ALL };

struct sync_member {
    char id[SYNC_SET_ID + 1]; /* "": the ghost */
    uint64_t acked;           /* it has applied what lies before */
    int64_t
        lease_end; /* until then it may answer reads; before the first grant: until when that is waited for */
    bool granted;  /* it has been granted one */
    uint64_t joined; /* the log's end when it joined: its first grant stands behind it */
    bool attached;   /* its connection is there */
};

struct sync_set {
    pthread_mutex_t lock;
    struct sync_member members[SYNC_SET_MOST];
    int count;
    uint64_t mark;    /* never goes back */
    uint64_t dropped; /* members that were waited for in vain, since the start */
};

/* `lease`: 0 for no ghost, else the longest that the node's last life may have granted, in ms. */
void sync_set_init(struct sync_set *set, int64_t now, int64_t lease);
void sync_set_free(struct sync_set *set);

/* A replica is waited for from now on (until a first lease, `lease` ms), or is there again under its id. False: there is no room. */
bool sync_set_join(struct sync_set *set, struct slice id, uint64_t acked, uint64_t log_end, int64_t now,
                   int64_t lease);

/* It has applied everything before `offset`. False: it is no member (any more). */
bool sync_set_acked(struct sync_set *set, struct slice id, uint64_t offset);

/* It is about to be granted a lease, in a stream that has been sent up to `sent`. False: it must not be. */
bool sync_set_grant(struct sync_set *set, struct slice id, uint64_t sent, int64_t now, int64_t lease);

/* Its connection is gone: it is waited for until its lease is over. */
void sync_set_detach(struct sync_set *set, struct slice id);

/* It has said that it answers nothing any more: it is waited for no longer. */
void sync_set_leave(struct sync_set *set, struct slice id);

/* Drops those whose leases are over. Returns how many. */
int sync_set_expire(struct sync_set *set, int64_t now);

/* Up to where writes may be acknowledged: `replicas` of the members have what lies before it; WRITE_ACK_ALL: all members, however many;
 * LOG_ALL where nobody is waited for. */
uint64_t sync_set_mark(struct sync_set *set, enum write_ack level, int replicas);

/* How many members have a connection: for who refuses writes that could not be acknowledged. */
int sync_set_attached(struct sync_set *set);

/* A member, for INFO. False: there is none of this id. */
bool sync_set_find(struct sync_set *set, struct slice id, struct sync_member *member);

#endif
