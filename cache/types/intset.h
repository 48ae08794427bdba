/*
 * An intset: a set of integers as one sorted array, in the narrowest of three widths that holds them all. A set of few
 * members that are all integers is one. The bytes are exactly those that Redis keeps and writes into RDB files and DUMP
 * payloads (source: RDB version 10, type 11), so that they are written as they are.
 *
 *   width:32 | members:32 | member … (width bytes each, ascending, signed)        all little endian; width 2, 4 or 8
 *
 * The run belongs to the caller, here there is no allocation: an edit is applied in place, in a buffer that has room for
 * what intset_bytes_with() says. The first member that is too wide widens all; nothing ever gets narrower again. What
 * comes from outside goes through intset_validate() first; everything else here trusts the bytes.
 */
#ifndef ORDINAL_TYPES_INTSET_H
#define ORDINAL_TYPES_INTSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { INTSET_HEADER = 8 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "intsets are little endian");

/* Makes an empty set in INTSET_HEADER bytes. */
void intset_init(uint8_t *set);

/* Bytes of a member: 2, 4 or 8. */
static inline uint32_t intset_width(const uint8_t *set)
{
    uint32_t width;
    memcpy(&width, set, sizeof width);
    return width;
}

/* Members. */
static inline uint32_t intset_count(const uint8_t *set)
{
    uint32_t count;
    memcpy(&count, set + 4, sizeof count);
    return count;
}

/* Bytes of the whole run. */
static inline size_t intset_bytes(const uint8_t *set)
{
    return INTSET_HEADER + (size_t)intset_width(set) * intset_count(set);
}

/* Bytes that the run would have with one more member, this one. (Says nothing about whether it is there already.) */
size_t intset_bytes_with(const uint8_t *set, int64_t member);

/* The member at `index`, from 0 in ascending order, below intset_count(). */
int64_t intset_get(const uint8_t *set, uint32_t index);

/* Whether it is a member; a binary search. *index, if not NULL, becomes its place, or where it would go. */
bool intset_find(const uint8_t *set, int64_t member, uint32_t *index);

/* Adds a member in place, widening all when it must; false when it is there already. Needs intset_bytes_with() bytes. */
bool intset_add(uint8_t *set, int64_t member);

/* Adds one that is no member yet, at the index that intset_find gave. */
void intset_insert(uint8_t *set, uint32_t index, int64_t member);

/* Removes `count` members from `index` on; both within the set. */
void intset_remove_range(uint8_t *set, uint32_t index, uint32_t count);

/* A member at random, for 64 random bits of the caller; the set may not be empty. */
int64_t intset_random(const uint8_t *set, uint64_t random);

/* Whether these `len` bytes, from anywhere, are one sound intset: width, length, and members that ascend without
 * repeating. Nothing past `len` is read. An empty set is sound. */
bool intset_validate(const uint8_t *bytes, size_t len);

#endif
