/*
 * The sparse encoding of a HyperLogLog: its registers from the first to the last as runs of equal ones,
 *
 *   ZERO   00llllll            1..64 registers of 0
 *   XZERO  01llllll llllllll   1..16,384 registers of 0, high bits of the length first
 *   VAL    1rrrrrll            1..4 registers of rank 1..32
 *
 * lengths and ranks less one. A new one takes two bytes, and each element at most three more, until
 * hll-sparse-max-bytes is reached or an element has a rank above 32: then it turns dense, for good.
 *
 * Which of several spellings of the same registers is written is part of the format here: the same elements in the same order
 * give the same bytes as in Redis. A run that is split leaves ZERO where 64 registers are enough, and neighbours
 * of equal rank are joined as far as a look at five runs finds them.
 *
 * Threads: as for the entry that holds the bytes.
 */
#ifndef ORDINAL_TYPES_HYPERLOGLOG_SPARSE_H
#define ORDINAL_TYPES_HYPERLOGLOG_SPARSE_H

#include "types/hyperloglog.h"

enum { HLL_SPARSE_MAX_RANK = 32, HLL_SPARSE_GROWTH = 3 };

/* One run of equal registers. */
struct hll_run {
    uint32_t len; /* registers */
    uint8_t rank; /* 0: ZERO or XZERO */
    uint8_t size; /* bytes */
};

/* The run at offset `at`, which hll_run_next moves behind it; false at the end. A walk starts at HLL_HEADER. When the last byte
 * is the first of an XZERO, a zero byte is thought behind it: that is what Redis finds there. */
bool hll_run_next(const uint8_t *bytes, size_t len, size_t *at, struct hll_run *run);

/*
 * Raises a register of a valid sparse one to `rank` (1..HLL_MAX_RANK). *len follows its length, which grows by at most
 * HLL_SPARSE_GROWTH, and only up to max_len: there must be room for that.
 * HLL_SAME, HLL_CHANGED, HLL_CORRUPT; HLL_FULL when the rank is too high or the length would grow beyond max_len.
 */
enum hll_status hll_sparse_raise(uint8_t *bytes, size_t *len, struct hll_hit hit, size_t max_len);

#endif
