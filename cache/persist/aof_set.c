#include "persist/aof_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logger.h"
#include "persist/crc64.h"
#include "persist/disk.h"
#include "persist/rdb_format.h"
#include "persist/rdb_writer.h"

/* The path of a file of the set. */
struct path {
    char text[AOF_PATH_MAX];
};

static struct path path_of(const struct aof_set *set, const char *name)
{
    struct path path;
    snprintf(path.text, sizeof path.text, "%s/%s", set->folder, name);
    return path;
}

static struct path temporary_path(const struct aof_set *set)
{
    char name[AOF_FILE_NAME_SIZE];
    snprintf(name, sizeof name, "temp-%s.incr", set->name);
    return path_of(set, name);
}

static int64_t size_of(const struct aof_set *set, const char *name)
{
    struct stat status;
    struct path path = path_of(set, name);
    return stat(path.text, &status) == 0 ? (int64_t)status.st_size : 0;
}

/* The highest number among files. */
static uint64_t highest(const struct aof_files *files)
{
    uint64_t number = 0;
    for (size_t i = 0; i < files->count; i++) {
        number = files->items[i].number > number ? files->items[i].number : number;
    }
    return number;
}

void aof_set_init(struct aof_set *set, const char *folder, const char *name, struct aof_manifest *manifest)
{
    char here[AOF_PATH_MAX / 2];
    if (getcwd(here, sizeof here) == NULL) {
        snprintf(here, sizeof here, ".");
    }
    snprintf(set->folder, sizeof set->folder, "%s/%s", here, folder);
    snprintf(set->name, sizeof set->name, "%s", name);
    set->manifest = *manifest;
    memset(manifest, 0, sizeof *manifest);
    set->last_base = set->manifest.has_base ? set->manifest.base.number : 0;
    set->last_increment = highest(&set->manifest.increments);
}

void aof_set_free(struct aof_set *set)
{
    aof_manifest_free(&set->manifest);
    free(set->doubtful.items);
    memset(set, 0, sizeof *set);
}

bool aof_set_is_empty(const struct aof_set *set)
{
    return !set->manifest.has_base && set->manifest.increments.count == 0;
}

bool aof_set_make_folder(const struct aof_set *set)
{
    return disk_make_folder(DISK_AOF_FOLDER, set->folder);
}

/* ---- changes of the manifest ------------------------------------------------------------------------- */

static bool names(const struct aof_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_needed(const struct aof_manifest *m, const char *name)
{
    return (m->has_base && strcmp(m->base.name, name) == 0) || names(&m->increments, name) ||
           names(&m->history, name);
}

void aof_set_doubt(struct aof_set *set, const char *base)
{
    int error = errno;
    aof_files_add(&set->doubtful, base, 0); /* without memory for it, it stays */
    errno = error;
}

/* The manifest on the disk is known again: what it does not name goes. */
static void drop_doubtful(struct aof_set *set)
{
    for (size_t i = 0; i < set->doubtful.count; i++) {
        const char *name = set->doubtful.items[i].name;
        if (!is_needed(&set->manifest, name)) {
            disk_unlink(DISK_TEMPORARY_UNLINK, AT_FDCWD, path_of(set, name).text);
        }
    }
    set->doubtful.count = 0;
}

/* Puts a changed manifest on the disk, and in the place of the set's. False: it is freed, and the set is as it was; which of the
 * two is on the disk is not known, but each is complete. */
static bool adopt(struct aof_set *set, struct aof_manifest *changed)
{
    if (!aof_manifest_store(set->folder, set->name, changed)) {
        int error = errno;
        aof_manifest_free(changed);
        errno = error;
        return false;
    }
    aof_manifest_free(&set->manifest);
    set->manifest = *changed;
    drop_doubtful(set);
    return true;
}

static bool out_of_memory(struct aof_manifest *changed)
{
    aof_manifest_free(changed);
    errno = ENOMEM;
    return false;
}

static bool adopt_increment(struct aof_set *set, const char *name, uint64_t number)
{
    struct aof_manifest changed;
    if (!aof_manifest_copy(&changed, &set->manifest)) {
        errno = ENOMEM;
        return false;
    }
    return aof_files_add(&changed.increments, name, number) ? adopt(set, &changed) : out_of_memory(&changed);
}

static bool add_files(struct aof_files *files, const struct aof_files *others, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!aof_files_add(files, others->items[i].name, others->items[i].number)) {
            return false;
        }
    }
    return true;
}

