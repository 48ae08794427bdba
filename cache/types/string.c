#include "types/string.h"

#include "memory.h"

enum { DOUBLE_UP_TO = 1024 * 1024, PAGES_FROM = 16 * 1024 };

static size_t size_for(size_t cap)
{
    return sizeof(struct string) + cap;
}

/* The room for at least `cap` bytes that costs no more than they do: all of jemalloc's size class. */
static size_t whole_cap(size_t cap)
{
    return mem_class(size_for(cap)) - sizeof(struct string);
}

struct string *string_new(struct slice bytes, size_t cap)
{
    cap = whole_cap(cap < bytes.len ? bytes.len : cap);
    struct string *s = mem_alloc(size_for(cap));
    if (s != NULL) {
        s->len = bytes.len;
        s->cap = cap;
        if (bytes.len > 0) {
            memcpy(s->bytes, bytes.ptr, bytes.len);
        }
    }
    return s;
}

struct string *string_zeros(size_t len)
{
    size_t cap = whole_cap(len);
    if (size_for(cap) < PAGES_FROM) {
        struct string *small = string_new((struct slice){NULL, 0}, cap);
        return small != NULL ? string_resize(small, len) : NULL;
    }
    struct string *s = mem_alloc_lines(size_for(cap)); /* whole pages, fresh from the system as a rule */
    if (s != NULL) {
        s->len = len;
        s->cap = cap;
    }
    return s;
}

struct string *string_resize(struct string *s, size_t len)
{
    if (len > s->cap) {
        size_t cap = whole_cap(len < DOUBLE_UP_TO ? len * 2 : len + DOUBLE_UP_TO);
        struct string *moved = mem_realloc(s, size_for(s->cap), size_for(cap));
        if (moved == NULL) {
            return NULL;
        }
        s = moved;
        s->cap = cap;
    }
    if (len > s->len) {
        memset(s->bytes + s->len, 0, len - s->len);
    }
    s->len = len;
    return s;
}

void string_free(struct string *s)
{
    mem_free(s, size_for(s->cap));
}

size_t string_memory(const struct string *s)
{
    return mem_class(size_for(s->cap));
}
