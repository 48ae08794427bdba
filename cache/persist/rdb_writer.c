/*
 * The writing half of the RDB format. The buffer doubles, and a string's worst case is reserved before it is
 * encoded, so that LZF compresses straight into the buffer and nothing is copied twice.
 */

#include "persist/rdb_writer.h"

#include <liblzf/lzf.h>
#include <stdlib.h>
#include <string.h>

#include "persist/lzf_short.h"
#include "persist/rdb_format.h"
#include "types/number.h"

enum {
    FIRST_CAPACITY = 128,
    LENGTH_MAX_BYTES = 9,
    INTEGER_TEXT_MAX = 11, /* "-2147483648": longer texts are no 32-bit integers */
    COMPRESS_ABOVE = 20    /* bytes; Redis's threshold */
};

void rdb_writer_init(struct rdb_writer *writer, bool compress)
{
    *writer = (struct rdb_writer){.compress = compress};
}

void rdb_writer_free(struct rdb_writer *writer)
{
    free(writer->bytes);
    writer->bytes = NULL;
    writer->len = writer->capacity = 0;
}

void rdb_writer_clear(struct rdb_writer *writer)
{
    writer->len = 0;
    writer->failed = false;
}

void rdb_writer_fail(struct rdb_writer *writer)
{
    writer->failed = true;
}

bool rdb_writer_ok(const struct rdb_writer *writer)
{
    return !writer->failed;
}

uint8_t *rdb_writer_take(struct rdb_writer *writer, size_t *len)
{
    if (writer->failed) {
        *len = 0;
        return NULL;
    }
    uint8_t *bytes = writer->bytes;
    *len = writer->len;
    writer->bytes = NULL;
    writer->len = writer->capacity = 0;
    return bytes;
}

static __attribute__((noinline)) bool grow(struct rdb_writer *writer, size_t n)
{
    size_t needed;
    if (__builtin_add_overflow(writer->len, n, &needed) || needed > SIZE_MAX / 2) {
        writer->failed = true;
        return false;
    }
    size_t capacity = writer->capacity * 2;
    capacity = capacity < FIRST_CAPACITY ? FIRST_CAPACITY : capacity;
    capacity = capacity < needed ? needed : capacity;
    uint8_t *bytes = realloc(writer->bytes, capacity);
    if (bytes == NULL) {
        writer->failed = true;
        return false;
    }
    writer->bytes = bytes;
    writer->capacity = capacity;
    return true;
}

/* Makes room for n more bytes; false (and failed from now on) if memory runs out. */
static inline bool reserve(struct rdb_writer *writer, size_t n)
{
    return !writer->failed && (n <= writer->capacity - writer->len || grow(writer, n));
}

bool rdb_writer_reserve(struct rdb_writer *writer, size_t n)
{
    return reserve(writer, n);
}

static void drain(struct rdb_writer *writer, const void *bytes, size_t n)
{
    if (!writer->failed && !writer->drain(writer->context, bytes, n)) {
        writer->failed = true;
    }
}

static inline void drain_full(struct rdb_writer *writer)
{
    if (__builtin_expect(writer->drain != NULL && writer->len >= RDB_DRAIN_AT, 0)) {
        drain(writer, writer->bytes, writer->len);
        writer->len = 0;
    }
}

void rdb_writer_drain_full(struct rdb_writer *writer)
{
    drain_full(writer);
}

void rdb_write_bytes(struct rdb_writer *writer, const void *bytes, size_t n)
{
    if (__builtin_expect(writer->drain != NULL && n >= RDB_DRAIN_AT, 0)) { /* not worth a copy */
        drain(writer, writer->bytes, writer->len);
        drain(writer, bytes, n);
        writer->len = 0;
        return;
    }
    if (n > 0 && reserve(writer, n)) {
        memcpy(writer->bytes + writer->len, bytes, n);
        writer->len += n;
    }
}

