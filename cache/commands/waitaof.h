/*
 * WAITAOF: until what a connection wrote is on this node's disk, and on that of so many replicas.
 *
 * Threads: a worker's list of those who wait is its loop's, inside the gate; or alone.
 */
#ifndef ORDINAL_COMMANDS_WAITAOF_H
#define ORDINAL_COMMANDS_WAITAOF_H

#include "commands/server.h"

/* More is on the disk: loops where somebody waits for it are woken. Any thread. */
void waitaof_wake(struct server *server);

/* Before the loop polls: answers those whose wait is over. */
void waitaof_before_poll_slow(struct worker *w);
static inline void waitaof_before_poll(struct worker *w)
{
    if (__builtin_expect(atomic_load_explicit(&w->waitaof, memory_order_relaxed) != NULL, 0)) {
        waitaof_before_poll_slow(w);
    }
}

#endif
