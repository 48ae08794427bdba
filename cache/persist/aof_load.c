#include "persist/aof_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "logger.h"
#include "persist/disk.h"

enum { BATCH = 64, REASON_BYTES = 256, PATH_BYTES = 4096 + AOF_FILE_NAME_SIZE };

struct load {
    const struct aof_load_options *options;
    const struct aof_load_hooks *hooks;
    struct aof_load_result *result;
    const char *name; /* of the present file … */
    char path[PATH_BYTES];
    bool last; /* … which is the last one */
    int fd;
    uint64_t before; /* bytes of the files before it */
};

static __attribute__((format(printf, 3, 4))) enum aof_load_end refuse(struct load *l, uint64_t offset,
                                                                      const char *format, ...)
{
    struct aof_load_result *result = l->result;
    va_list args;
    snprintf(result->file, sizeof result->file, "%s", l->name);
    result->offset = offset;
    va_start(args, format);
    vsnprintf(result->reason, sizeof result->reason, format, args);
    va_end(args);
    return AOF_LOAD_REFUSED;
}

static void tell_progress(const struct load *l, uint64_t in_file)
{
    atomic_store_explicit(l->options->bytes, l->before + in_file, memory_order_relaxed);
}

static bool goes_on(const struct load *l)
{
    return l->hooks->goes_on == NULL || l->hooks->goes_on(l->hooks->context);
}

/* ---- the end of a file ----------------------------------------------------------------------------------- */

