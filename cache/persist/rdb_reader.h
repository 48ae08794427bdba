/*
 * Reads the RDB format's primitives from bytes that anyone may have made up. Every read checks what is left;
 * nothing is allocated for a length that the bytes at hand could not produce (LZF grows its input at most
 * 88-fold); the first failure sticks, and every later read fails too, so the caller may check once after
 * several reads. The bytes stay the caller's and must outlive the reader.
 */
#ifndef ORDINAL_PERSIST_RDB_READER_H
#define ORDINAL_PERSIST_RDB_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rdb_reader {
    const uint8_t *bytes;
    size_t len;
    size_t at;
    size_t max_string; /* no string longer than this is accepted */
    bool failed;
    bool no_memory; /* failed because malloc did */
    size_t missing; /* failed because the input ends: at least so many more bytes are needed; else 0 */
};

/*
 * A string that was read. bytes points into the reader's input when it was stored plainly, and to memory of
 * the string's own when it was compressed; an integer stays one (is_integer, value) until its text is wanted.
 */
struct rdb_string {
    const uint8_t *bytes; /* NULL when is_integer */
    size_t len;
    int64_t value;
    uint8_t *owned; /* what rdb_string_free frees, or NULL */
    bool is_integer;
};

void rdb_reader_init(struct rdb_reader *reader, const void *bytes, size_t len, size_t max_string);

/* Bytes not read yet. */
size_t rdb_reader_left(const struct rdb_reader *reader);

/* Goes back to a place before, and forgets a failure. */
void rdb_reader_rewind(struct rdb_reader *reader, size_t at);

/* Fails: the input is not what it should be. Returns false. */
bool rdb_reader_fail(struct rdb_reader *reader);

/* Fails for want of `missing` bytes behind the input. Returns false. */
bool rdb_reader_lacks(struct rdb_reader *reader, size_t missing);

/* False after the first failure. */
bool rdb_reader_ok(const struct rdb_reader *reader);

/* Each returns false when the input ends early or is malformed; *out is then not to be used. */
bool rdb_read_u8(struct rdb_reader *reader, uint8_t *out);
bool rdb_read_u16(struct rdb_reader *reader, uint16_t *out);
bool rdb_read_u32(struct rdb_reader *reader, uint32_t *out);
bool rdb_read_u64(struct rdb_reader *reader, uint64_t *out);
/* 8 bytes; any bit pattern, also NaN: the caller decides. */
bool rdb_read_double(struct rdb_reader *reader, double *out);
/* A length; one of the string encodings (11xxxxxx) is a failure here. */
bool rdb_read_length(struct rdb_reader *reader, uint64_t *out);
/* A length, or (*encoded) the number of a string encoding. */
bool rdb_read_length_or_encoding(struct rdb_reader *reader, uint64_t *out, bool *encoded);
/*
 * The number of elements that follow, each of which takes at least min_bytes (1 or more): a count that the
 * bytes left cannot hold is a failure, so the caller may allocate for *out elements.
 */
bool rdb_read_count(struct rdb_reader *reader, size_t min_bytes, size_t *out);
/* n bytes of the input, in place. */
bool rdb_read_bytes(struct rdb_reader *reader, size_t n, const uint8_t **out);
/* A string in any encoding; free it with rdb_string_free. */
bool rdb_read_string(struct rdb_reader *reader, struct rdb_string *out);

/*
 * The text of the string: bytes themselves, or the integer in decimal, written into buf (20 bytes). *len gets
 * its length. Valid as long as the string, the reader's input and buf are.
 */
const uint8_t *rdb_string_text(const struct rdb_string *string, char *buf, size_t *len);
void rdb_string_free(struct rdb_string *string);

#endif
