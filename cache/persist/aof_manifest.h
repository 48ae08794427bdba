/*
 * The manifest of the append-only file: which files it consists of, in Redis 7's multi-part layout. A line for each file:
 *
 *   file appendonly.aof.2.base.rdb seq 2 type b      the base: a snapshot, or the commands that make one; at most one
 *   file appendonly.aof.1.incr.aof seq 1 type h      history: nobody needs it any more, it is to be deleted
 *   file appendonly.aof.4.incr.aof seq 4 type i      an increment: commands that follow, in ascending order of seq
 *
 * Names are quoted where they must be, lines that begin with # are comments, and pairs that are not known are passed over
 * (startoffset and endoffset of Redis 8: positions in a master's stream of replication, which mean nothing here).
 *
 * The manifest is replaced whole, by rename, so that at any moment the files that it names are complete. It lies in the folder of
 * the files (appenddirname) and is named <appendfilename>.manifest.
 *
 * Source: redis.conf of Redis 7.0, "appendfilename"; the lines that Redis 7.0 to 8.0 and Valkey write.
 * Threads: its owner's alone.
 */
#ifndef ORDINAL_PERSIST_AOF_MANIFEST_H
#define ORDINAL_PERSIST_AOF_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AOF_FILE_NAME_SIZE = 256 }; /* bytes of a file's name with its zero byte, as file systems have it */

/* One file; its name is relative to the folder. */
struct aof_file {
    char name[AOF_FILE_NAME_SIZE];
    uint64_t number; /* its seq, from 1 */
};

struct aof_files {
    struct aof_file *items; /* malloc's */
    size_t count, room;
};

/* All zero: the empty manifest. May be moved by assignment. */
struct aof_manifest {
    bool has_base;
    struct aof_file base;
    struct aof_files increments; /* in ascending order of their numbers */
    struct aof_files history;
};

enum aof_manifest_status {
    AOF_MANIFEST_LOADED,
    AOF_MANIFEST_NONE, /* there is no such file, or no such folder: *m is empty */
    AOF_MANIFEST_BAD   /* it cannot be read, or says what it must not: *m is empty, `error` tells */
};

/* Reads <folder>/<name>.manifest into *m, which is overwritten; `name` is appendfilename. The files that it names are not looked at.
 * `error` gets one line that names the manifest, the line in it, and the reason in Redis's words. */
enum aof_manifest_status aof_manifest_load(const char *folder, const char *name, struct aof_manifest *m,
                                           char *error, size_t error_size);

/* The same from text; `path` is for the error. LOADED or BAD. */
enum aof_manifest_status aof_manifest_parse(const char *path, const char *text, size_t len,
                                            struct aof_manifest *m, char *error, size_t error_size);

/* Makes the manifest on the disk be *m in one step: temporary file, fsync, rename, fsync of the folder. False with errno: which of
 * the two is on the disk is not known, but it is one of them. */
bool aof_manifest_store(const char *folder, const char *name, const struct aof_manifest *m);

/* The text that is stored; the caller frees it. NULL: no memory. */
char *aof_manifest_text(const struct aof_manifest *m);

/* Frees what it holds, and leaves it empty. */
void aof_manifest_free(struct aof_manifest *m);

/* A copy, for who must be able to go back. False: no memory, *copy is empty. */
bool aof_manifest_copy(struct aof_manifest *copy, const struct aof_manifest *m);

/* Whether it names neither base nor increments. */
static inline bool aof_manifest_is_empty(const struct aof_manifest *m)
{
    return !m->has_base && m->increments.count == 0;
}

/* Adds a file at the end. False: no memory, or the name is too long; nothing has changed. */
bool aof_files_add(struct aof_files *files, const char *name, uint64_t number);

#endif