/* Takes away what lies behind `offset` in the last file. */
static bool truncate_file(const struct load *l, uint64_t offset)
{
    int fd = disk_open(DISK_AOF_OPEN, AT_FDCWD, l->path, O_WRONLY);
    if (fd < 0) {
        return false;
    }
    bool good = disk_truncate(DISK_AOF_TRUNCATE, fd, (off_t)offset) && disk_sync(DISK_AOF_SYNC, fd);
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

/* The file ends in the middle of a command or of a transaction; everything before `offset` is whole. */
static enum aof_load_end end_torn(struct load *l, uint64_t offset, uint64_t size)
{
    if (!l->last) {
        return refuse(l, offset,
                      "Unexpected end of file reading the append only file %s, which is not the last file",
                      l->name);
    }
    if (!l->options->truncates) {
        return refuse(
            l, offset,
            "Unexpected end of file reading the append only file %s. You can: 1) Make a backup of your AOF file, "
            "then use redis-check-aof --fix. 2) Set 'aof-load-truncated' to yes and restart the server",
            l->name);
    }
    logger_warning("!!! Warning: short read while loading the AOF file %s!!!", l->name);
    logger_warning(
        "!!! Truncating the AOF %s at offset %llu !!! %llu bytes of an incomplete command are dropped",
        l->name, (unsigned long long)offset, (unsigned long long)(size - offset));
    if (!truncate_file(l, offset)) {
        return refuse(l, offset, "Error truncating the AOF file %s: %s", l->name, strerror(errno));
    }
    logger_warning("AOF %s loaded anyway because aof-load-truncated is enabled", l->name);
    snprintf(l->result->file, sizeof l->result->file, "%s", l->name);
    l->result->offset = offset;
    l->result->truncated = true;
    return AOF_LOAD_DONE;
}

/* The end is reached, in a command (`torn`) or between two. */
static enum aof_load_end end_file(struct load *l, const struct aof_reader *r, bool torn)
{
    uint64_t multi;
    if (l->hooks->unfinished(l->hooks->context, &multi)) {
        logger_warning("Revert incomplete MULTI/EXEC transaction from AOF file %s", l->name);
        return end_torn(l, multi, r->size);
    }
    return torn ? end_torn(l, r->offset, r->size) : AOF_LOAD_DONE;
}

/* ---- one file -------------------------------------------------------------------------------------------- */

static enum aof_load_end run_batch(struct load *l, const struct aof_command *commands, size_t count)
{
    char reason[REASON_BYTES] = "";
    size_t ran = l->hooks->run(l->hooks->context, commands, count, reason, sizeof reason);
    l->result->commands += ran;
    return ran == count
               ? AOF_LOAD_DONE
               : refuse(l, commands[ran].offset, "%s reading the append only file %s", reason, l->name);
}

static enum aof_load_end run_commands(struct load *l, struct aof_reader *r)
{
    struct aof_command commands[BATCH];
    size_t count;
    for (;;) {
        enum aof_read read = aof_reader_next(r, commands, BATCH, &count);
        switch (read) {
        case AOF_READ_COMMANDS: break;
        case AOF_READ_END:
        case AOF_READ_TORN: return end_file(l, r, read == AOF_READ_TORN);
        case AOF_READ_DAMAGED:
            return refuse(
                l, r->offset,
                "Bad file format reading the append only file %s: %s. Make a backup of it, then use redis-check-aof --fix",
                l->name, r->reason);
        case AOF_READ_FAILED:
            return refuse(l, r->offset, "Unrecoverable error reading the append only file %s: %s", l->name,
                          r->reason);
        }
        enum aof_load_end end = run_batch(l, commands, count);
        if (end != AOF_LOAD_DONE) {
            return end;
        }
        tell_progress(l, r->offset);
        if (!goes_on(l)) {
            return AOF_LOAD_STOPPED;
        }
    }
}

/* Whether the file begins with a snapshot, of Redis or Valkey. */
static bool is_snapshot(int fd)
{
    char magic[6];
    ssize_t len = pread(fd, magic, sizeof magic, 0);
    return (len >= 5 && memcmp(magic, "REDIS", 5) == 0) || (len == 6 && memcmp(magic, "VALKEY", 6) == 0);
}

static enum aof_load_end load_open(struct load *l)
{
    struct aof_reader reader;
    uint64_t from = 0;
    if (is_snapshot(l->fd)) {
        enum aof_load_end end = l->hooks->snapshot(l->hooks->context, l->path, l->fd, &from);
        if (end != AOF_LOAD_DONE) {
            return end == AOF_LOAD_REFUSED ? refuse(l, from, "%s", "") : end;
        }
    }
    tell_progress(l, from);
    if (!aof_reader_open(&reader, l->fd, from)) {
        return refuse(l, from, "Unrecoverable error reading the append only file %s: %s", l->name,
                      strerror(errno));
    }
    l->hooks->begin(l->hooks->context);
    enum aof_load_end end = run_commands(l, &reader);
    l->before += reader.size;
    aof_reader_close(&reader);
    return end;
}

static enum aof_load_end load_file(struct load *l, const struct aof_file *file, bool is_base, bool last)
{
    int64_t began = clock_now();
    l->name = file->name;
    l->last = last;
    snprintf(l->path, sizeof l->path, "%s/%s", l->options->folder, file->name);
    l->fd = open(l->path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) {
        return refuse(l, 0, "Fatal error: can't open the append log file %s for reading: %s", l->name,
                      strerror(errno));
    }
    enum aof_load_end end = load_open(l);
    close(l->fd);
    if (end == AOF_LOAD_DONE) {
        logger_notice("DB loaded from %s file %s: %.3f seconds", is_base ? "base" : "incr", l->name,
                      (double)(clock_now() - began) / 1000);
    }
    return end;
}

/* ---- all files ------------------------------------------------------------------------------------------- */

static bool add_size(const char *folder, const struct aof_file *file, uint64_t *size, const char **missing)
{
    char path[PATH_BYTES];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, file->name);
    if (stat(path, &status) != 0) {
        *missing = file->name;
        return false;
    }
    *size += (uint64_t)status.st_size;
    return true;
}

bool aof_load_size(const char *folder, const struct aof_manifest *m, uint64_t *size, const char **missing)
{
    *size = 0;
    bool good = !m->has_base || add_size(folder, &m->base, size, missing);
    for (size_t i = 0; i < m->increments.count && good; i++) {
        good = add_size(folder, &m->increments.items[i], size, missing);
    }
    return good;
}

enum aof_load_end aof_load(const struct aof_load_options *options, struct aof_load_result *result)
{
    const struct aof_manifest *m = options->manifest;
    struct load l = {.options = options, .hooks = &options->hooks, .result = result};
    uint64_t size;
    memset(result, 0, sizeof *result);
    if (!aof_load_size(options->folder, m, &size, &l.name)) {
        return refuse(&l, 0, "Unable to obtain the AOF file %s length. stat: %s", l.name, strerror(errno));
    }
    atomic_store_explicit(options->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(options->total, size, memory_order_relaxed);
    enum aof_load_end end = AOF_LOAD_DONE;
    if (m->has_base) {
        end = load_file(&l, &m->base, true, m->increments.count == 0);
        atomic_store_explicit(options->total, size, memory_order_relaxed); /* the snapshot's own was less */
    }
    for (size_t i = 0; i < m->increments.count && end == AOF_LOAD_DONE; i++) {
        end = load_file(&l, &m->increments.items[i], false, i + 1 == m->increments.count);
    }
    return end;
}
