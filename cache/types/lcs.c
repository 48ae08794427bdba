/*
 * The longest common subsequence by bit vectors.
 *
 * Think of the classic table L[i][j], the length for the first i bytes of one string ("down") and the first j
 * of the other ("across"). Going down a column, each cell is equal to the one above or one more. A column is
 * kept as a bit for each row, 0 where it grows. Moving to the next column is, for 64 rows at once,
 *
 *     matched = column & rows where the down byte equals this across byte
 *     column' = (column + matched + carry) | (column & ~matched)
 *
 * and the carries of that addition are the growth from the column before, row by row. So both neighbours of a
 * cell are known from two bits, and the way back through the table needs only one: go up, or go across. That
 * bit is all that is stored. The strings may be laid either way; the one that wastes fewer bits of the last
 * word is taken, and the stored bit then answers the same question with the roles exchanged.
 *
 * Rows go in blocks of 64, a block over all columns before the next one, with a carry for each column between
 * two blocks. Measured (AMD EPYC, gcc 12 -O3), two strings of 10,000 bytes: 1.5 ms for the length, 2.8 ms for
 * the string, 12.5 MB of stored bits.
 */

#include "types/lcs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64 };

/* One run over the table. */
struct table {
    const uint8_t *down;
    size_t down_len;
    const uint8_t *across;
    size_t across_len;
    bool a_is_down;
    uint8_t *carry;    /* for each column, the growth at the last row of the block above */
    uint64_t *retreat; /* for each block and column, the rows whose way back goes along a; or NULL */
};

const char *lcs_error(enum lcs_status status)
{
    switch (status) {
    case LCS_OK: return NULL;
    case LCS_TOO_LONG: return "String too long for LCS";
    case LCS_TOO_LARGE: return "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    case LCS_NO_MEMORY: return "Insufficient memory, failed allocating transient memory for LCS";
    }
    return NULL;
}

static size_t blocks_of(size_t len)
{
    return (len + ROWS - 1) / ROWS;
}

/* Bytes of the stored bits with this many rows and columns. Fits: both are below 2^32. */
static uint64_t table_bytes(size_t rows, size_t columns)
{
    return (uint64_t)blocks_of(rows) * columns * sizeof(uint64_t);
}

static enum lcs_status check_size(const struct lcs_pair *pair, uint64_t max_bytes)
{
    if (pair->a_len >= UINT32_MAX - 1 || pair->b_len >= UINT32_MAX - 1) {
        return LCS_TOO_LONG;
    }
    uint64_t a_down = table_bytes(pair->a_len, pair->b_len);
    uint64_t b_down = table_bytes(pair->b_len, pair->a_len);
    return (a_down < b_down ? a_down : b_down) > max_bytes ? LCS_TOO_LARGE : LCS_OK;
}

static void table_lay(struct table *table, const struct lcs_pair *pair, bool a_is_down)
{
    *table = (struct table){
        .down = a_is_down ? pair->a : pair->b,
        .down_len = a_is_down ? pair->a_len : pair->b_len,
        .across = a_is_down ? pair->b : pair->a,
        .across_len = a_is_down ? pair->b_len : pair->a_len,
        .a_is_down = a_is_down,
    };
}

static bool table_allocate(struct table *table, bool keep)
{
    table->carry = calloc(table->across_len + 1, 1);
    if (keep) {
        uint64_t bytes = table_bytes(table->down_len, table->across_len);
        table->retreat = malloc((size_t)bytes + 1);
    }
    return table->carry != NULL && (!keep || table->retreat != NULL);
}

static void table_free(struct table *table)
{
    free(table->carry);
    free(table->retreat);
}

/* For each byte value, the rows of the block that have it; only entries of bytes in the block are touched. */
static void mark_rows(uint64_t *rows_of, const uint8_t *bytes, size_t n, bool on)
{
    for (size_t i = 0; i < n; i++) {
        rows_of[bytes[i]] = on ? rows_of[bytes[i]] | 1ull << i : 0;
    }
}

/* column + matched + carry; *carry becomes the carry out. */
static inline uint64_t add_with_carry(uint64_t column, uint64_t matched, uint8_t *carry)
{
    uint64_t sum;
    bool over = __builtin_add_overflow(column, matched, &sum);
    over |= __builtin_add_overflow(sum, (uint64_t)*carry, &sum);
    *carry = over;
    return sum;
}

/* Runs one block of rows over all columns; returns by how much the last column grows in it. */
static size_t run_block(const struct table *table, size_t block, const uint64_t *rows_of, size_t rows)
{
    uint64_t *retreat = table->retreat != NULL ? table->retreat + block * table->across_len : NULL;
    uint64_t column = UINT64_MAX;
    for (size_t j = 0; j < table->across_len; j++) {
        uint64_t matched = column & rows_of[table->across[j]];
        uint64_t sum = add_with_carry(column, matched, &table->carry[j]);
        uint64_t carries_in = sum ^ column ^ matched;
        uint64_t grows_across = carries_in >> 1 | (uint64_t)table->carry[j] << (ROWS - 1);
        column = sum | (column & ~matched);
        if (retreat != NULL) {
            /*
             * Where the bytes differ: up is as long as here, and the cell before is shorter (or the reverse).
             */
            retreat[j] = table->a_is_down ? column & grows_across : ~column & ~grows_across;
        }
    }
    uint64_t used = rows == ROWS ? UINT64_MAX : (1ull << rows) - 1;
    return (size_t)__builtin_popcountll(~column & used);
}

