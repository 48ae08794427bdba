/*
 * The prefixes that clients in BCAST mode have asked for, and who has which.
 *
 * Threads: change under the gate alone; read inside it.
 */
#ifndef ORDINAL_COMMANDS_TRACKING_PREFIX_H
#define ORDINAL_COMMANDS_TRACKING_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct tracker;

struct prefix {
    struct prefix *next;
    struct membership *first; /* never NULL */
    size_t len;
    char name[];
};

/* One tracker with one prefix. */
struct membership {
    struct prefix *prefix;
    struct tracker *tracker;
    struct membership *next, *previous; /* with the same prefix */
    struct membership *next_of_tracker;
};

struct prefixes {
    struct prefix *first;
    uint64_t count;
};

static inline struct slice prefix_name(const struct prefix *prefix)
{
    return (struct slice){prefix->name, prefix->len};
}

/* Gives a prefix to a tracker, if it does not have it. False: no memory. */
bool prefix_add(struct prefixes *prefixes, struct tracker *tracker, struct slice name);

/* Takes all its prefixes from a tracker. */
void prefix_leave_all(struct prefixes *prefixes, struct tracker *tracker);

/* Whether one of two texts begins with the other: no client may have two such prefixes. */
bool prefix_overlaps(struct slice a, struct slice b);

#endif
