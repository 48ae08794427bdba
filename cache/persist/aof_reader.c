#include "persist/aof_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_DIGITS = 18,           /* of a count or a length */
    MAX_ANNOTATION = 64 * 1024 /* bytes of a line */
};

/* ---- one command in memory ------------------------------------------------------------------------------- */

enum parsed { PARSED, PARSED_SHORT, PARSED_WRONG, PARSED_NO_MEMORY };

struct parser {
    const char *at, *end;
    struct aof_reader *reader; /* to whose args arguments are added */
    uint64_t lacks;            /* SHORT: so many bytes are missing at least */
    const char *reason;        /* WRONG */
};

static enum parsed lacks(struct parser *p, uint64_t bytes)
{
    p->lacks = bytes;
    return PARSED_SHORT;
}

static enum parsed wrong(struct parser *p, const char *reason)
{
    p->reason = reason;
    return PARSED_WRONG;
}

/* Reads "<mark><digits>\r\n". WRONG leaves `at` on the first byte that is not as it must be. */
static enum parsed read_number(struct parser *p, char mark, uint64_t *number)
{
    uint64_t value = 0;
    if (p->at == p->end) {
        return lacks(p, 1);
    }
    if (*p->at != mark) {
        return wrong(p, mark == '*' ? "'*' is expected, the beginning of a command"
                                    : "'$' is expected, the beginning of an argument");
    }
    const char *digits = p->at + 1;
    const char *at = digits;
    while (at < p->end && (unsigned char)(*at - '0') < 10 && at - digits < MAX_DIGITS) {
        value = value * 10 + (uint64_t)(*at++ - '0');
    }
    if (p->end - at < 2 && (at == p->end || *at == '\r')) {
        return lacks(p, (uint64_t)(2 - (p->end - at)));
    }
    if (at == digits || at[0] != '\r' || at[1] != '\n') {
        p->at = at + (at > digits && *at == '\r');
        return wrong(p, "a number and the end of its line are expected");
    }
    p->at = at + 2;
    *number = value;
    return PARSED;
}

static bool add_argument(struct aof_reader *r, const char *bytes, size_t len)
{
    if (r->arg_count == r->arg_room) {
        size_t room = r->arg_room == 0 ? 256 : 2 * r->arg_room;
        struct slice *args = realloc(r->args, room * sizeof *args);
        if (args == NULL) {
            return false;
        }
        r->args = args;
        r->arg_room = room;
    }
    r->args[r->arg_count++] = (struct slice){bytes, len};
    return true;
}

static enum parsed read_argument(struct parser *p)
{
    uint64_t len = 0;
    enum parsed parsed = read_number(p, '$', &len);
    if (parsed != PARSED) {
        return parsed;
    }
    uint64_t left = (uint64_t)(p->end - p->at);
    if (left < len + 2) {
        return lacks(p, len + 2 - left);
    }
    const char *behind = p->at + len;
    if (behind[0] != '\r' || behind[1] != '\n') {
        p->at = behind + (behind[0] == '\r');
        return wrong(p, "the end of a line is expected behind an argument");
    }
    if (!add_argument(p->reader, p->at, (size_t)len)) {
        return PARSED_NO_MEMORY;
    }
    p->at = behind + 2;
    return PARSED;
}

static enum parsed read_command(struct parser *p)
{
    uint64_t count = 0;
    const char *start = p->at;
    enum parsed parsed = read_number(p, '*', &count);
    if (parsed == PARSED && count == 0) {
        p->at = start + 1;
        return wrong(p, "a command has at least one argument");
    }
    for (uint64_t i = 0; i < count && parsed == PARSED; i++) {
        parsed = read_argument(p);
        if (parsed == PARSED_SHORT) { /* each of the others takes six bytes or more */
            p->lacks += 6 * (count - i - 1 < UINT32_MAX ? count - i - 1 : UINT32_MAX);
        }
    }
    return parsed;
}

/* Passes over a line that begins with #; of a stream: tells of it. */
static enum parsed pass_annotation(struct parser *p)
{
    const char *newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
    if (newline != NULL) {
        size_t len = (size_t)(newline - p->at);
        if (p->reader->annotated != NULL) {
            p->reader->annotated(p->reader->context,
                                 (struct slice){p->at, len - (len > 0 && newline[-1] == '\r')});
        }
        p->at = newline + 1;
        return PARSED;
    }
    return p->end - p->at < MAX_ANNOTATION ? lacks(p, 1) : wrong(p, "an annotation does not end");
}

static enum aof_read fail(struct aof_reader *r, const char *why)
{
    snprintf(r->reason, sizeof r->reason, "%s", why);
    return AOF_READ_FAILED;
}

/* ---- damaged, or only torn ------------------------------------------------------------------------------- */

/* Looks for a whole command that begins behind the first byte. PARSED: *at is where; SHORT: there is none. */
static enum parsed find_command(struct aof_reader *r, const char *bytes, size_t len, size_t *at)
{
    const char *end = bytes + len, *found = bytes;
    while ((found = memmem(found, (size_t)(end - found), "\n*", 2)) != NULL) {
        struct parser p = {.at = found + 1, .end = end, .reader = r};
        r->arg_count = 0;
        enum parsed parsed = read_command(&p);
        if (parsed == PARSED || parsed == PARSED_NO_MEMORY) {
            *at = (size_t)(found + 1 - bytes);
            return parsed;
        }
        found++;
    }
    return PARSED_SHORT;
}

/* The file ends in the command at r->offset, or seems to. Looks at the rest of it through a mapping, since it may be far larger
 * than what was read. */
