#include "persist/lzf_short.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    TABLE_BITS = 12,
    LITERALS_MOST = 32,
    MATCH_LEAST = 3,
    MATCH_MOST = 264,
    MATCH_SHORT = 8 /* the longest whose length fits the first byte */
};

/* Where three bytes were seen last, counted over all strings: what lies before `base` was another string. */
static _Thread_local uint32_t seen[1 << TABLE_BITS];
static _Thread_local uint32_t base = 1;

struct packing {
    const uint8_t *in;
    uint8_t *out;
    size_t room, at;
    size_t literals; /* at the end of `out`, behind a byte that will say how many */
};

static inline uint32_t slot_of(const uint8_t *bytes)
{
    uint32_t three = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    return three * 2654435761u >> (32 - TABLE_BITS);
}

/* Says how many the last literals are; the byte for that goes when there are none. */
static void end_literals(struct packing *p)
{
    if (p->literals > 0) {
        p->out[p->at - p->literals - 1] = (uint8_t)(p->literals - 1);
    } else {
        p->at--;
    }
}

static void begin_literals(struct packing *p)
{
    p->literals = 0;
    p->at++;
}

/* False: no room. */
static inline bool put_literal(struct packing *p, uint8_t byte)
{
    if (p->at >= p->room) {
        return false;
    }
    p->out[p->at++] = byte;
    if (++p->literals == LITERALS_MOST) {
        end_literals(p);
        begin_literals(p);
    }
    return true;
}

static bool put_match(struct packing *p, size_t distance, size_t len)
{
    size_t back = distance - 1;
    end_literals(p);
    if (p->at + 3 > p->room) {
        return false;
    }
    if (len <= MATCH_SHORT) {
        p->out[p->at++] = (uint8_t)((len - 2) << 5 | back >> 8);
    } else {
        p->out[p->at++] = (uint8_t)(7u << 5 | back >> 8);
        p->out[p->at++] = (uint8_t)(len - 9);
    }
    p->out[p->at++] = (uint8_t)back;
    begin_literals(p);
    return true;
}

static size_t match_len(const uint8_t *earlier, const uint8_t *later, size_t most)
{
    size_t len = MATCH_LEAST;
    most = most < MATCH_MOST ? most : MATCH_MOST;
    while (len < most && earlier[len] == later[len]) {
        len++;
    }
    return len;
}

/* Notes where the three bytes at a position are, and gives where they were before, or n. */
static inline size_t exchange(const uint8_t *in, size_t at, size_t n)
{
    uint32_t *slot = &seen[slot_of(in + at)];
    uint32_t before = *slot;
    *slot = base + (uint32_t)at;
    if (before < base || memcmp(in + (before - base), in + at, MATCH_LEAST) != 0) {
        return n;
    }
    return before - base;
}

static bool pack(struct packing *p, size_t n)
{
    size_t at = 0;
    begin_literals(p);
    while (at + MATCH_LEAST <= n) {
        size_t earlier = exchange(p->in, at, n);
        if (earlier == n) {
            if (!put_literal(p, p->in[at++])) {
                return false;
            }
            continue;
        }
        size_t len = match_len(p->in + earlier, p->in + at, n - at);
        if (!put_match(p, at - earlier, len)) {
            return false;
        }
        at += len;
        if (at + 1 <= n && at >= 2) { /* the end of a run is where another one may begin */
            exchange(p->in, at - 2, n);
        }
    }
    while (at < n) {
        if (!put_literal(p, p->in[at++])) {
            return false;
        }
    }
    end_literals(p);
    return p->at <= p->room;
}

size_t lzf_short_compress(const void *bytes, size_t n, void *out, size_t room)
{
    if (base > UINT32_MAX - 2 * LZF_SHORT_MOST) {
        memset(seen, 0, sizeof seen);
        base = 1;
    }
    struct packing p = {.in = bytes, .out = out, .room = room};
    bool good = pack(&p, n);
    base += (uint32_t)n;
    return good ? p.at : 0;
}
