/*
 * MONITOR: every command that any client runs, as a line to each monitoring client.
 *
 * Threads: a worker's list of monitors is its loop's own; how many there are (worker->monitoring, server->monitors) may be
 * read by any.
 */
#ifndef ORDINAL_COMMANDS_MONITOR_H
#define ORDINAL_COMMANDS_MONITOR_H

#include "commands/call.h"

/* Shows the call, which has just run, to all monitors. Called while server->monitors is not 0. */
void monitor_feed(struct call *c);

/* Forgets a client that monitors and is going away. */
void monitor_forget(struct client *client);

#endif
