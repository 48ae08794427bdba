/*
 * A run of bytes that somebody else owns: an argument in a read buffer, a key, a part of a value.
 * Never terminated by a zero byte, and only as long-lived as its owner says.
 */
#ifndef ORDINAL_SLICE_H
#define ORDINAL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* The bytes of a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Compares with a word as Redis compares options: ASCII case does not matter. */
static inline bool slice_is(struct slice s, const char *word)
{
    return strlen(word) == s.len && strncasecmp(s.ptr, word, s.len) == 0;
}

#endif
