/*
 * CLIENT PAUSE: clients whose next command is held back wait in their worker's list until the pause ends.
 *
 * Threads: the client's own loop; the pause itself is set under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_PAUSE_H
#define ORDINAL_COMMANDS_PAUSE_H

#include "commands/client.h"
#include "commands/command.h"

/* Pauses writes, or all commands, for so many milliseconds; a pause that lasts is made longer and stricter, never less.
 * Under the gate alone, as pause_end. */
void pause_begin(struct server *server, int64_t timeout, bool all);
void pause_end(struct server *server);

/* Whether a pause holds this command back (NULL: no such command). If so the client's connection is stalled, and goes on by
 * itself when the pause ends. */
bool pause_holds(struct client *client, const struct command *command);

/* Holds a client's next command back until pause_wake, for another reason than a pause: its connection is stalled. On its loop. */
void pause_hold(struct client *client);

/* Lets clients that are held on any loop try again, unless a pause lasts. Any thread. */
void pause_wake(struct server *server);

/* What else pauses writes: the server is about to end, or another one is about to become the master. */
enum pause_purpose { PAUSE_SHUTDOWN = 1 << 0, PAUSE_FAILOVER = 1 << 1 };

/* Writes are paused, whatever CLIENT PAUSE and UNPAUSE say, until all such purposes are over, and then as they have said. Under the
 * gate alone. */
void pause_for(struct server *server, enum pause_purpose why, bool begin);

/* Takes a client that is going away out of its worker's list. */
void pause_forget(struct client *client);

/* Lets the paused clients of this worker go on when the pause is over; called by its cron. */
void pause_check(struct worker *w);

#endif
