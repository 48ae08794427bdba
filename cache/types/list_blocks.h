/*
 * The chunks of a large list in their order: blocks of up to 64 chunk pointers with their element counts, and a directory
 * of the blocks with the sum of each. Both have their gaps at the ends, so a chunk is added at either end at once, and
 * one in the midst moves at most a block's 64 slots or the directory. A list of ten million short elements is 14,000
 * chunks, 220 blocks, a directory of 4 KB: an index is found by adding up a few hundred numbers that lie side by side,
 * and nothing that has to be moved at once is larger than that. Only list.c uses this.
 */
#ifndef ORDINAL_TYPES_LIST_BLOCKS_H
#define ORDINAL_TYPES_LIST_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "types/list_chunk.h"

enum { LIST_BLOCK_CHUNKS = 64 };

struct list_block {
    uint32_t first, used;
    size_t memory; /* of its chunks */
    uint32_t counts[LIST_BLOCK_CHUNKS];
    struct list_chunk *chunks[LIST_BLOCK_CHUNKS];
};

struct list_slot {
    struct list_block *block;
    uint64_t count; /* elements of the block */
};

struct list_blocks {
    struct list_slot *slots;
    uint32_t first, used, cap;
    uint64_t count; /* elements */
    uint64_t chunks;
    size_t memory; /* of chunks, blocks and directory, as size classes */
};

/* A chunk's place: the block, and the chunk within it, both counted from the first. */
struct list_place {
    uint32_t block, chunk;
};

static inline struct list_slot *list_blocks_slot(const struct list_blocks *b, uint32_t block)
{
    return &b->slots[b->first + block];
}

static inline uint32_t list_blocks_used(const struct list_blocks *b, uint32_t block)
{
    return list_blocks_slot(b, block)->block->used;
}

static inline struct list_chunk **list_blocks_chunk(const struct list_blocks *b, struct list_place at)
{
    struct list_block *block = list_blocks_slot(b, at.block)->block;
    return &block->chunks[block->first + at.chunk];
}

static inline uint32_t list_blocks_count(const struct list_blocks *b, struct list_place at)
{
    const struct list_block *block = list_blocks_slot(b, at.block)->block;
    return block->counts[block->first + at.chunk];
}

/* Notes that a chunk has so many elements more (or, negative, fewer). */
void list_blocks_add(struct list_blocks *b, struct list_place at, int64_t elements);

/* Puts a chunk that has moved or changed its size in its place, where it took `old` bytes of memory. */
void list_blocks_moved(struct list_blocks *b, struct list_place at, struct list_chunk *chunk, size_t old);

/* The neighbouring place; false past the ends. `at` of a chunk behind the last of its block counts as the next block's. */
bool list_blocks_next(const struct list_blocks *b, struct list_place *at);
bool list_blocks_prev(const struct list_blocks *b, struct list_place *at);

/* Whether a chunk stands there; a place just behind a block's last chunk is moved to the next block's first. */
bool list_blocks_settle(const struct list_blocks *b, struct list_place *at);

/* The first or the last place; there must be one. */
struct list_place list_blocks_end(const struct list_blocks *b, enum list_end end);

/* Inserts a chunk before *at (its index may be one behind the last of the block; {0, 0} in an empty list). *at becomes its
 * place. False, and nothing has changed, when there is no memory. */
bool list_blocks_insert(struct list_blocks *b, struct list_place *at, struct list_chunk *chunk,
                        uint32_t count);

/* Removes the chunk at `at` and frees it. *at becomes the place of the one behind it, to be settled. */
void list_blocks_remove(struct list_blocks *b, struct list_place *at);

/* Removes whole blocks, which go to the end of `to`, or are freed where that is NULL or has no memory for them. */
void list_blocks_move(struct list_blocks *b, uint32_t block, uint32_t n, struct list_blocks *to);

/* Finds the chunk of an element; *index becomes the element's index in the chunk. `index` must be in the list. */
struct list_place list_blocks_seek(const struct list_blocks *b, uint64_t *index);

/* Elements before this chunk. */
uint64_t list_blocks_before(const struct list_blocks *b, struct list_place at);

/* Frees the directory; there is no block left. */
void list_blocks_free(struct list_blocks *b);

#endif
