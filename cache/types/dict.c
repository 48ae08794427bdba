#include "types/dict_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "memory.h"

/* Where an item hangs; `line` is NULL for "nowhere". */
struct slot {
    struct line *line;
    unsigned index;
};

/* ---- the bits of a hash: tag:8, place:16, then those that choose the segment ------------------------------ */

static uint8_t hash_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)hash;
    return tag != 0 ? tag : 1;
}

static uint16_t hash_place(uint64_t hash)
{
    return (uint16_t)(hash >> 8);
}

static uint32_t hash_route(uint64_t hash)
{
    return (uint32_t)(hash >> 24);
}

static uint64_t hash_of(const struct dict *d, struct slice field)
{
    return XXH3_64bits_withSecret(field.ptr, field.len, d->secret, d->secret_size);
}

/* ---- lines ------------------------------------------------------------------------------------------------ */

/* A bit for each of the seven tags that is this one: 0x80 in its byte. Exact: no carry passes between bytes. */
static uint64_t tag_matches(const struct line *line, uint8_t tag)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7fULL;
    uint64_t word;
    memcpy(&word, line, sizeof word); /* the line begins with its tags */
    word ^= 0x0101010101010101ULL * tag;
    word = ~(((word & low) + low) | word | low);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return word & (UINT64_MAX >> 8); /* the eighth byte is `displaced` */
#else
    return __builtin_bswap64(word) & (UINT64_MAX >> 8);
#endif
}

static unsigned first_match(uint64_t matches)
{
    return (unsigned)__builtin_ctzll(matches) / 8;
}

static void line_set(struct line *line, unsigned k, const struct dict_item *it)
{
    line->low[k] = (uint32_t)(uintptr_t)it;
    line->high[k] = (uint16_t)((uintptr_t)it >> 32);
}

/* ---- segments --------------------------------------------------------------------------------------------- */

/* Puts an item into a segment that has a free slot. */
static void segment_put(struct dict_segment *s, uint8_t tag, uint16_t place, const struct dict_item *it)
{
    uint32_t at = segment_home(s, place);
    uint64_t empty;
    while ((empty = tag_matches(&s->line[at], 0)) == 0) {
        if (s->line[at].displaced < UINT8_MAX) {
            s->line[at].displaced++;
        }
        at = next_line(s, at);
    }
    struct line *line = &s->line[at];
    unsigned k = first_match(empty);
    line->tag[k] = tag;
    line->place[k] = place;
    line_set(line, k, it);
    s->used++;
}

static void segment_erase(struct dict_segment *s, struct slot slot)
{
    uint32_t at = segment_home(s, slot.line->place[slot.index]);
    for (; &s->line[at] != slot.line; at = next_line(s, at)) {
        if (s->line[at].displaced < UINT8_MAX) {
            s->line[at].displaced--;
        }
    }
    slot.line->tag[slot.index] = 0;
    s->used--;
}

/* Takes over every item of another segment; there is room. */
static void segment_take(struct dict_segment *s, const struct dict_segment *from)
{
    for (uint32_t i = 0; i < from->lines; i++) {
        const struct line *line = &from->line[i];
        for (unsigned k = 0; k < SLOTS; k++) {
            if (line->tag[k] != 0) {
                segment_put(s, line->tag[k], line->place[k], line_item(line, k));
            }
        }
    }
}

static void free_lines(struct dict *d, struct dict_segment *s)
{
    if (s->lines > 0) {
        d->bytes -= mem_class(s->lines * sizeof(struct line));
        mem_free(s->line, s->lines * sizeof(struct line));
    }
    *s = (struct dict_segment){0};
}

/* An empty segment of so many lines; false when there is no memory. */
static bool make_lines(struct dict *d, struct dict_segment *s, uint32_t lines)
{
    size_t size = lines * sizeof(struct line);
    *s = (struct dict_segment){.line = mem_alloc_lines(size), .lines = lines};
    if (s->line == NULL) {
        return false;
    }
    d->bytes += mem_class(size);
    d->widest = lines > d->widest ? lines : d->widest;
    return true;
}

/* Lines for so many items: at most 15 of 16 slots taken, then up to jemalloc's next size class. */
static uint32_t lines_for(uint64_t items)
{
    uint64_t lines = (items * 16 + SLOTS * 15 - 1) / (SLOTS * 15);
    lines = mem_class(lines * sizeof(struct line)) / sizeof(struct line);
    return lines < MAX_LINES ? (uint32_t)lines : MAX_LINES;
}

