/*
 * A large list: a deque of listpack chunks of bounded size (list_chunk.h) in blocks with sums (list_blocks.h). A small
 * list (small_list.h) has no need of this. Pushes and pops at both ends take the same time at any length, an index
 * is found without walking elements outside its chunk, and an insertion or removal in the midst moves at most one chunk,
 * 64 slots and a directory of a few kilobytes. A value too large for a chunk is a chunk of its own.
 *
 * Values are given back as struct listpack_value: an integer, or bytes inside the list that live until its next edit.
 * A position lives until the next edit too, except the one that the edit itself moves on. Functions that add return false
 * when there is no memory, and then nothing has changed.
 *
 * Threads: as for the entry that holds it.
 */
#ifndef ORDINAL_TYPES_LIST_H
#define ORDINAL_TYPES_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "types/list_blocks.h"
#include "types/list_chunk.h"
#include "types/listpack.h"

struct list {
    struct list_blocks blocks;
    uint32_t max_bytes; /* of a chunk's listpack */
    uint32_t max_count; /* of its elements */
};

struct list_position {
    struct list_place place;
    size_t entry; /* in the chunk's listpack; 0 in a plain chunk */
};

/* An empty list. `max_size` is list-max-listpack-size: -1 to -5 for chunks of 4, 8, 16, 32 or 64 KB, a positive number for
 * so many elements (and at most 8 KB). NULL when there is no memory. */
struct list *list_new(int max_size);

/* Frees everything. list_free_step() frees at most so many chunks, true once all is gone: for what must not stall. */
void list_free(struct list *l);
bool list_free_step(struct list *l, size_t chunks);

/* Bytes that it takes, as size classes. Known, not counted. */
size_t list_memory(const struct list *l);

/* Elements. */
static inline uint64_t list_count(const struct list *l)
{
    return l->blocks.count;
}

/* ---- the ends ---- */

bool list_push(struct list *l, enum list_end end, struct slice value);

/* Removes the element at an end; false when the list is empty. */
bool list_pop(struct list *l, enum list_end end);

/* ---- positions ---- */

/* The element with this index, from 0; negative ones count from the end. False beyond the ends. */
bool list_seek(const struct list *l, int64_t index, struct list_position *at);

/* Moves to the neighbour; false past the end (the position is then worth nothing). */
bool list_next(const struct list *l, struct list_position *at);
bool list_prev(const struct list *l, struct list_position *at);

struct listpack_value list_read(const struct list *l, const struct list_position *at);

/* The index of an element, from 0. */
uint64_t list_index(const struct list *l, const struct list_position *at);

/* ---- edits in the midst ---- */

/* Inserts before or, with `after`, behind an element. */
bool list_insert(struct list *l, const struct list_position *at, bool after, struct slice value);

/* Puts a value in the place of an element. */
bool list_set(struct list *l, const struct list_position *at, struct slice value);

/* Removes an element. *at moves on to the next one or, with `backward`, to the previous one; false when there is none. */
bool list_remove(struct list *l, struct list_position *at, bool backward);

/* Removes up to `count` elements from `index` on (from 0); returns how many there were. Where that is many, `removed`, an
 * empty list or one that was used for this before, takes most of them, to be freed elsewhere; NULL frees them here. */
uint64_t list_remove_range(struct list *l, uint64_t index, uint64_t count, struct list *removed);

/* ---- chunks as a whole: for RDB and DUMP, and for a small list that grew ---- */

/* The chunk at *place, which is then moved on to the next: begin with a zeroed place. *plain says whether the bytes are one
 * value or a listpack. False past the last. */
bool list_read_chunk(const struct list *l, struct list_place *place, struct slice *bytes, bool *plain);
static inline uint64_t list_chunks(const struct list *l)
{
    return l->blocks.chunks;
}

/* Appends all elements of a sound listpack: as one chunk when it fits, else one by one. When there is no memory some of
 * them may have been appended. */
bool list_append_listpack(struct list *l, const uint8_t *lp);

#endif
