/*
 * The replica's end: which master this node follows, how far that has come, and what it means to clients. Orders (REPLICAOF, the setting
 * at start) are given here and take effect at once; the player (player.h), a thread, carries them out.
 *
 * While a node is a replica, its log follows the master's (log_follow), nothing expires or is evicted by itself (keyspace_freeze), and
 * writes are refused (replica-read-only). An order has a number; what an earlier one has begun counts no more from the moment on
 * at which another one is given: the player asks before every step.
 *
 * Threads: orders, and all that is not atomic, change alone, and are read inside the gate.
 */
#ifndef ORDINAL_REPLICATION_REPLICA_H
#define ORDINAL_REPLICATION_REPLICA_H

#include <pthread.h>

#include "commands/call.h"
#include "commands/server.h"
#include "replication/lease.h"
#include "replication/link.h"

enum replica_state {
    REPLICA_NONE,       /* a master */
    REPLICA_CONNECT,    /* about to connect */
    REPLICA_CONNECTING, /* to the master's port … */
    REPLICA_HANDSHAKE,  /* … talks to it … */
    REPLICA_SYNC,       /* … gets a snapshot … */
    REPLICA_CONNECTED   /* … and follows its stream */
};

struct replica {
    struct server *server;
    char *host; /* NULL: a master */
    int port;
    _Atomic uint64_t order; /* the number of the last one */
    _Atomic int
        state; /* enum replica_state; the player's, inside the gate or alone, while its order counts */
    _Atomic int64_t down_since; /* seconds of wall time: when the link was lost; 0: it never was there */
    _Atomic int64_t sync_read,
        sync_size;         /* bytes of the snapshot that is being received; size 0: not known */
    bool syncing;          /* the keyspace is being replaced: the player sees to the end of it */
    bool has_past;         /* the history is the master's, or was this node's own as a master: it may go on */
    _Atomic bool admitted; /* the player takes part in the gate; changes alone */
    bool
        of_roster; /* the roster says so: then no master is followed whose history is older than this node's; for the last order */
    _Atomic bool leaves; /* it answers no read any more, and says so with its acknowledgements */
    _Atomic bool cut;    /* the link is not wanted any more, though the order stands */
    char peer[64];       /* "host:port" of the other end while there is a link; "": there is none */
    bool started;        /* there is a thread */
    _Atomic bool stop;
    struct lease lease; /* until when reads may be answered, while of_roster */
    int event;          /* ends the player's waits (link.h) */
    pthread_t thread;
    struct link link;            /* the player's */
    char error[LINK_ERROR_SIZE]; /* why the last attempt failed; "": it did not */
};

/* Before the loops run. */
void replica_init(struct replica *r, struct server *server);

/* When all that is loaded at start is there: begins to follow, where the settings say so. Alone. */
void replica_loaded(struct replica *r);

/* When loop 0 has ended, before the others are stopped: ends the player. False: it cannot be ended, and uses what is here. */
bool replica_stop(struct replica *r);

/* From here on this node answers no read by itself, and its master need not wait for it. Alone. */
void replica_leave(struct replica *r);

/* Orders: to follow that master, or none. Alone. False: no memory. */
bool replica_follow(struct replica *r, struct slice host, int port);
void replica_promote(struct replica *r);

/* The last order was given by hand: CONFIG REWRITE keeps it. Alone. */
void replica_keep_order(struct replica *r);

/* Cuts the link to this address ("host:port", ptr NULL: any); the player opens another one. Alone. False: there is none. */
bool replica_cut(struct replica *r, struct slice address);

/* Whether others can follow this node now: a master, or a replica that follows its own. Inside the gate. */
static inline bool replica_has_data(const struct replica *r)
{
    int state = atomic_load(&r->state);
    return state == REPLICA_NONE || state == REPLICA_CONNECTED;
}

/* The lines of a replica in INFO's section "Replication", from role:slave on; and its reply to ROLE. Inside the gate. */
void replica_info(const struct replica *r, struct reply *text);
void replica_role(const struct replica *r, struct reply *reply);

/* What is refused to clients now: after the state, or a setting, has changed. Inside the gate. */
void replica_judge(struct replica *r);

/* REPLICAOF and SLAVEOF. */
extern const struct command replicaof_commands[];

#endif