static bool segment_resize(struct dict *d, struct dict_segment *s, uint32_t lines)
{
    struct dict_segment wide;
    if (!make_lines(d, &wide, lines)) {
        return false;
    }
    segment_take(&wide, s);
    free_lines(d, s);
    *s = wide;
    return true;
}

/* Makes room for so many more; false when there is no memory, or 458,752 items share 24 bits of their hash. */
static bool segment_reserve(struct dict *d, struct dict_segment *s, uint32_t more)
{
    uint32_t used = s->used + more;
    uint32_t lines = lines_for(used);
    if (lines > s->lines && segment_resize(d, s, lines)) {
        return true;
    }
    return used <= s->lines * SLOTS; /* to its last slot, if need be */
}

/* Gives lines back when a quarter of them can go and there is still room to grow. */
static void segment_fit(struct dict *d, struct dict_segment *s)
{
    if (s->used == 0) {
        free_lines(d, s);
        return;
    }
    uint32_t lines = lines_for(s->used + s->used / 4);
    if (lines * 4 <= s->lines * 3) {
        segment_resize(d, s, lines); /* without memory for fewer lines the old ones stay */
    }
}

/* ---- the directory ---------------------------------------------------------------------------------------- */

/* Room for one more segment in the first chunk, which doubles. */
static bool widen_first(struct dict *d)
{
    uint32_t room = d->first_room == 0 ? 1 : d->first_room * 2;
    size_t size = sizeof(struct dict_segment);
    struct dict_segment *first = mem_realloc(d->chunk[0], d->first_room * size, room * size);
    if (first == NULL) {
        return false;
    }
    d->bytes += mem_class(room * size) - (d->first_room > 0 ? mem_class(d->first_room * size) : 0);
    d->chunk[0] = first;
    d->first_room = room;
    return true;
}

static bool widen_chunks(struct dict *d)
{
    uint32_t room = d->chunk_room == 0 ? 1 : d->chunk_room * 2;
    size_t size = sizeof *d->chunk;
    struct dict_segment **chunk = mem_realloc(d->chunk, d->chunk_room * size, room * size);
    if (chunk == NULL) {
        return false;
    }
    memset(chunk + d->chunk_room, 0, (room - d->chunk_room) * size);
    d->bytes += mem_class(room * size) - (d->chunk_room > 0 ? mem_class(d->chunk_room * size) : 0);
    d->chunk = chunk;
    d->chunk_room = room;
    return true;
}

/* Adds an empty segment at the end, which routing does not know before `segments` counts it. */
static bool directory_reserve(struct dict *d)
{
    uint32_t index = d->segments;
    if (index / CHUNK >= d->chunk_room && !widen_chunks(d)) {
        return false;
    }
    if (index < CHUNK && index >= d->first_room && !widen_first(d)) {
        return false;
    }
    if (index >= CHUNK && d->chunk[index / CHUNK] == NULL) {
        size_t size = CHUNK * sizeof(struct dict_segment);
        d->chunk[index / CHUNK] = mem_alloc(size);
        if (d->chunk[index / CHUNK] == NULL) {
            return false;
        }
        d->bytes += mem_class(size);
    }
    *segment_at(d, index) = (struct dict_segment){0};
    return true;
}

/* Takes away the last segment, which has no lines, and its chunk if it was the only one in it. */
static void directory_drop(struct dict *d)
{
    uint32_t index = --d->segments;
    if (index >= CHUNK && index % CHUNK == 0) {
        size_t size = CHUNK * sizeof(struct dict_segment);
        mem_free(d->chunk[index / CHUNK], size);
        d->chunk[index / CHUNK] = NULL;
        d->bytes -= mem_class(size);
    }
}

static void directory_free(struct dict *d)
{
    if (d->first_room > 0) {
        mem_free(d->chunk[0], d->first_room * sizeof(struct dict_segment));
        d->bytes -= mem_class(d->first_room * sizeof(struct dict_segment));
    }
    if (d->chunk_room > 0) {
        mem_free(d->chunk, d->chunk_room * sizeof *d->chunk);
        d->bytes -= mem_class(d->chunk_room * sizeof *d->chunk);
    }
    d->chunk = NULL;
    d->chunk_room = d->first_room = d->segments = d->widest = 0;
}

