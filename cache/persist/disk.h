/*
 * The disk: the one room through which persist changes files, so that every step of a save or a rewrite has a name, and a build
 * with faults (`make faults`) can let it fail, or end the process there. Elsewhere these are the system calls, with EINTR seen to.
 *
 * A fault is asked for by the environment variable ORDINAL_FAULT, as POINT:VISITS:ACTION, several with ';' between them:
 *
 *   VISITS  N (the Nth visit of the point, from 1), N+ (from the Nth on), @PATH (as long as that file exists)
 *   ACTION  exit (the process ends before the call, with status 137), tear (half of the bytes are written, then it ends),
 *           half (half of the bytes are written, and that is all), hold (it waits while the @PATH exists),
 *           or an error's name (ENOSPC, EIO, EROFS, …), by which the call fails
 *
 * and "trace=FILE" appends a line "POINT N" for each visit, so that a test learns what there is to fail.
 *
 * Threads: any.
 */
#ifndef ORDINAL_PERSIST_DISK_H
#define ORDINAL_PERSIST_DISK_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The points: X(name, text). */
#define DISK_POINTS(X)                                                             \
    X(DISK_AOF_FOLDER, "aof-folder") /* the folder is made */                      \
    X(DISK_AOF_OPEN, "aof-open")     /* an increment is made or opened */          \
    X(DISK_AOF_WRITE, "aof-write")                                                 \
    X(DISK_AOF_SYNC, "aof-sync")                                                   \
    X(DISK_AOF_RENAME, "aof-rename")     /* an increment gets its name */          \
    X(DISK_AOF_TRUNCATE, "aof-truncate") /* a torn tail goes */                    \
    X(DISK_MANIFEST_OPEN, "manifest-open")                                         \
    X(DISK_MANIFEST_WRITE, "manifest-write")                                       \
    X(DISK_MANIFEST_SYNC, "manifest-sync")                                         \
    X(DISK_MANIFEST_RENAME, "manifest-rename")                                     \
    X(DISK_MANIFEST_SYNC_FOLDER, "manifest-sync-folder")                           \
    X(DISK_HISTORY_UNLINK, "history-unlink") /* a file that no manifest needs */   \
    X(DISK_BASE_OPEN, "base-open")           /* the base of an append-only file */ \
    X(DISK_BASE_WRITE, "base-write")                                               \
    X(DISK_BASE_SYNC, "base-sync")                                                 \
    X(DISK_BASE_LINK, "base-link") /* a snapshot becomes a base */                 \
    X(DISK_BASE_RENAME, "base-rename")                                             \
    X(DISK_BASE_SYNC_FOLDER, "base-sync-folder")                                   \
    X(DISK_RDB_OPEN, "rdb-open") /* a snapshot of SAVE, BGSAVE, … */             \
    X(DISK_RDB_WRITE, "rdb-write")                                                 \
    X(DISK_RDB_SYNC, "rdb-sync")                                                   \
    X(DISK_RDB_RENAME, "rdb-rename")                                               \
    X(DISK_RDB_SYNC_FOLDER, "rdb-sync-folder")                                     \
    X(DISK_TEMPORARY_UNLINK, "temporary-unlink") /* what a failure leaves */       \
    X(DISK_CLAIM_OPEN, "claim-open")                                               \
    X(DISK_CLAIM_WRITE, "claim-write")                                             \
    X(DISK_CLAIM_SYNC, "claim-sync")                                               \
    X(DISK_CLAIM_RENAME, "claim-rename")

enum disk_point {
#define X(name, text) name,
    DISK_POINTS(X)
#undef X
        DISK_POINT_COUNT
};

/* Asked before each of the calls below: 0, or an errno with which it fails. Set once, before there are other threads; NULL: none. */
typedef int disk_guard_fn(enum disk_point point);
void disk_set_guard(disk_guard_fn *guard);

/* Each returns as the system call of its name does, or false, with errno set. A path is relative to `folder`, a descriptor or
 * AT_FDCWD. */

/* Opens with O_CLOEXEC, a new file with mode 0644. */
int disk_open(enum disk_point point, int folder, const char *path, int flags);

/* Opens a folder to see what is in it, for closedir; NULL with errno. It changes nothing, so it is no point. */
DIR *disk_read_folder(const char *path);

/* May write less than was asked for, as write(2) and writev(2) may. */
ssize_t disk_write(enum disk_point point, int fd, const void *bytes, size_t len);
ssize_t disk_writev(enum disk_point point, int fd, const struct iovec *runs, int count);

/* Writes all of it; false at the first error, when some of it may be written. */
bool disk_write_all(enum disk_point point, int fd, const void *bytes, size_t len);

/* fdatasync: bytes and length are on the disk when it returns true. */
bool disk_sync(enum disk_point point, int fd);

/* A range of a file that is on the disk will not be read soon: the kernel can give its pages to what is written next. */
void disk_forget(int fd, off_t from, off_t len);

bool disk_rename(enum disk_point point, int folder, const char *from, const char *to);

/* A second name for a file; symbolic links are followed. */
bool disk_link(enum disk_point point, const char *from, const char *to);
bool disk_unlink(enum disk_point point, int folder, const char *path);
bool disk_truncate(enum disk_point point, int fd, off_t length);

/* Makes a folder; one that is there already is as good. */
bool disk_make_folder(enum disk_point point, const char *path);

/* Syncs a folder, given as a descriptor or by its path: what was made, renamed or removed in it is so after a crash. File systems
 * that know no such sync (EINVAL) do without. */
bool disk_sync_folder(enum disk_point point, int folder);
bool disk_sync_folder_at(enum disk_point point, const char *path);

#endif
