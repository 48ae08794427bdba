/*
 * Reads one file of commands of the append-only file, or the stream of a master, which is the same without annotations, in batches: RESP arrays of bulk strings one after another, between which
 * lines may stand that begin with # (annotations: "#TS:1628217470", the time at which what follows was written).
 *
 * It is strict, since a server wrote these bytes and not a person: every length is decimal digits alone, and every line ends
 * with CR LF, also behind each argument, so that a length that was altered is found where it stands. Commands are slices
 * of the window into which the file is read; nothing is allocated for them. Nothing is allocated for a length either that
 * the file is too short for.
 *
 * A file whose last command is cut off is torn. It is damaged, and not torn, when whole commands follow the one that seems to
 * be cut off: then a length in it is wrong, and all that follows would be lost with it.
 *
 * Source: Redis manual, "Redis persistence", "Append-only file"; the annotations of Redis 7.0.
 * Threads: its owner's alone.
 */
#ifndef ORDINAL_PERSIST_AOF_READER_H
#define ORDINAL_PERSIST_AOF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persist/rdb_window.h"
#include "slice.h"

struct aof_command {
    struct slice *argv;
    size_t argc;
    uint64_t offset; /* in the file */
};

enum aof_read {
    AOF_READ_COMMANDS,
    AOF_READ_END,
    AOF_READ_TORN,    /* the file ends within a command */
    AOF_READ_DAMAGED, /* `reason` */
    AOF_READ_FAILED   /* the disk, or no memory: `reason` */
};

/* Is told of an annotation of a stream, without the end of its line, when all before it has been given. */
typedef void aof_annotated_fn(void *context, struct slice line);

struct aof_reader {
    aof_annotated_fn *annotated; /* of a stream: NULL, and it has none */
    void *context;
    int fd;        /* the caller's; -1: what is read is no file */
    uint64_t size; /* bytes of the file */
    struct rdb_source source;
    struct rdb_window window;
    size_t given;       /* bytes from window.at on that make up what was given last */
    struct slice *args; /* of what was given last; malloc's */
    size_t arg_count, arg_room;
    uint64_t
        offset; /* COMMANDS: behind the last one; END, TORN: behind the last whole one; DAMAGED: what is wrong */
    char reason[160];
};

/* Begins at an offset of the file, which is open for reading. False with errno. */
bool aof_reader_open(struct aof_reader *r, int fd, uint64_t offset);

/* The same for a stream that has no end: what `source` gives, behind the `len` bytes that were read of it already. Annotations are
 * told to `annotated`, which the caller sets, and are no part of what is given (aof_reader_bytes). An end of the source is AOF_READ_END between two commands and AOF_READ_TORN within one; an error of it, also
 * one that only means that nothing came yet, AOF_READ_FAILED with window.error: the next call goes on. False: no memory. */
bool aof_reader_open_stream(struct aof_reader *r, const struct rdb_source *source, const void *bytes,
                            size_t len);

/* The bytes of what was given last: whole commands, behind one another, up to `offset`. */
static inline const char *aof_reader_bytes(const struct aof_reader *r)
{
    return (const char *)r->window.bytes + r->window.at;
}

void aof_reader_close(struct aof_reader *r);

/* The next commands, at most `max`, which are good until the next call. */
enum aof_read aof_reader_next(struct aof_reader *r, struct aof_command *commands, size_t max, size_t *count);

#endif
