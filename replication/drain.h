/*
 * The drain: what a node does before it ends, so that nothing is lost.
 *
 *   master    holds writes back, and ends when every replica has the end of the log (as Redis does).
 *
 * In a roster, so that nobody notices but its own clients:
 *
 *   master    holds writes back (they wait, and are never answered), tells the nodes that carry to it, and ends when every replica has the
 *             end of the log and every reply that waits for them is out. What was carried here and is not answered when the
 *             connections close has not run: it is sent again to whoever serves next.
 *   replica   answers no read by itself any more, and says so: no write waits for it.
 *
 * It lasts shutdown-timeout at most.
 *
 * Threads: alone, but drain_tick: loop 0's.
 */
#ifndef ORDINAL_REPLICATION_DRAIN_H
#define ORDINAL_REPLICATION_DRAIN_H

#include "commands/server.h"

struct node;

/* What a connection is told over which another node carries. */
#define DRAIN_NOTICE ">1\r\n$8\r\ndraining\r\n"

struct drain_state {
    void (*done)(struct server *server); /* NULL: none is under way */
    int64_t began;                       /* ms of clock.h … */
    int64_t least;                       /* … and for how many it lasts in any case */
};

/* Begins one; `done` is told, alone, when it is over. And calls it off, where it does not bind. Alone. */
enum drain drain_begin(struct node *node, void (*done)(struct server *server));
void drain_call_off(struct node *node);

/* Several times a second. */
void drain_tick(struct node *node);

#endif
