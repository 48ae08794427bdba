#include "types/hyperloglog_sparse.h"

#include <string.h>

enum {
    VAL_BIT = 0x80,
    XZERO_BIT = 0x40,
    ZERO_MAX_LEN = 64,
    VAL_MAX_LEN = 4,
    SPLIT_MAX = 5,  /* bytes that one run can turn into: XZERO VAL XZERO */
    JOIN_WITHIN = 5 /* runs that are looked at, from the one before a change on */
};

bool hll_run_next(const uint8_t *bytes, size_t len, size_t *at, struct hll_run *run)
{
    if (*at >= len) {
        return false;
    }
    uint8_t op = bytes[*at];
    if ((op & VAL_BIT) != 0) {
        *run = (struct hll_run){(op & 3U) + 1, (uint8_t)((op >> 2 & 31) + 1), 1};
    } else if ((op & XZERO_BIT) == 0) {
        *run = (struct hll_run){(op & 63U) + 1, 0, 1};
    } else {
        unsigned low = *at + 1 < len ? bytes[*at + 1] : 0;
        *run = (struct hll_run){((op & 63U) << 8 | low) + 1, 0, 2};
    }
    *at += run->size;
    return true;
}

/* The run that holds a register. */
struct place {
    struct hll_run run;
    size_t at, before;  /* offsets of it and of the one before, or its own if it is the first */
    uint32_t from, end; /* its registers, the second not included */
};

static bool find(const uint8_t *bytes, size_t len, uint32_t index, struct place *place)
{
    size_t at = HLL_HEADER;
    place->at = HLL_HEADER;
    place->end = 0;
    do {
        place->before = place->at;
        place->at = at;
        place->from = place->end;
        if (!hll_run_next(bytes, len, &at, &place->run)) {
            return false;
        }
        place->end += place->run.len;
    } while (index >= place->end);
    return true;
}

static uint8_t val(uint8_t rank, uint32_t len)
{
    return (uint8_t)((unsigned)VAL_BIT | (rank - 1U) << 2 | (len - 1));
}

/* Writes a run of this rank, of as many registers as one run can have. Returns the bytes written. */
static size_t put_run(uint8_t *to, uint8_t rank, uint32_t len)
{
    if (len == 0) {
        return 0;
    }
    if (rank > 0) {
        to[0] = val(rank, len);
        return 1;
    }
    if (len <= ZERO_MAX_LEN) {
        to[0] = (uint8_t)(len - 1);
        return 1;
    }
    to[0] = (uint8_t)(XZERO_BIT | (len - 1) >> 8);
    to[1] = (uint8_t)((len - 1) & 0xFF);
    return 2;
}

/* What takes the place of the run once the register differs from its neighbours. Returns the bytes written. */
static size_t split(const struct place *place, struct hll_hit hit, uint8_t *to)
{
    size_t n = put_run(to, place->run.rank, hit.index - place->from);
    n += put_run(to + n, hit.rank, 1);
    return n + put_run(to + n, place->run.rank, place->end - hit.index - 1U);
}

/* Joins VALs of equal rank from offset `at` on. */
static void join(uint8_t *bytes, size_t *len, size_t at)
{
    for (int runs = 0; runs < JOIN_WITHIN && at < *len; runs++) {
        uint8_t op = bytes[at];
        if ((op & VAL_BIT) == 0) {
            at += (op & XZERO_BIT) != 0 ? 2 : 1;
            continue;
        }
        uint8_t next = at + 1 < *len ? bytes[at + 1] : 0;
        uint32_t sum = (op & 3U) + (next & 3U) + 2;
        if ((next & ~3) == (op & ~3) && sum <= VAL_MAX_LEN) {
            bytes[at + 1] = val((uint8_t)((op >> 2 & 31) + 1), sum);
            memmove(bytes + at, bytes + at + 1, *len - at - 1);
            (*len)--;
        } else {
            at++;
        }
    }
}

enum hll_status hll_sparse_raise(uint8_t *bytes, size_t *len, struct hll_hit hit, size_t max_len)
{
    struct place place;
    uint8_t runs[SPLIT_MAX];
    if (hit.rank > HLL_SPARSE_MAX_RANK) {
        return HLL_FULL;
    }
    if (!find(bytes, *len, hit.index, &place)) {
        return HLL_CORRUPT;
    }
    if (place.run.rank >= hit.rank) {
        return HLL_SAME;
    }
    size_t size = split(&place, hit, runs);
    size_t new_len = *len - place.run.size + size;
    if (new_len > *len && new_len > max_len) {
        return HLL_FULL;
    }
    size_t rest = place.at + place.run.size;
    if (rest > *len) { /* a last XZERO that is cut off: so is what takes its place */
        size--;
    } else {
        memmove(bytes + place.at + size, bytes + rest, *len - rest);
    }
    memcpy(bytes + place.at, runs, size);
    *len = new_len;
    join(bytes, len, place.before);
    hll_cache_drop(bytes);
    return HLL_CHANGED;
}
