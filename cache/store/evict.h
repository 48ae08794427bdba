/*
 * Eviction: makes room when memory is over its limit, by Redis's eight policies.
 *
 * Candidates are sampled, not ordered: a handful of slots of a random shard are looked at each time, and the
 * best ones seen lately are kept in a pool, which comes close to exact LRU or LFU at a fixed cost. The slots
 * of a line are in the order of a hash, so neighbours are as random a sample as any, and come with one cache
 * miss for all.
 *
 * Threads: one evictor for each loop, used by its thread, inside the gate and holding no shard's lock.
 */
#ifndef ORDINAL_STORE_EVICT_H
#define ORDINAL_STORE_EVICT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/access.h"
#include "store/keyspace.h"

enum evict_by { EVICT_LRU, EVICT_LFU, EVICT_RANDOM, EVICT_TTL, EVICT_NOTHING };

struct evict_policy {
    enum evict_by by;
    bool volatile_only; /* only entries with a deadline may go */
    int samples;        /* maxmemory-samples */
    struct access_rules access;
};

enum { EVICT_POOL = 16 };

/* A candidate is named by its hash: cheaper than its key, and found again or not. */
struct evict_candidate {
    int db;
    uint64_t hash;
    int64_t score; /* the higher, the sooner it goes */
};

struct evictor {
    struct keyspace *keyspace;
    uint64_t random;
    struct evict_candidate pool[EVICT_POOL]; /* by rising score */
    int pooled;
    enum evict_by pooled_by; /* what the scores in the pool are */
};

void evictor_init(struct evictor *evictor, struct keyspace *ks, uint64_t seed);

/* Evicts one entry. False when there is none that may go. */
bool evict_one(struct evictor *evictor, const struct evict_policy *policy, int64_t now,
               struct store_stats *stats);

/* Evicts until mem_used() is at most `limit` bytes. False when that cannot be reached. What the reaper is
 * about to free is waited for before an entry is given up for it. */
bool evict_to(struct evictor *evictor, const struct evict_policy *policy, int64_t limit, int64_t now,
              struct store_stats *stats);

#endif