/* The low n bytes of v, lowest first. */
static void write_little_endian(struct rdb_writer *writer, uint64_t v, unsigned n)
{
    if (!reserve(writer, sizeof v)) {
        return;
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(writer->bytes + writer->len, &v, sizeof v);
    writer->len += n;
}

void rdb_write_u8(struct rdb_writer *writer, uint8_t v)
{
    if (reserve(writer, 1)) {
        writer->bytes[writer->len++] = v;
    }
}

void rdb_write_u16(struct rdb_writer *writer, uint16_t v)
{
    write_little_endian(writer, v, 2);
}

void rdb_write_u32(struct rdb_writer *writer, uint32_t v)
{
    write_little_endian(writer, v, 4);
}

void rdb_write_u64(struct rdb_writer *writer, uint64_t v)
{
    write_little_endian(writer, v, 8);
}

void rdb_write_double(struct rdb_writer *writer, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    rdb_write_u64(writer, bits);
}

/* The first byte's value and the low n bytes of v, highest first. */
static void write_big_endian(struct rdb_writer *writer, uint8_t first, uint64_t v, unsigned n)
{
    uint8_t bytes[LENGTH_MAX_BYTES];
    bytes[0] = first;
    for (unsigned i = 0; i < n; i++) {
        bytes[1 + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
    rdb_write_bytes(writer, bytes, 1 + (size_t)n);
}

void rdb_write_length(struct rdb_writer *writer, uint64_t v)
{
    if (v < 1u << 6) {
        rdb_write_u8(writer, (uint8_t)v);
    } else if (v < 1u << 14) {
        write_big_endian(writer, (uint8_t)(RDB_LENGTH_14BIT | v >> 8), v, 1);
    } else if (v <= UINT32_MAX) {
        write_big_endian(writer, RDB_LENGTH_32BIT, v, 4);
    } else {
        write_big_endian(writer, RDB_LENGTH_64BIT, v, 8);
    }
}

/* The integer encodings, smallest first; false if v needs more than 32 bits. */
static bool write_small_integer(struct rdb_writer *writer, int64_t v)
{
    if (v < INT32_MIN || v > INT32_MAX) {
        return false;
    }
    enum rdb_string_encoding encoding = RDB_ENCODING_INT32;
    unsigned bytes = 4;
    if (v >= INT8_MIN && v <= INT8_MAX) {
        encoding = RDB_ENCODING_INT8;
        bytes = 1;
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        encoding = RDB_ENCODING_INT16;
        bytes = 2;
    }
    rdb_write_u8(writer, (uint8_t)(RDB_LENGTH_ENCODED | encoding));
    write_little_endian(writer, (uint64_t)v, bytes);
    return true;
}

/* Whether a string of this length is tried to be compressed. */
static bool compresses(const struct rdb_writer *writer, size_t n)
{
    return writer->compress && n > COMPRESS_ABOVE &&
           n <= (writer->drain != NULL ? (size_t)RDB_COMPRESS_MOST : (size_t)UINT32_MAX - 64);
}

/*
 * The LZF encoding, if it saves at least four bytes. The compressed length comes before the compressed bytes,
 * so these are made behind room for the longest header and moved up to it.
 */
static bool write_compressed(struct rdb_writer *writer, const void *bytes, size_t n)
{
    size_t header = 1 + 2 * LENGTH_MAX_BYTES;
    if (!compresses(writer, n) || !reserve(writer, header + n)) {
        return false;
    }
    uint8_t *behind = writer->bytes + writer->len + header;
    size_t compressed = n <= LZF_SHORT_MOST ? lzf_short_compress(bytes, n, behind, n - 4)
                                            : lzf_compress(bytes, (unsigned)n, behind, (unsigned)n - 4);
    if (compressed == 0) {
        return false;
    }
    rdb_write_u8(writer, RDB_LENGTH_ENCODED | RDB_ENCODING_LZF);
    rdb_write_length(writer, compressed);
    rdb_write_length(writer, n);
    memmove(writer->bytes + writer->len, behind, compressed);
    writer->len += compressed;
    return true;
}

/* A string of few bytes as an integer; false when it is none. Most are told by their first byte. */
static inline bool write_integer(struct rdb_writer *writer, const char *bytes, size_t n)
{
    int64_t integer;
    return n > 0 && (*bytes <= '9' && *bytes >= '-') && number_parse_i64(bytes, n, &integer) &&
           write_small_integer(writer, integer);
}

void rdb_write_string(struct rdb_writer *writer, const void *bytes, size_t n)
{
    drain_full(writer);
    if (n <= INTEGER_TEXT_MAX && write_integer(writer, bytes, n)) {
        return;
    }
    if (n > COMPRESS_ABOVE && write_compressed(writer, bytes, n)) {
        return;
    }
    rdb_write_length(writer, n);
    rdb_write_bytes(writer, bytes, n);
}

bool rdb_write_string_runs(struct rdb_writer *writer, const void *head, size_t head_len, const void *tail,
                           size_t tail_len)
{
    size_t n = head_len + tail_len;
    if (n <= INTEGER_TEXT_MAX || compresses(writer, n)) {
        return false;
    }
    drain_full(writer);
    rdb_write_length(writer, n);
    rdb_write_bytes(writer, head, head_len);
    rdb_write_bytes(writer, tail, tail_len);
    return true;
}

void rdb_write_integer_string(struct rdb_writer *writer, int64_t v)
{
    if (!write_small_integer(writer, v)) {
        char text[NUMBER_I64_MAX_CHARS];
        size_t n = number_format_i64(text, v);
        rdb_write_length(writer, n);
        rdb_write_bytes(writer, text, n);
    }
}
