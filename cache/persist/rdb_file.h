/*
 * An RDB file being written: under a temporary name until it is complete, so that a crash at any step leaves the file that was there
 * before. What is written is handed to the disk as it comes, so that the last sync has little left to do. The end is: sync, rename,
 * sync of the folder. A failure removes the temporary file.
 *
 * The folder is kept open: the working directory may be another one before the file is complete.
 *
 * Threads: one at a time.
 */
#ifndef ORDINAL_PERSIST_RDB_FILE_H
#define ORDINAL_PERSIST_RDB_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persist/disk.h"

/* The steps that a build with faults knows them by. */
struct rdb_file_points {
    enum disk_point open, write, sync, rename, sync_folder;
};

extern const struct rdb_file_points rdb_file_snapshot; /* of SAVE, BGSAVE, … */
extern const struct rdb_file_points rdb_file_base;     /* the base of an append-only file */

struct rdb_file {
    const struct rdb_file_points *points;
    int fd, folder; /* -1: not open */
    char temporary[64];
    char name[NAME_MAX + 1];
    uint64_t written;
    uint64_t handed;  /* how much of it the disk has been asked to write … */
    uint64_t awaited; /* … and how much of that has been waited for */
};

/* Opens `temporary` for what shall be `name` in `folder` (NULL: the working directory of now). False with errno set. A name that is
 * too long is ENAMETOOLONG. */
bool rdb_file_open(struct rdb_file *file, const struct rdb_file_points *points, const char *folder,
                   const char *temporary, const char *name);

/* Appends; false with errno set. */
bool rdb_file_write(struct rdb_file *file, const void *bytes, size_t n);

/* Makes it the file of its name. False with errno set: the temporary file is gone, and the old one is still there. */
bool rdb_file_commit(struct rdb_file *file);

/* Removes it. errno stays as it is. */
void rdb_file_discard(struct rdb_file *file);

/* Removes from the working directory what crashes have left there: temp-PID.rdb (Redis's name for it) of processes that are no
 * more. Where that is refused they stay. errno stays as it is. */
void rdb_file_remove_strays(void);

#endif
