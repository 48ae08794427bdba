/*
 * An RDB stream being written: header, fields about the server, databases, keys, checksum. Bytes gather in a buffer of a megabyte and
 * go to a function from there.
 *
 * Or the same keys as commands (rdb_record.commands), each behind the SELECT of its database: then there is nothing around them.
 *
 * Source: RDB file format, version 10; opcodes in rdb_format.h.
 *
 * Threads: one at a time. rdb_record_write is safe in any.
 */
#ifndef ORDINAL_PERSIST_RDB_STREAM_H
#define ORDINAL_PERSIST_RDB_STREAM_H

#include "persist/rdb_format.h"
#include "persist/rdb_writer.h"
#include "store/access.h"
#include "store/entry.h"

/* How values are written (type.h): given by above, as persist knows no type. */
struct rdb_values {
    enum rdb_type (*rdb_type)(const struct entry *e);
    void (*save)(struct rdb_writer *writer, const struct entry *e);
    void (*restate)(struct rdb_writer *writer, const struct entry *e); /* a whole key as commands */
};

enum rdb_access { RDB_NO_ACCESS, RDB_IDLE, RDB_FREQUENCY };

/* What a key's record is made by. */
struct rdb_record {
    struct rdb_values values;
    enum rdb_access access; /* whether idle times or frequencies are written, as for maxmemory-policy … */
    struct access_rules rules;
    int64_t now;   /* … at this time (ms of clock.h) */
    bool commands; /* not as a record at all, but as commands */
};

/* A key with deadline, access and value. */
void rdb_record_write(struct rdb_writer *writer, const struct rdb_record *how, const struct entry *e);

struct rdb_stream {
    struct rdb_writer writer;
    struct rdb_record how;
    bool checksum;
    uint64_t crc, bytes;
    int db;    /* what was selected last, or -1 */
    int error; /* errno of what failed, or 0 */
    void *context;
    bool (*write)(void *context, const void *bytes, size_t n); /* false: errno is set */
};

/* Begins a stream of a version; `how` is copied. False: no memory. */
bool rdb_stream_begin(struct rdb_stream *stream, int version, const struct rdb_record *how, bool compress,
                      bool checksum, bool (*write)(void *context, const void *bytes, size_t n),
                      void *context);
void rdb_stream_free(struct rdb_stream *stream);

void rdb_stream_aux(struct rdb_stream *stream, const char *name, const char *value);
void rdb_stream_aux_int(struct rdb_stream *stream, const char *name, int64_t value);

/* What follows is in this database; does nothing where it is anyway. */
void rdb_stream_select(struct rdb_stream *stream, int db);
void rdb_stream_resize(struct rdb_stream *stream, uint64_t keys, uint64_t timed);

/* A key. While the stream is held, nothing is written to where it goes (a lock is held): what gathers stays in the buffer. */
void rdb_stream_entry(struct rdb_stream *stream, const struct entry *e);
void rdb_stream_hold(struct rdb_stream *stream, bool held);

/* A record that was made by rdb_record_write elsewhere. */
void rdb_stream_raw(struct rdb_stream *stream, const void *bytes, size_t n);

/* Writes what has gathered, when it is enough. */
void rdb_stream_flush_full(struct rdb_stream *stream);

/* Ends the stream, and writes all of it. */
void rdb_stream_end(struct rdb_stream *stream);

/* False once something failed: stream->error tells what. */
static inline bool rdb_stream_ok(const struct rdb_stream *stream)
{
    return !stream->writer.failed;
}

/* Of one that failed: errno of a write, else there was no memory. */
int rdb_stream_error(const struct rdb_stream *stream);

#endif
