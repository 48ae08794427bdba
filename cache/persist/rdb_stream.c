#include "persist/rdb_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "persist/command_writer.h"
#include "persist/crc64.h"
#include "types/number.h"

enum { BUFFER = RDB_DRAIN_AT + 256 * 1024 };

/* ---- records ------------------------------------------------------------------------------------------ */

static void write_access(struct rdb_writer *writer, const struct rdb_record *how, const struct entry *e)
{
    if (how->access == RDB_IDLE) {
        rdb_write_u8(writer, RDB_OPCODE_IDLE);
        rdb_write_length(writer, (uint64_t)access_idle_seconds(e, how->now));
    } else if (how->access == RDB_FREQUENCY) {
        rdb_write_u8(writer, RDB_OPCODE_FREQUENCY);
        rdb_write_u8(writer, (uint8_t)access_frequency(&how->rules, e, how->now));
    }
}

void rdb_record_write(struct rdb_writer *writer, const struct rdb_record *how, const struct entry *e)
{
    struct slice key = entry_key(e);
    if (how->commands) {
        how->values.restate(writer, e);
        return;
    }
    if (entry_has_deadline(e)) {
        rdb_write_u8(writer, RDB_OPCODE_EXPIRE_MS);
        rdb_write_u64(writer, (uint64_t)clock_to_wall(entry_deadline(e)));
    }
    if (how->access != RDB_NO_ACCESS) {
        write_access(writer, how, e);
    }
    rdb_write_u8(writer, (uint8_t)how->values.rdb_type(e));
    rdb_write_string(writer, key.ptr, key.len);
    how->values.save(writer, e);
}

/* ---- the stream ----------------------------------------------------------------------------------------- */

static bool drain(void *context, const void *bytes, size_t n)
{
    struct rdb_stream *stream = context;
    if (n == 0) {
        return true;
    }
    if (stream->checksum) {
        stream->crc = crc64(stream->crc, bytes, n);
    }
    stream->bytes += n;
    if (!stream->write(stream->context, bytes, n)) {
        stream->error = errno != 0 ? errno : EIO;
        return false;
    }
    return true;
}

bool rdb_stream_begin(struct rdb_stream *stream, int version, const struct rdb_record *how, bool compress,
                      bool checksum, bool (*write)(void *context, const void *bytes, size_t n), void *context)
{
    char magic[16];
    *stream =
        (struct rdb_stream){.how = *how, .checksum = checksum, .db = -1, .write = write, .context = context};
    rdb_writer_init(&stream->writer, compress);
    stream->writer.drain = drain;
    stream->writer.context = stream;
    if (!rdb_writer_reserve(&stream->writer, BUFFER)) {
        return false;
    }
    if (!how->commands) {
        int len = snprintf(magic, sizeof magic, "REDIS%04d", version);
        rdb_write_bytes(&stream->writer, magic, (size_t)len);
    }
    return true;
}

void rdb_stream_free(struct rdb_stream *stream)
{
    rdb_writer_free(&stream->writer);
}

void rdb_stream_aux(struct rdb_stream *stream, const char *name, const char *value)
{
    if (stream->how.commands) {
        return;
    }
    rdb_write_u8(&stream->writer, RDB_OPCODE_AUX);
    rdb_write_string(&stream->writer, name, strlen(name));
    rdb_write_string(&stream->writer, value, strlen(value));
}

void rdb_stream_aux_int(struct rdb_stream *stream, const char *name, int64_t value)
{
    char text[NUMBER_I64_MAX_CHARS + 1];
    text[number_format_i64(text, value)] = '\0';
    rdb_stream_aux(stream, name, text);
}

void rdb_stream_select(struct rdb_stream *stream, int db)
{
    if (stream->db == db) {
        return;
    }
    stream->db = db;
    if (stream->how.commands) {
        command_write_begin(&stream->writer, 2);
        command_write_word(&stream->writer, SLICE("SELECT"));
        command_write_int(&stream->writer, db);
    } else {
        rdb_write_u8(&stream->writer, RDB_OPCODE_SELECT_DB);
        rdb_write_length(&stream->writer, (uint64_t)db);
    }
}

void rdb_stream_resize(struct rdb_stream *stream, uint64_t keys, uint64_t timed)
{
    if (!stream->how.commands) {
        rdb_write_u8(&stream->writer, RDB_OPCODE_RESIZE_DB);
        rdb_write_length(&stream->writer, keys);
        rdb_write_length(&stream->writer, timed);
    }
}

void rdb_stream_entry(struct rdb_stream *stream, const struct entry *e)
{
    rdb_record_write(&stream->writer, &stream->how, e);
}

void rdb_stream_hold(struct rdb_stream *stream, bool held)
{
    stream->writer.drain = held ? NULL : drain;
}

void rdb_stream_raw(struct rdb_stream *stream, const void *bytes, size_t n)
{
    rdb_write_bytes(&stream->writer, bytes, n);
}

static void flush(struct rdb_stream *stream)
{
    struct rdb_writer *writer = &stream->writer;
    if (!writer->failed && !drain(stream, writer->bytes, writer->len)) {
        writer->failed = true;
    }
    writer->len = 0;
}

void rdb_stream_flush_full(struct rdb_stream *stream)
{
    if (stream->writer.len >= RDB_DRAIN_AT) {
        flush(stream);
    }
}

void rdb_stream_end(struct rdb_stream *stream)
{
    if (!stream->how.commands) {
        rdb_write_u8(&stream->writer, RDB_OPCODE_EOF);
        flush(stream);
        rdb_write_u64(&stream->writer, stream->checksum ? stream->crc : 0);
    }
    flush(stream);
}

int rdb_stream_error(const struct rdb_stream *stream)
{
    return stream->error != 0 ? stream->error : ENOMEM;
}
