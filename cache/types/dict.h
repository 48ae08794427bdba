/*
 * A dict: the large form of sets, hashes and sorted sets; a hash table of items keyed by their field's bytes. A set
 * of ten million members must grow and shrink without a pause, so the table is many small ones, as the keyspace
 * is many shards, and one of them at a time is split or merged:
 *
 *   chunk[] -> 256 segments each -> lines: tag[7]:8 | displaced:8 | place[7]:16 | pointer[7]:48   = 64 bytes
 *
 * Linear hashing chooses among `segments` segments: with 2^b <= segments, the lowest b + 1 bits of the hash if there
 * is such a segment, else the lowest b. Adding a segment splits one; taking the last away merges it back. A segment
 * (24 to 150 items) has as many lines as keep it 75 to 94 % full: 11 bytes for an item. In plain linear
 * hashing the buckets not yet split hold twice the items of the others, which wastes a quarter of the lines;
 * here they merely have twice the lines.
 *
 * An item's place within its segment comes from 16 bits of the hash that are kept in the line, so resizing or
 * merging segments opens no item; only a split does (64 to 128 items, prefetched). No operation touches more
 * than two segments: a few microseconds at most, whatever the size.
 *
 * Threads: none of its own; the owner's lock covers everything.
 */
#ifndef ORDINAL_TYPES_DICT_H
#define ORDINAL_TYPES_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "types/dict_item.h"

struct dict_segment;

struct dict {
    struct dict_segment **chunk; /* 256 segments each; the first is shorter while it is the only one */
    uint32_t chunk_room;         /* pointers that `chunk` has room for */
    uint32_t first_room;         /* segments that the first chunk has room for */
    uint32_t segments;
    uint32_t widest; /* no segment has ever had more lines */
    uint64_t count;
    uint64_t timed; /* items with a deadline */
    size_t bytes;   /* of items, lines and chunks, by size class */
    const void *secret;
    size_t secret_size;
};

/* An empty dict; allocates nothing. `secret` is what XXH3 takes (at least XXH3_SECRET_SIZE_MIN bytes) and outlives
 * the dict: one random secret for a process keeps chosen members from colliding. */
void dict_init(struct dict *d, const void *secret, size_t secret_size);

/* Frees everything at once; the dict is empty and may be used again. */
void dict_clear(struct dict *d);

/* Frees up to `budget` items with the tables that fall empty, and returns true once nothing is left. For the reaper:
 * after the first call only this and dict_memory may be called until it returns true. */
bool dict_free_some(struct dict *d, uint32_t budget);

static inline uint64_t dict_count(const struct dict *d)
{
    return d->count;
}

/* Items with a deadline. */
static inline uint64_t dict_timed(const struct dict *d)
{
    return d->timed;
}

/* Bytes of the dict with all its items, by size class; `struct dict` included. */
static inline size_t dict_memory(const struct dict *d)
{
    return sizeof *d + d->bytes;
}

/* The item with this field, or NULL. Deadlines are not looked at. It stays where it is until it is removed,
 * replaced or given a deadline, whatever happens to others. */
struct dict_item *dict_find(const struct dict *d, struct slice field);

/* The item with the field of `parts`: the one that is there (*added false, nothing changed), or a new one of these
 * parts (*added true). NULL when there is no memory. */
struct dict_item *dict_add(struct dict *d, const struct item_parts *parts, bool *added);

/* Gives an item another value, in place when its size class allows. Returns the item, which may be another one at
 * another address, or NULL when there is no memory and nothing has changed. */
struct dict_item *dict_replace(struct dict *d, struct dict_item *it, struct slice value);

/* Gives an item other parts with the same field: value and deadline at once. Returns as dict_replace; where another item
 * has taken its place, *old is the old one, which the caller frees (item_free), else NULL. */
struct dict_item *dict_change(struct dict *d, struct dict_item *it, const struct item_parts *parts,
                              struct dict_item **old);

/* Removes and frees the item with this field; false when there is none. */
bool dict_remove(struct dict *d, struct slice field);

/* Removes and frees an item of this dict. */
void dict_remove_item(struct dict *d, struct dict_item *it);

/* One item, every one with the same chance, or NULL when there is none. `state` is the caller's random state, any
 * number at first; it is moved on. */
struct dict_item *dict_random(const struct dict *d, uint64_t *state);

/* Called with items in turn; must not change the dict. */
typedef void dict_visit_fn(void *context, struct dict_item *it);

/* Visits about `want` items (more when several share a place, none of an empty dict) from `cursor` on, 0 at first,
 * and returns the next cursor, 0 when the scan is complete. Every item that is there from the first call to the
 * last is visited at least once, whatever is added and removed between the calls. Any number is a valid cursor. */
uint64_t dict_scan(const struct dict *d, uint64_t cursor, uint64_t want, dict_visit_fn *visit, void *context);

/* Goes through all items of a dict that does not change meanwhile. Begin with {0}. */
struct dict_iterator {
    uint32_t segment;
    uint32_t slot;
};

/* The next item, or NULL at the end. */
struct dict_item *dict_next(const struct dict *d, struct dict_iterator *at);

#endif
