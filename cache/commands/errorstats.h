/*
 * Counts of error replies by their code (INFO's errorstats).
 *
 * Threads: each worker counts for itself; read under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_ERRORSTATS_H
#define ORDINAL_COMMANDS_ERRORSTATS_H

#include "commands/server.h"

/* Counts an error. `text` begins with its code ("ERR …") and may go on beyond the line. */
void errorstats_note(struct worker *w, struct slice text);

/* Calls `each` with every code and its count over all workers. Under the gate alone. */
void errorstats_each(struct server *server, void (*each)(void *context, const char *code, uint64_t count),
                     void *context);

/* Forgets all codes. Under the gate alone. */
void errorstats_reset(struct server *server);

#endif
