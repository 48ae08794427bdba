#include "store/evict.h"

#include "memory.h"
#include "store/reaper.h"

enum { REAPER_WAIT_MS = 2, REAPER_WAITS = 5 };

void evictor_init(struct evictor *evictor, struct keyspace *ks, uint64_t seed)
{
    *evictor = (struct evictor){.keyspace = ks, .random = seed | 1};
}

static uint64_t next_random(struct evictor *evictor)
{
    uint64_t x = evictor->random; /* xorshift64* */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    evictor->random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

static int64_t score(const struct evict_policy *policy, const struct entry *e, int64_t now)
{
    switch (policy->by) {
    case EVICT_LRU: return access_idle_seconds(e, now);
    case EVICT_LFU: return 255 - (int64_t)access_frequency(&policy->access, e, now);
    case EVICT_TTL: return -entry_deadline(e);
    default: return 0;
    }
}

/* Puts a candidate in its place in the pool; the worst falls out when it is full. */
static void pool_add(struct evictor *evictor, struct evict_candidate candidate)
{
    int at = 0;
    for (int i = 0; i < evictor->pooled; i++) {
        if (evictor->pool[i].hash == candidate.hash) {
            return;
        }
    }
    while (at < evictor->pooled && evictor->pool[at].score < candidate.score) {
        at++;
    }
    if (evictor->pooled < EVICT_POOL) {
        memmove(evictor->pool + at + 1, evictor->pool + at,
                (size_t)(evictor->pooled - at) * sizeof candidate);
        evictor->pool[at] = candidate;
        evictor->pooled++;
    } else if (at > 0) {
        memmove(evictor->pool, evictor->pool + 1, (size_t)(at - 1) * sizeof candidate);
        evictor->pool[at - 1] = candidate;
    }
}

static bool may_go(const struct evict_policy *policy, const struct line *line, unsigned slot)
{
    return line->tag[slot] != 0 && (!policy->volatile_only || line->due[slot] != 0);
}

/* Looks at up to `wanted` entries of one shard, from a random line on. Returns how many it found. */
static int sample_shard(struct evictor *evictor, const struct evict_policy *policy, const struct db *db,
                        const struct shard *s, int wanted, int64_t now)
{
    int found = 0;
    if (s->lines == 0 || (policy->volatile_only && s->timed == 0)) {
        return 0;
    }
    uint32_t start = (uint32_t)(next_random(evictor) % s->lines);
    for (uint32_t i = 0; i < s->lines && found < wanted; i++) {
        const struct line *line = shard_line(s, (start + i) % s->lines);
        for (unsigned k = 0; k < LINE_SLOTS && found < wanted; k++) {
            if (may_go(policy, line, k)) {
                const struct entry *e = slot_entry((struct slot){(struct line *)line, k});
                uint64_t hash = keyspace_hash(evictor->keyspace, entry_key(e));
                pool_add(evictor, (struct evict_candidate){db->id, hash, score(policy, e, now)});
                found++;
            }
        }
    }
    return found;
}

/* Whether a shard may have something that can go; read without its lock, so only a hint. */
static bool may_have(const struct evict_policy *policy, const struct shard *s)
{
    const uint32_t *count = policy->volatile_only ? &s->timed : &s->lines;
    return __atomic_load_n(count, __ATOMIC_RELAXED) > 0;
}

/* Samples one database from a random shard on, until there are enough or, in a sparse one, until something
 * was found in a good part of it. Returns how many entries it looked at. */
static int sample_db(struct evictor *evictor, const struct evict_policy *policy, const struct db *db,
                     int64_t now)
{
    enum { SPARSE = SHARDS / 16 };
    int found = 0;
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    uint32_t start = (uint32_t)(next_random(evictor) >> (64 - SHARD_BITS));
    for (uint32_t k = 0; shards != NULL && k < SHARDS; k++) {
        struct shard *s = &shards[(start + k) % SHARDS];
        if (found >= policy->samples || (found > 0 && k >= SPARSE)) {
            break;
        }
        if (!may_have(policy, s)) {
            continue;
        }
        db_lock_shard(db, s);
        found += sample_shard(evictor, policy, db, s, policy->samples - found, now);
        db_unlock_shard(db, s);
    }
    return found;
}

/* Samples every database. */
static int fill_pool(struct evictor *evictor, const struct evict_policy *policy, int64_t now)
{
    int found = 0;
    for (int i = 0; i < evictor->keyspace->count; i++) {
        found += sample_db(evictor, policy, &evictor->keyspace->dbs[i], now);
    }
    return found;
}

/* Unlinks a candidate if it still is one: not gone, not used, and not freed from its deadline since it was
 * sampled. */
static struct entry *take_candidate(const struct cut *cut, struct shard *s, const struct evict_policy *policy,
                                    const struct evict_candidate *candidate, int64_t now, bool *wanted)
{
    struct slot slot = shard_find_hash(s, candidate->hash);
    if (slot.line == NULL) {
        return NULL;
    }
    const struct entry *e = slot_entry(slot);
    if ((policy->volatile_only && !entry_has_deadline(e)) || score(policy, e, now) < candidate->score) {
        return NULL;
    }
    *wanted = cut_wants(cut, slot);
    return shard_remove(s, slot, candidate->hash);
}

static bool evict_candidate(struct evictor *evictor, const struct evict_policy *policy,
                            const struct evict_candidate *candidate, int64_t now, struct store_stats *stats)
{
    struct db *db = &evictor->keyspace->dbs[candidate->db];
    struct shard *s = db_shard(db, candidate->hash);
    if (s == NULL) {
        return false;
    }
    db_lock_shard(db, s);
    bool wanted;
    struct entry *e = take_candidate(&evictor->keyspace->cut, s, policy, candidate, now, &wanted);
    if (e != NULL && s->used == 0) {
        /* Its line weighs more than most entries: sparse shards would fill the limit with lines. */
        shard_clear(s);
    }
    if (e !=
        NULL) { /* told before anybody can see that the key is gone: whoever watches it must not EXEC first */
        db_evicted(db, e, wanted, stats);
        stats->evicted++;
    }
    db_unlock_shard(db, s);
    return e != NULL;
}

bool evict_one(struct evictor *evictor, const struct evict_policy *policy, int64_t now,
               struct store_stats *stats)
{
    if (policy->by == EVICT_NOTHING) {
        return false;
    }
    if (policy->by == EVICT_RANDOM || policy->by != evictor->pooled_by) {
        evictor->pooled = 0; /* scores of another policy are no use */
    }
    evictor->pooled_by = policy->by;
    /* A candidate that is gone meanwhile makes room in the pool for the next sample. */
    while (fill_pool(evictor, policy, now) > 0) {
        while (evictor->pooled > 0) {
            int pick = policy->by == EVICT_RANDOM ? (int)(next_random(evictor) % (uint64_t)evictor->pooled)
                                                  : evictor->pooled - 1;
            struct evict_candidate candidate = evictor->pool[pick];
            evictor->pooled--;
            memmove(evictor->pool + pick, evictor->pool + pick + 1,
                    (size_t)(evictor->pooled - pick) * sizeof candidate);
            if (evict_candidate(evictor, policy, &candidate, now, stats)) {
                return true;
            }
        }
    }
    return false;
}

bool evict_to(struct evictor *evictor, const struct evict_policy *policy, int64_t limit, int64_t now,
              struct store_stats *stats)
{
    int waits = 0;
    while (mem_used() - cut_bytes(&evictor->keyspace->cut) > limit) {
        if (reaper_pending() > 0 && waits < REAPER_WAITS) {
            reaper_wait(REAPER_WAIT_MS);
            waits++;
        } else if (!evict_one(evictor, policy, now, stats)) {
            return false;
        }
    }
    return true;
}
