/*
 * Replay: runs the commands of an append-only file as a client that has no connection. They are not dispatched as a client's are:
 * nothing is refused, counted, timed, logged or told to anyone, and no reply is kept, as Redis does while it loads.
 *
 * Nothing expires meanwhile: a key that has passed its deadline since the file was written was there for the commands behind it, and
 * where it expired the file says so (DEL). So commands run with a `now` before all deadlines (ENTRY_NOTHING_DUE): what is past
 * is set as it is asked for, and the sweep takes it when loading is over. Deadlines that are relative, which
 * servers do not write, count from the time of loading.
 *
 * The commands of a transaction are kept until its EXEC, so that one that has no end has done nothing.
 *
 * Threads: the loading thread, which takes part in the gate as one more loop: a command of one key runs with that key's
 * shard locked, any other alone. Or (`alone`) whoever runs alone already.
 */
#ifndef ORDINAL_COMMANDS_REPLAY_H
#define ORDINAL_COMMANDS_REPLAY_H

#include "commands/client.h"
#include "persist/aof_load.h"

struct replay;

/* NULL: no memory. */
struct replay *replay_new(struct server *server, bool alone);
void replay_free(struct replay *r);

/* The hooks of aof_load; `context` is the replay. */
void replay_begin(void *context);
size_t replay_run(void *context, const struct aof_command *commands, size_t count, char *reason,
                  size_t reason_size);
bool replay_unfinished(void *context, uint64_t *offset);

/* Commands that replied with an error. What they should have done is not done; the first ones are told to the log. */
uint64_t replay_errors(const struct replay *r);

/* Changes of the keyspace, as the server counts them. */
uint64_t replay_changes(const struct replay *r);

#endif
