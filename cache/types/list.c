/*
 * Large lists. The chunks at the ends have their room where the pushes come from; when a chunk is full and the next one
 * is begun, what it does not use is given back, so the chunks inside are as large as their bytes. An insertion into a full
 * chunk splits it there; a removal that leaves a chunk under a quarter full joins it to the one before.
 */

#include "types/list.h"

#include "memory.h"

struct list *list_new(int max_size)
{
    struct list *l = mem_alloc(sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    uint32_t size = 8192;
    uint32_t count = UINT32_MAX;
    if (max_size < 0) {
        size = 2048u << (max_size < -5 ? 5 : -max_size);
    } else {
        count = max_size > 0 ? (uint32_t)max_size : 1;
    }
    *l = (struct list){.max_bytes = size - LIST_CHUNK_HEADER, .max_count = count};
    return l;
}

bool list_free_step(struct list *l, size_t chunks)
{
    for (; chunks > 0 && l->blocks.used != 0; chunks--) {
        struct list_place last = list_blocks_end(&l->blocks, LIST_TAIL);
        list_blocks_remove(&l->blocks, &last);
    }
    if (l->blocks.used != 0) {
        return false;
    }
    list_blocks_free(&l->blocks);
    mem_free(l, sizeof *l);
    return true;
}

void list_free(struct list *l)
{
    list_free_step(l, SIZE_MAX);
}

size_t list_memory(const struct list *l)
{
    return mem_class(sizeof *l) + l->blocks.memory;
}

/* ---- chunks ---- */

static bool is_plain(const struct list *l, const struct listpack_element *e)
{
    return LISTPACK_EMPTY + e->size > l->max_bytes;
}

/* Puts a chunk that has moved or been made anew in its place, where one of `old` bytes was. */
static void put_chunk(struct list *l, struct list_place at, struct list_chunk *c, size_t old)
{
    list_blocks_moved(&l->blocks, at, c, old);
}

/* Whether a chunk made before this place would be neither the first nor the last. */
static bool is_inside(const struct list *l, struct list_place at)
{
    return (at.block != 0 || at.chunk != 0) && list_blocks_settle(&l->blocks, &at);
}

/* Begins a chunk before *at with one element, that further ones will join from `end`. */
static bool begin_chunk(struct list *l, struct list_place *at, enum list_end end, struct slice value,
                        const struct listpack_element *e)
{
    struct list_chunk *c;
    if (is_plain(l, e)) {
        c = list_chunk_new_plain(value);
    } else {
        size_t need = LISTPACK_EMPTY + e->size;
        bool few = need > l->max_bytes / 4 || l->max_count != UINT32_MAX || is_inside(l, *at);
        c = list_chunk_new(few ? need : l->max_bytes, end);
        if (c != NULL) {
            size_t cap = c->cap;
            c = list_chunk_reserve(c, end, e->size, cap);
            list_chunk_push(c, end, e);
        }
    }
    if (c == NULL || !list_blocks_insert(&l->blocks, at, c, 1)) {
        list_chunk_free(c);
        return false;
    }
    return true;
}

/* Adds an element at an end of a chunk; false when the chunk has no room for it. */
static bool join_chunk(struct list *l, struct list_place at, enum list_end end,
                       const struct listpack_element *e)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at);
    if (c->plain || is_plain(l, e) || list_blocks_count(&l->blocks, at) >= l->max_count) {
        return false;
    }
    size_t old = list_chunk_memory(c);
    c = list_chunk_reserve(c, end, e->size, l->max_bytes);
    if (c == NULL) {
        return false;
    }
    put_chunk(l, at, c, old);
    list_chunk_push(c, end, e);
    list_blocks_add(&l->blocks, at, 1);
    return true;
}

static void trim_chunk(struct list *l, struct list_place at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at);
    size_t old = list_chunk_memory(c);
    put_chunk(l, at, list_chunk_trim(c), old);
}

/* ---- the ends ---- */

bool list_push(struct list *l, enum list_end end, struct slice value)
{
    struct listpack_element e = listpack_encode(value);
    struct list_place at = {0, 0};
    if (l->blocks.used != 0) {
        at = list_blocks_end(&l->blocks, end);
        if (join_chunk(l, at, end, &e)) {
            return true;
        }
        trim_chunk(l, at);
        at.chunk += end == LIST_TAIL;
    }
    return begin_chunk(l, &at, end, value, &e);
}

/* Removes `n` elements from `entry` on, or the chunk with its last; then at is the place behind, to be settled. */
static void delete_entries(struct list *l, struct list_place *at, size_t entry, uint32_t n)
{
    if (list_blocks_count(&l->blocks, *at) == n) {
        list_blocks_remove(&l->blocks, at);
        return;
    }
    list_chunk_delete(*list_blocks_chunk(&l->blocks, *at), entry, n);
    list_blocks_add(&l->blocks, *at, -(int64_t)n);
}