/* Runs the whole table and returns the length. */
static size_t table_run(const struct table *table)
{
    uint64_t rows_of[256] = {0};
    size_t length = 0;
    for (size_t block = 0; block < blocks_of(table->down_len); block++) {
        const uint8_t *bytes = table->down + block * ROWS;
        size_t left = table->down_len - block * ROWS;
        size_t rows = left < ROWS ? left : ROWS;
        mark_rows(rows_of, bytes, rows, true);
        length += run_block(table, block, rows_of, rows);
        mark_rows(rows_of, bytes, rows, false);
    }
    return length;
}

/*
 * At cell (i, j) of a and b, both from 1, where the bytes differ: does the way back drop a byte of a, or of
 * b?
 */
static bool drops_a(const struct table *table, size_t i, size_t j)
{
    size_t row = (table->a_is_down ? i : j) - 1;
    size_t column = (table->a_is_down ? j : i) - 1;
    uint64_t bits = table->retreat[row / ROWS * table->across_len + column];
    return (bits >> (row % ROWS) & 1) != 0;
}

/* Walks back from the end of both strings and reports every run of matches. */
static void walk_back(const struct table *table, const struct lcs_pair *pair, size_t min_len,
                      lcs_range_fn *each, void *context)
{
    size_t i = pair->a_len;
    size_t j = pair->b_len;
    while (i > 0 && j > 0) {
        size_t run = 0;
        while (run < i && run < j && pair->a[i - 1 - run] == pair->b[j - 1 - run]) {
            run++;
        }
        if (run > 0 && run >= min_len) {
            struct lcs_range range = {i - run, i - 1, j - run, j - 1};
            each(context, &range);
        }
        i -= run;
        j -= run;
        if (i > 0 && j > 0) {
            if (drops_a(table, i, j)) {
                i--;
            } else {
                j--;
            }
        }
    }
}

enum lcs_status lcs_length(const struct lcs_pair *pair, uint64_t max_bytes, size_t *length)
{
    enum lcs_status status = check_size(pair, max_bytes);
    if (status != LCS_OK) {
        return status;
    }
    struct table table;
    table_lay(&table, pair, pair->a_len >= pair->b_len);
    if (!table_allocate(&table, false)) {
        table_free(&table);
        return LCS_NO_MEMORY;
    }
    *length = table_run(&table);
    table_free(&table);
    return LCS_OK;
}

/* Lays, allocates and runs a table that remembers the way back. On LCS_OK the caller frees it. */
static enum lcs_status run_with_memory(struct table *table, const struct lcs_pair *pair, uint64_t max_bytes,
                                       size_t *length)
{
    enum lcs_status status = check_size(pair, max_bytes);
    if (status != LCS_OK) {
        return status;
    }
    table_lay(table, pair, table_bytes(pair->a_len, pair->b_len) <= table_bytes(pair->b_len, pair->a_len));
    if (!table_allocate(table, true)) {
        table_free(table);
        return LCS_NO_MEMORY;
    }
    *length = table_run(table);
    return LCS_OK;
}

enum lcs_status lcs_ranges(const struct lcs_pair *pair, uint64_t max_bytes, size_t min_len,
                           lcs_range_fn *each, void *context, size_t *length)
{
    struct table table;
    enum lcs_status status = run_with_memory(&table, pair, max_bytes, length);
    if (status != LCS_OK) {
        return status;
    }
    if (each != NULL) {
        walk_back(&table, pair, min_len, each, context);
    }
    table_free(&table);
    return LCS_OK;
}

/* Where lcs_string collects, from the end to the start. */
struct collector {
    const uint8_t *a;
    uint8_t *end;
};

static void collect(void *context, const struct lcs_range *range)
{
    struct collector *collector = context;
    size_t n = range->a_last - range->a_first + 1;
    collector->end -= n;
    memcpy(collector->end, collector->a + range->a_first, n);
}

enum lcs_status lcs_string(const struct lcs_pair *pair, uint64_t max_bytes, uint8_t **out, size_t *length)
{
    struct table table;
    enum lcs_status status = run_with_memory(&table, pair, max_bytes, length);
    if (status != LCS_OK) {
        return status;
    }
    *out = malloc(*length + 1);
    if (*out != NULL) {
        struct collector collector = {pair->a, *out + *length};
        walk_back(&table, pair, 0, collect, &collector);
    }
    table_free(&table);
    return *out != NULL ? LCS_OK : LCS_NO_MEMORY;
}
