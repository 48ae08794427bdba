/*
 * Held output: what a connection is sent may have to wait until a mark, some offset of the log, has come far enough. There are two
 * marks: what is on the disk, and what the replicas have acknowledged. `net` knows offsets alone: the hook `due` says which offset the
 * log had when the output was made (`until`: all that it could tell of), and where the connection's own last write ends (`own`: what
 * it acknowledges).
 *
 *   HOLD_DISK      waits for `until`, so that a read does not tell of a write that a crash could take back; relaxed: for `own`
 *   HOLD_REPLICAS  waits for `own`: once a write is acknowledged, every node that answers has it
 *
 * Held output keeps its order: while a connection holds something, all that it is sent afterwards is held behind it,
 * replies and pushes alike. It counts as unsent: for the limits of the connection's class, for not serving who does not read,
 * for closing after the last reply. It is dropped with the connection.
 *
 * While nothing is held it costs one test for each write to a connection.
 *
 * Threads: hold_on and hold_off under what keeps every loop from serving (the gate alone); hold_release of one mark from any one
 * thread at a time; the rest on the loop's own.
 */
#ifndef ORDINAL_NET_HOLD_H
#define ORDINAL_NET_HOLD_H

#include "net/conn.h"

enum hold_mark { HOLD_DISK, HOLD_REPLICAS, HOLD_MARKS };

/* From here on output waits for this mark too. A mark counts on whether something waits for it or not. */
void hold_on(struct net *net, enum hold_mark which);

/* Nothing waits for this mark any more, and what did goes out. */
void hold_off(struct net *net, enum hold_mark which);

/* What is due up to `offset` may go out; the loops concerned are woken, but `self` (NULL: none), whose thread this is and which comes
 * round by itself. The mark should not go back. */
void hold_release(struct net *net, enum hold_mark which, uint64_t offset, const struct loop *self);

/* Relaxed: of what waits for the disk only acknowledgements of a connection's own writes are held, since the mark may not move for
 * long, and reads are to go on. Any thread; what is held already is looked at anew. */
void hold_relax(struct net *net, bool relaxed);

/* How far a mark has come. */
static inline uint64_t hold_mark(const struct net *net, enum hold_mark which)
{
    return atomic_load_explicit(&net->marks[which], memory_order_relaxed);
}

/* ---- for the rooms of net alone ------------------------------------------------------------------------ */

/* Whether output of this connection has to be looked at by hold.c. */
static inline bool hold_concerns(const struct conn *conn)
{
    return __builtin_expect(
        conn->hold != NULL || atomic_load_explicit(&conn->loop->net->holding, memory_order_relaxed) != 0, 0);
}

/* Holds loop->reply's bytes from .. to, or a block, of a connection that is concerned. False: they may go out. */
bool hold_reply(struct conn *conn, size_t from, size_t to);
bool hold_block(struct conn *conn, struct block *block);

/* Sends what the loop's connections hold and is due. */
void hold_flush_due(struct loop *loop);

static inline void hold_flush(struct loop *loop)
{
    if (__builtin_expect(loop->held != NULL, 0)) {
        hold_flush_due(loop);
    }
}

/* Drops what a connection holds. */
void hold_drop(struct conn *conn);

#endif
