/*
 * A chunk of a large list: one listpack in a block of memory that may have room on both sides of it, or one single value
 * that is too large to share a listpack (plain). A push at either end moves nothing: at the right the listpack grows, at
 * the left its header alone moves. Only list.c uses this.
 *
 *   cap:64 | start:32 | plain:8 | … room … [listpack] … room …        plain: cap bytes, all of them the value
 */
#ifndef ORDINAL_TYPES_LIST_CHUNK_H
#define ORDINAL_TYPES_LIST_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "types/listpack.h"

enum list_end { LIST_HEAD, LIST_TAIL };

struct list_chunk {
    size_t cap;
    uint32_t start;
    bool plain;
    uint8_t bytes[];
};

enum { LIST_CHUNK_HEADER = offsetof(struct list_chunk, bytes) };

/* The listpack of a chunk that is not plain. */
static inline uint8_t *list_chunk_listpack(struct list_chunk *c)
{
    return c->bytes + c->start;
}

/* Bytes that it takes, as size classes. */
size_t list_chunk_memory(const struct list_chunk *c);

/* An empty listpack in `cap` bytes and the rest of their size class, that will grow from `end`: pushed at the head, it begins at
 * the right. Or a chunk for one value alone. NULL: no memory. */
struct list_chunk *list_chunk_new(size_t cap, enum list_end end);
struct list_chunk *list_chunk_new_plain(struct slice value);

/* A listpack of its own for a copy of another's elements from `from` up to `to`, with no room beside it. */
struct list_chunk *list_chunk_copy(const uint8_t *lp, size_t from, size_t to, size_t count);

void list_chunk_free(struct list_chunk *c);

/* Makes room for `size` more bytes at an end, by sliding the listpack or by growing the block to at most `max` bytes.
 * Sliding needs a quarter of the block free, so that it is paid for by the pushes that follow. Returns the chunk, which
 * may have moved, or NULL (and the old one is as it was) when it is full or there is no memory. */
struct list_chunk *list_chunk_reserve(struct list_chunk *c, enum list_end end, size_t size, size_t max);

/* The same for an insertion in the midst, where any free byte will do. The room is then at the right. */
struct list_chunk *list_chunk_reserve_inside(struct list_chunk *c, size_t size, size_t max);

/* Gives back the room beside the listpack where that makes the block a smaller one. */
struct list_chunk *list_chunk_trim(struct list_chunk *c);

/* Pushes; list_chunk_reserve() has made the room. */
void list_chunk_push(struct list_chunk *c, enum list_end end, const struct listpack_element *e);

/* Removes `count` elements from pos on; at the left edge one element goes without a move. */
void list_chunk_delete(struct list_chunk *c, size_t pos, size_t count);

#endif
