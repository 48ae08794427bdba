/*
 * Numbers as text, the way the Redis protocol reads and writes them. The parsers take a pointer and a length
 * (arguments are not NUL-terminated) and are strict: a number has exactly one spelling as an integer, so that
 * "is this value an integer?" and "would formatting it give these bytes back?" are the same question. None of
 * these functions allocates, keeps state, or reads past the length given.
 */
#ifndef ORDINAL_TYPES_NUMBER_H
#define ORDINAL_TYPES_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that any integer needs: sign and 19 digits, or 20 digits. No NUL is written. */
#define NUMBER_I64_MAX_CHARS 20
/* Bytes that number_format_double and number_format_double_17g may write, NUL not included. */
#define NUMBER_DOUBLE_MAX_CHARS 32
/* Bytes for number_format_long_double_human: 4,933 digits before the point, 17 after, with room to spare. */
#define NUMBER_LONG_DOUBLE_MAX_CHARS 5120

/*
 * Reads a decimal integer. Accepts what Redis accepts: an optional '-', then digits without a leading zero
 * ("0" itself is fine, "-0", "+1", "01", " 1" and "" are not), within INT64_MIN..INT64_MAX.
 * Returns false, and leaves *out alone, for anything else.
 */
bool number_parse_i64(const char *s, size_t n, int64_t *out);

/* The same for 0..UINT64_MAX; no sign at all. */
bool number_parse_u64(const char *s, size_t n, uint64_t *out);

/*
 * Reads a floating-point number as strtod does in the C locale (decimal, exponent, 0x hexadecimal, "inf",
 * "infinity" in any case, a leading '+'), but the whole input must be used, must not begin with a space, and
 * must not be NaN, nor overflow to infinity, nor underflow to zero. At most NUMBER_LONG_DOUBLE_MAX_CHARS - 1
 * bytes.
 */
bool number_parse_double(const char *s, size_t n, double *out);

/* The same in long double, as INCRBYFLOAT and HINCRBYFLOAT read. */
bool number_parse_long_double(const char *s, size_t n, long double *out);

/* Writes v in decimal into buf (NUMBER_I64_MAX_CHARS bytes, no NUL); returns the bytes written. */
size_t number_format_i64(char *buf, int64_t v);
size_t number_format_u64(char *buf, uint64_t v);

/* How many bytes number_format_i64 would write: STRLEN of a value held as an integer. */
size_t number_i64_chars(int64_t v);

/*
 * Writes v as INCRBYFLOAT replies: "%.17Lf" without trailing zeros or a trailing point, never with an
 * exponent, "-0" as "0", infinities as "inf" and "-inf". buf holds NUMBER_LONG_DOUBLE_MAX_CHARS bytes.
 * Returns the bytes written, no NUL counted.
 */
size_t number_format_long_double_human(char *buf, long double v);

/*
 * Writes v with the fewest digits that read back as the same double, laid out as Redis 7.2 replies doubles:
 * whole numbers up to 2^62 and others while the exponent is small plainly ("1000000000000", "0.1"), else
 * "1e+30", "1.5e-7"; "-0", "inf", "-inf", "nan". buf holds NUMBER_DOUBLE_MAX_CHARS + 1 bytes. Returns the
 * bytes written.
 */
size_t number_format_double(char *buf, double v);

/*
 * Writes v with "%.17g", as Redis up to 7.0 replies doubles ("0.10000000000000001"). Same buffer, same
 * result.
 */
size_t number_format_double_17g(char *buf, double v);

#endif
