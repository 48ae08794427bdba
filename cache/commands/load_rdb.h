/*
 * Loading an RDB file: the hooks by which persist/rdb_load.h reads values, and what the log is told.
 */
#ifndef ORDINAL_COMMANDS_LOAD_RDB_H
#define ORDINAL_COMMANDS_LOAD_RDB_H

#include "commands/load.h"

/* The snapshot: `dbfilename` in `dir`. */
extern const struct load_kind load_kind_rdb;

/* The same, where deadlines that have passed may be kept (rdb_load.h). */
enum load_end load_rdb_snapshot(struct loading *loading, bool keep_expired);

struct load_rdb_how {
    bool
        alone; /* the caller runs alone, or nobody else runs: the gate is not entered, and nobody asks to stop */
    bool keep_expired; /* as in rdb_load.h … */
    bool replace;
    struct keyspace *into; /* NULL: the server's */
};

/* Loads an RDB file. What is wrong with it goes to the log. */
enum load_end load_rdb_file(struct loading *loading, const char *path, const struct load_rdb_how *how);

/* The same with an RDB from anywhere: `options` needs `source` and `whole`; `name` is for the log. *result is what rdb_load gave. */
enum load_end load_rdb_source(struct loading *loading, const char *name, const struct load_rdb_how *how,
                              struct rdb_load_options *options, struct rdb_load_result *result);

#endif
