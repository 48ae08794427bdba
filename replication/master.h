/*
 * The master's end of replication: the replicas that follow this node, and what it asks of them. A replica has one as well, for those
 * that follow it in turn.
 *
 * Threads: the list of feeds changes alone, and is read inside the gate; each loop has a list of its own feeds, which only it changes.
 */
#ifndef ORDINAL_REPLICATION_MASTER_H
#define ORDINAL_REPLICATION_MASTER_H

#include "replication/feed.h"
#include "replication/wait.h"

/* What a loop has for itself. */
struct master_loop {
    _Alignas(64) struct feed *feeds;
    struct wait *_Atomic waits; /* its clients in WAIT and WAITAOF */
    bool asks;                  /* somebody waits: replicas are to acknowledge at once */
};

struct master {
    struct server *server;
    struct feed *feeds;
    int count;
    struct full_sync *sync; /* whose snapshot is under way */
    struct master_loop *loops;
    bool keeps_backlog;   /* also without replicas: a roster's nodes know each other by their histories */
    int64_t pinged;       /* ms of clock.h */
    int64_t lonely_since; /* … since when there are no replicas */
};

/* At start, before the loops run. */
void master_init(struct master *master, struct server *server);

/* A client becomes a replica, or its connection is gone. Alone, on its loop. */
void master_add(struct master *master, struct feed *feed);
void master_remove(struct master *master, struct feed *feed);

/* Cuts all replicas: this node's history is another one now, which they learn when they come back. `by` is the caller's worker. Alone. */
void master_cut_replicas(struct master *master, struct worker *by);

/* Hooks of the server below (struct server_above). */
void master_before_poll(struct master *master, struct worker *w);
void master_tick(struct master *master, struct worker *w);

/* Replicas are asked to say what they have, in the stream; unless a pause holds that where it is. Alone. */
void master_ask_acks(struct master *master);

/* A replica has acknowledged, or this node's disk has: those who wait look again. Any thread. */
void master_wake_waits(struct master *master);

/* How many replicas have the log up to `offset`, or (synced) have it on their disks. Inside the gate. */
int master_count_acked(const struct master *master, uint64_t offset, bool synced);

/* Replicas that were heard of within min-replicas-max-lag. Inside the gate. */
int master_good_replicas(const struct master *master);

/* INFO's lines about replicas; ROLE's reply. */
void master_info(const struct master *master, struct reply *text);
void master_role(const struct master *master, struct reply *out);

#endif
