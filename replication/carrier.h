/*
 * A carrier: what a loop has for carrying its clients' requests to the master, and the replies back. Each client that was carried has a
 * carry: a queue of parcels in the order in which it sent them, and its replies come in that order, whatever happens.
 *
 * Most requests go up over a connection that all clients of the loop share, so that what a turn of the loop brought is one write
 * and one read. What may have to wait at the master, or is large, or depends on the connection (WATCH), has one of its own, which goes
 * back to a pool; it is closed at once when its client is gone, so that the master takes nothing for that one any more. A client's
 * parcels are under way over one connection at a time.
 *
 * A reply is handed out when this node has applied what it tells of: so whoever has it can read here what it has written. Replies
 * that wait for that stand in `answered`, and whoever applies looks at `awaits`: one load when nobody waits.
 *
 * While there is no connection parcels wait, each for forward-timeout, and are then answered with an error. What was sent when its
 * connection broke is never sent again. What the master would not run for the state it is in (it is loading, or about to end) is,
 * unless something that the same client sent later has run: then the refusal is the reply.
 *
 * Threads: its loop's, but for `awaits` and the counters, which any thread may read.
 */
#ifndef ORDINAL_REPLICATION_CARRIER_H
#define ORDINAL_REPLICATION_CARRIER_H

#include "commands/client.h"
#include "counter.h"
#include "replication/upstream.h"

enum {
    CARRY_MOST = 1024,              /* parcels that a client may have, before it is served no further … */
    CARRY_MOST_BYTES = 1024 * 1024, /* … and bytes of their requests */
};

struct forward;

/* What a client has sent to the master. */
struct carry {
    struct client *client;
    struct carrier *carrier;
    struct carry *next, **link; /* in carrier->carries */
    struct carry *next_touched;
    struct upstream *upstream;   /* that its parcels are on; NULL: none */
    struct parcel *first, *last; /* in order: under way, then not yet */
    struct parcel *unsent;       /* the first of the latter */
    uint32_t count, sent;        /* of all, and of those that are under way */
    size_t bytes;                /* of requests */
    int64_t not_before;          /* ms of clock.h: when what was refused is sent again */
    bool watches;                /* the connection watches keys for it */
    bool stalled;                /* its client's connection is, until enough is answered … */
    bool to_the_last;            /* … or all */
    bool touched;                /* in carrier->touched */
};

struct carrier {
    struct forward *forward;
    struct worker *worker;
    struct carry *carries;
    struct carry *touched;         /* something has changed: they may go on */
    struct upstream *upstreams;    /* all */
    struct upstream *gathering;    /* those that have something to send */
    struct upstream *shared[2];    /* by protocol: RESP2, RESP3 */
    struct upstream *pool;         /* those of single clients that are nobody's now … */
    int pooled;                    /* … so many */
    struct batch *answered, **end; /* whose replies are there, or never will be, oldest first */
    int opening;                   /* connections that are not ready yet */
    int64_t attempt_at;            /* ms of clock.h: no connection is opened before … */
    int64_t backoff;               /* … after so many ms since the last one failed; 0: none has */
    char *area;                    /* that upstreams read into */
    _Atomic bool awaits;           /* something waits to be applied */
    counter carried, refused, timed_out, uncertain, opened; /* parcels, but for the last: connections */
    counter waiting, sent, connections;                     /* as of now */
};

/* One for each loop, before it runs. */
void carrier_init(struct carrier *k, struct forward *forward, struct worker *worker);

/* The carry of a client, which is made if there is none. NULL: no memory. */
struct carry *carry_of(struct carrier *k, struct client *client);

/* Whether something that the client sent is not answered yet. */
static inline bool carry_is_busy(const struct carry *carry)
{
    return carry->first != NULL;
}

/* Takes a parcel: it goes up when the loop is about to poll. The connection is stalled when it has enough under way. */
void carry_take(struct carry *carry, struct parcel *parcel);

/* The client's next command is for this node, or cannot be sent now: its connection is stalled until all is answered. */
void carry_wait(struct carry *carry);

/* Its client is gone. Inside the gate. */
void carry_free(struct carry *carry);

/* Before the loop polls: hands out replies that may go, sends what was taken. */
void carrier_before_poll(struct carrier *k);

/* Ten times a second: time-outs, connections that are idle or stuck, another attempt. */
void carrier_tick(struct carrier *k);

#endif
