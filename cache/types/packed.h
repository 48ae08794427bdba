/*
 * A packed run: small elements one behind the other, each a string or an integer, as in a listpack, but without what a listpack
 * needs for lists. Whoever holds a run knows its length, so it has neither total nor end; and it is walked forwards only, so
 * no element is followed by its own length. That makes a set of ten short members a fifth shorter, and quicker to look through.
 * Hashes, sets and sorted sets that are small are one packed run each.
 *
 *   header:8 | element … | [unused …]                 an element: encoding | data (element.h)
 *
 *   header   16 … 253   the number of elements, and 16: what is less is left to the width that a set's intset begins with
 *            254        there are unused bytes at the end, as where no memory was found for a shorter entry: the last byte
 *                       says how many, or is 255, and the 4 bytes before it say it; the elements are counted when asked for
 *            255        more elements than that: they are counted when asked for
 *
 * `items` in this file are what a caller counts: elements, or (a hash, a sorted set) pairs of them. One run holds items of one
 * size, `each`.
 *
 * A position is the offset of an element from the first byte of the run. It outlives a move of the run, but no edit before it. An
 * edit is applied in place, in a buffer that has room for what `len` and the `size` of the elements add up to. Every string
 * that spells an integer is held as one, and no encoding is longer than it need be, so equal elements are equal bytes. Runs are
 * made here only, never taken from outside.
 */
#ifndef ORDINAL_TYPES_PACKED_H
#define ORDINAL_TYPES_PACKED_H

#include "types/element.h"

enum {
    PACKED_NONE = 0,  /* no position */
    PACKED_FIRST = 1, /* the position of the first element */
    PACKED_EMPTY = 1, /* bytes of a run without elements */
    PACKED_NO_ITEMS = 16,
    PACKED_SLACK = 254,
    PACKED_MANY = 255,
    PACKED_MAX = 1 << 30, /* no run should grow beyond */
};

/* A run that is looked at or edited; `len` follows the edits. */
struct packed {
    uint8_t *bytes;
    size_t len;
};

size_t packed_used(const uint8_t *bytes, size_t len);

/* The run in these bytes, of which there are `len`. */
static inline struct packed packed_open(uint8_t *bytes, size_t len)
{
    return (struct packed){bytes,
                           __builtin_expect(bytes[0] != PACKED_SLACK, 1) ? len : packed_used(bytes, len)};
}

/* After edits: the run lies in `room` bytes, at least as many as it has, and says so itself. */
void packed_settle_slow(struct packed *p, size_t room, size_t each);
static inline void packed_settle(struct packed *p, size_t room, size_t each)
{
    if (__builtin_expect(room != p->len || p->bytes[0] == PACKED_SLACK, 0)) {
        packed_settle_slow(p, room, each);
    }
}

/* Makes an empty run in PACKED_EMPTY bytes. */
static inline struct packed packed_init(uint8_t *bytes)
{
    bytes[0] = PACKED_NO_ITEMS;
    return (struct packed){bytes, PACKED_EMPTY};
}

static inline bool packed_is_empty(const struct packed *p)
{
    return p->len == PACKED_EMPTY;
}

/* The number of items. */
size_t packed_counted(const struct packed *p, size_t each);
static inline size_t packed_count(const struct packed *p, size_t each)
{
    uint8_t header = p->bytes[0];
    return __builtin_expect(header < PACKED_SLACK, 1) ? header - (size_t)PACKED_NO_ITEMS
                                                      : packed_counted(p, each);
}

/* ---- reading: positions from PACKED_FIRST on, below p->len ---- */

static inline struct listpack_value packed_read(const struct packed *p, size_t pos)
{
    return element_read(p->bytes + pos);
}

/* Bytes that the element at pos takes. */
static inline size_t packed_element_bytes(const struct packed *p, size_t pos)
{
    const uint8_t *at = p->bytes + pos;
    /* Most are short strings, whose first byte says it all. */
    return (*at & 0xC0) == ELEMENT_STRING_6 ? 1 + (*at & 0x3Fu) : element_data_bytes(at);
}

/* Where the next element begins, or p->len. */
static inline size_t packed_after(const struct packed *p, size_t pos)
{
    return pos + packed_element_bytes(p, pos);
}

/* packed_read and packed_after for a string of less than 64 bytes, as most elements are; false for any other. */
static inline bool packed_short_string(const struct packed *p, size_t pos, struct slice *bytes, size_t *after)
{
    uint8_t first = p->bytes[pos];
    size_t len = first & 0x3Fu;
    *bytes = (struct slice){(const char *)p->bytes + pos + 1, len};
    *after = pos + 1 + len;
    return (first & 0xC0) == ELEMENT_STRING_6;
}

/* The position that lies `elements` further on from pos, or p->len. */
size_t packed_skip(const struct packed *p, size_t pos, size_t elements);

/* The first item from pos on whose first element equals `bytes`, or PACKED_NONE. */
size_t packed_find(const struct packed *p, size_t pos, struct slice bytes, size_t each);

/* ---- edits, in place; the bytes of an element may not lie in the run ---- */

/* Puts an item of one element, or of two, in before pos (p->len: at the end). */
void packed_insert(struct packed *p, size_t pos, const struct element *e);
void packed_insert_pair(struct packed *p, size_t pos, const struct element *e, const struct element *next);

/* Puts `e` in the place of the element at pos. */
void packed_replace(struct packed *p, size_t pos, const struct element *e);

/* Removes the `items` items from `from` up to `to`. */
void packed_remove(struct packed *p, size_t from, size_t to, size_t items);

/* ---- the same elements as a listpack (listpack.h) ---- */

size_t packed_listpack_bytes(const struct packed *p);

/* Writes a listpack of packed_listpack_bytes(). */
void packed_to_listpack(const struct packed *p, uint8_t *lp);

#endif
