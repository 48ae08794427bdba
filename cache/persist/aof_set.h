/*
 * The set of files that make up the append-only file (Redis 7's layout): a folder with a manifest, one base, and increments
 * that follow it. The manifest is what counts; it is replaced whole, so that at any moment the set that it names is complete.
 *
 *   appendonlydir/appendonly.aof.manifest
 *   appendonlydir/appendonly.aof.3.base.rdb
 *   appendonlydir/appendonly.aof.7.incr.aof
 *   appendonlydir/temp-appendonly.aof.incr      while there is no base that it could follow
 *
 * A number is never given to two files of one kind, also when it is not known whether a manifest with the first of them
 * has reached the disk.
 *
 * Threads: one at a time: the writer's between two steps that were asked of it, else who asks (aof_writer.h).
 */
#ifndef ORDINAL_PERSIST_AOF_SET_H
#define ORDINAL_PERSIST_AOF_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "persist/aof_manifest.h"

enum { AOF_PATH_MAX = 4096 + AOF_FILE_NAME_SIZE };

#define AOF_TEMPORARY_BASE "temp-rewriteaof-bg.aof"

struct aof_set {
    char folder[AOF_PATH_MAX - AOF_FILE_NAME_SIZE - 1]; /* absolute */
    char name[AOF_FILE_NAME_SIZE - 48];                 /* appendfilename */
    struct aof_manifest manifest;
    uint64_t last_base, last_increment; /* numbers that were given */
    _Atomic bool keeps_history;         /* aof-disable-auto-gc: nothing of it is deleted. Any thread */
    struct aof_files
        doubtful; /* files that perhaps no manifest names: looked at when the next one is stored */
};

/* Begins with what the manifest on the disk names, or with nothing. `folder` is relative to the working directory of now. Takes the
 * manifest over. */
void aof_set_init(struct aof_set *set, const char *folder, const char *name, struct aof_manifest *manifest);

/* Frees what it holds. */
void aof_set_free(struct aof_set *set);

/* Whether there are any files. */
bool aof_set_is_empty(const struct aof_set *set);

/* Makes the folder, unless it is there. Here and below: false with errno set. */
bool aof_set_make_folder(const struct aof_set *set);

/* Opens the last increment, to go on behind its end, or makes the first one; what is in it is synced. *rest: bytes of the
 * other files. */
bool aof_set_open_last(struct aof_set *set, int *fd, int64_t *size, int64_t *rest);

/* Makes the next increment, which the manifest names when this returns true. */
bool aof_set_add_increment(struct aof_set *set, int *fd);

/* Makes an increment that no manifest names; one that was left by an earlier attempt is made empty. */
bool aof_set_open_temporary(struct aof_set *set, int *fd);

/* The name for the next base: of a snapshot, or of commands. */
void aof_set_next_base(struct aof_set *set, bool commands, char *base, size_t size);

/* Removes the latter. */
void aof_set_drop_temporary(struct aof_set *set);

/* Makes a base that is empty, for a set that is: a snapshot by this redis-ver, or without commands. */
bool aof_set_make_first_base(struct aof_set *set, bool commands, const char *version);

/* What follows the base: the last increment, the temporary one, which gets its name, or nothing. */
enum aof_behind { AOF_BEHIND_LAST, AOF_BEHIND_TEMPORARY, AOF_BEHIND_NOTHING };

/* Makes the set: this base, the last that was named and complete on the disk, and what follows it, in one step on the disk. Then the
 * other files are deleted. *base_size: bytes of the base. */
bool aof_set_install(struct aof_set *set, const char *base, enum aof_behind behind, int64_t *base_size);

/* Removes a base that no manifest has ever named. Any thread. */
void aof_set_remove_base(const struct aof_set *set, const char *base);

/* A base is of no use after all: it goes when a manifest is stored that does not name it. */
void aof_set_doubt(struct aof_set *set, const char *base);

/* Deletes files that the manifest has as history: what an earlier run did not come to. */
void aof_set_delete_history(struct aof_set *set);

#endif
