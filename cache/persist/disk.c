#include "persist/disk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist/disk_fault.h"

static disk_guard_fn *guard;

void disk_set_guard(disk_guard_fn *new_guard)
{
    guard = new_guard;
}

/* Whether the guard forbids the call; errno is set then. */
static bool forbidden(enum disk_point point)
{
    int error = guard != NULL ? guard(point) : 0;
    if (error != 0) {
        errno = error;
    }
    return error != 0;
}

/* Whether the call must fail here; errno is set then. Else *fault says what is to happen to it. */
static bool fails_with(enum disk_point point, struct disk_fault *fault)
{
    if (forbidden(point)) {
        return true;
    }
    *fault = disk_fault_visit(point);
    if (fault->error != 0) {
        errno = fault->error;
    }
    return fault->error != 0;
}

static bool fails(enum disk_point point)
{
    struct disk_fault fault;
    return fails_with(point, &fault);
}

/* ThreadSanitizer sees open, but neither openat nor libuv's close: a descriptor with the number of a connection that is gone would
 * look like that connection. */
static int open_at(int folder, const char *path, int flags)
{
#ifdef __SANITIZE_THREAD__
    char absolute[4096];
    if (folder != AT_FDCWD) {
        snprintf(absolute, sizeof absolute, "/proc/self/fd/%d/%s", folder, path);
        return open(absolute, flags, 0644);
    }
    return open(path, flags, 0644);
#else
    return openat(folder, path, flags, 0644);
#endif
}

int disk_open(enum disk_point point, int folder, const char *path, int flags)
{
    if (fails(point)) {
        return -1;
    }
    int fd;
    do {
        fd = open_at(folder, path, flags | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

DIR *disk_read_folder(const char *path)
{
    int fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL && fd >= 0) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return folder;
}

static ssize_t write_once(int fd, const void *bytes, size_t len)
{
    ssize_t written;
    do {
        written = write(fd, bytes, len);
    } while (written < 0 && errno == EINTR);
    return written;
}

/* A part of what was asked for, and with it, if the fault says so, the end. */
static ssize_t write_half(int fd, const void *bytes, size_t half, const struct disk_fault *fault)
{
    ssize_t written = write_once(fd, bytes, half);
    if (fault->exit) {
        disk_fault_exit();
    }
    return written;
}

ssize_t disk_write(enum disk_point point, int fd, const void *bytes, size_t len)
{
    struct disk_fault fault;
    if (fails_with(point, &fault)) {
        return -1;
    }
    if (!fault.half || len < 2) {
        return write_once(fd, bytes, len);
    }
    return write_half(fd, bytes, len / 2, &fault);
}

ssize_t disk_writev(enum disk_point point, int fd, const struct iovec *runs, int count)
{
    struct disk_fault fault;
    if (fails_with(point, &fault)) {
        return -1;
    }
    if (fault.half) { /* of the first run */
        return write_half(fd, runs[0].iov_base, (runs[0].iov_len + 1) / 2, &fault);
    }
    ssize_t written;
    do {
        written = writev(fd, runs, count);
    } while (written < 0 && errno == EINTR);
    return written;
}

bool disk_write_all(enum disk_point point, int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t written = disk_write(point, fd, at, len);
        if (written < 0) {
            return false;
        }
        at += written;
        len -= (size_t)written;
    }
    return true;
}

bool disk_sync(enum disk_point point, int fd)
{
    int status;
    if (fails(point)) {
        return false;
    }
    do {
        status = fdatasync(fd);
    } while (status < 0 && errno == EINTR);
    return status == 0;
}

void disk_forget(int fd, off_t from, off_t len)
{
    posix_fadvise(fd, from, len,
                  POSIX_FADV_DONTNEED); /* where that is not known, memory fills with the file */
}

bool disk_rename(enum disk_point point, int folder, const char *from, const char *to)
{
    return !fails(point) && renameat(folder, from, folder, to) == 0;
}

bool disk_link(enum disk_point point, const char *from, const char *to)
{
    return !fails(point) && linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0;
}

bool disk_unlink(enum disk_point point, int folder, const char *path)
{
    return !fails(point) && unlinkat(folder, path, 0) == 0;
}

bool disk_truncate(enum disk_point point, int fd, off_t length)
{
    return !fails(point) && ftruncate(fd, length) == 0;
}

bool disk_make_folder(enum disk_point point, const char *path)
{
    return !fails(point) && (mkdir(path, 0755) == 0 || errno == EEXIST);
}

bool disk_sync_folder(enum disk_point point, int folder)
{
    return !fails(point) && (fsync(folder) == 0 || errno == EINVAL);
}

bool disk_sync_folder_at(enum disk_point point, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool synced = disk_sync_folder(point, fd);
    int error = errno;
    close(fd);
    errno = error;
    return synced;
}
