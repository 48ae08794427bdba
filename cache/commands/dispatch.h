/*
 * Dispatch: from a batch of requests to handlers that hold what they need: the shard of their key, or the gate alone.
 *
 * Threads: the loop's own.
 */
#ifndef ORDINAL_COMMANDS_DISPATCH_H
#define ORDINAL_COMMANDS_DISPATCH_H

#include "commands/server.h"

/* The serve hook of net (see struct net_hooks). */
size_t dispatch_serve(struct conn *conn, struct request *requests, size_t count);

/* Bytes that each worker needs for its batch. */
size_t dispatch_batch_size(void);

#endif
