/*
 * A replica's read lease: until when it may answer reads by itself. The master grants it in the stream, behind everything that has to be
 * applied first, and waits for the acknowledgements of who holds one before a client gets its reply (acks.h). It is counted from the
 * time at which this node sent the acknowledgement that the grant answers, by a clock that goes on while the machine sleeps.
 *
 * Threads: granted and dropped by the player; asked by any loop.
 */
#ifndef ORDINAL_REPLICATION_LEASE_H
#define ORDINAL_REPLICATION_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct lease {
    _Atomic int64_t until; /* ms of clock_boot; 0: there is none */
    _Atomic uint64_t grants;
    _Atomic int64_t master_offset; /* of the history, as the last one said */
    int64_t length;                /* of the last one, in ms */
    int64_t
        clock_took; /* how long it took to hear what time it is for the master, when that was taken over, in ms */
};

/* Takes an annotation of the stream: a line "#LEASE …" (acks.h) renews it, and says what time it is for the master. False: it is
 * another line, or makes no sense. */
bool lease_take(struct lease *lease, struct slice line);

/* The master's wall clock showed `wall` (ms) about half of `took` (ms) ago. */
void lease_set_clock(struct lease *lease, int64_t wall, int64_t took);

/* What this node has is not the master's any more. */
void lease_drop(struct lease *lease);

/* Whether reads may be answered now. */
bool lease_holds(const struct lease *lease);

#endif
