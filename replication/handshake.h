/*
 * The handshake: what a replica and its master tell each other before the first byte of data. The replica shows itself, gives its
 * password, says where it listens and what it understands, and asks to go on with a history from an offset on:
 *
 *     PING                                      +PONG, or an error that only asks for a password
 *     AUTH [user] password                      +OK
 *     REPLCONF listening-port 6380              +OK (not understood: no matter)
 *     REPLCONF ip-address 10.0.0.2              the same, with replica-announce-ip alone
 *     REPLCONF capa eof capa psync2             the same
 *     REPLCONF history                          +HISTORY <state> <epoch> <offset> <id>, from an Ordinal alone (history_line.h)
 *     REPLCONF newer history                    the replica has one that the master should have taken, and ends here
 *     REPLCONF node-id <id> ordinal <number>    +OK, from an Ordinal: the replica may be granted leases (acks.h)
 *     PSYNC <id> <offset + 1>  or  ? -1         +FULLRESYNC <id> <offset>, +CONTINUE [<id>], or an error; with a third word,
 *                                               FAILOVER: the other end becomes the master by it (failover.h)
 *
 * Source: redis.io, "Redis replication", and what Redis 7.0.15 sends.
 * Threads: those of link.h.
 */
#ifndef ORDINAL_REPLICATION_HANDSHAKE_H
#define ORDINAL_REPLICATION_HANDSHAKE_H

#include "replication/history_line.h"
#include "replication/link.h"

enum { HANDSHAKE_ID = 40 };

/* What this node says of itself. */
struct handshake_own {
    const char *user, *password; /* masteruser, masterauth; "": none */
    const char *announce_ip;     /* or "" */
    int port;
    const char *id;      /* the history that it has … */
    uint64_t offset;     /* … up to here; `id` NULL: none that would count */
    const char *node_id; /* of a member of the roster, which wants leases; NULL: it is none */
    int ordinal;         /* … this one */
    int64_t epoch;       /* a master with a history of an earlier one is not followed; 0: whatever it has */
    bool
        recovers; /* it will be the master, and takes what it can get: also of a replica without its own master */
    bool fails_over; /* it was the master, and the other end shall be */
};

enum handshake_answer {
    HANDSHAKE_CONTINUE, /* the stream goes on where this node is; `id` is what its history is called now */
    HANDSHAKE_FULL,     /* a snapshot comes, as of `offset` of `id` */
    HANDSHAKE_OLD,      /* the master knows no PSYNC: a snapshot comes, and there is neither */
    HANDSHAKE_LATER,    /* link->error says why not now */
    HANDSHAKE_FAILED    /* link->error */
};

struct handshake_result {
    char id[HANDSHAKE_ID + 1]; /* "": as it was */
    uint64_t offset;
    struct history_line history; /* the master's; epoch 0: it did not say */
    int64_t asked, heard;        /* ms of clock.h: when it was asked, and had answered */
    bool is_made_up;             /* by the caller, for want of what the master should have said */
    bool refused;                /* PSYNC was answered, and by an error */
};

enum handshake_answer handshake_run(struct link *link, const struct handshake_own *own,
                                    struct handshake_result *result);

/* Only asks what history a node has. False: it has not said, and link->error may say why. */
bool handshake_ask_history(struct link *link, const struct handshake_own *own, struct history_line *history);

/* How a snapshot will be sent. */
struct handshake_bulk {
    bool marked;                 /* its end is a mark … */
    char mark[HANDSHAKE_ID + 1]; /* … this one */
    uint64_t size;               /* else its bytes */
};

/* Waits for the snapshot's first line. False with link->error. */
bool handshake_await_bulk(struct link *link, struct handshake_bulk *bulk);

#endif
