/*
 * A small list: all elements in one run of bytes, which is the value of the list's entry. It is walked from both ends, since a
 * queue is fed at one and read at the other. Ids, hashes and records, what queues mostly hold, are strings of one width, which
 * is then said once, and an element's place is known by its index; else each element is as in a listpack (listpack.h),
 * whose total and end are left out, since the entry knows how long its value is.
 *
 *   width:8 | elements:16 | string …                            strings of 1 to 254 bytes each, none of which spells an integer
 *   0       | elements:16 | element …                           encoding | data | backlen
 *   255     | elements:16 | element … | 0xFF | [unused …]       the same in a run that is too long, as where there was no memory
 *                                                               for a shorter entry
 *
 * 65535 elements: unknown, count them (never of one width). A list of one width that gets an element of another one, or an integer,
 * stops being one; it does not come back. What a DUMP has is the listpack of the same elements, whose length is always known.
 *
 * The run belongs to the caller, here there is no allocation: an edit is applied in place, in a buffer that has room for what the
 * functions that begin with small_list_bytes say. A position is the offset of an element from the first byte of the run; it
 * outlives a move of the run, but no edit. The bytes of a value may not lie in the run.
 */
#ifndef ORDINAL_TYPES_SMALL_LIST_H
#define ORDINAL_TYPES_SMALL_LIST_H

#include "types/listpack.h"

enum {
    SMALL_LIST_NONE = 0,  /* no position */
    SMALL_LIST_FIRST = 3, /* the position of the first element, and the bytes of a list without any */
    SMALL_LIST_MIXED = 0,
    SMALL_LIST_SLACK = 255,
};

/* A list that is looked at or edited; `len` follows the edits. */
struct small_list {
    uint8_t *bytes;
    size_t len;
};

/* The width of all elements, or 0. */
static inline size_t small_list_width(const uint8_t *bytes)
{
    return __builtin_expect(bytes[0] != SMALL_LIST_SLACK, 1) ? bytes[0] : 0;
}

/* The list in these bytes, of which there are `room`. */
size_t small_list_used(const uint8_t *bytes);
static inline struct small_list small_list_open(uint8_t *bytes, size_t room)
{
    size_t count = (size_t)bytes[1] | (size_t)bytes[2] << 8;
    return (struct small_list){bytes, bytes[0] == SMALL_LIST_MIXED   ? room
                                      : bytes[0] != SMALL_LIST_SLACK ? SMALL_LIST_FIRST + count * bytes[0]
                                                                     : small_list_used(bytes)};
}

/* Makes a list without elements in SMALL_LIST_FIRST bytes, of the width of what will be its first element. */
struct small_list small_list_init(uint8_t *bytes, struct slice first);

/* After edits: the list lies in `room` bytes, at least as many as it has, and says so itself. */
void small_list_settle(struct small_list *l, size_t room);

/* Elements. */
size_t small_list_count(const struct small_list *l);

/* ---- positions and reading ---- */

/* The element with this index, from 0; negative ones count from the end. SMALL_LIST_NONE beyond the ends. */
size_t small_list_seek(const struct small_list *l, int64_t index);

/* The neighbours; SMALL_LIST_NONE past the ends. */
size_t small_list_next(const struct small_list *l, size_t pos);
size_t small_list_prev(const struct small_list *l, size_t pos);

/* Where the next element begins or, behind the last one, would begin. */
size_t small_list_after(const struct small_list *l, size_t pos);

static inline struct listpack_value small_list_read(const struct small_list *l, size_t pos)
{
    size_t width = small_list_width(l->bytes);
    return width != 0 ? (struct listpack_value){.bytes = {(const char *)l->bytes + pos, width}}
                      : element_read(l->bytes + pos);
}

/* ---- edits, in place ---- */

/* Bytes of the list with more values; and the most that it has while a value comes into the place of the one at pos. */
size_t small_list_bytes_with(const struct small_list *l, const struct slice *values, size_t count);
size_t small_list_bytes_set(const struct small_list *l, size_t pos, struct slice value);

/* Puts a value in before pos (l->len: at the end), or in the place of the one at pos. */
void small_list_insert(struct small_list *l, size_t pos, struct slice value);
void small_list_set(struct small_list *l, size_t pos, struct slice value);

/* Removes `count` elements from pos on; there must be as many. */
void small_list_remove(struct small_list *l, size_t pos, size_t count);

/* ---- the same elements as a listpack ---- */

size_t small_list_listpack_bytes(const struct small_list *l);

/* Writes a listpack of small_list_listpack_bytes(). */
void small_list_to_listpack(const struct small_list *l, uint8_t *lp);

/* Bytes of the list of a sound listpack's elements; and writes it. */
size_t small_list_bytes_of(const uint8_t *lp);
void small_list_of(const uint8_t *lp, uint8_t *bytes);

#endif
