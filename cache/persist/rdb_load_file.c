/*
 * An RDB that is a file: the source that reads it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist/rdb_load.h"

static ssize_t read_file(void *context, void *buffer, size_t n)
{
    return read(*(const int *)context, buffer, n);
}

bool rdb_load_file(const char *path, struct rdb_load_options *options, struct rdb_load_result *result)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool sized = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    options->source = (struct rdb_source){&fd, read_file, sized ? (uint64_t)about.st_size : 0};
    options->whole = true;
    rdb_load(options, result);
    close(fd);
    return true;
}
