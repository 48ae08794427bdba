#include "persist/aof_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_row.h"
#include "persist/disk.h"
#include "types/number.h"

enum {
    LINE_MAX_BYTES = 1024,         /* of a line with its end, as in Redis */
    MANIFEST_MAX_BYTES = 64 << 20, /* 50,000 lines would not fit into a tenth of it */
    PATH_BYTES = 4096 + 2 * AOF_FILE_NAME_SIZE
};

/* ---- lists of files ------------------------------------------------------------------------------------ */

bool aof_files_add(struct aof_files *files, const char *name, uint64_t number)
{
    size_t len = strlen(name);
    if (len >= AOF_FILE_NAME_SIZE) {
        return false;
    }
    if (files->count == files->room) {
        size_t room = files->room == 0 ? 4 : 2 * files->room;
        struct aof_file *items = realloc(files->items, room * sizeof *items);
        if (items == NULL) {
            return false;
        }
        files->items = items;
        files->room = room;
    }
    struct aof_file *file = &files->items[files->count++];
    memcpy(file->name, name, len + 1);
    file->number = number;
    return true;
}

static bool copy_files(struct aof_files *copy, const struct aof_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        if (!aof_files_add(copy, files->items[i].name, files->items[i].number)) {
            return false;
        }
    }
    return true;
}

void aof_manifest_free(struct aof_manifest *m)
{
    free(m->increments.items);
    free(m->history.items);
    memset(m, 0, sizeof *m);
}

