/*
 * Blocks of chunks and their directory. Every change of a count goes through list_blocks_add(), so that the three sums
 * (chunk, block, list) cannot part.
 */

#include "types/list_blocks.h"

#include <string.h>

#include "memory.h"

void list_blocks_add(struct list_blocks *b, struct list_place at, int64_t elements)
{
    struct list_slot *slot = list_blocks_slot(b, at.block);
    uint32_t *count = &slot->block->counts[slot->block->first + at.chunk];
    *count = (uint32_t)(*count + elements);
    slot->count += (uint64_t)elements;
    b->count += (uint64_t)elements;
}

static void add_memory(struct list_blocks *b, struct list_block *block, size_t more)
{
    block->memory += more;
    b->memory += more;
}

void list_blocks_moved(struct list_blocks *b, struct list_place at, struct list_chunk *chunk, size_t old)
{
    *list_blocks_chunk(b, at) = chunk;
    add_memory(b, list_blocks_slot(b, at.block)->block, list_chunk_memory(chunk) - old);
}

bool list_blocks_settle(const struct list_blocks *b, struct list_place *at)
{
    if (at->block < b->used && at->chunk >= list_blocks_used(b, at->block)) {
        *at = (struct list_place){at->block + 1, 0};
    }
    return at->block < b->used;
}

bool list_blocks_next(const struct list_blocks *b, struct list_place *at)
{
    at->chunk++;
    return list_blocks_settle(b, at);
}

bool list_blocks_prev(const struct list_blocks *b, struct list_place *at)
{
    if (at->chunk > 0) {
        at->chunk--;
        return true;
    }
    if (at->block == 0) {
        return false;
    }
    at->block--;
    at->chunk = list_blocks_used(b, at->block) - 1;
    return true;
}

struct list_place list_blocks_end(const struct list_blocks *b, enum list_end end)
{
    if (end == LIST_HEAD) {
        return (struct list_place){0, 0};
    }
    return (struct list_place){b->used - 1, list_blocks_used(b, b->used - 1) - 1};
}

/* ---- the directory ---- */