bool list_pop(struct list *l, enum list_end end)
{
    struct list_position at;
    if (!list_seek(l, end == LIST_HEAD ? 0 : -1, &at)) {
        return false;
    }
    delete_entries(l, &at.place, at.entry, 1);
    return true;
}

/* ---- positions ---- */

/* The first or last element of the chunk. */
static size_t edge_entry(const struct list *l, struct list_place place, enum list_end end)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, place);
    if (c->plain) {
        return 0;
    }
    return end == LIST_HEAD ? listpack_first(list_chunk_listpack(c)) : listpack_last(list_chunk_listpack(c));
}

bool list_seek(const struct list *l, int64_t index, struct list_position *at)
{
    uint64_t count = l->blocks.count;
    uint64_t rest = index < 0 ? count + (uint64_t)index : (uint64_t)index;
    if (rest >= count) {
        return false;
    }
    if (rest == 0 || rest == count - 1) { /* what pushes and pops ask for */
        enum list_end end = rest == 0 ? LIST_HEAD : LIST_TAIL;
        at->place = list_blocks_end(&l->blocks, end);
        at->entry = edge_entry(l, at->place, end);
        return true;
    }
    at->place = list_blocks_seek(&l->blocks, &rest);
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    at->entry = c->plain ? 0 : listpack_seek(list_chunk_listpack(c), (int64_t)rest);
    return true;
}

bool list_next(const struct list *l, struct list_position *at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    at->entry = c->plain ? 0 : listpack_next(list_chunk_listpack(c), at->entry);
    if (at->entry != 0) {
        return true;
    }
    if (!list_blocks_next(&l->blocks, &at->place)) {
        return false;
    }
    at->entry = edge_entry(l, at->place, LIST_HEAD);
    return true;
}

bool list_prev(const struct list *l, struct list_position *at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    at->entry = c->plain ? 0 : listpack_prev(list_chunk_listpack(c), at->entry);
    if (at->entry != 0) {
        return true;
    }
    if (!list_blocks_prev(&l->blocks, &at->place)) {
        return false;
    }
    at->entry = edge_entry(l, at->place, LIST_TAIL);
    return true;
}

struct listpack_value list_read(const struct list *l, const struct list_position *at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    if (c->plain) {
        return (struct listpack_value){.bytes = {(const char *)c->bytes, c->cap}};
    }
    return listpack_read(list_chunk_listpack(c), at->entry);
}

/* Elements of the chunk before the position. */
static uint32_t elements_before(const struct list *l, const struct list_position *at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    uint32_t n = 0;
    if (!c->plain) {
        const uint8_t *lp = list_chunk_listpack(c);
        for (size_t pos = LISTPACK_HEADER; pos != at->entry; pos = listpack_after(lp, pos)) {
            n++;
        }
    }
    return n;
}

uint64_t list_index(const struct list *l, const struct list_position *at)
{
    return list_blocks_before(&l->blocks, at->place) + elements_before(l, at);
}

/* ---- insertion ---- */

/* Inserts into the chunk itself where it has room; false when it has not. */
static bool insert_inside(struct list *l, const struct list_position *at, const struct listpack_element *e)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    if (c->plain || is_plain(l, e) || list_blocks_count(&l->blocks, at->place) >= l->max_count) {
        return false;
    }
    size_t old = list_chunk_memory(c);
    c = list_chunk_reserve_inside(c, e->size, l->max_bytes);
    if (c == NULL) {
        return false;
    }
    put_chunk(l, at->place, c, old);
    listpack_insert(list_chunk_listpack(c), at->entry, e);
    list_blocks_add(&l->blocks, at->place, 1);
    return true;
}

/* Splits a chunk before an element that is not its first; *at becomes that element in its new chunk. */
static bool split_chunk(struct list *l, struct list_position *at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    uint8_t *lp = list_chunk_listpack(c);
    uint32_t left = elements_before(l, at);
    uint32_t right = list_blocks_count(&l->blocks, at->place) - left;
    struct list_chunk *upper = list_chunk_copy(lp, at->entry, listpack_end(lp), right);
    struct list_place place = {at->place.block, at->place.chunk + 1};
    if (upper == NULL || !list_blocks_insert(&l->blocks, &place, upper, right)) {
        list_chunk_free(upper);
        return false;
    }
    struct list_place lower = place;
    list_blocks_prev(&l->blocks, &lower);
    delete_entries(l, &lower, at->entry, right);
    trim_chunk(l, lower);
    *at = (struct list_position){place, LISTPACK_HEADER};
    return true;
}

