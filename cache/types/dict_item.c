#include "types/dict_item.h"

#include "memory.h"

static uint8_t flags_for(const struct item_parts *p)
{
    unsigned flags = p->field.len >= ITEM_LONG ? ITEM_LONG_FIELD : 0;
    if (p->has_value) {
        flags |= p->value.len >= ITEM_LONG ? ITEM_VALUE | ITEM_LONG_VALUE : ITEM_VALUE;
    }
    if (p->deadline != ITEM_NO_DEADLINE) {
        flags |= ITEM_TIMED;
    }
    return (uint8_t)flags;
}

static size_t header_size(uint8_t flags)
{
    size_t size = 1 + (flags & ITEM_LONG_FIELD ? 4u : 1u);
    if (flags & ITEM_VALUE) {
        size += flags & ITEM_LONG_VALUE ? 4u : 1u;
    }
    return size + (flags & ITEM_TIMED ? 6u : 0u);
}

static size_t size_for(const struct item_parts *p)
{
    return header_size(flags_for(p)) + p->field.len + (p->has_value ? p->value.len : 0);
}

static char *write_length(char *at, size_t length, bool is_long)
{
    uint32_t wide = (uint32_t)length;
    uint8_t narrow = (uint8_t)length;
    if (is_long) {
        memcpy(at, &wide, sizeof wide);
        return at + sizeof wide;
    }
    memcpy(at, &narrow, sizeof narrow);
    return at + sizeof narrow;
}

static void write_header(struct dict_item *it, const struct item_parts *p)
{
    it->flags = flags_for(p);
    char *at = write_length((char *)it + 1, p->field.len, (it->flags & ITEM_LONG_FIELD) != 0);
    if (p->has_value) {
        at = write_length(at, p->value.len, (it->flags & ITEM_LONG_VALUE) != 0);
    }
    if (item_is_timed(it)) {
        uint32_t low = (uint32_t)p->deadline;
        uint16_t high = (uint16_t)(p->deadline >> 32);
        memcpy(at, &low, sizeof low);
        memcpy(at + sizeof low, &high, sizeof high);
    }
}

struct item_parts item_parts(const struct dict_item *it)
{
    const char *at = (const char *)it + 1;
    struct item_parts p = {.has_value = item_has_value(it), .deadline = ITEM_NO_DEADLINE};
    p.field.len = item_read_length(&at, (it->flags & ITEM_LONG_FIELD) != 0);
    if (p.has_value) {
        p.value.len = item_read_length(&at, (it->flags & ITEM_LONG_VALUE) != 0);
    }
    if (item_is_timed(it)) {
        uint32_t low;
        uint16_t high;
        memcpy(&low, at, sizeof low);
        memcpy(&high, at + sizeof low, sizeof high);
        p.deadline = (int64_t)high << 32 | low;
        at += sizeof low + sizeof high;
    }
    p.field.ptr = at;
    p.value.ptr = at + p.field.len;
    return p;
}

struct slice item_value(const struct dict_item *it)
{
    return item_parts(it).value;
}

int64_t item_deadline(const struct dict_item *it)
{
    return item_is_timed(it) ? item_parts(it).deadline : ITEM_NO_DEADLINE;
}

size_t item_size(const struct dict_item *it)
{
    struct item_parts p = item_parts(it);
    return header_size(it->flags) + p.field.len + p.value.len;
}

/* Copies that allow for an empty slice's NULL. */
static void copy(char *to, struct slice from)
{
    if (from.len > 0) {
        memmove(to, from.ptr, from.len);
    }
}

struct dict_item *item_new(const struct item_parts *parts)
{
    struct dict_item *it = mem_alloc_whole(size_for(parts));
    if (it != NULL) {
        write_header(it, parts);
        char *at = (char *)it + header_size(it->flags);
        copy(at, parts->field);
        if (parts->has_value) {
            copy(at + parts->field.len, parts->value);
        }
    }
    return it;
}

void item_free(struct dict_item *it)
{
    if (it != NULL) {
        mem_free(it, item_size(it));
    }
}

bool item_rewrite(struct dict_item *it, const struct item_parts *parts)
{
    if (header_size(flags_for(parts)) != header_size(it->flags) ||
        mem_class(size_for(parts)) != mem_class(item_size(it))) {
        return false;
    }
    if (parts->has_value) {
        copy((char *)it + header_size(it->flags) + parts->field.len, parts->value);
    }
    write_header(it, parts);
    return true;
}
