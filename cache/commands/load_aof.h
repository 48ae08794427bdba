/*
 * Loading the append-only file: the files of its manifest, or the one file of servers before Redis 7, which becomes such a set.
 *
 * Threads: as load.h says.
 */
#ifndef ORDINAL_COMMANDS_LOAD_AOF_H
#define ORDINAL_COMMANDS_LOAD_AOF_H

#include "commands/load.h"

/* With appendonly yes at start. */
extern const struct load_kind load_kind_aof;

/* … and where there is no append-only file yet: the snapshot is loaded, and becomes the first base. Redis starts empty there, and a
 * later save then takes the snapshot's place. */
extern const struct load_kind load_kind_first_base;

/* Loads it into the keyspace, which is empty. `alone`: the caller runs alone (DEBUG LOADAOF). */
enum load_end load_aof(struct loading *loading, bool alone);

#endif
