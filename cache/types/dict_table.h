/*
 * The table of a dict as dict.c and dict_walk.c know it (the drawing is in dict.h): chunks of segments, segments of
 * lines, and which of them an item belongs to. Nobody else includes this.
 */
#ifndef ORDINAL_TYPES_DICT_TABLE_H
#define ORDINAL_TYPES_DICT_TABLE_H

#include "types/dict.h"

enum {
    SLOTS = 7,         /* of a line */
    CHUNK = 256,       /* segments of a chunk */
    GROW_AT = 64,      /* items for a segment on average, from which on one more is added */
    SHRINK_AT = 24,    /* and below which one is taken away */
    PLACES = 1 << 16,  /* places within a segment */
    MAX_LINES = PLACES /* a place for each */
};

struct line {
    uint8_t tag[SLOTS]; /* 0: empty */
    uint8_t displaced;  /* items at home here or before that were passed on; 255 sticks */
    uint16_t place[SLOTS];
    uint16_t high[SLOTS];
    uint32_t low[SLOTS];
};
_Static_assert(sizeof(struct line) == 64, "a line is a cache line");

struct dict_segment {
    struct line *line;
    uint32_t lines;
    uint32_t used;
};

static inline struct dict_item *line_item(const struct line *line, unsigned k)
{
    return (struct dict_item *)((uintptr_t)line->high[k] << 32 | line->low[k]);
}

static inline uint32_t segment_home(const struct dict_segment *s, uint16_t place)
{
    return (uint32_t)((uint64_t)place * s->lines / PLACES);
}

static inline uint32_t next_line(const struct dict_segment *s, uint32_t at)
{
    return at + 1 < s->lines ? at + 1 : 0;
}

static inline struct dict_segment *segment_at(const struct dict *d, uint32_t index)
{
    return &d->chunk[index / CHUNK][index % CHUNK];
}

/* b, where 2^b <= segments < 2^(b + 1). */
static inline unsigned level_of(const struct dict *d)
{
    return 31u - (unsigned)__builtin_clz(d->segments);
}

static inline uint32_t route_index(const struct dict *d, uint32_t route)
{
    uint32_t half = UINT32_MAX >> (31 - level_of(d)) >> 1; /* 2^b - 1 */
    uint32_t index = route & (half << 1 | 1);
    return index < d->segments ? index : index & half;
}

#endif
