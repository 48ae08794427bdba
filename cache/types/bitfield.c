/*
 * Integers at any bit offset. A field of up to 64 bits touches at most nine bytes, which are gathered one by
 * one: BITFIELD is about saving memory, and a field costs a few nanoseconds either way.
 *
 * Overflow is found by doing the sum in 64 bits with the compiler's overflow check and then comparing with
 * the limits of the type; wrapping is the sum's low bits, sign-extended.
 */

#include "types/bitfield.h"

#include <strings.h>

#include "types/number.h"

const char *bitfield_error(enum bitfield_status status)
{
    switch (status) {
    case BITFIELD_OK: return NULL;
    case BITFIELD_BAD_TYPE:
        return "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    case BITFIELD_BAD_OFFSET: return "bit offset is not an integer or out of range";
    case BITFIELD_BAD_OVERFLOW: return "Invalid OVERFLOW type specified";
    }
    return NULL;
}

enum bitfield_status bitfield_parse_type(const char *s, size_t n, struct bitfield_type *out)
{
    int64_t bits;
    if (n < 2 || (s[0] != 'i' && s[0] != 'u') || !number_parse_i64(s + 1, n - 1, &bits)) {
        return BITFIELD_BAD_TYPE;
    }
    bool is_signed = s[0] == 'i';
    if (bits < 1 || bits > (is_signed ? 64 : 63)) {
        return BITFIELD_BAD_TYPE;
    }
    *out = (struct bitfield_type){.is_signed = is_signed, .bits = (uint8_t)bits};
    return BITFIELD_OK;
}

enum bitfield_status bitfield_parse_offset(const char *s, size_t n, const struct bitfield_type *type,
                                           uint64_t max_bytes, uint64_t *out)
{
    bool in_widths = type != NULL && n > 0 && s[0] == '#';
    int64_t offset;
    if (!number_parse_i64(s + in_widths, n - in_widths, &offset) || offset < 0) {
        return BITFIELD_BAD_OFFSET;
    }
    if (in_widths && __builtin_mul_overflow(offset, (int64_t)type->bits, &offset)) {
        return BITFIELD_BAD_OFFSET;
    }
    if ((uint64_t)offset >> 3 >= max_bytes) {
        return BITFIELD_BAD_OFFSET;
    }
    *out = (uint64_t)offset;
    return BITFIELD_OK;
}

enum bitfield_status bitfield_parse_overflow(const char *s, size_t n, enum bitfield_overflow *out)
{
    if (n == 4 && strncasecmp(s, "wrap", 4) == 0) {
        *out = BITFIELD_WRAP;
    } else if (n == 3 && strncasecmp(s, "sat", 3) == 0) {
        *out = BITFIELD_SAT;
    } else if (n == 4 && strncasecmp(s, "fail", 4) == 0) {
        *out = BITFIELD_FAIL;
    } else {
        return BITFIELD_BAD_OVERFLOW;
    }
    return BITFIELD_OK;
}

size_t bitfield_bytes(struct bitfield_type type, uint64_t offset)
{
    return (size_t)((offset + type.bits - 1) / 8 + 1);
}

/* The low bits of v as a value of the type. */
static int64_t truncate_to(struct bitfield_type type, uint64_t v)
{
    unsigned unused = 64u - type.bits;
    return type.is_signed ? (int64_t)(v << unused) >> unused : (int64_t)(v << unused >> unused);
}

/* How many of the bits still to come lie in the byte at this offset. */
static unsigned bits_here(uint64_t offset, unsigned left)
{
    unsigned room = 8 - (unsigned)(offset & 7);
    return left < room ? left : room;
}

int64_t bitfield_get(const uint8_t *bytes, size_t len, struct bitfield_type type, uint64_t offset)
{
    uint64_t value = 0;
    for (unsigned left = type.bits; left > 0;) {
        unsigned n = bits_here(offset, left);
        unsigned byte = offset >> 3 < len ? bytes[offset >> 3] : 0;
        unsigned shift = 8 - (unsigned)(offset & 7) - n;
        value = value << n | (byte >> shift & ((1u << n) - 1));
        offset += n;
        left -= n;
    }
    return truncate_to(type, value);
}

void bitfield_put(uint8_t *bytes, struct bitfield_type type, uint64_t offset, int64_t value)
{
    for (unsigned left = type.bits; left > 0;) {
        unsigned n = bits_here(offset, left);
        unsigned shift = 8 - (unsigned)(offset & 7) - n;
        unsigned mask = ((1u << n) - 1) << shift;
        unsigned bits = (unsigned)((uint64_t)value >> (left - n)) << shift & mask;
        uint8_t *byte = &bytes[offset >> 3];
        *byte = (uint8_t)((*byte & ~mask) | bits);
        offset += n;
        left -= n;
    }
}

static int64_t highest(struct bitfield_type type)
{
    return (int64_t)(UINT64_MAX >> (64u - type.bits) >> type.is_signed);
}

static int64_t lowest(struct bitfield_type type)
{
    return type.is_signed ? -highest(type) - 1 : 0;
}

/* Applies the overflow rule to a value beyond the limit; wrapped is what WRAP stores. */
static bool overflowed(enum bitfield_overflow overflow, int64_t limit, int64_t wrapped, int64_t *out)
{
    if (overflow == BITFIELD_FAIL) {
        return false;
    }
    *out = overflow == BITFIELD_SAT ? limit : wrapped;
    return true;
}

bool bitfield_fit(struct bitfield_type type, enum bitfield_overflow overflow, int64_t value, int64_t *out)
{
    int64_t wrapped = truncate_to(type, (uint64_t)value);
    if (value > highest(type) || (!type.is_signed && value < 0)) {
        return overflowed(overflow, highest(type), wrapped, out);
    }
    if (value < lowest(type)) {
        return overflowed(overflow, lowest(type), wrapped, out);
    }
    *out = value;
    return true;
}

bool bitfield_add(struct bitfield_type type, enum bitfield_overflow overflow, int64_t value,
                  int64_t increment, int64_t *out)
{
    int64_t wrapped = truncate_to(type, (uint64_t)value + (uint64_t)increment);
    int64_t sum;
    bool beyond = __builtin_add_overflow(value, increment, &sum);
    if (beyond ? increment > 0 : sum > highest(type)) {
        return overflowed(overflow, highest(type), wrapped, out);
    }
    if (beyond || sum < lowest(type)) {
        return overflowed(overflow, lowest(type), wrapped, out);
    }
    *out = sum;
    return true;
}
