/*
 * MONITOR: every command that any client runs, as a line to each monitoring client.
 */
#ifndef ORDINAL_COMMANDS_MONITOR_H
#define ORDINAL_COMMANDS_MONITOR_H

#include "commands/call.h"

/* Shows the call, about to run, to all monitors. Called while server->monitors is not 0. */
void monitor_feed(struct call *c);

/* Forgets a client that monitors and is going away. */
void monitor_forget(struct client *client);

#endif
