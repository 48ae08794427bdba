/*
 * An item of a dict: a set's member, a hash's field with its value, a sorted set's member with its score. One
 * allocation, as short as it can be, since there are millions of them:
 *
 *   flags:8 | field length:8 or 32 | value length:0, 8 or 32 | deadline:0 or 48 | field | value
 *
 * So a set's member of up to 255 bytes costs 2 bytes more than itself, a hash's field 3. The field never changes;
 * the value and the deadline change in place while the header keeps its length and the block its size class, and
 * the dict puts a new item in the old one's place otherwise. Numbers lie unaligned and are copied, never cast.
 */
#ifndef ORDINAL_TYPES_DICT_ITEM_H
#define ORDINAL_TYPES_DICT_ITEM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "slice.h"

struct dict_item {
    uint8_t flags; /* the rest follows */
};

enum {
    ITEM_LONG_FIELD = 1, /* the field's length takes 32 bits */
    ITEM_VALUE = 2,      /* there is a value */
    ITEM_LONG_VALUE = 4, /* and its length takes 32 bits */
    ITEM_TIMED = 8,      /* there is a deadline */
    ITEM_LONG = 256      /* lengths from here on take 32 bits */
};

/* Deadlines are milliseconds from 0 to 2^48 - 1; this one stands for none. */
#define ITEM_NO_DEADLINE INT64_MAX

/* What an item holds. `value` is looked at when `has_value`. Lengths up to 2^32 - 1. */
struct item_parts {
    struct slice field;
    struct slice value;
    bool has_value;
    int64_t deadline;
};

static inline bool item_has_value(const struct dict_item *it)
{
    return (it->flags & ITEM_VALUE) != 0;
}

static inline bool item_is_timed(const struct dict_item *it)
{
    return (it->flags & ITEM_TIMED) != 0;
}

/* A length of 8 or 32 bits at *at, which moves past it. */
static inline uint32_t item_read_length(const char **at, bool is_long)
{
    uint32_t length = (uint8_t) * *at;
    if (__builtin_expect(is_long, 0)) {
        memcpy(&length, *at, sizeof length);
        *at += sizeof length - 1;
    }
    *at += 1;
    return length;
}

static inline struct slice item_field(const struct dict_item *it)
{
    const char *at = (const char *)it + 1;
    uint32_t length = item_read_length(&at, (it->flags & ITEM_LONG_FIELD) != 0);
    at += item_has_value(it) ? (it->flags & ITEM_LONG_VALUE ? 4 : 1) : 0;
    at += item_is_timed(it) ? 6 : 0;
    return (struct slice){at, length};
}

/* Field, value and deadline; an item without value has an empty one. */
struct item_parts item_parts(const struct dict_item *it);

/* The value; empty where there is none. Its bytes may be written over, for a sorted set's score. */
struct slice item_value(const struct dict_item *it);

/* The deadline, or ITEM_NO_DEADLINE. */
int64_t item_deadline(const struct dict_item *it);

/* Bytes asked for when the item was allocated. */
size_t item_size(const struct dict_item *it);

/* A new item of these parts, or NULL when there is no memory. The caller frees it. */
struct dict_item *item_new(const struct item_parts *parts);

void item_free(struct dict_item *it);

/* Gives an item other parts with the same field, where it stands. The new value may lie within the old one. False,
 * with nothing changed, when that takes another header or another size class. */
bool item_rewrite(struct dict_item *it, const struct item_parts *parts);

#endif
