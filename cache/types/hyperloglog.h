/*
 * HyperLogLog: how many different elements were seen, to within about 0.8 %, in at most 12 KB. A value is a string in the byte
 * format of Redis, which GET and DUMP show and which moves between servers:
 *
 *   "HYLL" | encoding:8 (0 dense, 1 sparse) | unused:24 | cached count:64, little-endian, its highest bit set: out of date
 *   dense    16,384 registers of 6 bits, the first in the lowest bits of the first byte
 *   sparse   runs of equal registers, see hyperloglog_sparse.h
 *
 * An element's hash chooses a register by its low 14 bits; the register keeps the longest run of zeros seen in the rest, plus
 * one: its rank. The count is estimated from how many registers have each rank (O. Ertl, "New cardinality estimation
 * algorithms for HyperLogLog sketches", 2017, the improved raw estimator), in double arithmetic and in Redis's order of steps,
 * so that the same registers give the same count.
 *
 * Bytes come from clients (SET, RESTORE): whatever they are, nothing is read or written outside them, and what is
 * no HyperLogLog is called corrupt.
 *
 * Source: Redis 7.0, formats and results; MurmurHash2, 64-bit version A, by A. Appleby, public domain.
 * Threads: as for the entry that holds the bytes.
 */
#ifndef ORDINAL_TYPES_HYPERLOGLOG_H
#define ORDINAL_TYPES_HYPERLOGLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HLL_HEADER = 16,
    HLL_INDEX_BITS = 14,
    HLL_REGISTERS = 1 << HLL_INDEX_BITS,
    HLL_RANK_BITS = 6,
    HLL_MAX_RANK = 64 - HLL_INDEX_BITS + 1,
    HLL_DENSE_LEN = HLL_HEADER + HLL_REGISTERS * HLL_RANK_BITS / 8,
    HLL_EMPTY_LEN = HLL_HEADER + 2, /* of a sparse one without elements */
};

enum hll_status {
    HLL_SAME,    /* nothing had to change */
    HLL_CHANGED, /* … and now the cached count is out of date */
    HLL_FULL,    /* the sparse encoding cannot hold this: hll_to_dense, then again */
    HLL_CORRUPT
};

/* Register and rank of an element. */
struct hll_hit {
    uint16_t index;
    uint8_t rank;
};
struct hll_hit hll_hit(const void *element, size_t len);

/* Whether the bytes begin as a HyperLogLog and, if dense, have the length of one. `len` is that of the whole value, `bytes`
 * need hold no more than the header of it. */
bool hll_valid(const uint8_t *bytes, size_t len);

/* Of bytes that are valid. */
bool hll_is_dense(const uint8_t *bytes);

/* The cached count; false when it is out of date. hll_cache sets it. */
bool hll_cached(const uint8_t *bytes, uint64_t *count);
void hll_cache(uint8_t *bytes, uint64_t count);
void hll_cache_drop(uint8_t *bytes);

/* Writes an empty sparse one: HLL_EMPTY_LEN bytes. Its cached count, 0, is good. */
void hll_init(uint8_t *bytes);

/* One register of a dense one; hll_dense_raise sets it to `rank` if that is more. HLL_SAME or HLL_CHANGED. */
uint8_t hll_dense_get(const uint8_t *bytes, size_t index);
enum hll_status hll_dense_raise(uint8_t *bytes, size_t index, uint8_t rank);

/* Writes the dense form (HLL_DENSE_LEN bytes, header and cached count as they were) of a sparse one. False: corrupt. */
bool hll_to_dense(const uint8_t *sparse, size_t len, uint8_t *dense);

/* Raises each of the HLL_REGISTERS registers, a byte each, to that of a valid one. False when that is corrupt; some are
 * raised then. */
bool hll_merge(const uint8_t *bytes, size_t len, uint8_t *registers);

/* Sets all registers of a dense one, whose header stays. */
void hll_dense_set_all(uint8_t *bytes, const uint8_t *registers);

/* The count of a valid one, not looking at the cached one; false: corrupt. hll_count_registers: of registers of a byte. */
bool hll_count(const uint8_t *bytes, size_t len, uint64_t *count);
uint64_t hll_count_registers(const uint8_t *registers);

#endif
