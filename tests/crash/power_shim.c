/* What a power cut would leave: a library, loaded before libc, that notes which bytes of which files, and which names in
 * which folders, a server has had synced. kill -9 alone proves nothing about fsync, since the kernel keeps what was written;
 * after the kill, power.py takes away from the data folder what had not reached the disk.
 *
 * It appends lines to POWER_CUT_DIR/journal:
 *
 *   F INODE SIZE        fsync or fdatasync of a file has succeeded, which was of this size when it began
 *   D NAMES PATH        fsync of a folder has succeeded; NAMES lines "N INODE NAME" follow, as it was when it began
 *
 * and keeps each file that loses its name (rename onto it, unlink) as POWER_CUT_DIR/saved/INODE, since its folder may not
 * be synced before the cut. Both in one write, so that lines of several threads and processes do not mix. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_ENTRY_MAX 65536

static const char *power_folder(void)
{
    return getenv("POWER_CUT_DIR");
}

static void fail(const char *what)
{
    fprintf(stderr, "power_shim: %s: %s\n", what, strerror(errno));
    abort();
}

static void journal(const char *text, size_t len)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/journal", power_folder());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        fail(path);
    close(fd);
}

/* The entry of a folder as it is now; returns its length. */
static size_t describe_folder(int fd, char *entry, size_t size)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    DIR *folder = opendir(link);
    if (len < 0 || folder == NULL)
        fail(link);
    path[len] = '\0';
    char names[JOURNAL_ENTRY_MAX - PATH_MAX - 64];
    size_t used = 0;
    int count = 0;
    for (struct dirent *one = readdir(folder); one != NULL; one = readdir(folder)) {
        if (one->d_type == DT_REG && used < sizeof names - NAME_MAX - 64) {
            used += (size_t)snprintf(names + used, sizeof names - used, "N %" PRIu64 " %s\n",
                                     (uint64_t)one->d_ino, one->d_name);
            count++;
        }
    }
    closedir(folder);
    return (size_t)snprintf(entry, size, "D %d %s\n%.*s", count, path, (int)used, names);
}

/* Syncs by `name`, and notes what was there when it began. */
static int sync_and_note(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    static _Thread_local char entry[JOURNAL_ENTRY_MAX];
    struct stat status;
    size_t len = 0;
    if (power_folder() != NULL && fstat(fd, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            len = describe_folder(fd, entry, sizeof entry);
        else if (S_ISREG(status.st_mode))
            len = (size_t)snprintf(entry, sizeof entry, "F %" PRIu64 " %" PRIu64 "\n",
                                   (uint64_t)status.st_ino, (uint64_t)status.st_size);
    }
    int result = real(fd);
    int error = errno;
    if (result == 0 && len > 0)
        journal(entry, len);
    errno = error;
    return result;
}

int fsync(int fd)
{
    return sync_and_note("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_and_note("fdatasync", fd);
}

/* Keeps the file that is about to lose this name. */
static void save(int folder, const char *path)
{
    struct stat status;
    char kept[PATH_MAX];
    int error = errno;
    if (power_folder() != NULL && fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode)) {
        snprintf(kept, sizeof kept, "%s/saved/%" PRIu64, power_folder(), (uint64_t)status.st_ino);
        if (linkat(folder, path, AT_FDCWD, kept, 0) != 0 && errno != EEXIST && errno != EXDEV)
            fail(kept);
    }
    errno = error;
}

int rename(const char *from, const char *to)
{
    save(AT_FDCWD, to);
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    save(to_folder, to);
    return ((int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat"))(from_folder, from,
                                                                                         to_folder, to);
}

int unlink(const char *path)
{
    save(AT_FDCWD, path);
    return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    save(folder, path);
    return ((int (*)(int, const char *, int))dlsym(RTLD_NEXT, "unlinkat"))(folder, path, flags);
}
