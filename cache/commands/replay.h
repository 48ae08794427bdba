/*
 * Replay: runs commands of a stream as a client that has no connection: of an append-only file, or of a master. They are not
 * dispatched as a client's are: nothing is refused or timed, and no reply is kept.
 *
 * Nothing expires meanwhile: a key that has passed its deadline since a command was written was there for the commands behind it, and
 * where it expired the stream says so (DEL). So commands run with a `now` before all deadlines (ENTRY_NOTHING_DUE): what is past
 * is set as it is asked for, and the sweep takes it when loading is over, or the master. Deadlines that are relative, which
 * servers do not write, count from the time of running.
 *
 * The commands of a transaction are kept until its EXEC, so that one that has no end has done nothing.
 *
 * Of a file nothing is told to anyone, as that was done when it was written. What a master sends happens here for the first time:
 * it is published, invalidates what clients have cached and watch, and serves those who wait; its transactions run alone, as a whole; and
 * its bytes go on to the log (relay.h). A command that a master could run and this node cannot is told to the log and passed
 * over, as Redis does.
 *
 * Threads: the gate's player: a command of one key runs with that key's shard locked, any other alone. Or (REPLAY_FILE_ALONE)
 * whoever runs alone already.
 */
#ifndef ORDINAL_COMMANDS_REPLAY_H
#define ORDINAL_COMMANDS_REPLAY_H

#include "commands/client.h"
#include "persist/aof_load.h"

struct replay;

enum replay_kind { REPLAY_FILE, REPLAY_FILE_ALONE, REPLAY_STREAM };

/* NULL: no memory. */
struct replay *replay_new(struct server *server, enum replay_kind kind);
void replay_free(struct replay *r);

/* The hooks of aof_load; `context` is the replay. */
void replay_begin(void *context);
size_t replay_run(void *context, const struct aof_command *commands, size_t count, char *reason,
                  size_t reason_size);
bool replay_unfinished(void *context, uint64_t *offset);

/* Bytes of a stream: whole commands, behind one another. */
struct replay_bytes {
    const struct aof_command *commands;
    size_t count;
    const char *bytes; /* of the first of them … */
    uint64_t end;      /* … and the offset behind the last */
};

/* Whether the stream still counts: asked inside the gate or alone, whenever others may have run in between. */
typedef bool replay_wanted_fn(void *context);

enum replay_played {
    PLAYED_ALL,
    PLAYED_UNWANTED, /* … any more: something at the end has not run, nor gone to the log */
    PLAYED_FAILED    /* no memory, with a reason: this node's data is not the master's any more */
};

/* REPLAY_STREAM: runs commands, which go to the log as well. */
enum replay_played replay_play(struct replay *r, const struct replay_bytes *stream, replay_wanted_fn *wanted,
                               void *context, char *reason, size_t reason_size);

/* REPLAY_STREAM: empties all databases, before another stream begins. Alone. */
void replay_flush(struct replay *r);

/* REPLAY_STREAM: the database that the stream is for, and whether it is within a transaction. replay_begin forgets both. */
int replay_db(const struct replay *r);

/* REPLAY_STREAM: the stream goes on with this database, where it begins in the midst of another node's. */
void replay_select(struct replay *r, int db);

/* Commands that replied with an error. What they should have done is not done; the first ones are told to the log. */
uint64_t replay_errors(const struct replay *r);

/* Changes of the keyspace, as the server counts them. */
uint64_t replay_changes(const struct replay *r);

#endif
