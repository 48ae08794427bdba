#include "commands/histogram.h"

#include <string.h>

#include "memory.h"

struct histogram *histogram_new(void)
{
    struct histogram *h = mem_alloc(sizeof *h);
    if (h != NULL) {
        memset(h, 0, sizeof *h);
    }
    return h;
}

void histogram_free(struct histogram *h)
{
    mem_free(h, sizeof *h);
}

uint64_t histogram_bucket_end(unsigned bucket)
{
    enum { SUBS = 1 << HISTOGRAM_SUB_BITS };
    if (bucket < 2 * SUBS) {
        return bucket;
    }
    unsigned doublings = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(SUBS + bucket % SUBS) << doublings;
    return first + ((uint64_t)1 << doublings) - 1;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
}

uint64_t histogram_total(const struct histogram *h)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        total += h->counts[i];
    }
    return total;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t total = histogram_total(h);
    uint64_t wanted = (uint64_t)((double)total * percent / 100.0 + 0.5);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && total > 0; i++) {
        seen += h->counts[i];
        if (seen > 0 && seen >= wanted) {
            return histogram_bucket_end(i);
        }
    }
    return 0;
}
