/*
 * Writes the RDB format's primitives into a growing buffer. When memory runs out the writer remembers it and
 * ignores what follows, so a whole value can be written without a check on each line: ask rdb_writer_ok at
 * the end.
 *
 * A writer may be given a drain: then a large value streams through the buffer, which is emptied into the drain between two
 * strings, and no value takes more memory than its longest string that is compressed (RDB_COMPRESS_MOST).
 */
#ifndef ORDINAL_PERSIST_RDB_WRITER_H
#define ORDINAL_PERSIST_RDB_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RDB_DRAIN_AT = 1 << 20,      /* bytes in the buffer from which it is emptied */
    RDB_COMPRESS_MOST = 16 << 20 /* bytes of the longest string that a writer with a drain compresses */
};

/* Takes bytes away; false when they cannot be, which fails the writer. */
typedef bool rdb_drain_fn(void *context, const void *bytes, size_t n);

struct rdb_writer {
    uint8_t *bytes;
    size_t len;
    size_t capacity;
    bool failed;
    bool compress;       /* LZF for strings longer than 20 bytes (rdbcompression) */
    rdb_drain_fn *drain; /* or NULL */
    void *context;
};

/* An empty writer; nothing is allocated yet. */
void rdb_writer_init(struct rdb_writer *writer, bool compress);

/* Frees the buffer; the writer may be initialised again. */
void rdb_writer_free(struct rdb_writer *writer);

/* Forgets the content and a failure, keeps the buffer: for writing many values one after another. */
void rdb_writer_clear(struct rdb_writer *writer);

/* As if memory had run out: for a value that could not even be read for want of it. */
void rdb_writer_fail(struct rdb_writer *writer);

/* False if memory ran out at any time since init or clear. */
bool rdb_writer_ok(const struct rdb_writer *writer);

/* Gives the buffer so much room from the start: a writer that keeps its buffer. False: no memory. */
bool rdb_writer_reserve(struct rdb_writer *writer, size_t n);

/* Hands the buffer over to the caller, who frees it with free(); NULL if nothing was written or it failed. */
uint8_t *rdb_writer_take(struct rdb_writer *writer, size_t *len);

/* Between two strings: empties a buffer that is full enough, where there is a drain. */
void rdb_writer_drain_full(struct rdb_writer *writer);

void rdb_write_bytes(struct rdb_writer *writer, const void *bytes, size_t n);
void rdb_write_u8(struct rdb_writer *writer, uint8_t v);
/* Fixed-width integers, little-endian. */
void rdb_write_u16(struct rdb_writer *writer, uint16_t v);
void rdb_write_u32(struct rdb_writer *writer, uint32_t v);
void rdb_write_u64(struct rdb_writer *writer, uint64_t v);
/* An IEEE 754 double in 8 little-endian bytes: the score of RDB_TYPE_ZSET_2. */
void rdb_write_double(struct rdb_writer *writer, double v);
/* A length in its shortest form. */
void rdb_write_length(struct rdb_writer *writer, uint64_t v);
/* A string, as an integer or compressed where that is shorter, as Redis does. */
void rdb_write_string(struct rdb_writer *writer, const void *bytes, size_t n);
/* The same for a string that lies in two runs; false where it would have to lie in one, and nothing is written. */
bool rdb_write_string_runs(struct rdb_writer *writer, const void *head, size_t head_len, const void *tail,
                           size_t tail_len);
/* The string that is the decimal text of v. */
void rdb_write_integer_string(struct rdb_writer *writer, int64_t v);

#endif
