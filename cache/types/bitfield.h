/*
 * Integers of 1 to 64 bits at any bit offset of a byte array: what BITFIELD works on. The highest bit comes
 * first, and bit 0 is the highest bit of byte 0 (see bitmap.h). Unsigned fields have at most 63 bits, so that
 * every value and every reply fits an int64_t.
 */
#ifndef ORDINAL_TYPES_BITFIELD_H
#define ORDINAL_TYPES_BITFIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitfield_type {
    bool is_signed;
    uint8_t bits; /* 1..64 signed, 1..63 unsigned */
};

/* What happens to a value that does not fit: keep its low bits, take the nearest limit, or refuse. */
enum bitfield_overflow { BITFIELD_WRAP, BITFIELD_SAT, BITFIELD_FAIL };

enum bitfield_status { BITFIELD_OK, BITFIELD_BAD_TYPE, BITFIELD_BAD_OFFSET, BITFIELD_BAD_OVERFLOW };

/* The error text that Redis replies for a status, without the leading "ERR "; NULL for BITFIELD_OK. */
const char *bitfield_error(enum bitfield_status status);

/* Reads "i1".."i64" or "u1".."u63": BITFIELD_OK or BITFIELD_BAD_TYPE. */
enum bitfield_status bitfield_parse_type(const char *s, size_t n, struct bitfield_type *out);

/*
 * Reads a bit offset: "17", or "#3" for three times the type's width (type NULL: "#" is not allowed, as for
 * SETBIT). The byte that it falls in must lie below max_bytes. BITFIELD_OK or BITFIELD_BAD_OFFSET.
 */
enum bitfield_status bitfield_parse_offset(const char *s, size_t n, const struct bitfield_type *type,
                                           uint64_t max_bytes, uint64_t *out);

/* Reads WRAP, SAT or FAIL in any case: BITFIELD_OK or BITFIELD_BAD_OVERFLOW. */
enum bitfield_status bitfield_parse_overflow(const char *s, size_t n, enum bitfield_overflow *out);

/* How many bytes an array needs to hold the field. */
size_t bitfield_bytes(struct bitfield_type type, uint64_t offset);

/* The field's value; bits behind the end of the array are 0. */
int64_t bitfield_get(const uint8_t *bytes, size_t len, struct bitfield_type type, uint64_t offset);

/* Writes the low bits of value; the array must hold bitfield_bytes. */
void bitfield_put(uint8_t *bytes, struct bitfield_type type, uint64_t offset, int64_t value);

/*
 * What SET stores for value (for an unsigned type, a negative value counts as far above the limit, as in
 * Redis). Returns false, *out untouched, if it does not fit and overflow is BITFIELD_FAIL.
 */
bool bitfield_fit(struct bitfield_type type, enum bitfield_overflow overflow, int64_t value, int64_t *out);

/*
 * What INCRBY stores for value + increment; value must be one that the field can hold. Returns as
 * bitfield_fit.
 */
bool bitfield_add(struct bitfield_type type, enum bitfield_overflow overflow, int64_t value,
                  int64_t increment, int64_t *out);

#endif
