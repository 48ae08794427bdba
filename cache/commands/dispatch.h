/*
 * Dispatch: from a batch of requests to handlers that hold what they need: the shard of their key, or the gate alone.
 *
 * Threads: the loop's own.
 */
#ifndef ORDINAL_COMMANDS_DISPATCH_H
#define ORDINAL_COMMANDS_DISPATCH_H

#include "commands/server.h"

/* The hook of net that asks for memory before an input buffer takes it. */
void dispatch_make_room(struct loop *loop, size_t bytes);

/* The three hooks of net by which a batch is served (see struct net_hooks). */
void dispatch_prepare(struct conn *conn, const struct request *requests, size_t first, size_t count);
void dispatch_fetch(struct loop *loop, size_t count);
size_t dispatch_serve(struct conn *conn, struct request *requests, size_t first, size_t count);

/* Bytes that each worker needs for its batch. */
size_t dispatch_batch_size(void);

#endif
