/*
 * A bundle: the commands of a transaction that is being replayed (replay.h), kept with copies of their arguments until its EXEC
 * comes. Three arrays that grow, and are used again for the next one.
 *
 * Threads: its owner's alone.
 */
#ifndef ORDINAL_COMMANDS_BUNDLE_H
#define ORDINAL_COMMANDS_BUNDLE_H

#include <stdbool.h>

#include "commands/command.h"
#include "persist/aof_reader.h"

/* How a replayed command runs. */
enum replay_what { RUN_ON_KEY, RUN_ALONE, RUN_FREE, RUN_SELECT, RUN_MULTI, RUN_EXEC, RUN_NOTHING, REFUSED };

/* What is known of a command before it runs. */
struct planned {
    const struct command *command;
    enum replay_what what;
    const char *key; /* bytes of its first key; NULL: none */
    uint64_t hash;
};

/* A command that waits for its EXEC. */
struct kept {
    struct planned planned;
    size_t first, argc; /* its arguments in `args` */
    uint64_t offset;
};

struct bundle {
    struct kept *commands;
    struct slice *args; /* until it is settled, `ptr` is an offset in `bytes` */
    char *bytes;
    size_t command_count, command_room, arg_count, arg_room, len, room;
};

/* Keeps a copy. False: no memory. */
bool bundle_keep(struct bundle *u, const struct planned *planned, const struct aof_command *command);

/* Before it runs, once nothing moves any more: gives the arguments their addresses. */
void bundle_settle(struct bundle *u);

/* Empties it; a large one gives its memory back. */
void bundle_clear(struct bundle *u);

void bundle_free(struct bundle *u);

#endif
