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

/* A command that runs within another one. */
struct nested {
    const struct command *command;
    int id; /* command_id */
    struct slice *argv;
    size_t argc;
    uint64_t hash;   /* of its first key */
    const char *key; /* that key's bytes in argv; NULL: none */
    bool one_key;    /* it needs that key's shard and nothing else */
};

/* Runs it for the client of a call that runs alone, or has its shard (EXEC, a script), with nothing looked at first: its reply goes behind what is
 * there, it must not block, and it is counted, logged and shown to monitors like any other. `began`: the time in ticks; returns
 * the time when it ended. */
uint64_t dispatch_nested(struct call *outer, const struct nested *command, uint64_t began);

/* Bytes that each worker needs for its batch. */
size_t dispatch_batch_size(void);

#endif
