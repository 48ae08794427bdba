/*
 * What a client may cost: idle time (`timeout`), memory of all clients together (`maxmemory-clients`), and the soft output
 * limit of one that is sent nothing new, so that no write looks at it.
 *
 * Each loop goes round its own connections once a second, a slice in each tick of its cron; with maxmemory-clients it goes
 * round in every tick while they are few. At the end of a round it publishes what its clients take and the largest of them
 * (those in NO-EVICT apart: closing others would not make them smaller). When all loops together are over the limit, the
 * loop that has the largest client of all closes it: no loop needs to look at another one's connections.
 *
 * Threads: each loop's own, inside the gate; the published counters may be read by any.
 */
#ifndef ORDINAL_COMMANDS_CLIENT_LIMITS_H
#define ORDINAL_COMMANDS_CLIENT_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "counter.h"

struct client;
struct conn;
struct server;
struct worker;

/* What a round over clients found. */
struct client_totals {
    int64_t memory;     /* of all clients, bytes */
    int64_t evictable;  /* … of those that may be evicted, which is what maxmemory-clients bounds */
    int64_t blocked;    /* clients that wait inside a command */
    int64_t monitoring; /* clients in MONITOR */
    int64_t max_input, max_output;
};

struct client_limits {
    struct conn *at;            /* the next to be looked at in this round; NULL: a round begins */
    struct client_totals round; /* of the round under way */
    struct client_totals last;  /* of the last whole one */
    struct client *largest;     /* that may be evicted, of the round under way */
    int64_t largest_memory;
    struct client *victim;            /* the largest of the last whole round */
    counter evictable, victim_memory; /* published: of the last whole round */
    uint64_t evicted;                 /* clients closed for maxmemory-clients */
    uint64_t output_closed;           /* clients closed at a soft output limit */
    uint64_t timed_out;               /* clients closed for `timeout` */
    int64_t ticked;                   /* ms of clock.h of the last tick */
};

/* One tick of a worker's cron. */
void client_limits_tick(struct worker *w);

/* Before commands run, where maxmemory-clients is set: a tick, unless there was one in this millisecond. So clients that
 * grow are closed before keys are evicted for what they take. May close the very client that is served. */
void client_limits_check(struct worker *w);

/* Forgets a connection that is going away, with its client if it has one; it may already be out of the loop's list. */
void client_limits_forget(struct conn *conn);

/* Memory of a client: connection, input, output, and what the commands keep of it. */
size_t client_memory(const struct client *client);

/* Totals over all loops: exact while there are few connections, else those of the last whole rounds (without `evictable`).
 * Under the gate alone. */
void client_limits_totals(struct server *server, struct client_totals *totals);

#endif
