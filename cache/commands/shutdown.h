/*
 * The end of the server: SHUTDOWN, SIGTERM and SIGINT. Where save points are set (or SHUTDOWN SAVE says so) a last file is saved
 * first; until it is, nothing may change, so that nothing is acknowledged that the file does not have, while reads go on. Where that
 * fails the server does not end, unless FORCE says so.
 *
 * Threads: under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_SHUTDOWN_H
#define ORDINAL_COMMANDS_SHUTDOWN_H

#include "commands/server.h"

/* At start. */
void shutdown_init(struct server *server);

/* From loop 0, outside of the gate: SIGTERM or SIGINT has come. A second SIGINT ends the server without saving. */
void shutdown_by_signal(struct server *server, int number);

#endif
