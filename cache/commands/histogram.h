/*
 * A histogram of latencies: counts in buckets that grow with the value, sixteen for each doubling, so that every
 * percentile is known to 6 %. It counts ticks of clock_ticks as they come and turns them into time only when it is
 * read, so that recording one costs no multiplication.
 *
 *   ticks     0 .. 15   one bucket each
 *   ticks    16 .. 31   16 buckets of 1
 *   ticks    32 .. 63   16 buckets of 2, and so on up to 2^40 (minutes; what is longer is counted there)
 *
 * Threads: a histogram belongs to its worker; others read it under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_HISTOGRAM_H
#define ORDINAL_COMMANDS_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 4, HISTOGRAM_TOP_BIT = 40 };
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_TOP_BIT - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* An empty one, or NULL when there is no memory. */
struct histogram *histogram_new(void);
void histogram_free(struct histogram *h);

static inline unsigned histogram_bucket(uint64_t ticks)
{
    enum { SUBS = 1 << HISTOGRAM_SUB_BITS };
    if (ticks < SUBS) {
        return (unsigned)ticks;
    }
    if (__builtin_expect(ticks >> HISTOGRAM_TOP_BIT != 0, 0)) {
        return HISTOGRAM_BUCKETS - 1;
    }
    unsigned doublings = (unsigned)(63 - __builtin_clzll(ticks)) - HISTOGRAM_SUB_BITS;
    return (doublings << HISTOGRAM_SUB_BITS) + (unsigned)(ticks >> doublings);
}

static inline void histogram_add(struct histogram *h, uint64_t ticks)
{
    h->counts[histogram_bucket(ticks)]++;
}

/* The largest number of ticks that a bucket counts. */
uint64_t histogram_bucket_end(unsigned bucket);

/* Adds the counts of `from`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

uint64_t histogram_total(const struct histogram *h);

/* The ticks that `percent` (0 .. 100) of all values do not exceed, to the end of their bucket; 0 when it is empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
