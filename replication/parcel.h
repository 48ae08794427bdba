/*
 * A parcel: one request of a client on its way to the master, as RESP, with what has to be known of it there and back. A transaction
 * is one parcel: its commands are kept here, as on any server, and go up together with MULTI and EXEC; only EXEC's reply is the
 * client's.
 *
 * A parcel is one allocation. It belongs to its client's carry; once it was sent and its client is gone, to the batch in which it was
 * sent (upstream.h).
 *
 * Threads: the client's loop.
 */
#ifndef ORDINAL_REPLICATION_PARCEL_H
#define ORDINAL_REPLICATION_PARCEL_H

#include "commands/call.h"

struct carry;

enum parcel_flag {
    PARCEL_ALONE =
        1 << 0, /* needs a connection that nobody else uses: what follows it there may have to wait … */
    PARCEL_WAITS = 1 << 1,  /* … for as long as the command says */
    PARCEL_SILENT = 1 << 2, /* its reply is dropped */
    PARCEL_EXEC = 1 << 3,   /* it is a transaction */
    PARCEL_WATCHED =
        1 << 4, /* it ends the watches of the connection, and is nothing without them: EXEC, UNWATCH */
    PARCEL_READS = 1 << 9,    /* of a client that caches: what it reads must not stay in its cache */
    PARCEL_OFFSET = 1 << 5,   /* the connection must know what its client has written: WAIT, WAITAOF */
    PARCEL_REFUSED = 1 << 6,  /* the master would not run it now: it is to be sent again */
    PARCEL_ANSWERED = 1 << 7, /* the reply is there: bytes reply_from … of its batch's */
    PARCEL_ABORTED =
        1 << 8, /* one of its commands was refused for the master's state, so nothing of it has run */
};

enum { PARCEL_LARGE = 64 * 1024 }; /* bytes from which one goes alone, so that nobody's waits behind it */

struct parcel {
    struct parcel *next; /* of its carry: what the client has sent after it */
    struct parcel *next_in_batch;
    const struct client *client; /* while there is a carry */
    struct carry *carry;         /* NULL: its client is gone */
    uint32_t flags;              /* enum parcel_flag */
    uint32_t skip;               /* replies of its own request that come before the one for the client … */
    uint32_t prefix;             /* … and of what went up before it (upstream_add) */
    int db, db_after; /* number of the database that it is for, and of the one that it leaves selected */
    int resp;         /* the protocol that its client speaks */
    int64_t since;    /* ms of clock.h */
    uint64_t offset;  /* PARCEL_OFFSET: the client's write offset, of the history */
    size_t reply_from, reply_len; /* in its batch's replies */
    const char *refusal;          /* PARCEL_REFUSED: what the master said; NULL: it was not asked */
    size_t size;                  /* of the allocation */
    size_t len;                   /* of the request */
    char bytes[];
};

/* The request of a call; NULL: no memory. */
struct parcel *parcel_of_call(const struct call *c);

/* What a client in MULTI has sent, behind EXEC's call; NULL: no memory. */
struct parcel *parcel_of_transaction(const struct call *c);

/* A request of one word that no client has sent; its reply is nobody's. NULL: no memory. */
struct parcel *parcel_of_word(const struct call *c, const char *word);

void parcel_free(struct parcel *p);

/* How many replies come before its own. */
static inline uint32_t parcel_skips(const struct parcel *p)
{
    return p->skip + p->prefix;
}

#endif
