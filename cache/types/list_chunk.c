/*
 * Chunks of a large list. `cap` counts the bytes behind the chunk's header, so a chunk of list.c's usual 8 KB is one block
 * of exactly that size class.
 */

#include "types/list_chunk.h"

#include "memory.h"

static struct list_chunk *chunk_alloc(size_t cap, bool plain)
{
    struct list_chunk *c = mem_alloc(LIST_CHUNK_HEADER + cap);
    if (c != NULL) {
        c->cap = cap;
        c->start = 0;
        c->plain = plain;
    }
    return c;
}

size_t list_chunk_memory(const struct list_chunk *c)
{
    return mem_class(LIST_CHUNK_HEADER + c->cap);
}

/* All that the size class of a block with this much behind the header has. */
static size_t whole_class(size_t cap)
{
    return mem_class(LIST_CHUNK_HEADER + cap) - LIST_CHUNK_HEADER;
}

struct list_chunk *list_chunk_new(size_t cap, enum list_end end)
{
    struct list_chunk *c = chunk_alloc(whole_class(cap), false);
    if (c != NULL) {
        c->start = end == LIST_HEAD ? (uint32_t)(c->cap - LISTPACK_EMPTY) : 0;
        listpack_init(list_chunk_listpack(c));
    }
    return c;
}

struct list_chunk *list_chunk_new_plain(struct slice value)
{
    struct list_chunk *c = chunk_alloc(value.len, true);
    if (c != NULL) {
        memcpy(c->bytes, value.ptr, value.len);
    }
    return c;
}

struct list_chunk *list_chunk_copy(const uint8_t *lp, size_t from, size_t to, size_t count)
{
    struct list_chunk *c = list_chunk_new(LISTPACK_EMPTY + to - from, LIST_TAIL);
    if (c != NULL) {
        listpack_append_run(list_chunk_listpack(c), lp, from, to, count);
    }
    return c;
}

void list_chunk_free(struct list_chunk *c)
{
    if (c != NULL) {
        mem_free(c, LIST_CHUNK_HEADER + c->cap);
    }
}

static void slide(struct list_chunk *c, size_t start)
{
    uint8_t *lp = list_chunk_listpack(c);
    memmove(c->bytes + start, lp, listpack_bytes(lp));
    c->start = (uint32_t)start;
}

static struct list_chunk *resize(struct list_chunk *c, size_t cap)
{
    struct list_chunk *moved = mem_realloc(c, LIST_CHUNK_HEADER + c->cap, LIST_CHUNK_HEADER + cap);
    if (moved != NULL) {
        moved->cap = cap;
    }
    return moved;
}

static size_t free_right(struct list_chunk *c)
{
    return c->cap - c->start - listpack_bytes(list_chunk_listpack(c));
}

struct list_chunk *list_chunk_reserve(struct list_chunk *c, enum list_end end, size_t size, size_t max)
{
    if ((end == LIST_HEAD ? c->start : free_right(c)) >= size) {
        return c;
    }
    size_t wanted = listpack_bytes(list_chunk_listpack(c)) + size;
    if (wanted > max) {
        return NULL;
    }
    if (wanted > c->cap - c->cap / 4) {
        size_t cap = whole_class(2 * wanted) < max ? whole_class(2 * wanted) : max;
        if (cap <= c->cap) {
            return NULL;
        }
        c = resize(c, cap);
        if (c == NULL) {
            return NULL;
        }
    }
    /* What is left after the push is halved, so that pushes at the two ends in turn do not slide each time. */
    size_t half = (c->cap - wanted) / 2;
    slide(c, end == LIST_HEAD ? half + size : half);
    return c;
}

struct list_chunk *list_chunk_reserve_inside(struct list_chunk *c, size_t size, size_t max)
{
    if (free_right(c) >= size) {
        return c;
    }
    size_t wanted = listpack_bytes(list_chunk_listpack(c)) + size;
    if (wanted > max) {
        return NULL;
    }
    if (wanted > c->cap) {
        size_t cap = whole_class(wanted + wanted / 8);
        c = resize(c, cap < max ? cap : max);
    }
    if (c != NULL && c->start != 0) {
        slide(c, 0);
    }
    return c;
}

struct list_chunk *list_chunk_trim(struct list_chunk *c)
{
    if (c->plain) {
        return c;
    }
    size_t cap = whole_class(listpack_bytes(list_chunk_listpack(c)));
    if (cap >= c->cap) {
        return c;
    }
    slide(c, 0);
    struct list_chunk *moved = resize(c, cap);
    return moved != NULL ? moved : c;
}

void list_chunk_push(struct list_chunk *c, enum list_end end, const struct listpack_element *e)
{
    uint8_t *lp = list_chunk_listpack(c);
    if (end == LIST_TAIL) {
        listpack_append(lp, e);
    } else {
        c->start = (uint32_t)(listpack_push_left(lp, e) - c->bytes);
    }
}

void list_chunk_delete(struct list_chunk *c, size_t pos, size_t count)
{
    uint8_t *lp = list_chunk_listpack(c);
    if (pos == LISTPACK_HEADER && count == 1) {
        c->start = (uint32_t)(listpack_pop_left(lp) - c->bytes);
    } else {
        listpack_delete(lp, pos, count);
    }
}
