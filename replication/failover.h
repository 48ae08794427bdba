/*
 * FAILOVER: a master hands its role to one of its replicas, and follows it from then on, with nothing lost.
 *
 *   none ──FAILOVER──▶ waits ──the replica has the end of the log──▶ hands over ──it serves now──▶ none, a replica
 *                        └──TIMEOUT: with FORCE as it is, else called off─┘ └──it refuses──▶ none, a master
 *
 * While it waits writes are held back, so the log stands still. Then this node becomes a replica of the chosen one, and its PSYNC
 * carries one word more, FAILOVER: the other end, a replica of the same history, becomes a master on hearing it, and goes on with this
 * node from where both are. At no time are there two masters: whoever asks is none any more. Writes that were held back meet a replica.
 *
 * In a roster ordinal 0 is the master: no FAILOVER there.
 *
 * Threads: changes alone; the state is read by any.
 */
#ifndef ORDINAL_REPLICATION_FAILOVER_H
#define ORDINAL_REPLICATION_FAILOVER_H

#include <stdatomic.h>

#include "commands/call.h"
#include "commands/command.h"

struct node;

enum failover_state { FAILOVER_NONE, FAILOVER_WAITS, FAILOVER_HANDS_OVER };

struct failover {
    _Atomic int state;
    char host[64]; /* the replica, as INFO shows it; "": the first one that has everything */
    int port;
    bool force;
    int64_t until; /* ms of clock.h; 0: for ever */
};

static inline bool failover_is_active(const struct failover *failover)
{
    return atomic_load(&failover->state) != FAILOVER_NONE;
}

/* Whether PSYNC asks the other end to take over. */
static inline bool failover_hands_over(const struct failover *failover)
{
    return atomic_load(&failover->state) == FAILOVER_HANDS_OVER;
}

/* As INFO names it. */
const char *failover_state_name(const struct failover *failover);

/* Several times a second, on loop 0, outside of the gate. */
void failover_tick(struct node *node);

/* The other end has answered PSYNC: it has taken over, or does not. Alone. */
void failover_answered(struct node *node, bool taken_over);

/* PSYNC … FAILOVER: this node becomes a master, if it is a replica of the history `id`. False: it does not; the error is replied, but to
 * a replica. Alone. */
bool failover_take_over(struct call *c, struct slice id);

extern const struct command failover_commands[];

#endif
