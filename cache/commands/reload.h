/*
 * DEBUG RELOAD: writes the snapshot, empties the server, and loads the snapshot, all at once. It exercises what a restart does: each
 * type's writer and reader, and that deadlines survive.
 *
 * Threads: under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_RELOAD_H
#define ORDINAL_COMMANDS_RELOAD_H

#include "commands/call.h"

struct reload_options {
    bool save;  /* else what is in the file is loaded */
    bool flush; /* else what is there stays … */
    bool merge; /* … and keys of the file take the place of those that are there, instead of being refused */
};

/* Replies. */
void reload_run(struct call *c, const struct reload_options *options);

/* DEBUG LOADAOF: empties the server and loads the append-only file, which has then been written to its end. Replies. */
void reload_run_aof(struct call *c);

#endif