static enum aof_read judge_end(struct aof_reader *r)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t from = r->offset / page * page;
    size_t len = (size_t)(r->size - from), skip = (size_t)(r->offset - from), at;
    char *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, r->fd, (off_t)from);
    if (bytes == MAP_FAILED) {
        snprintf(r->reason, sizeof r->reason, "its end cannot be looked at: %s", strerror(errno));
        return AOF_READ_FAILED;
    }
    enum parsed found = find_command(r, bytes + skip, len - skip, &at);
    munmap(bytes, len);
    if (found != PARSED) {
        return found == PARSED_SHORT ? AOF_READ_TORN
                                     : fail(r, "there is not enough memory for a command's arguments");
    }
    uint64_t place = r->offset + at;
    snprintf(
        r->reason, sizeof r->reason,
        "the command that begins here ends beyond the end of the file, but a whole command follows at offset %llu",
        (unsigned long long)place);
    return AOF_READ_DAMAGED;
}

/* ---- the window ------------------------------------------------------------------------------------------ */

static ssize_t read_file(void *context, void *buffer, size_t n)
{
    const struct aof_reader *r = context;
    return read(r->fd, buffer, n);
}

bool aof_reader_open(struct aof_reader *r, int fd, uint64_t offset)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        return false;
    }
    *r = (struct aof_reader){.fd = fd, .size = (uint64_t)status.st_size, .offset = offset};
    r->source = (struct rdb_source){r, read_file, r->size};
    rdb_window_init(&r->window, &r->source, false);
    r->window.base = offset;
    return true;
}

bool aof_reader_open_stream(struct aof_reader *r, const struct rdb_source *source, const void *bytes,
                            size_t len)
{
    *r = (struct aof_reader){.fd = -1, .size = UINT64_MAX, .source = *source};
    rdb_window_init(&r->window, &r->source, false);
    return len == 0 || rdb_window_put(&r->window, bytes, len);
}

void aof_reader_close(struct aof_reader *r)
{
    rdb_window_free(&r->window);
    free(r->args);
    r->args = NULL;
}

/* Reads on, so that so many bytes more are in the window. COMMANDS: they are. */
static enum aof_read read_on(struct aof_reader *r, uint64_t bytes)
{
    struct rdb_window *w = &r->window;
    uint64_t held = w->end - w->at;
    bool within = bytes <= r->size && r->offset + held <= r->size - bytes;
    if (within && rdb_window_more(w, (size_t)bytes)) {
        return AOF_READ_COMMANDS;
    }
    if (w->no_memory) {
        return fail(r, "there is not enough memory to read it");
    }
    if (w->error != 0) {
        return fail(r, strerror(w->error));
    }
    if (r->fd < 0) {
        return held == 0 ? AOF_READ_END : AOF_READ_TORN;
    }
    if (within) {
        return fail(r, "the file has become shorter while it was read");
    }
    return held == 0 && r->offset >= r->size ? AOF_READ_END : judge_end(r);
}

/* ---- batches --------------------------------------------------------------------------------------------- */

/* Parses as many commands as there are in the window. *p is left where it cannot go on, r->given says how far it came. */
static enum parsed parse_batch(struct aof_reader *r, struct parser *p, struct aof_command *commands,
                               size_t max, size_t *count)
{
    const char *begin = p->at;
    uint64_t base = rdb_window_offset(&r->window);
    enum parsed parsed = PARSED;
    while (*count < max) {
        const char *start = p->at;
        size_t first = r->arg_count;
        bool annotation = start < p->end && *start == '#' && (r->fd >= 0 || r->annotated != NULL);
        if (annotation && r->annotated != NULL && *count > 0) {
            break; /* what comes before it is given first */
        }
        parsed = annotation ? pass_annotation(p) : read_command(p);
        if (parsed != PARSED) {
            r->arg_count = first;
            break;
        }
        r->given = (size_t)(p->at - begin);
        if (!annotation) {
            commands[(*count)++] =
                (struct aof_command){NULL, r->arg_count - first, base + (uint64_t)(start - begin)};
        } else if (r->annotated != NULL) {
            break; /* what comes behind it begins anew */
        }
    }
    return parsed;
}

/* The arguments have their places only now: the array may have moved. */
static void hand_out(const struct aof_reader *r, struct aof_command *commands, size_t count)
{
    struct slice *argv = r->args;
    for (size_t i = 0; i < count; i++) {
        commands[i].argv = argv;
        argv += commands[i].argc;
    }
}

enum aof_read aof_reader_next(struct aof_reader *r, struct aof_command *commands, size_t max, size_t *count)
{
    struct rdb_window *w = &r->window;
    *count = 0;
    for (;;) {
        w->at += r->given;
        r->given = 0;
        r->arg_count = 0;
        const char *begin = w->bytes != NULL ? (const char *)w->bytes + w->at : "";
        struct parser p = {.at = begin, .end = begin + (w->end - w->at), .reader = r};
        enum parsed parsed = parse_batch(r, &p, commands, max, count);
        r->offset = rdb_window_offset(w) + r->given;
        if (*count > 0) {
            hand_out(r, commands, *count);
            return AOF_READ_COMMANDS;
        }
        if (parsed == PARSED_NO_MEMORY) {
            return fail(r, "there is not enough memory for a command's arguments");
        }
        if (parsed == PARSED_WRONG) {
            r->offset = rdb_window_offset(w) + (uint64_t)(p.at - begin);
            snprintf(r->reason, sizeof r->reason, "%s", p.reason);
            return AOF_READ_DAMAGED;
        }
        if (r->given > 0) { /* nothing but annotations */
            continue;
        }
        enum aof_read read = read_on(r, p.lacks);
        if (read != AOF_READ_COMMANDS) {
            return read;
        }
    }
}
