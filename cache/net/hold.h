/*
 * Held output: what a connection is sent may have to wait until a mark, some offset of a log, has come far enough: until
 * the writes that it acknowledges, or that it could tell of, are on the disk, or with the replicas. `net` knows offsets alone:
 * the hook `due` says which offset must be reached before what is sent now may go out, and hold_release says how far the mark
 * has come.
 *
 * Held output keeps its order: while a connection holds something, all that it is sent afterwards is held behind it,
 * replies and pushes alike. It counts as unsent: for the limits of the connection's class, for not serving who does not read,
 * for closing after the last reply. It is dropped with the connection.
 *
 * While nothing is held it costs one test for each write to a connection.
 *
 * Threads: hold_on and hold_off under what keeps every loop from serving (the gate alone); hold_release from any one thread
 * at a time; the rest on the loop's own.
 */
#ifndef ORDINAL_NET_HOLD_H
#define ORDINAL_NET_HOLD_H

#include "net/conn.h"

/* From here on output is held as the hook says. The mark counts on whether something is held or not. */
void hold_on(struct net *net);

/* Nothing is held any more, and what is goes out. */
void hold_off(struct net *net);

/* What is due up to `mark` may go out; the loops concerned are woken. The mark should not go back. */
void hold_release(struct net *net, uint64_t mark);

/* Relaxed: only what acknowledges a connection's own writes is held (the hook's `own`), since the mark may not move for long, and
 * reads are to go on. Any thread; what is held already is looked at anew. */
void hold_relax(struct net *net, bool relaxed);

/* How far the mark has come. */
static inline uint64_t hold_mark(const struct net *net)
{
    return atomic_load_explicit(&net->mark, memory_order_relaxed);
}

/* ---- for the rooms of net alone ------------------------------------------------------------------------ */

/* Whether output of this connection has to be looked at by hold.c. */
static inline bool hold_concerns(const struct conn *conn)
{
    return __builtin_expect(
        conn->hold != NULL || atomic_load_explicit(&conn->loop->net->holding, memory_order_relaxed), 0);
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
