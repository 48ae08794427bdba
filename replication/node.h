/*
 * The node: this server's part among those that hold the same data. It is a master or a replica, and brings the master's end of the
 * stream (master.h) and the replica's end together with the server below, which knows neither: struct server_above.
 *
 * Threads: as each of its parts says.
 */
#ifndef ORDINAL_REPLICATION_NODE_H
#define ORDINAL_REPLICATION_NODE_H

#include "commands/server.h"
#include "replication/acks.h"
#include "replication/census.h"
#include "replication/drain.h"
#include "replication/failover.h"
#include "replication/forward.h"
#include "replication/master.h"
#include "replication/recovery.h"
#include "replication/replica.h"
#include "replication/roster.h"

struct node {
    struct server *server;
    struct forward forward;  /* what only the master may do is carried to it */
    _Atomic bool is_replica; /* else a master; changes alone */
    struct master master;
    struct replica replica;
    struct roster roster;
    struct census census;
    struct recovery recovery;
    struct acks acks;
    struct drain_state drain;
    struct failover failover; /* this master hands its role to a replica */
};

static inline struct node *node_of(const struct server *server)
{
    return server->above.context;
}

/* What this node shows to another one, or to the master that it was told of; inside the gate. */
const char *node_password(const struct node *node);

/* Registers the commands of replication. Once, before server_init. */
void node_register(void);

/* After server_init, before any loop runs. Ends the process where the settings do not say who this node is. */
void node_init(struct node *node, struct server *server);
void node_free(struct node *node);

/* When loop 0 has ended, before the others are stopped. False: a thread cannot be ended, so the process must end without freeing what
 * it works on. */
bool node_stop(struct node *node);

#endif
