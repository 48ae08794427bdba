/*
 * Going through a dict's items: all of them in turn, some of them from a cursor on, or one at random.
 */
#include "types/dict_table.h"

enum {
    CURSOR_PLACE = 16, /* bits of a scan's cursor: region:32 | level:6 | place:16 */
    CURSOR_LEVEL = 6
};

/* splitmix64 */
static uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

/* A number below n from 32 random bits; for n up to 2^32 / 1000 no number is preferred by more than 0.1 %. */
static uint32_t random_below(uint32_t bits, uint32_t n)
{
    return (uint32_t)((uint64_t)bits * n >> 32);
}

/*
 * A throw at a slot of a segment as wide as the widest, repeated until it hits an item: so every item has the same
 * chance, whatever its segment. A third to a quarter of the throws hit.
 */
struct dict_item *dict_random(const struct dict *d, uint64_t *state)
{
    if (d->count == 0) {
        return NULL;
    }
    uint32_t width = SLOTS * (d->segments == 1 ? segment_at(d, 0)->lines : d->widest);
    for (;;) {
        uint64_t bits = random_bits(state);
        const struct dict_segment *s = segment_at(d, random_below((uint32_t)(bits >> 32), d->segments));
        uint32_t at = random_below((uint32_t)bits, width);
        if (at < s->lines * SLOTS && s->line[at / SLOTS].tag[at % SLOTS] != 0) {
            return line_item(&s->line[at / SLOTS], at % SLOTS);
        }
    }
}

struct dict_item *dict_next(const struct dict *d, struct dict_iterator *at)
{
    for (; at->segment < d->segments; at->segment++, at->slot = 0) {
        const struct dict_segment *s = segment_at(d, at->segment);
        for (; at->slot < s->lines * SLOTS; at->slot++) {
            const struct line *line = &s->line[at->slot / SLOTS];
            if (line->tag[at->slot % SLOTS] != 0) {
                return line_item(line, at->slot++ % SLOTS);
            }
        }
    }
    return NULL;
}

/* ---- scan ------------------------------------------------------------------------------------------------- */

/*
 * A scan goes by the bits that choose segments read backwards, lowest bit first: then a segment's items are a region
 * without gaps, a split halves it and a merge joins it with its neighbour. The cursor says: of all regions before
 * `region` everything was visited, of the region of `level` bits that begins there every item of a place below
 * `place`.
 */
struct position {
    uint64_t region; /* 2^32: the end */
    unsigned level;
    uint32_t place; /* 2^16: all of it */
};

static uint32_t reverse(uint32_t bits)
{
    bits = (bits >> 1 & 0x55555555u) | (bits & 0x55555555u) << 1;
    bits = (bits >> 2 & 0x33333333u) | (bits & 0x33333333u) << 2;
    bits = (bits >> 4 & 0x0f0f0f0fu) | (bits & 0x0f0f0f0fu) << 4;
    return __builtin_bswap32(bits);
}

/* How many bits of the hash an item of this segment shares with the others. */
static unsigned segment_level(const struct dict *d, uint32_t index)
{
    unsigned b = level_of(d);
    uint64_t whole = UINT64_C(1) << b;
    return index >= whole || index + whole < d->segments ? b + 1 : b;
}

/* Visits the items at home in a line that are not below a place: there, or passed on. Returns how many. */
static uint64_t visit_home(const struct dict_segment *s, uint32_t home, uint32_t from, dict_visit_fn *visit,
                           void *context)
{
    uint64_t seen = 0;
    uint32_t at = home;
    for (uint32_t steps = 0; steps < s->lines; steps++) {
        const struct line *line = &s->line[at];
        for (unsigned k = 0; k < SLOTS; k++) {
            if (line->tag[k] != 0 && line->place[k] >= from && segment_home(s, line->place[k]) == home) {
                visit(context, line_item(line, k));
                seen++;
            }
        }
        if (line->displaced == 0) {
            break;
        }
        at = next_line(s, at);
    }
    return seen;
}

/* Visits items of one segment until `want` are seen; returns the place to go on from. */
static uint32_t visit_segment(const struct dict_segment *s, uint32_t from, uint64_t *want,
                              dict_visit_fn *visit, void *context)
{
    while (from<PLACES && * want> 0) {
        if (s->lines == 0) {
            return PLACES;
        }
        uint32_t home = segment_home(s, (uint16_t)from);
        uint64_t seen = visit_home(s, home, from, visit, context);
        *want -= seen < *want ? seen : *want;
        from = (uint32_t)(((uint64_t)(home + 1) * PLACES + s->lines - 1) /
                          s->lines); /* first of the next line */
    }
    return from;
}

uint64_t dict_scan(const struct dict *d, uint64_t cursor, uint64_t want, dict_visit_fn *visit, void *context)
{
    struct position p = {.region = (uint32_t)(cursor >> (CURSOR_PLACE + CURSOR_LEVEL)),
                         .level = (unsigned)(cursor >> CURSOR_PLACE) & ((1u << CURSOR_LEVEL) - 1),
                         .place = (uint32_t)cursor & (PLACES - 1)};
    want = want > 0 ? want : 1;
    while (want > 0 && d->segments > 0 && p.region <= UINT32_MAX) {
        uint32_t index = route_index(d, reverse((uint32_t)p.region));
        unsigned level = segment_level(d, index);
        if (level < p.level) {
            p.place = 0; /* merged with a neighbour, of which nothing may have been visited */
        }
        p.level = level;
        p.place = visit_segment(segment_at(d, index), p.place, &want, visit, context);
        if (p.place >= PLACES) {
            uint64_t begins = level > 0 ? reverse(index) : 0;
            p = (struct position){.region = begins + (UINT64_C(1) << (32 - level))};
        }
    }
    if (d->segments == 0 || p.region > UINT32_MAX) {
        return 0;
    }
    return p.region << (CURSOR_PLACE + CURSOR_LEVEL) | (uint64_t)p.level << CURSOR_PLACE | p.place;
}
