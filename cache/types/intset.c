/*
 * Intsets. Members are read and written through memcpy, which compiles to single moves: a run in the caller's buffer is
 * aligned to nothing.
 */

#include "types/intset.h"

static void set_header(uint8_t *set, uint32_t width, uint32_t count)
{
    memcpy(set, &width, sizeof width);
    memcpy(set + 4, &count, sizeof count);
}

static inline uint32_t width_of(int64_t member)
{
    if (member >= INT16_MIN && member <= INT16_MAX) {
        return 2;
    }
    return member >= INT32_MIN && member <= INT32_MAX ? 4 : 8;
}

static inline int64_t get(const uint8_t *set, uint32_t width, uint32_t index)
{
    const uint8_t *at = set + INTSET_HEADER + (size_t)index * width;
    uint64_t value = 0;
    switch (width) {
    case 2: memcpy(&value, at, 2); return (int16_t)value;
    case 4: memcpy(&value, at, 4); return (int32_t)value;
    default: memcpy(&value, at, 8); return (int64_t)value;
    }
}

/* Little endian: the low bytes of a number are the number in a narrower width. */
static inline void put(uint8_t *set, uint32_t width, uint32_t index, int64_t member)
{
    memcpy(set + INTSET_HEADER + (size_t)index * width, &member, width);
}

void intset_init(uint8_t *set)
{
    set_header(set, 2, 0);
}

size_t intset_bytes_with(const uint8_t *set, int64_t member)
{
    uint32_t width = width_of(member);
    width = width > intset_width(set) ? width : intset_width(set);
    return INTSET_HEADER + (size_t)width * ((size_t)intset_count(set) + 1);
}

int64_t intset_get(const uint8_t *set, uint32_t index)
{
    return get(set, intset_width(set), index);
}

bool intset_find(const uint8_t *set, int64_t member, uint32_t *index)
{
    uint32_t width = intset_width(set);
    uint32_t from = 0;
    uint32_t to = intset_count(set);
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (get(set, width, middle) < member) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    if (index != NULL) {
        *index = from;
    }
    return from < intset_count(set) && get(set, width, from) == member;
}

/* Rewrites all members in a greater width, from the last one so that none is overwritten before it is read, `shift`
 * places further right. */
static void widen(uint8_t *set, uint32_t width, uint32_t shift)
{
    uint32_t old = intset_width(set);
    uint32_t count = intset_count(set);
    for (uint32_t i = count; i-- > 0;) {
        put(set, width, i + shift, get(set, old, i));
    }
    set_header(set, width, count);
}

/* A member that needs a greater width lies below or above all the others. */
static void add_wider(uint8_t *set, int64_t member)
{
    uint32_t width = width_of(member);
    uint32_t count = intset_count(set);
    widen(set, width, member < 0);
    put(set, width, member < 0 ? 0 : count, member);
    set_header(set, width, count + 1);
}

void intset_insert(uint8_t *set, uint32_t index, int64_t member)
{
    uint32_t width = intset_width(set);
    if (width_of(member) > width) {
        add_wider(set, member);
        return;
    }
    uint32_t count = intset_count(set);
    uint8_t *at = set + INTSET_HEADER + (size_t)index * width;
    memmove(at + width, at, (size_t)(count - index) * width);
    put(set, width, index, member);
    set_header(set, width, count + 1);
}

bool intset_add(uint8_t *set, int64_t member)
{
    uint32_t index;
    if (intset_find(set, member, &index)) {
        return false;
    }
    intset_insert(set, index, member);
    return true;
}

void intset_remove_range(uint8_t *set, uint32_t index, uint32_t count)
{
    uint32_t width = intset_width(set);
    uint32_t all = intset_count(set);
    uint8_t *at = set + INTSET_HEADER + (size_t)index * width;
    memmove(at, at + (size_t)count * width, (size_t)(all - index - count) * width);
    set_header(set, width, all - count);
}

int64_t intset_random(const uint8_t *set, uint64_t random)
{
    /* The high half of a product scales the bits to the count without a division. */
    return intset_get(set, (uint32_t)((random >> 32) * intset_count(set) >> 32));
}

bool intset_validate(const uint8_t *bytes, size_t len)
{
    if (len < INTSET_HEADER) {
        return false;
    }
    uint32_t width = intset_width(bytes);
    if ((width != 2 && width != 4 && width != 8) || intset_bytes(bytes) != len) {
        return false;
    }
    for (uint32_t i = 1; i < intset_count(bytes); i++) {
        if (get(bytes, width, i - 1) >= get(bytes, width, i)) {
            return false;
        }
    }
    return true;
}
