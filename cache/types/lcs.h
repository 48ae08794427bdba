/*
 * The longest common subsequence of two strings, for LCS. Computed 64 cells at a time (a row of the classic
 * table differs from the next by 0 or 1 in every cell, so a row is a bit vector, and an addition with carry
 * moves it on), and remembered as one bit for each cell, which is 1/32 of the memory of a table of 32-bit
 * lengths. Among the subsequences of the greatest length it picks the one that Redis picks, and lists its
 * ranges in Redis's order: from the end of the strings to their start.
 */
#ifndef ORDINAL_TYPES_LCS_H
#define ORDINAL_TYPES_LCS_H

#include <stddef.h>
#include <stdint.h>

enum lcs_status {
    LCS_OK,
    LCS_TOO_LONG,  /* a string of 4 GB or more */
    LCS_TOO_LARGE, /* the table would need more bytes than allowed */
    LCS_NO_MEMORY  /* malloc said no */
};

/* The two strings; neither is copied. */
struct lcs_pair {
    const uint8_t *a;
    size_t a_len;
    const uint8_t *b;
    size_t b_len;
};

/* A run of equal bytes, both ends included: bytes a_first..a_last of a are bytes b_first..b_last of b. */
struct lcs_range {
    size_t a_first;
    size_t a_last;
    size_t b_first;
    size_t b_last;
};

/* Gets the ranges one by one, the last of the strings first. */
typedef void lcs_range_fn(void *context, const struct lcs_range *range);

/* The error text that Redis replies for a status, without "ERR "; NULL for LCS_OK. */
const char *lcs_error(enum lcs_status status);

/*
 * The length alone, in memory proportional to the shorter string. max_bytes bounds the work: it is refused
 * with LCS_TOO_LARGE when the table of lcs_ranges would exceed it (proto-max-bulk-len).
 */
enum lcs_status lcs_length(const struct lcs_pair *pair, uint64_t max_bytes, size_t *length);

/*
 * Calls each (may be NULL) for every range of at least min_len bytes (0: all), and stores the length in
 * *length. Nothing is called unless LCS_OK is returned.
 */
enum lcs_status lcs_ranges(const struct lcs_pair *pair, uint64_t max_bytes, size_t min_len,
                           lcs_range_fn *each, void *context, size_t *length);

/*
 * The subsequence itself in *out, to be freed with free() by the caller (never NULL on LCS_OK, also when
 * empty).
 */
enum lcs_status lcs_string(const struct lcs_pair *pair, uint64_t max_bytes, uint8_t **out, size_t *length);

#endif