/* A directory of twice the size, its slots in the middle third. */
static bool directory_grow(struct list_blocks *b, uint32_t more)
{
    uint32_t cap = 2 * (b->used + more) + 2;
    struct list_slot *slots = mem_alloc(cap * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    uint32_t first = (cap - b->used - more) / 2;
    if (b->used != 0) {
        memcpy(slots + first, b->slots + b->first, b->used * sizeof *slots);
    }
    list_blocks_free(b);
    b->slots = slots;
    b->first = first;
    b->cap = cap;
    b->memory += mem_class(cap * sizeof *slots);
    return true;
}

void list_blocks_free(struct list_blocks *b)
{
    if (b->slots != NULL) {
        b->memory -= mem_class(b->cap * sizeof *b->slots);
        mem_free(b->slots, b->cap * sizeof *b->slots);
        b->slots = NULL;
    }
}

/* Opens a gap of one slot before `block`, moving the shorter side when it can. */
static bool directory_open(struct list_blocks *b, uint32_t block)
{
    bool left = b->first > 0;
    bool right = b->first + b->used < b->cap;
    if (!left && !right) {
        if (!directory_grow(b, 1)) {
            return false;
        }
        left = b->first > 0;
        right = true;
    }
    struct list_slot *slots = b->slots + b->first;
    if (right && (!left || block > b->used / 2)) {
        memmove(slots + block + 1, slots + block, (b->used - block) * sizeof *slots);
    } else {
        memmove(slots - 1, slots, block * sizeof *slots);
        b->first--;
    }
    b->used++;
    return true;
}

static void directory_close(struct list_blocks *b, uint32_t block, uint32_t n)
{
    struct list_slot *slots = b->slots + b->first;
    uint32_t behind = b->used - block - n;
    if (block < behind) {
        memmove(slots + n, slots, block * sizeof *slots);
        b->first += n;
    } else {
        memmove(slots + block, slots + block + n, behind * sizeof *slots);
    }
    b->used -= n;
}

/* ---- blocks ---- */

/* An empty block before `block`, whose chunks will begin at `first`. */
static struct list_block *block_new(struct list_blocks *b, uint32_t block, uint32_t first)
{
    struct list_block *made = mem_alloc(sizeof *made);
    if (made == NULL || !directory_open(b, block)) {
        mem_free(made, sizeof *made);
        return NULL;
    }
    made->first = first;
    made->used = 0;
    made->memory = 0;
    *list_blocks_slot(b, block) = (struct list_slot){made, 0};
    b->memory += mem_class(sizeof *made);
    return made;
}

static void block_free(struct list_blocks *b, struct list_block *block)
{
    b->memory -= mem_class(sizeof *block);
    mem_free(block, sizeof *block);
}

static void block_move(struct list_block *block, uint32_t from, uint32_t to, uint32_t n)
{
    memmove(block->chunks + to, block->chunks + from, n * sizeof block->chunks[0]);
    memmove(block->counts + to, block->counts + from, n * sizeof block->counts[0]);
}

/* Moves the upper half of a full block to a new one behind it. */
static bool block_split(struct list_blocks *b, uint32_t block)
{
    enum { HALF = LIST_BLOCK_CHUNKS / 2 };
    struct list_block *upper = block_new(b, block + 1, HALF / 2);
    if (upper == NULL) {
        return false;
    }
    struct list_slot *slot = list_blocks_slot(b, block);
    struct list_block *lower = slot->block;
    memcpy(upper->chunks + upper->first, lower->chunks + HALF, HALF * sizeof lower->chunks[0]);
    memcpy(upper->counts + upper->first, lower->counts + HALF, HALF * sizeof lower->counts[0]);
    lower->used = HALF;
    upper->used = HALF;
    for (uint32_t i = 0; i < HALF; i++) {
        slot[1].count += upper->counts[upper->first + i];
        upper->memory += list_chunk_memory(upper->chunks[upper->first + i]);
    }
    lower->memory -= upper->memory;
    slot->count -= slot[1].count;
    return true;
}

/* Makes sure that the block of *at has a free slot; at the ends of the list a full one gets an empty neighbour. */
static bool block_make_room(struct list_blocks *b, struct list_place *at)
{
    if (b->used == 0) {
        return block_new(b, 0, LIST_BLOCK_CHUNKS / 2) != NULL;
    }
    if (list_blocks_used(b, at->block) < LIST_BLOCK_CHUNKS) {
        return true;
    }
    if (at->block == 0 && at->chunk == 0) {
        return block_new(b, 0, LIST_BLOCK_CHUNKS) != NULL;
    }
    if (at->chunk == LIST_BLOCK_CHUNKS && at->block == b->used - 1) {
        *at = (struct list_place){at->block + 1, 0};
        return block_new(b, at->block, 0) != NULL;
    }
    if (!block_split(b, at->block)) {
        return false;
    }
    if (at->chunk > LIST_BLOCK_CHUNKS / 2) {
        *at = (struct list_place){at->block + 1, at->chunk - LIST_BLOCK_CHUNKS / 2};
    }
    return true;
}

bool list_blocks_insert(struct list_blocks *b, struct list_place *at, struct list_chunk *chunk,
                        uint32_t count)
{
    if (!block_make_room(b, at)) {
        return false;
    }
    struct list_block *block = list_blocks_slot(b, at->block)->block;
    bool right = block->first + block->used < LIST_BLOCK_CHUNKS;
    if (right && (block->first == 0 || at->chunk > block->used / 2 || at->chunk == block->used)) {
        block_move(block, block->first + at->chunk, block->first + at->chunk + 1, block->used - at->chunk);
    } else {
        block_move(block, block->first, block->first - 1, at->chunk);
        block->first--;
    }
    block->used++;
    block->chunks[block->first + at->chunk] = chunk;
    block->counts[block->first + at->chunk] = 0;
    list_blocks_add(b, *at, count);
    b->chunks++;
    add_memory(b, block, list_chunk_memory(chunk));
    return true;
}

void list_blocks_remove(struct list_blocks *b, struct list_place *at)
{
    struct list_chunk *chunk = *list_blocks_chunk(b, *at);
    list_blocks_add(b, *at, -(int64_t)list_blocks_count(b, *at));
    b->chunks--;
    struct list_block *block = list_blocks_slot(b, at->block)->block;
    add_memory(b, block, 0 - list_chunk_memory(chunk));
    list_chunk_free(chunk);
    uint32_t behind = block->used - at->chunk - 1;
    if (at->chunk < behind) {
        block_move(block, block->first, block->first + 1, at->chunk);
        block->first++;
    } else {
        block_move(block, block->first + at->chunk + 1, block->first + at->chunk, behind);
    }
    if (--block->used == 0) {
        block_free(b, block);
        directory_close(b, at->block, 1);
        at->chunk = 0;
    }
}

/* ---- whole blocks ---- */

/* Takes a block with all its chunks out of the sums of one list, and into those of another if there is one. */
static void block_recount(struct list_blocks *from, const struct list_slot *slot, struct list_blocks *to)
{
    const struct list_block *block = slot->block;
    size_t memory = mem_class(sizeof *block) + block->memory;
    from->count -= slot->count;
    from->chunks -= block->used;
    from->memory -= memory;
    if (to != NULL) {
        to->count += slot->count;
        to->chunks += block->used;
        to->memory += memory;
    }
}

static void block_drop(struct list_block *block)
{
    for (uint32_t i = 0; i < block->used; i++) {
        list_chunk_free(block->chunks[block->first + i]);
    }
    mem_free(block, sizeof *block);
}

void list_blocks_move(struct list_blocks *b, uint32_t block, uint32_t n, struct list_blocks *to)
{
    if (to != NULL && to->cap - to->first - to->used < n && !directory_grow(to, n)) {
        to = NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct list_slot slot = *list_blocks_slot(b, block + i);
        block_recount(b, &slot, to);
        if (to != NULL) {
            to->slots[to->first + to->used++] = slot;
        } else {
            block_drop(slot.block);
        }
    }
    directory_close(b, block, n);
}

/* ---- finding ---- */

/* The block of an element, from the nearer end. *index becomes the element's index in the block. */
static uint32_t seek_block(const struct list_blocks *b, uint64_t *index)
{
    const struct list_slot *slots = b->slots + b->first;
    uint32_t block = 0;
    if (*index < b->count / 2) {
        for (; *index >= slots[block].count; block++) {
            *index -= slots[block].count;
        }
        return block;
    }
    uint64_t before = b->count;
    for (block = b->used; *index < before;) {
        before -= slots[--block].count;
    }
    *index -= before;
    return block;
}

struct list_place list_blocks_seek(const struct list_blocks *b, uint64_t *index)
{
    struct list_place at = {seek_block(b, index), 0};
    const struct list_block *block = list_blocks_slot(b, at.block)->block;
    for (; *index >= block->counts[block->first + at.chunk]; at.chunk++) {
        *index -= block->counts[block->first + at.chunk];
    }
    return at;
}

uint64_t list_blocks_before(const struct list_blocks *b, struct list_place at)
{
    uint64_t before = 0;
    for (uint32_t i = 0; i < at.block; i++) {
        before += list_blocks_slot(b, i)->count;
    }
    for (uint32_t i = 0; i < at.chunk; i++) {
        before += list_blocks_count(b, (struct list_place){at.block, i});
    }
    return before;
}
