/*
 * A string that grows: what a string value becomes when APPEND, SETRANGE, SETBIT or BITFIELD change it in place.
 * Room is doubled up to 1 MB, then added by the megabyte, so that a value built byte by byte is not copied each time.
 * (A value that is only set and read lies in its entry, without any structure.)
 *
 * Threads: as for the entry that holds it.
 */
#ifndef ORDINAL_TYPES_STRING_H
#define ORDINAL_TYPES_STRING_H

#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

struct string {
    size_t len, cap;
    char bytes[];
};

/* A string of these bytes, with room for `cap` (at least their number). NULL when there is no memory. */
struct string *string_new(struct slice bytes, size_t cap);

/* A string of `len` zero bytes. Large ones take no memory until they are written to, and no time: a bit map is often sparse,
 * and SETBIT at bit 2^32-1 would otherwise halt its loop for half a second. NULL when there is no memory. */
struct string *string_zeros(size_t len);

/* The string with a length of `len`, zero bytes behind what it held before. It may move; NULL, and nothing has changed,
 * when there is no memory. */
struct string *string_resize(struct string *s, size_t len);

void string_free(struct string *s);

/* Bytes that it takes. */
size_t string_memory(const struct string *s);

#endif
