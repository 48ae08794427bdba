/*
 * Outboxes: how a push gets from the loop where it was made to the audiences of all loops. A loop collects what it has for each
 * other one, and hands that over as one batch when it is about to poll; the receiver is woken once, and queues
 * a run of pushes for an audience with one copy for each member. Nothing is locked: a batch is pushed on a stack that the
 * receiver takes as a whole.
 *
 * An audience changes on its own loop alone, after outbox_catch_up: so whoever was in an audience when something was published
 * is sent it, nobody else is, and what stands in an outbox may point to its audience, which lives as long as it has members.
 *
 * Threads: a worker's own, inside the gate or not, except outbox_catch_up, which reads other workers' under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_OUTBOX_H
#define ORDINAL_COMMANDS_OUTBOX_H

#include "commands/server.h"
#include "commands/topic.h"
#include "net/push.h"

/* Gives each worker its outbox, at start; takes them away, with what is in them. */
void outbox_init(struct server *server);
void outbox_free(struct server *server);

/* Sends a push, of which it keeps a reference, to an audience. Inside the gate. False: no memory. */
bool outbox_add(struct worker *w, struct push *push, struct audience *audience);

/* After a batch, inside the gate, before its replies are sent: hands other workers what is for them. So what a command has set off
 * is with a receiver's loop before the command is answered. */
void outbox_hand_over(struct worker *w);

/* Before the loop polls, and before it serves: hands out what was added, and queues what came for its own connections. */
void outbox_before_poll(struct worker *w);

/* Under the gate alone, before the audiences of this worker's loop change: queues all that was sent to them so far, by
 * whichever worker. */
void outbox_catch_up(struct worker *w);

#endif
