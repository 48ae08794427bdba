/*
 * The end of the server: SHUTDOWN, SIGTERM and SIGINT. Replicas get the end of the log first, for which shutdown-timeout is waited at
 * most (NOW: not at all); then, where save points are set (or SHUTDOWN SAVE says so), a last file is saved. Until that is done nothing
 * may change, so that nothing is acknowledged that they do not have, while reads go on. Where it fails the server does not end, unless
 * FORCE says so. A signal that finds the append-only file not complete for the first time waits for that, too.
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

/* Several times a second, on loop 0, outside of the gate. */
void shutdown_tick(struct server *server);

/* For how many more milliseconds replicas are waited for; -1: they are not. Alone. */
int64_t shutdown_waits_ms(const struct server *server);

#endif
