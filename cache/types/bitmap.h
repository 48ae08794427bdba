/*
 * Byte arrays seen as rows of bits, for SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP. Bit 0 is the highest bit
 * of byte 0, as in Redis:
 *
 *   byte      0                 1
 *   bit       0 1 2 3 4 5 6 7   8 9 ...
 *   value   128 ............1   128
 *
 * Bit offsets and ranges are uint64_t: 512 MB are 2^32 bits. Nothing here allocates.
 */
#ifndef ORDINAL_TYPES_BITMAP_H
#define ORDINAL_TYPES_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What bitmap_pos returns when there is no such bit. */
#define BITMAP_NONE UINT64_MAX

enum bitmap_op { BITMAP_AND, BITMAP_OR, BITMAP_XOR, BITMAP_NOT };

/* One operand of bitmap_combine; bytes may be NULL when len is 0 (a key that does not exist). */
struct bitmap_source {
    const uint8_t *bytes;
    size_t len;
};

/* The bit at this offset; bits behind the end of the array are 0. */
static inline bool bitmap_get(const uint8_t *bytes, size_t len, uint64_t bit)
{
    uint64_t byte = bit >> 3;
    return byte < len && ((bytes[byte] >> (7 - (bit & 7))) & 1) != 0;
}

/* Sets the bit to on and returns what it was. The array must hold at least bit / 8 + 1 bytes. */
static inline bool bitmap_set(uint8_t *bytes, uint64_t bit, bool on)
{
    uint8_t mask = (uint8_t)(0x80u >> (bit & 7));
    uint8_t *byte = &bytes[bit >> 3];
    bool was = (*byte & mask) != 0;
    *byte = (uint8_t)(on ? *byte | mask : *byte & ~mask);
    return was;
}

/*
 * Turns a command's start and end (inclusive; negative counts from the end) into offsets within total units,
 * which may be bytes or bits. Returns false if the range is empty.
 */
bool bitmap_range(int64_t start, int64_t end, uint64_t total, uint64_t *first, uint64_t *last);

/* The number of set bits in the whole array. */
uint64_t bitmap_count(const uint8_t *bytes, size_t len);

/* The number of set bits from bit first to bit last, both included; last must lie within the array. */
uint64_t bitmap_count_bits(const uint8_t *bytes, uint64_t first, uint64_t last);

/*
 * The offset of the first bit that equals value, from bit first to bit last, both included, or BITMAP_NONE.
 * last must lie within the array. (That BITPOS key 0 without an end finds a 0 behind the array is up to the
 * command.)
 */
uint64_t bitmap_pos(const uint8_t *bytes, uint64_t first, uint64_t last, bool value);

/* The length of the result of BITOP: that of the longest source. */
size_t bitmap_combined_len(const struct bitmap_source *sources, size_t count);

/*
 * dst = sources[0] op sources[1] op ...; shorter sources count as filled up with zeros. BITMAP_NOT takes one
 * source. dst holds bitmap_combined_len bytes and overlaps none of the sources; count is at least 1.
 */
void bitmap_combine(enum bitmap_op op, uint8_t *dst, const struct bitmap_source *sources, size_t count);

#endif
