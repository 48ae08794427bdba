/*
 * A zipmap: how Redis up to 2.4 kept small hashes, and so wrote them into RDB files (type 9). It is only read.
 *
 *   fields:8 | entry … | 0xFF                                   254 fields and more: 254, to be counted
 *
 *   entry:   length | field | length | free:8 | value | free bytes of nothing
 *   length:  1 byte below 254, else 0xFE and 4 bytes, little endian
 *
 * Source: RDB file format, version 2, "Zipmap encoding".
 */
#ifndef ORDINAL_PERSIST_ZIPMAP_H
#define ORDINAL_PERSIST_ZIPMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

struct zipmap_pair {
    struct slice field, value; /* in the zipmap */
};

/* Whether these bytes, from anywhere, are one sound zipmap: every length, end and count. Nothing past `len` is read. */
bool zipmap_validate(const uint8_t *bytes, size_t len);

/* The pairs of a sound zipmap in order: begin with *at = 0; false past the last. */
bool zipmap_next(const uint8_t *bytes, size_t *at, struct zipmap_pair *pair);

#endif
