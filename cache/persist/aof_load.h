/*
 * Loads the append-only file: the files of a manifest in their order, first the base, which is a snapshot or commands, and then
 * each increment. What commands do is the business of the hooks.
 *
 * A command that is cut off at the end of the last file, or a transaction that has no end there, is what a crash leaves: where
 * that is allowed the file is truncated to what is before it. Anywhere else, and whatever else is wrong, refuses the whole set: with
 * the file, the offset and the reason.
 *
 * Source: Redis manual, "Redis persistence"; texts in the log are those of Redis 7.0, which people and tools look for.
 * Threads: one thread's own; what is loaded belongs to the hooks.
 */
#ifndef ORDINAL_PERSIST_AOF_LOAD_H
#define ORDINAL_PERSIST_AOF_LOAD_H

#include <stdatomic.h>

#include "persist/aof_manifest.h"
#include "persist/aof_reader.h"

enum aof_load_end {
    AOF_LOAD_DONE,
    AOF_LOAD_REFUSED,
    AOF_LOAD_STOPPED /* `goes_on` said no */
};

struct aof_load_hooks {
    void *context;

    /* A file of commands begins: they are for database 0, and in no transaction. */
    void (*begin)(void *context);

    /* Runs commands in order. Returns how many ran: where they are fewer, *reason says what is wrong with the one behind them
     * ("Unknown command 'x'"). */
    size_t (*run)(void *context, const struct aof_command *commands, size_t count, char *reason,
                  size_t reason_size);

    /* Whether a transaction has begun and not ended; *offset: of its MULTI, in the present file. It is given up then. */
    bool (*unfinished)(void *context, uint64_t *offset);

    /* Loads a snapshot from a file that is open for reading, at its beginning; *behind: the offset behind it. `path` is for the
     * log, which is told what is wrong. */
    enum aof_load_end (*snapshot)(void *context, const char *path, int fd, uint64_t *behind);

    /* Now and then: whether to go on. Or NULL. */
    bool (*goes_on)(void *context);
};

struct aof_load_options {
    const char *folder;
    const struct aof_manifest *manifest;
    bool truncates; /* aof-load-truncated */
    struct aof_load_hooks hooks;
    _Atomic uint64_t *total,
        *bytes; /* progress: of all files, and of these what is loaded; others may read them */
};

struct aof_load_result {
    char file[AOF_FILE_NAME_SIZE]; /* REFUSED: in which … */
    uint64_t offset;               /* … and where */
    char reason[768];              /* "": the log was told by the hook */
    uint64_t commands;             /* that ran */
    bool truncated;                /* the last file was, at `offset` of `file` */
};

enum aof_load_end aof_load(const struct aof_load_options *options, struct aof_load_result *result);

/* Bytes of all files of a manifest. False when one is not there or cannot be looked at: *missing is its name, and errno says
 * why. */
bool aof_load_size(const char *folder, const struct aof_manifest *m, uint64_t *size, const char **missing);

#endif