/* Inserts between two chunks: before the one at `at`, which may be one behind the last of its block. */
static bool insert_between(struct list *l, struct list_place at, struct slice value,
                           const struct listpack_element *e)
{
    struct list_place before = at;
    struct list_place behind = at;
    if (list_blocks_prev(&l->blocks, &before) && join_chunk(l, before, LIST_TAIL, e)) {
        return true;
    }
    if (list_blocks_settle(&l->blocks, &behind) && join_chunk(l, behind, LIST_HEAD, e)) {
        return true;
    }
    return begin_chunk(l, &at, LIST_TAIL, value, e);
}

bool list_insert(struct list *l, const struct list_position *pivot, bool after, struct slice value)
{
    struct listpack_element e = listpack_encode(value);
    struct list_position at = *pivot;
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at.place);
    bool behind = after; /* all of the chunk */
    if (!c->plain) {
        const uint8_t *lp = list_chunk_listpack(c);
        at.entry = after ? listpack_after(lp, at.entry) : at.entry;
        if (insert_inside(l, &at, &e)) {
            return true;
        }
        behind = at.entry == listpack_end(lp);
        if (!behind && at.entry != LISTPACK_HEADER && !split_chunk(l, &at)) {
            return false;
        }
    }
    at.place.chunk += behind;
    return insert_between(l, at.place, value, &e);
}

/* ---- replacement ---- */

/* Replaces within the chunk where the value fits; false when it does not. */
static bool set_inside(struct list *l, const struct list_position *at, const struct listpack_element *e)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, at->place);
    if (c->plain || is_plain(l, e)) {
        return false;
    }
    size_t now = listpack_element_bytes(list_chunk_listpack(c), at->entry);
    if (e->size > now) {
        size_t old = list_chunk_memory(c);
        c = list_chunk_reserve_inside(c, e->size - now, l->max_bytes);
        if (c == NULL) {
            return false;
        }
        put_chunk(l, at->place, c, old);
    }
    listpack_replace(list_chunk_listpack(c), at->entry, e);
    return true;
}

bool list_set(struct list *l, const struct list_position *at, struct slice value)
{
    struct listpack_element e = listpack_encode(value);
    if (set_inside(l, at, &e)) {
        return true;
    }
    uint64_t index = list_index(l, at);
    if (!list_insert(l, at, false, value)) {
        return false;
    }
    struct list_position old = *at;
    list_seek(l, (int64_t)index + 1, &old);
    list_remove(l, &old, false);
    return true;
}

/* ---- removal ---- */

/* Joins a chunk to the one before it in its block when both are small; a position in it goes along. */
static void join_to_previous(struct list *l, struct list_place place, struct list_position *at)
{
    struct list_place before = {place.block, place.chunk - 1};
    struct list_chunk *left = *list_blocks_chunk(&l->blocks, before);
    struct list_chunk *right = *list_blocks_chunk(&l->blocks, place);
    const uint8_t *from = list_chunk_listpack(right);
    uint32_t n = list_blocks_count(&l->blocks, place);
    size_t size = listpack_bytes(from) - LISTPACK_EMPTY;
    if (left->plain || list_blocks_count(&l->blocks, before) + n > l->max_count) {
        return;
    }
    size_t old = list_chunk_memory(left);
    left = list_chunk_reserve_inside(left, size, l->max_bytes - l->max_bytes / 4);
    if (left == NULL) {
        return;
    }
    put_chunk(l, before, left, old);
    uint8_t *to = list_chunk_listpack(left);
    size_t end = listpack_end(to);
    listpack_append_run(to, from, LISTPACK_HEADER, listpack_end(from), n);
    list_blocks_add(&l->blocks, before, n);
    list_blocks_remove(&l->blocks, &place);
    if (at->place.block != before.block || at->place.chunk <= before.chunk) {
        return;
    }
    if (at->place.chunk == before.chunk + 1) {
        at->entry += end - LISTPACK_HEADER;
    }
    at->place.chunk--;
}

/* Gives memory back once a chunk has lost most of its elements. */
static void shrink_chunk(struct list *l, struct list_place place, struct list_position *at)
{
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, place);
    size_t bytes = listpack_bytes(list_chunk_listpack(c));
    if (bytes < c->cap / 2) {
        trim_chunk(l, place);
    }
    if (bytes < l->max_bytes / 4 && place.chunk > 0) {
        join_to_previous(l, place, at);
    }
}

