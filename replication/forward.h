/*
 * Forwarding: at a replica, what only the master may do is carried to it, and the reply comes back, so that a client may talk to any
 * node. Here is decided what that is:
 *
 *     writes, PUBLISH, blocking pops      carried
 *     WAIT, WAITAOF                       carried, with the offset up to which the client has written
 *     WATCH, and then reads               carried over a connection of the client's own, until EXEC, DISCARD or UNWATCH
 *     MULTI … EXEC                        kept here, and carried as a whole by EXEC if one of its commands must be
 *     reads                               answered here, or carried while this node may not answer them
 *     everything else                     answered here, once what was sent before it is answered
 *
 * and whether: `replica-forward`. How is the carrier's business (carrier.h).
 *
 * At the master a connection over which requests come is a client like any other; REPLCONF forward gives it a name that says
 * from where it comes, and REPLCONF write-offset asks, or tells, how far its writes have come.
 *
 * Threads: forward_route on a client's loop, inside the gate; forward_applied on any; the rest as said.
 */
#ifndef ORDINAL_REPLICATION_FORWARD_H
#define ORDINAL_REPLICATION_FORWARD_H

#include <pthread.h>
#include <sys/socket.h>

#include "commands/call.h"
#include "replication/carrier.h"

struct forward {
    struct server *server;
    struct carrier *carriers; /* one for each loop */
    const struct command *watch, *unwatch, *discard, *reset, *wait, *waitaof;
    _Atomic bool replica;    /* this node is one; changes alone … */
    _Atomic bool roster;     /* … as this: it belongs to a roster */
    _Atomic bool on;         /* … and this: commands are carried */
    _Atomic int64_t timeout; /* forward-timeout */
    /* Whether this node may answer reads now; NULL: always. Inside the gate. */
    bool (*may_read)(const struct server *server);
    pthread_mutex_t lock;
    struct sockaddr_storage master; /* under the lock: where the master is; family 0: not known */
    _Atomic uint64_t place;         /* counts where it has been */
};

/* Before any loop runs. */
void forward_init(struct forward *f, struct server *server);

/* This node's part: a replica or not. Alone. */
void forward_set_role(struct forward *f, bool replica);

/* Where the master is; NULL: not known any more. Any thread. */
void forward_set_master(struct forward *f, const struct sockaddr *address);

/* The same, with the number of that place. False: not known. */
bool forward_master(struct forward *f, struct sockaddr_storage *address, uint64_t *place);

/* Whether the master is where it was. */
static inline bool forward_is_place(const struct forward *f, uint64_t place)
{
    return atomic_load_explicit(&f->place, memory_order_relaxed) == place;
}

/* Whether commands are carried; and how many milliseconds they wait. Any thread. */
static inline bool forward_is_on(const struct forward *f)
{
    return atomic_load_explicit(&f->on, memory_order_relaxed);
}
static inline int64_t forward_timeout(const struct forward *f)
{
    return atomic_load_explicit(&f->timeout, memory_order_relaxed);
}

/* More of the master's stream is applied, and in the log: loops where somebody waits for it are woken. Any thread. */
void forward_applied(struct forward *f);

/* The hooks of the server below (struct server_above). */
enum route forward_route(struct call *c);
void forward_before_poll(struct forward *f, struct worker *w);
void forward_tick(struct forward *f, struct worker *w);
void forward_client_closed(struct client *client);

/* The fields of INFO. Alone. */
void forward_info(struct forward *f, struct reply *text);

/* At the master: runs a REPLCONF that is one of forwarding (forward <node> [<client>]; write-offset [<offset>]), and replies to it. False: it is
 * none. Inside the gate. */
bool forward_replconf(struct call *c);

#endif
