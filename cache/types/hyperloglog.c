#include "types/hyperloglog.h"

#include <math.h>
#include <string.h>

#include "types/hyperloglog_sparse.h"

enum { AT_ENCODING = 4, AT_COUNT = 8, DENSE = 0, SPARSE = 1, STALE = 0x80, RANKS = 64 };

static uint64_t load64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

/* ---- the hash ----------------------------------------------------------------------------------------- */

/* MurmurHash2, 64-bit version A, with the seed that the format is bound to. */
static uint64_t hash(const uint8_t *bytes, size_t len)
{
    const uint64_t factor = 0xC6A4A7935BD1E995, seed = 0xADC83B19;
    uint64_t h = seed ^ len * factor;
    size_t at = 0;
    for (; len - at >= 8; at += 8) {
        uint64_t word = load64(bytes + at) * factor;
        h = (h ^ (word ^ word >> 47) * factor) * factor;
    }
    if (at < len) {
        uint64_t rest = 0;
        for (unsigned i = 0; at + i < len; i++) {
            rest |= (uint64_t)bytes[at + i] << (8 * i);
        }
        h = (h ^ rest) * factor;
    }
    h = (h ^ h >> 47) * factor;
    return h ^ h >> 47;
}

struct hll_hit hll_hit(const void *element, size_t len)
{
    uint64_t h = hash(element, len);
    uint64_t rest = h >> HLL_INDEX_BITS | 1ULL << (HLL_MAX_RANK - 1); /* so that a rank is never more */
    return (struct hll_hit){(uint16_t)(h & (HLL_REGISTERS - 1)), (uint8_t)(__builtin_ctzll(rest) + 1)};
}

/* ---- the header --------------------------------------------------------------------------------------- */

bool hll_valid(const uint8_t *bytes, size_t len)
{
    return len >= HLL_HEADER && memcmp(bytes, "HYLL", 4) == 0 && bytes[AT_ENCODING] <= SPARSE &&
           (bytes[AT_ENCODING] == SPARSE || len == HLL_DENSE_LEN);
}

bool hll_is_dense(const uint8_t *bytes)
{
    return bytes[AT_ENCODING] == DENSE;
}

bool hll_cached(const uint8_t *bytes, uint64_t *count)
{
    *count = load64(bytes + AT_COUNT);
    return (bytes[AT_COUNT + 7] & STALE) == 0;
}

void hll_cache(uint8_t *bytes, uint64_t count)
{
    for (unsigned i = 0; i < 8; i++) {
        bytes[AT_COUNT + i] = (uint8_t)(count >> (8 * i));
    }
}

void hll_cache_drop(uint8_t *bytes)
{
    bytes[AT_COUNT + 7] |= STALE;
}

void hll_init(uint8_t *bytes)
{
    static const uint8_t empty[HLL_EMPTY_LEN] = {'H', 'Y', 'L', 'L', SPARSE, [HLL_HEADER] = 0x7F, 0xFF};
    memcpy(bytes, empty, sizeof empty);
}

/* ---- dense registers ---------------------------------------------------------------------------------- */

/* Where the bits of a register lie: in the byte at `at` from bit `shift` on, and from shift 3 on in the one behind it, which
 * for the last register, whose shift is 2, is not there. */
struct bits {
    size_t at;
    unsigned shift;
};

static struct bits bits_of(size_t index)
{
    size_t bit = index * HLL_RANK_BITS;
    return (struct bits){HLL_HEADER + bit / 8, bit & 7};
}

uint8_t hll_dense_get(const uint8_t *bytes, size_t index)
{
    struct bits b = bits_of(index);
    unsigned word = bytes[b.at];
    if (b.shift > 2) {
        word |= (unsigned)bytes[b.at + 1] << 8;
    }
    return word >> b.shift & (RANKS - 1);
}

static void dense_set(uint8_t *bytes, size_t index, uint8_t rank)
{
    struct bits b = bits_of(index);
    unsigned mask = (RANKS - 1U) << b.shift, word = (unsigned)rank << b.shift;
    bytes[b.at] = (uint8_t)((bytes[b.at] & ~mask) | word);
    if (b.shift > 2) {
        bytes[b.at + 1] = (uint8_t)((bytes[b.at + 1] & ~(mask >> 8)) | word >> 8);
    }
}

enum hll_status hll_dense_raise(uint8_t *bytes, size_t index, uint8_t rank)
{
    if (hll_dense_get(bytes, index) >= rank) {
        return HLL_SAME;
    }
    dense_set(bytes, index, rank);
    hll_cache_drop(bytes);
    return HLL_CHANGED;
}

