/*
 * Dispatch: from a batch of requests to handlers that hold what they need: the shard of their key, or the gate alone.
 *
 * Threads: the loop's own.
 */
#ifndef ORDINAL_COMMANDS_DISPATCH_H
#define ORDINAL_COMMANDS_DISPATCH_H

#include "commands/server.h"

struct call;

/* The hook of net that asks for memory before an input buffer takes it. */
void dispatch_make_room(struct loop *loop, size_t bytes);

/* The three hooks of net by which a batch is served (see struct net_hooks). */
void dispatch_prepare(struct conn *conn, const struct request *requests, size_t first, size_t count);
void dispatch_fetch(struct loop *loop, size_t count);
size_t dispatch_serve(struct conn *conn, struct request *requests, size_t first, size_t count);

/* Runs the handler of a call whose client waited (block.h), and counts it as the dispatcher does unless the client goes on
 * waiting. Alone. */
void dispatch_again(struct call *c);

/* Counts a command whose wait has ended without what it waited for; NULL: none. Inside the gate. */
void dispatch_count_waited(struct worker *w, const struct command *command, bool failed);

/* Bytes that each worker needs for its batch. */
size_t dispatch_batch_size(void);

#endif
