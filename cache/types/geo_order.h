/*
 * Search results in order of distance. Where distances are equal, which is common (several members at one place), what comes
 * first and, with a COUNT, what comes at all, is as in Redis: in a whole reply they stay in the order in which they were
 * found; for a part of it they come as a quicksort leaves them that goes only into the parts it needs (Bentley and McIlroy,
 * "Engineering a sort function", 1993: the C library's qsort on BSD systems).
 *
 * Threads: no state.
 */
#ifndef ORDINAL_TYPES_GEO_ORDER_H
#define ORDINAL_TYPES_GEO_ORDER_H

#include <stdbool.h>
#include <stddef.h>

struct geo_result {
    double distance;
    size_t index; /* in the order in which they were found: 0, 1, 2, … */
};

/* Brings the `wanted` nearest (or `farthest`) results to the front, in order. */
void geo_order(struct geo_result *results, size_t count, size_t wanted, bool farthest);

#endif
