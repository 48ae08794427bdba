/*
 * Start-up of the server (startup.c).
 */
#ifndef ORDINAL_COMMANDS_STARTUP_H
#define ORDINAL_COMMANDS_STARTUP_H

#include "commands/server.h"

/* Sets everything up from the settings: databases, workers, hooks between net and commands. All commands are registered before. Ends the
 * process with a message when that is impossible. */
void server_init(struct server *server, struct config *config);

/* After all loops have ended: frees what the server holds, in builds that are checked for leaks. */
void server_free(struct server *server);

#endif
