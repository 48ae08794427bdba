/*
 * The reading half of the RDB format, for bytes from strangers. All reads go through rdb_read_bytes, the one
 * place that compares with what is left and the one that fails; nothing else moves the position.
 */

#include "persist/rdb_reader.h"

#include <liblzf/lzf.h>
#include <stdlib.h>
#include <string.h>

#include "persist/rdb_format.h"
#include "types/number.h"

/* LZF's best: three bytes (a long back reference) stand for 264. */
enum { LZF_MAX_GROWTH = 88 };

void rdb_reader_init(struct rdb_reader *reader, const void *bytes, size_t len, size_t max_string)
{
    *reader = (struct rdb_reader){.bytes = bytes, .len = len, .max_string = max_string};
}

size_t rdb_reader_left(const struct rdb_reader *reader)
{
    return reader->len - reader->at;
}

bool rdb_reader_ok(const struct rdb_reader *reader)
{
    return !reader->failed;
}

void rdb_reader_rewind(struct rdb_reader *reader, size_t at)
{
    reader->at = at;
    reader->failed = reader->no_memory = false;
    reader->missing = 0;
}

bool rdb_reader_fail(struct rdb_reader *reader)
{
    reader->failed = true;
    return false;
}

bool rdb_reader_lacks(struct rdb_reader *reader, size_t missing)
{
    reader->missing = reader->failed ? reader->missing : missing;
    return rdb_reader_fail(reader);
}

bool rdb_read_bytes(struct rdb_reader *reader, size_t n, const uint8_t **out)
{
    if (__builtin_expect(reader->failed || n > rdb_reader_left(reader), 0)) {
        return rdb_reader_lacks(reader, n - rdb_reader_left(reader));
    }
    *out = reader->bytes + reader->at;
    reader->at += n;
    return true;
}

static bool read_little_endian(struct rdb_reader *reader, unsigned n, uint64_t *out)
{
    const uint8_t *bytes;
    if (!rdb_read_bytes(reader, n, &bytes)) {
        return false;
    }
    *out = 0;
    for (unsigned i = 0; i < n; i++) {
        *out |= (uint64_t)bytes[i] << (8 * i);
    }
    return true;
}

static bool read_big_endian(struct rdb_reader *reader, unsigned n, uint64_t *out)
{
    const uint8_t *bytes;
    if (!rdb_read_bytes(reader, n, &bytes)) {
        return false;
    }
    *out = 0;
    for (unsigned i = 0; i < n; i++) {
        *out = *out << 8 | bytes[i];
    }
    return true;
}

bool rdb_read_u8(struct rdb_reader *reader, uint8_t *out)
{
    uint64_t v = 0;
    bool ok = read_little_endian(reader, 1, &v);
    *out = (uint8_t)v;
    return ok;
}

bool rdb_read_u16(struct rdb_reader *reader, uint16_t *out)
{
    uint64_t v = 0;
    bool ok = read_little_endian(reader, 2, &v);
    *out = (uint16_t)v;
    return ok;
}

bool rdb_read_u32(struct rdb_reader *reader, uint32_t *out)
{
    uint64_t v = 0;
    bool ok = read_little_endian(reader, 4, &v);
    *out = (uint32_t)v;
    return ok;
}

bool rdb_read_u64(struct rdb_reader *reader, uint64_t *out)
{
    *out = 0;
    return read_little_endian(reader, 8, out);
}

bool rdb_read_double(struct rdb_reader *reader, double *out)
{
    uint64_t bits;
    bool ok = rdb_read_u64(reader, &bits);
    memcpy(out, &bits, sizeof(bits));
    return ok;
}

bool rdb_read_length_or_encoding(struct rdb_reader *reader, uint64_t *out, bool *encoded)
{
    uint8_t first;
    *out = 0;
    *encoded = false;
    if (!rdb_read_u8(reader, &first)) {
        return false;
    }
    switch (first & RDB_LENGTH_MASK) {
    case RDB_LENGTH_6BIT: *out = first & 0x3f; return true;
    case RDB_LENGTH_14BIT:
        if (!read_big_endian(reader, 1, out)) {
            return false;
        }
        *out |= (uint64_t)(first & 0x3f) << 8;
        return true;
    case RDB_LENGTH_ENCODED:
        *out = first & 0x3f;
        *encoded = true;
        return true;
    default: break;
    }
    if (first == RDB_LENGTH_32BIT || first == RDB_LENGTH_64BIT) {
        return read_big_endian(reader, first == RDB_LENGTH_32BIT ? 4 : 8, out);
    }
    return rdb_reader_fail(reader);
}