/* Makes the base and all increments but the last `kept` history: the youngest stands first there, as in Redis. */
static bool retire(struct aof_manifest *m, size_t kept)
{
    size_t retired = m->increments.count > kept ? m->increments.count - kept : 0;
    struct aof_files history = {0};
    if (!add_files(&history, &m->increments, retired) ||
        (m->has_base && !aof_files_add(&history, m->base.name, m->base.number)) ||
        !add_files(&history, &m->history, m->history.count)) {
        free(history.items);
        return false;
    }
    free(m->history.items);
    m->history = history;
    m->has_base = false;
    if (retired > 0) {
        m->increments.count -= retired;
        memmove(m->increments.items, m->increments.items + retired,
                m->increments.count * sizeof *m->increments.items);
    }
    return true;
}

static void set_base(struct aof_manifest *m, const char *name, uint64_t number)
{
    m->has_base = true;
    m->base.number = number;
    snprintf(m->base.name, sizeof m->base.name, "%s", name);
}

/* ---- increments -------------------------------------------------------------------------------------- */

static void next_increment(struct aof_set *set, char *name, size_t size)
{
    set->last_increment++;
    snprintf(name, size, "%s.%llu.incr.aof", set->name, (unsigned long long)set->last_increment);
}

static bool close_failed(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return false;
}

