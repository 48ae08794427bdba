/*
 * CLIENT KILL: closes the clients to which all of its filters apply.
 */
#ifndef ORDINAL_COMMANDS_CLIENT_KILL_H
#define ORDINAL_COMMANDS_CLIENT_KILL_H

#include "commands/call.h"

/* Under the gate alone. */
void client_kill_run(struct call *c);

#endif
