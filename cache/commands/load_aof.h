/*
 * Loading the append-only file: the files of its manifest, or the one file of servers before Redis 7, which becomes such a set.
 *
 * Threads: as load.h says.
 */
#ifndef ORDINAL_COMMANDS_LOAD_AOF_H
#define ORDINAL_COMMANDS_LOAD_AOF_H

#include "commands/load.h"

/* With appendonly yes at start. Where there is no append-only file a snapshot is not looked at either, as in Redis. */
extern const struct load_kind load_kind_aof;

/* Loads it into the keyspace, which is empty. `alone`: the caller runs alone (DEBUG LOADAOF). */
enum load_end load_aof(struct loading *loading, bool alone);

#endif
