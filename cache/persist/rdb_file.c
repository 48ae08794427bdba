#include "persist/rdb_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The disk is asked to write every HAND_OVER bytes, and waited for when it is IN_FLIGHT behind. What it has then needs no memory any more:
 * its pages serve for what is written next, and a large file does not push out all that others read. */
enum { HAND_OVER = 4 << 20, IN_FLIGHT = 32 << 20 };

const struct rdb_file_points rdb_file_snapshot = {DISK_RDB_OPEN, DISK_RDB_WRITE, DISK_RDB_SYNC,
                                                  DISK_RDB_RENAME, DISK_RDB_SYNC_FOLDER};
const struct rdb_file_points rdb_file_base = {DISK_BASE_OPEN, DISK_BASE_WRITE, DISK_BASE_SYNC,
                                              DISK_BASE_RENAME, DISK_BASE_SYNC_FOLDER};

bool rdb_file_open(struct rdb_file *file, const struct rdb_file_points *points, const char *folder,
                   const char *temporary, const char *name)
{
    *file = (struct rdb_file){.points = points, .fd = -1, .folder = -1};
    if (strlen(temporary) >= sizeof file->temporary || strlen(name) >= sizeof file->name) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(file->temporary, sizeof file->temporary, "%s", temporary);
    snprintf(file->name, sizeof file->name, "%s", name);
    file->folder = open(folder != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->folder >= 0) {
        file->fd = disk_open(points->open, file->folder, temporary, O_WRONLY | O_CREAT | O_TRUNC);
    }
    if (file->fd < 0) {
        rdb_file_discard(file);
        return false;
    }
    return true;
}

/* A file system on which this is not known is no worse than without it: the last sync does it all. Any other error counts: the kernel
 * tells it once, so that the last sync would not know of it. */
static bool hand_range(struct rdb_file *file, uint64_t from, uint64_t to, unsigned how)
{
    return sync_file_range(file->fd, (off_t)from, (off_t)(to - from), how) == 0 || errno == EINVAL ||
           errno == ENOSYS || errno == ESPIPE;
}

static bool hand_over(struct rdb_file *file)
{
    if (file->written - file->handed < HAND_OVER) {
        return true;
    }
    if (!hand_range(file, file->handed, file->written, SYNC_FILE_RANGE_WRITE)) {
        return false;
    }
    file->handed = file->written;
    if (file->handed - file->awaited <= IN_FLIGHT) {
        return true;
    }
    uint64_t from = file->awaited;
    file->awaited = file->handed - IN_FLIGHT;
    bool good = hand_range(file, from, file->awaited,
                           SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    disk_forget(file->fd, (off_t)from, (off_t)(file->awaited - from));
    return good;
}

bool rdb_file_write(struct rdb_file *file, const void *bytes, size_t n)
{
    if (!disk_write_all(file->points->write, file->fd, bytes, n)) {
        return false;
    }
    file->written += n;
    return hand_over(file);
}

static void close_one(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void rdb_file_discard(struct rdb_file *file)
{
    int error = errno;
    if (file->fd >= 0) {
        disk_unlink(DISK_TEMPORARY_UNLINK, file->folder, file->temporary);
    }
    close_one(&file->fd);
    close_one(&file->folder);
    errno = error;
}

bool rdb_file_commit(struct rdb_file *file)
{
    if (!disk_sync(file->points->sync, file->fd) ||
        !disk_rename(file->points->rename, file->folder, file->temporary, file->name)) {
        rdb_file_discard(file);
        return false;
    }
    /* From here on the name is the new file's. */
    bool synced = disk_sync_folder(file->points->sync_folder, file->folder);
    int error = errno;
    close_one(&file->fd);
    close_one(&file->folder);
    errno = error;
    return synced;
}

/* The process whose temporary file has this name; 0 for other names. */
static pid_t owner_of(const char *name)
{
    static const char before[] = "temp-", after[] = ".rdb";
    char *end;
    if (strncmp(name, before, sizeof before - 1) != 0) {
        return 0;
    }
    long pid = strtol(name + sizeof before - 1, &end, 10);
    return strcmp(end, after) == 0 && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

void rdb_file_remove_strays(void)
{
    int error = errno;
    DIR *folder = disk_read_folder(".");
    for (struct dirent *one = folder != NULL ? readdir(folder) : NULL; one != NULL; one = readdir(folder)) {
        pid_t owner = owner_of(one->d_name);
        if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) {
            disk_unlink(DISK_TEMPORARY_UNLINK, dirfd(folder), one->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    errno = error;
}
