/*
 * A ziplist: how Redis up to 6.2 kept small collections, and so wrote them into RDB files and DUMP payloads (types 10, 12, 13,
 * and the nodes of 14). It is only read: what comes out goes into the structures of today.
 *
 *   total bytes:32 | offset of the last entry:32 | entries:16 | entry … | 0xFF        little endian; 65535 entries: unknown
 *
 *   entry:  bytes of the previous entry | encoding | data       the first in 1 byte below 254, else 0xFE and 4 bytes
 *
 *   00llllll + bytes             string, l < 64               11000000 + 2 bytes   16-bit integer
 *   01llllll llllllll + bytes    string, l < 16384            11010000 + 4 bytes   32-bit integer
 *   10______ + 4 bytes l + bytes string, l big endian         11100000 + 8 bytes   64-bit integer
 *   1111xxxx                     x - 1, x from 1 to 13        11110000 + 3 bytes   24-bit integer
 *                                                             11111110 + 1 byte    8-bit integer
 *
 * Source: RDB file format, version 9, "Ziplist encoding"; Redis 6.2's documentation of the ziplist.
 */
#ifndef ORDINAL_PERSIST_ZIPLIST_H
#define ORDINAL_PERSIST_ZIPLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

struct ziplist_value {
    bool is_int;
    int64_t number;
    struct slice bytes; /* in the ziplist; only when !is_int */
};

/* Whether these bytes, from anywhere, are one sound ziplist: header, every length forward and backward, end and count. Nothing
 * past `len` is read. *count gets its entries (none is sound). */
bool ziplist_validate(const uint8_t *bytes, size_t len, size_t *count);

/* The entries of a sound ziplist in order: begin with *at = 0; false past the last. */
bool ziplist_next(const uint8_t *bytes, size_t *at, struct ziplist_value *value);

/* The value as text; `room` (20 bytes) takes the digits of an integer. */
struct slice ziplist_text(const struct ziplist_value *value, char *room);

#endif
