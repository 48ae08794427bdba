/*
 * Doubles to decimal digits and back for the numbers that people write: up to 18 digits, no exponent, from a thousandth
 * to 2^52. By exact integers of 128 bits, so that the digits are those that the C library gives, in a fortieth of its
 * time (a score such as 1699999999.123456: 150 instructions instead of 6,000). What lies outside is refused, and goes
 * the C library's way (number.c).
 */
#ifndef ORDINAL_TYPES_DECIMAL_H
#define ORDINAL_TYPES_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fewest digits that read back as v, of these the nearest to it: v is `digits` / 10^`decimals`. No trailing zeros
 * behind the point. False when v is out of range, negative, or none. */
struct decimal_digits {
    uint64_t digits;
    unsigned decimals;
};
bool decimal_shortest(double v, struct decimal_digits *out);

/* The double that is nearest to "[+-]digits[.digits]". False for any other text, and for more than 18 digits. */
bool decimal_read(const char *s, size_t n, double *out);

#endif
