/*
 * Recovery: what a node does that shall be the master, before it serves: it asks the other members of the roster what history they
 * have, and takes the newest one that it can find. So a master that comes back empty, or with an old disk, never empties the others.
 *
 *   asks ──nobody has more──────────────────────────────────────▶ serves
 *     ▲ └──a member has more──▶ follows it, as a replica ──has all──▶
 *     └────────it went away──────────┘
 *
 * Members that the headless service, or the setting, lists and that do not answer are waited for up to recovery-timeout, since what
 * they have may be the newest; who is loading is asked again. Meanwhile clients get -LOADING, and nobody may follow this node.
 *
 * Asking is a thread's, which lasts as long as it takes; the rest is loop 0's.
 *
 * Threads: loop 0's, or alone; `active` is read by any.
 */
#ifndef ORDINAL_REPLICATION_RECOVERY_H
#define ORDINAL_REPLICATION_RECOVERY_H

#include <pthread.h>

#include "commands/server.h"
#include "replication/history_line.h"
#include "replication/link.h"
#include "replication/replica.h"
#include "replication/roster.h"

struct recovery {
    struct server *server;
    struct roster *roster;
    struct replica *replica;
    _Atomic bool active;  /* nothing is served yet; changes alone */
    bool started;         /* there is a thread to join */
    _Atomic bool stop;    /* … which shall end */
    int event;            /* ends its waits */
    int64_t timeout;      /* recovery-timeout when it began, in ms */
    _Atomic bool doubts;  /* a member has a newer history */
    uint64_t changes;     /* server_changes when it began to serve */
    int64_t follows_till; /* … until when the followed member is waited for; 0: none is followed */
    char *password, *user;
    struct link link; /* the thread's */
    struct history_line own, best;
    struct roster_member from; /* who has `best` … */
    bool found;                /* … if anybody has more than this node */
    int silent;                /* members that did not answer */
    struct roster_view view;   /* the thread's: whom it asks */
    pthread_t thread;
    struct message message; /* to loop 0 */
};

void recovery_init(struct recovery *r, struct server *server, struct roster *roster, struct replica *replica);

/* When all that is loaded at start is there, on the node that shall be the master: alone. */
void recovery_begin(struct recovery *r);

/* A member has a newer history than this node, which serves: nobody has asked it. Where nothing was written here since, all members are
 * asked again, soon. Any thread. */
void recovery_reconsider(struct recovery *r);

/* Ten times a second, on loop 0. */
void recovery_tick(struct recovery *r, struct worker *w);

/* When loop 0 has ended. */
void recovery_stop(struct recovery *r);

static inline bool recovery_is_active(const struct recovery *r)
{
    return atomic_load_explicit(&r->active, memory_order_relaxed);
}

/* What this node says of its history (REPLCONF history). Inside the gate. */
void recovery_history(const struct recovery *r, struct history_line *line);

#endif
