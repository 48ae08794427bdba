#include "persist/rdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The disk is asked to write every HAND_OVER bytes, and waited for when it is IN_FLIGHT behind. */
enum { HAND_OVER = 4 << 20, IN_FLIGHT = 32 << 20 };

bool rdb_file_open(struct rdb_file *file, const char *temporary, const char *name)
{
    *file = (struct rdb_file){.fd = -1, .folder = -1};
    if (strlen(temporary) >= sizeof file->temporary || strlen(name) >= sizeof file->name) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(file->temporary, sizeof file->temporary, "%s", temporary);
    snprintf(file->name, sizeof file->name, "%s", name);
    file->folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->folder >= 0) {
        file->fd = openat(file->folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    if (file->fd < 0) {
        rdb_file_discard(file);
        return false;
    }
    return true;
}

/* A folder on which these are not known is no worse than without them: the last sync does it all. */
static void hand_over(struct rdb_file *file)
{
    if (file->written - file->handed < HAND_OVER) {
        return;
    }
    sync_file_range(file->fd, (off_t)file->handed, (off_t)(file->written - file->handed), SYNC_FILE_RANGE_WRITE);
    file->handed = file->written;
    if (file->handed - file->awaited > IN_FLIGHT) {
        uint64_t until = file->handed - IN_FLIGHT;
        sync_file_range(file->fd, (off_t)file->awaited, (off_t)(until - file->awaited),
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
        file->awaited = until;
    }
}

bool rdb_file_write(struct rdb_file *file, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t done = write(file->fd, at, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done == 0 ? EIO : errno;
            return false;
        }
        at += done;
        n -= (size_t)done;
        file->written += (uint64_t)done;
    }
    hand_over(file);
    return true;
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
        unlinkat(file->folder, file->temporary, 0);
    }
    close_one(&file->fd);
    close_one(&file->folder);
    errno = error;
}

bool rdb_file_commit(struct rdb_file *file)
{
    if (fsync(file->fd) != 0 || renameat(file->folder, file->temporary, file->folder, file->name) != 0) {
        rdb_file_discard(file);
        return false;
    }
    /* From here on the name is the new file's. */
    bool synced = fsync(file->folder) == 0 || errno == EINVAL; /* EINVAL: a folder that knows no sync */
    int error = errno;
    close_one(&file->fd);
    close_one(&file->folder);
    errno = error;
    return synced;
}
