/*
 * WAIT and WAITAOF: until what a connection wrote is with so many replicas, or on the disks of this node and of so many replicas.
 *
 * Threads: a loop's list of those who wait is its own, inside the gate; or alone.
 */
#ifndef ORDINAL_REPLICATION_WAIT_H
#define ORDINAL_REPLICATION_WAIT_H

#include "commands/command.h"
#include "commands/server.h"

struct wait;

extern const struct command wait_commands[];

/* Before the loop polls: answers those whose wait is over. */
void wait_answer_reached(struct worker *w);

#endif
