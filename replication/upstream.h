/*
 * An upstream: a connection of a loop to the master, over which requests of this node's clients go up and replies come back. It is
 * opened with AUTH and REPLCONF forward; when the master has agreed it is ready.
 *
 * Requests go up in batches: all that a loop has for this connection when it is about to poll, in one write, and behind them
 * `REPLCONF write-offset`, whose reply says what this node must have applied before it may hand out the replies of the batch. Several
 * batches may be under way. What is behind in the stream of replies is found by skimming over them (net/resp_skim.h), and they
 * are kept as they are. Before a request SELECT and HELLO go where the connection's state is not what the client's is.
 *
 * A connection that breaks takes its batches with it: which of their requests have run nobody knows, but for those that are answered.
 *
 * Threads: one loop's.
 */
#ifndef ORDINAL_REPLICATION_UPSTREAM_H
#define ORDINAL_REPLICATION_UPSTREAM_H

#include <sys/socket.h>

#include "commands/history.h"
#include "net/loop.h"
#include "net/resp_skim.h"
#include "replication/parcel.h"

enum { UPSTREAM_AREA = 64 * 1024, UPSTREAM_PEEK = 128, UPSTREAM_REASON = 256 };

struct upstream;

struct batch {
    struct batch *next;
    uint64_t upstream;           /* its number */
    struct parcel *first, *last; /* in the order in which they went up */
    struct parcel *due; /* whose replies come now; NULL: all have come but the last, of write-offset */
    uint32_t skip;      /* replies that come before that one */
    bool lost;          /* the connection broke: some parcels may have no reply, and there is no offset */
    bool
        unsent; /* … before a byte was written, or after the master said that it runs nothing more (drain.h) */
    int64_t since;  /* ms of clock.h: when the last reply came */
    int64_t offset; /* of the history `id`, which this node must have reached */
    char id[HISTORY_ID + 1];
    char own_id[HISTORY_ID + 1]; /* the receiver's */
    struct reply replies;        /* of its parcels, one behind the other */
};

/* What whoever opens one is told, on the loop's thread. */
struct upstream_hooks {
    void (*ready)(struct upstream *u);
    /* All replies of a batch are there, and it is the receiver's. */
    void (*answered)(struct upstream *u, struct batch *batch);
    /* The connection is gone, or could not be had (`reason`; NULL: it was closed); its batches, oldest first, are the receiver's. `u` is good
     * until the call ends. */
    void (*lost)(struct upstream *u, struct batch *batches, const char *reason);
};

/* With what it is opened. The texts are needed during the call alone, but for `node`. */
struct upstream_options {
    const struct sockaddr *address;
    const char *user, *password; /* "": none */
    const char *node;            /* what this node calls itself to the master */
    int databases;               /* as many as the master must have */
    bool shared;                 /* several clients use it at a time */
};

enum upstream_state { UPSTREAM_OPENING, UPSTREAM_READY, UPSTREAM_GONE };

struct upstream {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct upstream *next, **link; /* in the list of whoever opened it */
    struct upstream *next_gathering, *next_pooled;
    uint64_t number; /* among all that its opener has had */
    uint64_t place;  /* the opener's: where it leads */
    const struct upstream_hooks *hooks;
    void *owner;         /* the opener's … */
    struct carry *carry; /* … and the client's that has it for itself; NULL: it is shared, or nobody's */
    const char *node;    /* what it calls this one */
    char *area;          /* UPSTREAM_AREA bytes of the opener's to read into */
    enum upstream_state state;
    bool shared;
    bool drains;                /* the master is about to end: what it has not answered it has not run */
    int64_t told;               /* id of the client whose address the master was told last; 0: none */
    int db;                     /* that is selected; -1: not known */
    int resp;                   /* its protocol */
    uint32_t greetings;         /* replies to come before it is ready */
    size_t unwritten;           /* bytes that the kernel had not taken when that was looked at last */
    int64_t active;             /* ms of clock.h: when bytes came last, or it began to wait for some */
    struct reply out;           /* what is gathered */
    struct batch *gathering;    /* … for this batch */
    struct batch *first, *last; /* under way */
    struct resp_skim skim;
    size_t peeked;
    char peek[UPSTREAM_PEEK]; /* the beginning of a reply that is for nobody */
};

/* Begins to connect. NULL: no memory, or the system refuses at once. */
struct upstream *upstream_open(struct loop *loop, const struct upstream_options *options,
                               const struct upstream_hooks *hooks, void *owner, char *area);

static inline bool upstream_is_ready(const struct upstream *u)
{
    return u->state == UPSTREAM_READY;
}

/* Whether requests are gathered or under way. */
static inline bool upstream_is_busy(const struct upstream *u)
{
    return u->gathering != NULL || u->first != NULL;
}

/* Adds a parcel to what is gathered. False: no memory, and it was not added. */
bool upstream_add(struct upstream *u, struct parcel *parcel);

/* Sends what is gathered. */
void upstream_flush(struct upstream *u);

/* Whether the master keeps it waiting, for longer than a command can be blamed for: since `before`, ms of clock.h. */
bool upstream_is_stuck(struct upstream *u, int64_t before);

/* Closes it, as if the connection had broken; `reason` is told to `lost`. */
void upstream_close(struct upstream *u, const char *reason);

/* Its parcels are the receiver's. */
void batch_free(struct batch *batch);

/* Where a reply says that the command was not run for the state that its server is in, so that it may be sent again: that reply, whole;
 * else NULL. */
const char *upstream_refusal(const char *reply, size_t len);

#endif