bool rdb_read_length(struct rdb_reader *reader, uint64_t *out)
{
    bool encoded;
    return rdb_read_length_or_encoding(reader, out, &encoded) && (!encoded || rdb_reader_fail(reader));
}

bool rdb_read_count(struct rdb_reader *reader, size_t min_bytes, size_t *out)
{
    uint64_t count;
    *out = 0;
    if (!rdb_read_length(reader, &count)) {
        return false;
    }
    if (count > rdb_reader_left(reader) / min_bytes) {
        uint64_t bytes = count < SIZE_MAX / min_bytes ? count * min_bytes : SIZE_MAX;
        return rdb_reader_lacks(reader, (size_t)bytes - rdb_reader_left(reader));
    }
    *out = (size_t)count;
    return true;
}

/* The bytes behind an integer encoding. */
static bool read_integer(struct rdb_reader *reader, unsigned bytes, struct rdb_string *out)
{
    uint64_t raw;
    if (!read_little_endian(reader, bytes, &raw)) {
        return false;
    }
    unsigned unused = 64 - 8 * bytes;
    out->is_integer = true;
    out->value = (int64_t)(raw << unused) >> unused;
    out->len = number_i64_chars(out->value);
    return true;
}

static bool read_compressed(struct rdb_reader *reader, struct rdb_string *out)
{
    uint64_t compressed;
    uint64_t original;
    const uint8_t *bytes;
    if (!rdb_read_length(reader, &compressed) || !rdb_read_length(reader, &original)) {
        return false;
    }
    if (compressed > UINT32_MAX || original > UINT32_MAX || original == 0 ||
        original > compressed * LZF_MAX_GROWTH || original > reader->max_string) {
        return rdb_reader_fail(reader);
    }
    if (!rdb_read_bytes(reader, (size_t)compressed, &bytes)) {
        return false;
    }
    uint8_t *owned = malloc((size_t)original);
    if (owned == NULL) {
        reader->no_memory = true;
        return rdb_reader_fail(reader);
    }
    if (lzf_decompress(bytes, (unsigned)compressed, owned, (unsigned)original) != original) {
        free(owned);
        return rdb_reader_fail(reader);
    }
    out->bytes = out->owned = owned;
    out->len = (size_t)original;
    return true;
}

static bool read_plain(struct rdb_reader *reader, uint64_t len, struct rdb_string *out)
{
    if (len > reader->max_string) {
        return rdb_reader_fail(reader);
    }
    out->len = (size_t)len;
    return rdb_read_bytes(reader, out->len, &out->bytes);
}

bool rdb_read_string(struct rdb_reader *reader, struct rdb_string *out)
{
    uint64_t length;
    bool encoded;
    *out = (struct rdb_string){.bytes = NULL};
    if (!rdb_read_length_or_encoding(reader, &length, &encoded)) {
        return false;
    }
    if (!encoded) {
        return read_plain(reader, length, out);
    }
    switch (length) {
    case RDB_ENCODING_INT8: return read_integer(reader, 1, out);
    case RDB_ENCODING_INT16: return read_integer(reader, 2, out);
    case RDB_ENCODING_INT32: return read_integer(reader, 4, out);
    case RDB_ENCODING_LZF: return read_compressed(reader, out);
    default: return rdb_reader_fail(reader);
    }
}

const uint8_t *rdb_string_text(const struct rdb_string *string, char *buf, size_t *len)
{
    if (string->is_integer) {
        *len = number_format_i64(buf, string->value);
        return (const uint8_t *)buf;
    }
    *len = string->len;
    return string->bytes;
}

void rdb_string_free(struct rdb_string *string)
{
    free(string->owned);
    string->owned = NULL;
    string->bytes = NULL;
}
