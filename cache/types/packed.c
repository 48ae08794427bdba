/*
 * Packed runs. What costs time is finding: a small hash is looked through field by field. Two loops, one for short strings
 * and one for all else, each in a copy for single elements and one for pairs, so that the step from an item to the next is
 * known to the compiler.
 */
#include "types/packed.h"

#include "types/listpack.h"

enum { MOST_COUNTED = PACKED_SLACK - 1 - PACKED_NO_ITEMS, SHORT_SLACK = 254, LONG_SLACK = 255 };

/* ---- the header ------------------------------------------------------------------------------------------- */

size_t packed_counted(const struct packed *p, size_t each)
{
    size_t elements = 0;
    for (size_t pos = PACKED_FIRST; pos < p->len; pos = packed_after(p, pos)) {
        elements++;
    }
    return elements / each;
}

static void set_count(struct packed *p, size_t items)
{
    p->bytes[0] = (uint8_t)(items <= MOST_COUNTED ? PACKED_NO_ITEMS + items : PACKED_MANY);
}

static inline void add_item(struct packed *p)
{
    uint8_t header = p->bytes[0];
    if (header < PACKED_SLACK) {
        set_count(p, header - (size_t)PACKED_NO_ITEMS + 1);
    }
}

size_t packed_used(const uint8_t *bytes, size_t len)
{
    uint8_t last = bytes[len - 1];
    return len - (last < LONG_SLACK ? last : element_load_32(bytes + len - 5));
}

void packed_settle_slow(struct packed *p, size_t room, size_t each)
{
    size_t unused = room - p->len;
    if (unused == 0) {
        set_count(p, packed_counted(p, each));
        return;
    }
    p->bytes[0] = PACKED_SLACK;
    if (unused <= SHORT_SLACK) {
        p->bytes[room - 1] = (uint8_t)unused;
    } else {
        uint32_t word = (uint32_t)unused;
        p->bytes[room - 1] = LONG_SLACK;
        memcpy(p->bytes + room - 5, &word, sizeof word);
    }
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

size_t packed_skip(const struct packed *p, size_t pos, size_t elements)
{
    while (elements-- > 0 && pos < p->len) {
        pos = packed_after(p, pos);
    }
    return pos;
}

/* The item after the one at `at`. */
static inline __attribute__((always_inline)) const uint8_t *next_item(const uint8_t *at, size_t each)
{
    for (size_t i = 0; i < each; i++) {
        at += (*at & 0xC0) == ELEMENT_STRING_6 ? 1 + (*at & 0x3Fu) : element_data_bytes(at);
    }
    return at;
}

/* A string of less than 64 bytes: its first byte tells it from most others. */
static inline __attribute__((always_inline)) size_t find_short(const struct packed *p, size_t pos,
                                                               struct slice bytes, size_t each)
{
    const uint8_t head = (uint8_t)(ELEMENT_STRING_6 | bytes.len);
    const uint8_t *end = p->bytes + p->len;
    for (const uint8_t *at = p->bytes + pos; at < end; at = next_item(at, each)) {
        if (*at == head && element_same_bytes((const char *)at + 1, bytes.ptr, bytes.len)) {
            return (size_t)(at - p->bytes);
        }
    }
    return PACKED_NONE;
}

/* Any element: equal ones are equal bytes. */
static inline __attribute__((always_inline)) size_t find_any(const struct packed *p, size_t pos,
                                                             const struct element *e, size_t each)
{
    const uint8_t *end = p->bytes + p->len;
    for (const uint8_t *at = p->bytes + pos; at < end; at = next_item(at, each)) {
        if (*at == e->head[0] && memcmp(at, e->head, e->head_len) == 0 &&
            (e->tail.len == 0 || memcmp(at + e->head_len, e->tail.ptr, e->tail.len) == 0)) {
            return (size_t)(at - p->bytes);
        }
    }
    return PACKED_NONE;
}

size_t packed_find(const struct packed *p, size_t pos, struct slice bytes, size_t each)
{
    if (bytes.len < 64 && !element_may_be_int(bytes)) {
        return each == 1 ? find_short(p, pos, bytes, 1) : find_short(p, pos, bytes, 2);
    }
    struct element e = element_encode(bytes);
    if (e.tail.len > 0 && e.head_len == 1) {
        return each == 1 ? find_short(p, pos, bytes, 1) : find_short(p, pos, bytes, 2);
    }
    return each == 1 ? find_any(p, pos, &e, 1) : find_any(p, pos, &e, 2);
}

/* ---- edits ------------------------------------------------------------------------------------------------ */

/* Moves what lies from `from` on, to `to`. */
static void move_rest(struct packed *p, size_t from, size_t to)
{
    if (from < p->len) {
        memmove(p->bytes + to, p->bytes + from, p->len - from);
    }
    p->len = p->len - from + to;
}

void packed_insert(struct packed *p, size_t pos, const struct element *e)
{
    move_rest(p, pos, pos + e->size);
    element_put(p->bytes + pos, e);
    add_item(p);
}

void packed_insert_pair(struct packed *p, size_t pos, const struct element *e, const struct element *next)
{
    move_rest(p, pos, pos + e->size + next->size);
    element_put(p->bytes + pos, e);
    element_put(p->bytes + pos + e->size, next);
    add_item(p);
}

void packed_replace(struct packed *p, size_t pos, const struct element *e)
{
    size_t old = packed_element_bytes(p, pos);
    if (old != e->size) {
        move_rest(p, pos + old, pos + e->size);
    }
    element_put(p->bytes + pos, e);
}

void packed_remove(struct packed *p, size_t from, size_t to, size_t items)
{
    uint8_t header = p->bytes[0];
    move_rest(p, to, from);
    if (header < PACKED_SLACK) {
        set_count(p, header - (size_t)PACKED_NO_ITEMS - items);
    }
}

/* ---- listpacks -------------------------------------------------------------------------------------------- */

size_t packed_listpack_bytes(const struct packed *p)
{
    size_t bytes = LISTPACK_EMPTY;
    for (size_t pos = PACKED_FIRST; pos < p->len; pos = packed_after(p, pos)) {
        bytes += listpack_bytes_of_data(packed_element_bytes(p, pos));
    }
    return bytes;
}

void packed_to_listpack(const struct packed *p, uint8_t *lp)
{
    listpack_init(lp);
    for (size_t pos = PACKED_FIRST; pos < p->len;) {
        size_t len = packed_element_bytes(p, pos);
        listpack_append_data(lp, p->bytes + pos, len);
        pos += len;
    }
}
