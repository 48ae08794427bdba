/*
 * A listpack: a run of bytes that holds small elements one behind the other, each a string or an integer, and can be
 * walked from both ends. A large list is many of them (list.h), a small one has their elements (small_list.h). The bytes are exactly
 * those that Redis keeps and writes into RDB files and DUMP payloads (source: the listpack specification, antirez/listpack; RDB version
 * 10, types 16 to 18 and 20), so that they are written as they are.
 *
 *   total bytes:32 | elements:16 | element … | 0xFF           little endian; 65535 elements: unknown, count them
 *
 *   element:  encoding | data (element.h) | backlen             backlen: bytes of encoding and data
 *
 *   backlen:  7 bits in a byte, the most significant first, and all but the first byte have bit 7 set, so that it is read
 *   from its right end. 1 byte up to 127, 2 below 16383, 3 below 2097151, 4 below 268435455, else 5.
 *
 * The run belongs to the caller, here there is no allocation: an edit is applied in place, in a buffer that has room for
 * what listpack_bytes(), the `size` of the element and, for a replacement, listpack_element_bytes() add up to. A position
 * is the offset of an element from the first byte of the run, so it outlives a move of the run, but no edit before it.
 * What comes from outside goes through listpack_validate() first; everything else here trusts the bytes.
 */
#ifndef ORDINAL_TYPES_LISTPACK_H
#define ORDINAL_TYPES_LISTPACK_H

#include "types/element.h"

enum {
    LISTPACK_NONE = 0,   /* no position */
    LISTPACK_HEADER = 6, /* bytes before the first element, and its position */
    LISTPACK_EMPTY = 7,  /* bytes of a listpack without elements */
    LISTPACK_UNKNOWN = 65535,
    LISTPACK_MAX = 1 << 30, /* no listpack should grow beyond: Redis refuses to make larger ones */
};

/* An element ready to be written. `size` is what it adds to a listpack. */
struct listpack_element {
    size_t size;
    struct element data;
    uint8_t backlen[5];
    uint8_t backlen_len;
};

/* Bytes of an element whose encoding and data take `len` bytes: with its backlen. The bounds are those of Redis, where the largest
 * number of each width already takes one more byte. */
static inline size_t listpack_bytes_of_data(size_t len)
{
    return len + (len <= 127 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5);
}

/* Bytes of the whole run. */
static inline size_t listpack_bytes(const uint8_t *lp)
{
    uint32_t bytes;
    memcpy(&bytes, lp, sizeof bytes);
    return bytes;
}

/* Makes an empty listpack in LISTPACK_EMPTY bytes. */
void listpack_init(uint8_t *lp);

/* Elements. Read from the header, or counted when there are, or once were, LISTPACK_UNKNOWN and more. */
size_t listpack_count(const uint8_t *lp);

/* ---- elements to be written ---- */

/* The element for these bytes (at most 4 GB): an integer when they are the one spelling of one, else a string; or a string. */
struct listpack_element listpack_encode(struct slice bytes);
struct listpack_element listpack_encode_string(struct slice bytes);

/* Writes the `size` bytes of an element. */
void listpack_put(uint8_t *at, const struct listpack_element *e);

/* ---- positions ---- */

/* First and last element, LISTPACK_NONE when there is none. */
size_t listpack_first(const uint8_t *lp);
size_t listpack_last(const uint8_t *lp);

/* The neighbours of the element at pos; LISTPACK_NONE past the ends. */
size_t listpack_next(const uint8_t *lp, size_t pos);
size_t listpack_prev(const uint8_t *lp, size_t pos);

/* Where the next element begins or would begin: as listpack_next, but listpack_end() behind the last one. And where the one
 * before this position begins, which must be there. Both look at the elements alone, whatever lies before these. */
size_t listpack_after(const uint8_t *lp, size_t pos);
size_t listpack_before(const uint8_t *lp, size_t pos);

/* The position at which an insertion appends. */
static inline size_t listpack_end(const uint8_t *lp)
{
    return listpack_bytes(lp) - 1;
}

/* The element with this index, from 0; negative ones count from the end, -1 is the last. LISTPACK_NONE beyond the ends.
 * Walks from the nearer end. */
size_t listpack_seek(const uint8_t *lp, int64_t index);

/* ---- reading ---- */

struct listpack_value listpack_read(const uint8_t *lp, size_t pos);

/* The short way of listpack_read and listpack_after for a string of less than 64 bytes, as most elements are; false for any
 * other element. */
static inline bool listpack_short_string(const uint8_t *lp, size_t pos, struct slice *bytes, size_t *after)
{
    uint8_t first = lp[pos];
    size_t len = first & 0x3Fu;
    if ((first & 0xC0) != ELEMENT_STRING_6) {
        return false;
    }
    *bytes = (struct slice){(const char *)lp + pos + 1, len};
    *after = pos + 1 + len + 1;
    return true;
}

/* Bytes that the element at pos takes. */
size_t listpack_element_bytes(const uint8_t *lp, size_t pos);

/* Whether a value reads as these bytes; an integer is compared by its text. */
bool listpack_value_equal(const struct listpack_value *value, struct slice bytes);

/* ---- edits, in place ---- */

/* Inserts before pos (a position or listpack_end()); after an element: at listpack_after(lp, pos). Needs listpack_bytes()
 * + e->size bytes. The bytes of `e` may not lie in the run. */
void listpack_insert(uint8_t *lp, size_t pos, const struct listpack_element *e);
void listpack_append(uint8_t *lp, const struct listpack_element *e);

/* Puts `e` in the place of the element at pos. Needs listpack_bytes() + e->size - listpack_element_bytes(). */
void listpack_replace(uint8_t *lp, size_t pos, const struct listpack_element *e);

/* Removes up to `count` elements from pos on; returns how many there were. The one that then stands at pos, if any, is
 * the one that followed. */
size_t listpack_delete(uint8_t *lp, size_t pos, size_t count);

/* Appends the elements of another run from position `from` up to, and without, `to`; `count` is their number. Needs
 * listpack_bytes() + to - from. */
void listpack_append_run(uint8_t *lp, const uint8_t *other, size_t from, size_t to, size_t count);

/* Appends an element whose encoding and data (element.h) are these bytes. Needs listpack_bytes() +
 * listpack_bytes_of_data(). */
void listpack_append_data(uint8_t *lp, const uint8_t *data, size_t len);

/* Prepend and remove the first element at the left edge: where the caller has e->size bytes of room before the run,
 * nothing but the header moves, however long the run is. Both return where the run begins now. */
uint8_t *listpack_push_left(uint8_t *lp, const struct listpack_element *e);
uint8_t *listpack_pop_left(uint8_t *lp);

/* ---- bytes from outside ---- */

/* Looks at an element of a run under validation; false refuses the run. */
typedef bool listpack_check(const struct listpack_value *value, void *context);

/* Whether these `len` bytes, from anywhere, are one sound listpack: the header, every encoding, length and backlen, the
 * end and the count. Nothing past `len` is read. `check`, if any, sees each element in order. An empty listpack is sound. */
bool listpack_validate(const uint8_t *bytes, size_t len, listpack_check *check, void *context);

#endif