void hll_dense_set_all(uint8_t *bytes, const uint8_t *registers)
{
    uint8_t *to = bytes + HLL_HEADER;
    for (size_t i = 0; i < HLL_REGISTERS; i += 4, to += 3) {
        unsigned word = registers[i] | (unsigned)registers[i + 1] << 6 | (unsigned)registers[i + 2] << 12 |
                        (unsigned)registers[i + 3] << 18;
        to[0] = (uint8_t)word;
        to[1] = (uint8_t)(word >> 8);
        to[2] = (uint8_t)(word >> 16);
    }
}

/* Four registers out of three bytes. */
static void unpack(const uint8_t *bytes, uint8_t *four)
{
    unsigned word = bytes[0] | (unsigned)bytes[1] << 8 | (unsigned)bytes[2] << 16;
    four[0] = word & 63;
    four[1] = word >> 6 & 63;
    four[2] = word >> 12 & 63;
    four[3] = (uint8_t)(word >> 18);
}

bool hll_to_dense(const uint8_t *sparse, size_t len, uint8_t *dense)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    if (!hll_merge(sparse, len, registers)) {
        return false;
    }
    memcpy(dense, sparse, HLL_HEADER);
    dense[AT_ENCODING] = DENSE;
    hll_dense_set_all(dense, registers);
    return true;
}

/* ---- merging ------------------------------------------------------------------------------------------ */

static uint8_t higher(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

static bool merge_sparse(const uint8_t *bytes, size_t len, uint8_t *registers)
{
    struct hll_run run;
    uint64_t index = 0;
    for (size_t at = HLL_HEADER; hll_run_next(bytes, len, &at, &run); index += run.len) {
        if (run.rank == 0) {
            continue;
        }
        if (index + run.len > HLL_REGISTERS) {
            return false;
        }
        for (size_t i = 0; i < run.len; i++) {
            registers[index + i] = higher(registers[index + i], run.rank);
        }
    }
    return index == HLL_REGISTERS;
}

bool hll_merge(const uint8_t *bytes, size_t len, uint8_t *registers)
{
    if (!hll_is_dense(bytes)) {
        return merge_sparse(bytes, len, registers);
    }
    const uint8_t *from = bytes + HLL_HEADER;
    for (size_t i = 0; i < HLL_REGISTERS; i += 4, from += 3) {
        uint8_t four[4];
        unpack(from, four);
        for (size_t j = 0; j < 4; j++) {
            registers[i + j] = higher(registers[i + j], four[j]);
        }
    }
    return true;
}

/* ---- counting ----------------------------------------------------------------------------------------- */

/* How many registers have each rank. */
struct histogram {
    uint32_t ranks[RANKS];
};

/* Ertl's sigma: what registers of rank 0 stand for. */
static double sigma(double x)
{
    if (x == 1.) {
        return INFINITY;
    }
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

/* Ertl's tau: what registers of the highest rank stand for. */
static double tau(double x)
{
    if (x == 0. || x == 1.) {
        return 0.;
    }
    double y = 1, z = 1 - x, before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

static uint64_t estimate(const struct histogram *h)
{
    const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    const double m = HLL_REGISTERS;
    double z = m * tau((m - h->ranks[HLL_MAX_RANK]) / m);
    for (size_t rank = HLL_MAX_RANK - 1; rank >= 1; rank--) {
        z += h->ranks[rank];
        z *= 0.5;
    }
    z += m * sigma(h->ranks[0] / m);
    return (uint64_t)llroundl(alpha * m * m / z);
}

static bool count_sparse(const uint8_t *bytes, size_t len, struct histogram *h)
{
    struct hll_run run;
    uint64_t index = 0;
    for (size_t at = HLL_HEADER; hll_run_next(bytes, len, &at, &run); index += run.len) {
        h->ranks[run.rank] += run.len;
    }
    return index == HLL_REGISTERS;
}

bool hll_count(const uint8_t *bytes, size_t len, uint64_t *count)
{
    struct histogram h = {0};
    if (!hll_is_dense(bytes)) {
        if (!count_sparse(bytes, len, &h)) {
            return false;
        }
    } else {
        const uint8_t *from = bytes + HLL_HEADER;
        for (size_t i = 0; i < HLL_REGISTERS; i += 4, from += 3) {
            uint8_t four[4];
            unpack(from, four);
            for (size_t j = 0; j < 4; j++) {
                h.ranks[four[j]]++;
            }
        }
    }
    *count = estimate(&h);
    return true;
}

uint64_t hll_count_registers(const uint8_t *registers)
{
    struct histogram h = {0};
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        h.ranks[registers[i] & (RANKS - 1)]++;
    }
    return estimate(&h);
}
