/*
 * The tracking table: which clients may have which keys in their caches, by the clients' ids. As in Redis it knows names
 * alone, not databases, and a client that is gone is found out when a key of its changes.
 *
 *   hash of the name → stripe, with its lock → tracked key: name, sorted ids
 *
 * A key changes hands whole: whoever changes it takes it out of the table with all its ids, and tells those.
 *
 * Threads: any loop; the stripes have locks, so that loops that track or change different keys do not meet. The caller holds
 * the key's shard, or is alone: so no change comes between a read and its being noted here.
 */
#ifndef ORDINAL_COMMANDS_TRACKING_TABLE_H
#define ORDINAL_COMMANDS_TRACKING_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "types/chain.h"

struct tracked_key {
    struct chain_link link;
    uint32_t count, cap;
    int64_t *ids; /* sorted */
    size_t len;
    char name[];
};

struct tracking_table;

/* An empty table; NULL: no memory. */
struct tracking_table *tracking_table_new(void);
void tracking_table_free(struct tracking_table *table);

/* Notes that a client may have a key. False when there is no memory. */
bool tracking_table_add(struct tracking_table *table, uint64_t hash, struct slice name, int64_t id);

/* Takes a key out, for the caller, who frees it; NULL when nobody has it. `any`: any key at all. */
struct tracked_key *tracking_table_take(struct tracking_table *table, uint64_t hash, struct slice name);
struct tracked_key *tracking_table_take_any(struct tracking_table *table, uint64_t random);
void tracked_key_free(struct tracked_key *key);

/* Forgets all keys. Alone. */
void tracking_table_clear(struct tracking_table *table);

/* How many keys there are, and how many ids they have together: exact when no other loop is at it. */
uint64_t tracking_table_keys(const struct tracking_table *table);
uint64_t tracking_table_items(const struct tracking_table *table);

#endif