bool list_remove(struct list *l, struct list_position *at, bool backward)
{
    struct list_place place = at->place;
    size_t entry = at->entry;
    bool last_of_chunk = list_blocks_count(&l->blocks, place) == 1;
    bool more = !backward || list_prev(l, at); /* what is removed lies behind: this stays valid */
    delete_entries(l, &place, entry, 1);
    if (last_of_chunk) {
        if (!backward) {
            at->place = place;
            more = list_blocks_settle(&l->blocks, &at->place);
            at->entry = more ? edge_entry(l, at->place, LIST_HEAD) : 0;
        }
        return more;
    }
    if (!backward && entry == listpack_end(list_chunk_listpack(*list_blocks_chunk(&l->blocks, place)))) {
        at->place.chunk++;
        more = list_blocks_settle(&l->blocks, &at->place);
        at->entry = more ? edge_entry(l, at->place, LIST_HEAD) : 0;
    }
    shrink_chunk(l, place, at);
    return more;
}

/* Whole blocks from this one on that hold no more than `count` elements. Returns what they held. */
static uint64_t remove_blocks(struct list *l, uint32_t block, uint64_t count, struct list *removed)
{
    uint32_t n = 0;
    uint64_t elements = 0;
    while (block + n < l->blocks.used && elements + list_blocks_slot(&l->blocks, block + n)->count <= count) {
        elements += list_blocks_slot(&l->blocks, block + n)->count;
        n++;
    }
    if (n != 0) {
        list_blocks_move(&l->blocks, block, n, removed != NULL ? &removed->blocks : NULL);
    }
    return elements;
}

/* Removes up to `count` elements of one chunk from a position on, or whole blocks from there; returns how many. */
static uint64_t remove_some(struct list *l, struct list_position *at, uint64_t count, struct list *removed)
{
    bool at_first = at->entry <= LISTPACK_HEADER;
    if (at_first && at->place.chunk == 0) {
        uint64_t n = remove_blocks(l, at->place.block, count, removed);
        if (n != 0) {
            return n;
        }
    }
    uint32_t here = list_blocks_count(&l->blocks, at->place) - (at_first ? 0 : elements_before(l, at));
    uint32_t n = count < here ? (uint32_t)count : here;
    bool whole = list_blocks_count(&l->blocks, at->place) == n;
    struct list_place place = at->place;
    delete_entries(l, &place, at->entry, n);
    if (!whole) {
        trim_chunk(l, place);
        place.chunk += n == here;
    }
    at->place = place;
    return n;
}

uint64_t list_remove_range(struct list *l, uint64_t index, uint64_t count, struct list *removed)
{
    struct list_position at;
    uint64_t all = l->blocks.count;
    if (index >= all || count == 0 || !list_seek(l, (int64_t)index, &at)) {
        return 0;
    }
    count = count < all - index ? count : all - index;
    for (uint64_t left = count; left > 0;) {
        left -= remove_some(l, &at, left, removed);
        if (left > 0 && list_blocks_settle(&l->blocks, &at.place)) {
            at.entry = edge_entry(l, at.place, LIST_HEAD);
        }
    }
    return count;
}

/* ---- chunks as a whole ---- */

bool list_read_chunk(const struct list *l, struct list_place *place, struct slice *bytes, bool *plain)
{
    if (!list_blocks_settle(&l->blocks, place)) {
        return false;
    }
    struct list_chunk *c = *list_blocks_chunk(&l->blocks, *place);
    *plain = c->plain;
    if (c->plain) {
        *bytes = (struct slice){(const char *)c->bytes, c->cap};
    } else {
        uint8_t *lp = list_chunk_listpack(c);
        *bytes = (struct slice){(const char *)lp, listpack_bytes(lp)};
    }
    place->chunk++;
    return true;
}

static bool append_one_by_one(struct list *l, const uint8_t *lp)
{
    char room[NUMBER_I64_MAX_CHARS];
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE; pos = listpack_next(lp, pos)) {
        struct listpack_value value = listpack_read(lp, pos);
        if (!list_push(l, LIST_TAIL, listpack_text(&value, room))) {
            return false;
        }
    }
    return true;
}

bool list_append_listpack(struct list *l, const uint8_t *lp)
{
    size_t count = listpack_count(lp);
    if (count == 0) {
        return true;
    }
    if (listpack_bytes(lp) > l->max_bytes || count > l->max_count) {
        return append_one_by_one(l, lp);
    }
    struct list_place at = {0, 0};
    if (l->blocks.used != 0) {
        at = list_blocks_end(&l->blocks, LIST_TAIL);
        trim_chunk(l, at);
        at.chunk++;
    }
    struct list_chunk *c = list_chunk_copy(lp, LISTPACK_HEADER, listpack_end(lp), count);
    if (c == NULL || !list_blocks_insert(&l->blocks, &at, c, (uint32_t)count)) {
        list_chunk_free(c);
        return false;
    }
    return true;
}
