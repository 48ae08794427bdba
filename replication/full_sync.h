/*
 * A full synchronisation: one snapshot, made from a cut without a fork and without a file, for all replicas that wait for one when it
 * begins. What is written after the cut follows from the log, which keeps it for each of them.
 *
 * The walker's thread writes into a spool, from which each replica's loop sends. A replica that knows the form with a mark at its end
 * (capa eof) is sent the bytes as they come, any other when their number is known.
 *
 * Threads: begun alone; the walker writes; a feed reads on its loop. It goes with the last reference.
 */
#ifndef ORDINAL_REPLICATION_FULL_SYNC_H
#define ORDINAL_REPLICATION_FULL_SYNC_H

#include "commands/server.h"
#include "replication/spool.h"

struct master;

enum { FULL_SYNC_MARK = 40 };

struct full_sync {
    struct spool spool;
    struct server *server;
    struct master *master;
    _Atomic int references; /* the snapshot's, and one for each feed */
    char mark[FULL_SYNC_MARK + 1];
    bool *wakes; /* by loop: some feed of it reads */
};

/* Begins one for all feeds that wait. Alone, with no snapshot under way. They are closed where it cannot be begun. */
void full_sync_begin(struct master *master);

/* A feed needs it no more. Any thread. */
void full_sync_release(struct full_sync *sync);

#endif
