/*
 * A client: it does one operation after the other, each through a node of its choice, and every one that bears on a guarantee is a
 * line of the history:
 *
 *     CLIENT KIND NODE KEY ARGUMENT SENT REPLIED OUTCOME VALUE
 *
 * SENT and REPLIED are CLOCK_MONOTONIC in nanoseconds, the same clock for all, taken before the request is sent and after the reply
 * has come, so what they say of an order is so. OUTCOME is '+' done, '0' done and nil, '!' refused and certainly not done, '?' not
 * known: no reply came in time ("gave_up"), the connection broke ("closed"), or the error leaves it open. An empty field is "-".
 */
#ifndef ORDINAL_LOAD_CLIENT_H
#define ORDINAL_LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link.h"

enum { NODES = 8, NAME = 48, TEXT = 96, REQUEST = 1024, MS = 1000000 };

/* An operation; `kind` NULL for one that is not recorded. */
struct op {
    const char *kind;
    int node;
    int replies; /* of which the last one counts */
    char key[NAME], argument[NAME], value[TEXT];
    int64_t sent, replied;
    char outcome;
};

struct client;

/* What a client does. `ask` prepares the next operation (client_ask, or nothing for now); `told` hears how it ended. `value`, where
 * there is one, makes the value of the reply instead of reply_text. */
struct role {
    const char *name;
    void (*ask)(struct client *c);
    void (*told)(struct client *c);
    char (*value)(const char *reply, char *text, size_t room);
};

struct client {
    int number;
    const struct role *role;
    uint64_t random;
    struct link links[NODES];
    struct op op;
    bool busy;
    char request[REQUEST];
    size_t request_len;
    int64_t patience; /* nanoseconds that it waits for a reply */
    int64_t wake_at;  /* when it does the next thing */
    /* the role's own */
    bool follow;
    int64_t count, until;
    int generation, slot;
    char key[NAME];
};

/* What all clients go by; set at start, by load.c. */
extern struct node nodes[NODES];
extern int node_count;
extern int writers[NODES], writer_count; /* the nodes that are sent writes */
extern int64_t pace;                     /* nanoseconds between two operations, on average */

int64_t now(void);

/* A random number in 0 .. below - 1. */
uint32_t pick(struct client *c, uint32_t below);

/* A node that is sent writes, and any node. */
int pick_writer(struct client *c);
int pick_reader(struct client *c);

/* Prepares an operation: its kind and node, then words between blanks, which are the request; the key is the second word. A
 * newline begins another command of the same operation. */
__attribute__((format(printf, 4, 5))) void client_ask(struct client *c, const char *kind, int node,
                                                      const char *format, ...);

/* Does nothing for about so long. */
void client_rest(struct client *c, int64_t nanoseconds);

/* Does what can be done now: begins an operation, reads its reply, gives it up. */
void client_step(struct client *c, int epoll);
void client_readable(struct link *link);

/* Ends what it still waits for, as not known. */
void client_end(struct client *c);

#endif