bool aof_manifest_copy(struct aof_manifest *copy, const struct aof_manifest *m)
{
    *copy = (struct aof_manifest){.has_base = m->has_base, .base = m->base};
    if (copy_files(&copy->increments, &m->increments) && copy_files(&copy->history, &m->history)) {
        return true;
    }
    aof_manifest_free(copy);
    return false;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

struct parse {
    const char *path;
    struct aof_manifest *m;
    char *error;
    size_t error_size;
    unsigned long number; /* of the line */
};

/* Writes the error. Returns false. */
static __attribute__((format(printf, 2, 3))) bool refuse(struct parse *p, const char *format, ...)
{
    va_list args;
    int len = snprintf(p->error, p->error_size, "AOF manifest %s, line %lu: ", p->path, p->number);
    if (len > 0 && (size_t)len < p->error_size) {
        va_start(args, format);
        vsnprintf(p->error + len, p->error_size - (size_t)len, format, args);
        va_end(args);
    }
    return false;
}

/* What one line says. */
struct said {
    const char *name;
    int64_t number;
    char type;
};

static bool is_file_name(const char *name)
{
    return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool take_pair(struct parse *p, const char *key, const char *value, struct said *said)
{
    if (strcasecmp(key, "file") == 0) {
        if (!is_file_name(value)) {
            return refuse(p, "File can't be a path, just a filename");
        }
        said->name = value;
    } else if (strcasecmp(key, "seq") == 0) {
        if (!number_parse_i64(value, strlen(value), &said->number)) {
            said->number = 0;
        }
    } else if (strcasecmp(key, "type") == 0) {
        said->type = value[0];
    }
    return true;
}

static bool add_increment(struct parse *p, const struct said *said)
{
    struct aof_files *increments = &p->m->increments;
    uint64_t number = (uint64_t)said->number;
    if (increments->count > 0 && number <= increments->items[increments->count - 1].number) {
        return refuse(p, "Found a non-monotonic sequence number");
    }
    return aof_files_add(increments, said->name, number) || refuse(p, "Out of memory");
}

static bool set_base(struct parse *p, const struct said *said)
{
    if (p->m->has_base) {
        return refuse(p, "Found duplicate base file information");
    }
    p->m->has_base = true;
    p->m->base.number = (uint64_t)said->number;
    strcpy(p->m->base.name, said->name);
    return true;
}

static bool add(struct parse *p, const struct said *said)
{
    if (said->name == NULL || said->name[0] == '\0' || said->number <= 0 || said->type == '\0') {
        return refuse(p, "Invalid AOF manifest file format");
    }
    if (strlen(said->name) >= AOF_FILE_NAME_SIZE) {
        return refuse(p, "File name is too long");
    }
    switch (said->type) {
    case 'b': return set_base(p, said);
    case 'i': return add_increment(p, said);
    case 'h':
        return aof_files_add(&p->m->history, said->name, (uint64_t)said->number) ||
               refuse(p, "Out of memory");
    default: return refuse(p, "Unknown AOF file type");
    }
}

static bool parse_words(struct parse *p, const struct config_list *words)
{
    struct said said = {0};
    if (words->count < 6 || words->count % 2 != 0) {
        return refuse(p, "Invalid AOF manifest file format");
    }
    for (size_t i = 0; i < words->count; i += 2) {
        if (!take_pair(p, words->items[i], words->items[i + 1], &said)) {
            return false;
        }
    }
    return add(p, &said);
}

static bool parse_line(struct parse *p, const char *line, size_t len, bool ends)
{
    struct config_list words = {0};
    if (!ends || len + 1 >= LINE_MAX_BYTES) { /* a line that is cut off looks the same to Redis */
        return refuse(p, "The AOF manifest file contains too long line");
    }
    bool good = words_split(&words, line, len) ? parse_words(p, &words)
                                               : refuse(p, "Invalid AOF manifest file format");
    list_clear(&words);
    return good;
}

static bool parse_lines(struct parse *p, const char *text, size_t len)
{
    if (len == 0) {
        return refuse(p, "Found an empty AOF manifest");
    }
    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line = newline != NULL ? (size_t)(newline - text) : len;
        p->number++;
        if (text[0] != '#' && !parse_line(p, text, line, newline != NULL)) {
            return false;
        }
        size_t passed = newline != NULL ? line + 1 : line;
        text += passed;
        len -= passed;
    }
    return true;
}

enum aof_manifest_status aof_manifest_parse(const char *path, const char *text, size_t len,
                                            struct aof_manifest *m, char *error, size_t error_size)
{
    struct parse p = {.path = path, .m = m, .error = error, .error_size = error_size};
    memset(m, 0, sizeof *m);
    if (parse_lines(&p, text, len)) {
        return AOF_MANIFEST_LOADED;
    }
    aof_manifest_free(m);
    return AOF_MANIFEST_BAD;
}

static bool manifest_path(char path[PATH_BYTES], const char *folder, const char *name, const char *prefix)
{
    int len = snprintf(path, PATH_BYTES, "%s/%s%s.manifest", folder, prefix, name);
    if (len < 0 || len >= PATH_BYTES) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

/* All bytes of a file; the caller frees them. NULL with errno. */
static char *read_whole(const char *path, size_t *len)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    char *text = NULL;
    if (file == NULL) {
        return NULL;
    }
    if (fstat(fileno(file), &status) == 0) {
        errno = EFBIG;
        text = status.st_size <= MANIFEST_MAX_BYTES ? malloc((size_t)status.st_size + 1) : NULL;
    }
    if (text != NULL) {
        *len = fread(text, 1, (size_t)status.st_size, file);
        if (ferror(file)) {
            free(text);
            text = NULL;
        }
    }
    int error = errno;
    fclose(file);
    errno = error;
    return text;
}

enum aof_manifest_status aof_manifest_load(const char *folder, const char *name, struct aof_manifest *m,
                                           char *error, size_t error_size)
{
    char path[PATH_BYTES];
    size_t len = 0;
    char *text = manifest_path(path, folder, name, "") ? read_whole(path, &len) : NULL;
    memset(m, 0, sizeof *m);
    if (text == NULL) {
        if (errno == ENOENT) {
            return AOF_MANIFEST_NONE;
        }
        snprintf(error, error_size, "AOF manifest %s/%s.manifest: %s", folder, name, strerror(errno));
        return AOF_MANIFEST_BAD;
    }
    enum aof_manifest_status status = aof_manifest_parse(path, text, len, m, error, error_size);
    free(text);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void write_line(FILE *out, const struct aof_file *file, char type)
{
    char *name = words_quote(file->name);
    fprintf(out, "file %s seq %llu type %c\n", name, (unsigned long long)file->number, type);
    free(name);
}

static void write_files(FILE *out, const struct aof_files *files, char type)
{
    for (size_t i = 0; i < files->count; i++) {
        write_line(out, &files->items[i], type);
    }
}

char *aof_manifest_text(const struct aof_manifest *m)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    if (m->has_base) {
        write_line(out, &m->base, 'b');
    }
    write_files(out, &m->history, 'h');
    write_files(out, &m->increments, 'i');
    bool good = !ferror(out);
    if (fclose(out) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

static bool write_temporary(const char *path, const char *text)
{
    int fd = disk_open(DISK_MANIFEST_OPEN, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) {
        return false;
    }
    bool good =
        disk_write_all(DISK_MANIFEST_WRITE, fd, text, strlen(text)) && disk_sync(DISK_MANIFEST_SYNC, fd);
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

bool aof_manifest_store(const char *folder, const char *name, const struct aof_manifest *m)
{
    char path[PATH_BYTES], temporary[PATH_BYTES];
    char *text = aof_manifest_text(m);
    if (text == NULL) {
        errno = ENOMEM;
        return false;
    }
    bool named = manifest_path(path, folder, name, "") && manifest_path(temporary, folder, name, "temp-");
    bool good = named && write_temporary(temporary, text) &&
                disk_rename(DISK_MANIFEST_RENAME, AT_FDCWD, temporary, path) &&
                disk_sync_folder_at(DISK_MANIFEST_SYNC_FOLDER, folder);
    free(text);
    return good;
}