static void segment_prefetch_items(const struct dict_segment *s)
{
    for (uint32_t i = 0; i < s->lines; i++) {
        for (unsigned k = 0; k < SLOTS; k++) {
            if (s->line[i].tag[k] != 0) {
                __builtin_prefetch(line_item(&s->line[i], k));
            }
        }
    }
}

/* Moves the items that now belong to segment `index`, the last one, out of the one that held them. */
static void segment_split(const struct dict *d, struct dict_segment *from, uint32_t index)
{
    struct dict_segment *to = segment_at(d, index);
    for (uint32_t i = 0; i < from->lines; i++) {
        struct line *line = &from->line[i];
        for (unsigned k = 0; k < SLOTS; k++) {
            if (line->tag[k] == 0) {
                continue;
            }
            struct dict_item *it = line_item(line, k);
            if (route_index(d, hash_route(hash_of(d, item_field(it)))) == index) {
                segment_put(to, line->tag[k], line->place[k], it);
                segment_erase(from, (struct slot){line, k});
            }
        }
    }
}

/* One more segment, when there are enough items for it. Without memory the segments merely get fuller. */
static void grow(struct dict *d)
{
    if (d->count <= (uint64_t)d->segments * GROW_AT || d->segments == UINT32_MAX || !directory_reserve(d)) {
        return;
    }
    uint32_t index = d->segments;
    struct dict_segment *from = segment_at(d, index - (UINT32_C(1) << level_of(d)));
    struct dict_segment *to = segment_at(d, index);
    if (from->lines > 0 && !make_lines(d, to, from->lines)) {
        return;
    }
    segment_prefetch_items(from);
    d->segments++;
    segment_split(d, from, index);
    segment_fit(d, from);
    segment_fit(d, to);
}

/* One segment less, when there are too few items. Opens no item. */
static void shrink(struct dict *d)
{
    if (d->count == 0) {
        free_lines(d, segment_at(d, 0));
        while (d->segments > 1) {
            free_lines(d, segment_at(d, d->segments - 1));
            directory_drop(d);
        }
        directory_free(d);
        return;
    }
    if (d->segments == 1 || d->count >= (uint64_t)d->segments * SHRINK_AT) {
        return;
    }
    struct dict_segment *last = segment_at(d, d->segments - 1);
    uint32_t below = d->segments - 1;
    struct dict_segment *into =
        segment_at(d, below - (UINT32_C(1) << (31u - (unsigned)__builtin_clz(below))));
    if (last->used > 0 && !segment_reserve(d, into, last->used)) {
        return;
    }
    segment_take(into, last);
    free_lines(d, last);
    directory_drop(d);
}

/* ---- items ------------------------------------------------------------------------------------------------ */

void dict_init(struct dict *d, const void *secret, size_t secret_size)
{
    *d = (struct dict){.secret = secret, .secret_size = secret_size};
}

static struct slot find_slot(const struct dict_segment *s, uint64_t hash, struct slice field)
{
    uint8_t tag = hash_tag(hash);
    uint16_t place = hash_place(hash);
    uint32_t at = s->lines > 0 ? segment_home(s, place) : 0;
    for (uint32_t steps = 0; steps < s->lines; steps++) {
        struct line *line = &s->line[at];
        for (uint64_t m = tag_matches(line, tag); m != 0; m &= m - 1) {
            unsigned k = first_match(m);
            if (line->place[k] == place && slice_equal(item_field(line_item(line, k)), field)) {
                return (struct slot){line, k};
            }
        }
        if (line->displaced == 0) {
            break;
        }
        at = next_line(s, at);
    }
    return (struct slot){NULL, 0};
}

static struct dict_segment *segment_for(const struct dict *d, uint64_t hash)
{
    return segment_at(d, route_index(d, hash_route(hash)));
}

struct dict_item *dict_find(const struct dict *d, struct slice field)
{
    if (d->segments == 0) {
        return NULL;
    }
    uint64_t hash = hash_of(d, field);
    struct slot slot = find_slot(segment_for(d, hash), hash, field);
    return slot.line != NULL ? line_item(slot.line, slot.index) : NULL;
}

static void count_item(struct dict *d, const struct dict_item *it)
{
    d->bytes += mem_class(item_size(it));
    d->timed += item_is_timed(it);
}

