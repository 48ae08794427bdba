#include "persist/aof_adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist/aof_manifest.h"
#include "persist/disk.h"

enum { PATH_BYTES = 4096 + AOF_FILE_NAME_SIZE, COPY_BYTES = 1 << 20 };

/* A number that no file has which is still to be deleted. */
static uint64_t free_number(const struct aof_manifest *m)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < m->history.count; i++) {
        highest = m->history.items[i].number > highest ? m->history.items[i].number : highest;
    }
    return highest + 1;
}

static bool copy_bytes(int from, int to)
{
    char *buffer = malloc(COPY_BYTES);
    ssize_t len = -1;
    bool good = buffer != NULL;
    while (good && (len = read(from, buffer, COPY_BYTES)) > 0) {
        good = disk_write_all(DISK_BASE_WRITE, to, buffer, (size_t)len);
    }
    int error = errno;
    free(buffer);
    errno = error;
    return good && len == 0;
}

static bool copy(int from, const char *path)
{
    int to = disk_open(DISK_BASE_OPEN, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC);
    if (to < 0) {
        return false;
    }
    bool good = copy_bytes(from, to) && disk_sync(DISK_BASE_SYNC, to);
    int error = errno;
    close(to);
    errno = error;
    return good;
}

/* The second name is for the very file that is open, whatever has taken its place meanwhile. */
static bool name_again(int fd, const char *path)
{
    char open_file[64];
    snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
    return disk_link(DISK_BASE_LINK, open_file, path) && disk_sync(DISK_BASE_SYNC, fd);
}

/* Makes the base. What an earlier attempt has left under its name goes first: it may be another name of some snapshot. */
static bool make_base(const char *snapshot, const char *path)
{
    struct stat status;
    int fd = open(snapshot, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    disk_unlink(DISK_TEMPORARY_UNLINK, AT_FDCWD, path);
    bool good = fstat(fd, &status) == 0;
    if (good && !S_ISREG(status.st_mode)) {
        errno = EINVAL;
        good = false;
    }
    good = good && (name_again(fd, path) || copy(fd, path));
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

bool aof_adopt(const char *folder, const char *name, const char *snapshot)
{
    char error[256], path[PATH_BYTES];
    struct aof_manifest m;
    if (!disk_make_folder(DISK_AOF_FOLDER, folder)) {
        return false;
    }
    if (aof_manifest_load(folder, name, &m, error, sizeof error) == AOF_MANIFEST_BAD) {
        errno = EINVAL;
        return false;
    }
    m.has_base = true;
    m.base.number = free_number(&m);
    int len = snprintf(m.base.name, sizeof m.base.name, "%s.%llu.base.rdb", name,
                       (unsigned long long)m.base.number);
    snprintf(path, sizeof path, "%s/%s", folder, m.base.name);
    bool good =
        len < (int)sizeof m.base.name && make_base(snapshot, path) && aof_manifest_store(folder, name, &m);
    int number = errno;
    aof_manifest_free(&m);
    errno = number;
    return good;
}