bool aof_set_add_increment(struct aof_set *set, int *fd)
{
    char name[AOF_FILE_NAME_SIZE];
    next_increment(set, name, sizeof name);
    *fd =
        disk_open(DISK_AOF_OPEN, AT_FDCWD, path_of(set, name).text, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
    if (*fd < 0) {
        return false;
    }
    if (!adopt_increment(set, name, set->last_increment)) {
        aof_set_doubt(set, name);
        return close_failed(*fd);
    }
    return true;
}

bool aof_set_open_temporary(struct aof_set *set, int *fd)
{
    *fd =
        disk_open(DISK_AOF_OPEN, AT_FDCWD, temporary_path(set).text, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
    return *fd >= 0;
}

void aof_set_drop_temporary(struct aof_set *set)
{
    disk_unlink(DISK_TEMPORARY_UNLINK, AT_FDCWD, temporary_path(set).text);
}

/* Bytes of all files but the last increment. */
static int64_t size_of_rest(const struct aof_set *set)
{
    const struct aof_manifest *m = &set->manifest;
    int64_t size = m->has_base ? size_of(set, m->base.name) : 0;
    for (size_t i = 0; i + 1 < m->increments.count; i++) {
        size += size_of(set, m->increments.items[i].name);
    }
    return size;
}

bool aof_set_open_last(struct aof_set *set, int *fd, int64_t *size, int64_t *rest)
{
    const struct aof_manifest *m = &set->manifest;
    *size = 0;
    if (m->increments.count == 0) {
        *rest = m->has_base ? size_of(set, m->base.name) : 0;
        return aof_set_add_increment(set, fd);
    }
    const char *name = m->increments.items[m->increments.count - 1].name;
    *rest = size_of_rest(set);
    *size = size_of(set, name);
    *fd = disk_open(DISK_AOF_OPEN, AT_FDCWD, path_of(set, name).text, O_WRONLY | O_CREAT | O_APPEND);
    if (*fd < 0) {
        return false;
    }
    return disk_sync(DISK_AOF_SYNC, *fd) || close_failed(*fd);
}

/* ---- bases ------------------------------------------------------------------------------------------- */

void aof_set_next_base(struct aof_set *set, bool commands, char *base, size_t size)
{
    set->last_base++;
    snprintf(base, size, "%s.%llu.base.%s", set->name, (unsigned long long)set->last_base,
             commands ? "aof" : "rdb");
}

void aof_set_remove_base(const struct aof_set *set, const char *base)
{
    disk_unlink(DISK_TEMPORARY_UNLINK, AT_FDCWD, path_of(set, base).text);
}

static void write_field(struct rdb_writer *writer, const char *name, const char *text)
{
    rdb_write_u8(writer, RDB_OPCODE_AUX);
    rdb_write_string(writer, name, strlen(name));
    rdb_write_string(writer, text, strlen(text));
}

/* An RDB file without a key. */
static void write_nothing(struct rdb_writer *writer, const char *version)
{
    rdb_write_bytes(writer, "REDIS0010", 9);
    write_field(writer, "redis-ver", version);
    write_field(writer, "redis-bits", sizeof(void *) == 8 ? "64" : "32");
    write_field(writer, "aof-base", "1");
    rdb_write_u8(writer, RDB_OPCODE_EOF);
    rdb_write_u64(writer, crc64(0, writer->bytes, writer->len));
}

/* The manifest that is stored next brings the name to the disk, with its own. */
static bool write_file(struct aof_set *set, const char *name, const struct rdb_writer *writer)
{
    struct path temporary = path_of(set, AOF_TEMPORARY_BASE);
    int fd = disk_open(DISK_BASE_OPEN, AT_FDCWD, temporary.text, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) {
        return false;
    }
    if (!disk_write_all(DISK_BASE_WRITE, fd, writer->bytes, writer->len) || !disk_sync(DISK_BASE_SYNC, fd)) {
        return close_failed(fd);
    }
    close(fd);
    return disk_rename(DISK_BASE_RENAME, AT_FDCWD, temporary.text, path_of(set, name).text);
}

bool aof_set_make_first_base(struct aof_set *set, bool commands, const char *version)
{
    char name[AOF_FILE_NAME_SIZE];
    struct rdb_writer writer;
    struct aof_manifest changed;
    aof_set_next_base(set, commands, name, sizeof name);
    rdb_writer_init(&writer, false);
    if (!commands) {
        write_nothing(&writer, version);
    }
    bool written = rdb_writer_ok(&writer) && write_file(set, name, &writer);
    rdb_writer_free(&writer);
    if (!written || !aof_manifest_copy(&changed, &set->manifest)) {
        return false;
    }
    set_base(&changed, name, set->last_base);
    return adopt(set, &changed);
}

/* ---- a set made new ---------------------------------------------------------------------------------- */

static bool name_temporary(struct aof_set *set, struct aof_manifest *changed, char name[AOF_FILE_NAME_SIZE])
{
    next_increment(set, name, AOF_FILE_NAME_SIZE);
    if (!disk_rename(DISK_AOF_RENAME, AT_FDCWD, temporary_path(set).text, path_of(set, name).text)) {
        return false;
    }
    if (!aof_files_add(&changed->increments, name, set->last_increment)) {
        errno = ENOMEM;
        return false;
    }
    return true;
}

/* Frees what was not adopted. */
static bool give_up(struct aof_manifest *changed)
{
    int error = errno;
    aof_manifest_free(changed);
    errno = error;
    return false;
}

static bool make_set(struct aof_set *set, const char *base, enum aof_behind behind)
{
    struct aof_manifest changed;
    char increment[AOF_FILE_NAME_SIZE];
    if (!aof_manifest_copy(&changed, &set->manifest)) {
        errno = ENOMEM;
        return false;
    }
    if (!retire(&changed, behind == AOF_BEHIND_LAST ? 1 : 0)) {
        return out_of_memory(&changed);
    }
    set_base(&changed, base, set->last_base);
    if (behind == AOF_BEHIND_TEMPORARY && !name_temporary(set, &changed, increment)) {
        return give_up(&changed);
    }
    if (!adopt(set, &changed)) {
        if (behind == AOF_BEHIND_TEMPORARY) {
            aof_set_doubt(set, increment);
        }
        return false;
    }
    return true;
}

bool aof_set_install(struct aof_set *set, const char *base, enum aof_behind behind, int64_t *base_size)
{
    *base_size = size_of(set, base);
    if (!make_set(set, base, behind)) {
        aof_set_doubt(set, base);
        return false;
    }
    aof_set_delete_history(set);
    return true;
}

/* What cannot be deleted stays history, and is tried again the next time. */
void aof_set_delete_history(struct aof_set *set)
{
    struct aof_manifest changed;
    if (set->manifest.history.count == 0 || atomic_load(&set->keeps_history) ||
        !aof_manifest_copy(&changed, &set->manifest)) {
        return;
    }
    changed.history.count = 0;
    for (size_t i = 0; i < set->manifest.history.count; i++) {
        const struct aof_file *file = &set->manifest.history.items[i];
        if (!disk_unlink(DISK_HISTORY_UNLINK, AT_FDCWD, path_of(set, file->name).text) && errno != ENOENT) {
            logger_warning("Can't remove the old AOF file %s: %s", file->name, strerror(errno));
            aof_files_add(&changed.history, file->name, file->number);
        }
    }
    if (!adopt(set, &changed)) {
        logger_warning("Can't write the AOF manifest: %s", strerror(errno));
    }
}