static void discount_item(struct dict *d, const struct dict_item *it)
{
    d->bytes -= mem_class(item_size(it));
    d->timed -= item_is_timed(it);
}

/* The first segment. */
static bool begin(struct dict *d)
{
    if (!directory_reserve(d)) {
        directory_free(d);
        return false;
    }
    d->segments = 1;
    return true;
}

struct dict_item *dict_add(struct dict *d, const struct item_parts *parts, bool *added)
{
    *added = false;
    if (d->segments == 0 && !begin(d)) {
        return NULL;
    }
    uint64_t hash = hash_of(d, parts->field);
    struct dict_segment *s = segment_for(d, hash);
    struct slot slot = find_slot(s, hash, parts->field);
    if (slot.line != NULL) {
        return line_item(slot.line, slot.index);
    }
    struct dict_item *it = segment_reserve(d, s, 1) ? item_new(parts) : NULL;
    if (it == NULL) {
        if (d->count == 0) {
            shrink(d);
        }
        return NULL;
    }
    segment_put(s, hash_tag(hash), hash_place(hash), it);
    d->count++;
    count_item(d, it);
    grow(d);
    *added = true;
    return it;
}

struct dict_item *dict_change(struct dict *d, struct dict_item *it, const struct item_parts *parts,
                              struct dict_item **old)
{
    bool was_timed = item_is_timed(it);
    *old = NULL;
    if (item_rewrite(it, parts)) {
        d->timed += (uint64_t)item_is_timed(it) - (uint64_t)was_timed;
        return it;
    }
    struct dict_item *other = item_new(parts);
    if (other == NULL) {
        return NULL;
    }
    uint64_t hash = hash_of(d, parts->field);
    struct slot slot = find_slot(segment_for(d, hash), hash, parts->field);
    line_set(slot.line, slot.index, other);
    count_item(d, other);
    discount_item(d, it);
    *old = it;
    return other;
}

static struct dict_item *change(struct dict *d, struct dict_item *it, const struct item_parts *parts)
{
    struct dict_item *old;
    struct dict_item *changed = dict_change(d, it, parts, &old);
    item_free(old);
    return changed;
}

struct dict_item *dict_replace(struct dict *d, struct dict_item *it, struct slice value)
{
    struct item_parts parts = item_parts(it);
    parts.has_value = true;
    parts.value = value;
    return change(d, it, &parts);
}

bool dict_remove(struct dict *d, struct slice field)
{
    if (d->segments == 0) {
        return false;
    }
    uint64_t hash = hash_of(d, field);
    struct dict_segment *s = segment_for(d, hash);
    struct slot slot = find_slot(s, hash, field);
    if (slot.line == NULL) {
        return false;
    }
    struct dict_item *it = line_item(slot.line, slot.index);
    segment_erase(s, slot);
    segment_fit(d, s);
    d->count--;
    discount_item(d, it);
    item_free(it);
    shrink(d);
    return true;
}

void dict_remove_item(struct dict *d, struct dict_item *it)
{
    dict_remove(d, item_field(it));
}

/* ---- freeing ---------------------------------------------------------------------------------------------- */

/* Frees items of a segment, a line at a time; returns how many. */
static uint32_t free_items(struct dict *d, struct dict_segment *s, uint32_t budget)
{
    uint32_t freed = 0;
    for (uint32_t i = 0; i < s->lines && freed < budget; i++) {
        struct line *line = &s->line[i];
        for (unsigned k = 0; k < SLOTS; k++) {
            if (line->tag[k] != 0) {
                struct dict_item *it = line_item(line, k);
                discount_item(d, it);
                item_free(it);
                line->tag[k] = 0;
                freed++;
            }
        }
    }
    s->used -= freed;
    d->count -= freed;
    return freed;
}

bool dict_free_some(struct dict *d, uint32_t budget)
{
    while (budget > 0 && d->segments > 0) {
        struct dict_segment *last = segment_at(d, d->segments - 1);
        segment_prefetch_items(last);
        uint32_t freed = free_items(d, last, budget);
        if (last->used == 0) {
            free_lines(d, last);
            directory_drop(d);
            freed++; /* a segment is work too */
        }
        budget -= freed < budget ? freed : budget;
    }
    if (d->segments == 0) {
        directory_free(d);
    }
    return d->segments == 0;
}

void dict_clear(struct dict *d)
{
    while (!dict_free_some(d, UINT32_MAX)) {}
}
