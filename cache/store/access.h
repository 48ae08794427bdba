/*
 * The access clock of an entry: 24 bits that say how recently (LRU) or how often (LFU) it was used.
 *
 *   LRU   seconds of clock.h modulo 2^24 (194 days)
 *   LFU   the low 16 bits of the minute of the last decay | a logarithmic counter of 8 bits
 *
 * Which of the two holds for the whole keyspace, by `maxmemory-policy`. The counter grows with a probability
 * that falls as it rises, so 255 stands for about a million uses at the default factor; it falls by one for
 * every `decay` minutes without use. Source: Redis manual, "Key eviction", "The new LFU mode".
 *
 * Threads: as for the entry. The rules change only under the gate alone.
 */
#ifndef ORDINAL_STORE_ACCESS_H
#define ORDINAL_STORE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/entry.h"

enum { ACCESS_LFU_START = 5 }; /* a new entry's counter, so that it is not the first to go */

struct access_rules {
    bool lfu;
    int log_factor; /* lfu-log-factor */
    int decay;      /* lfu-decay-time in minutes */
};

static inline uint32_t access_lru_now(int64_t now)
{
    return (uint32_t)(now / 1000) & ENTRY_MAX_ACCESS;
}

/* The clock of an entry that is made at `now` (ms of clock.h). */
static inline uint32_t access_new(const struct access_rules *rules, int64_t now)
{
    if (__builtin_expect(rules->lfu, 0)) {
        return ((uint32_t)(now / 60000) & 0xFFFF) << 8 | ACCESS_LFU_START;
    }
    return access_lru_now(now);
}

void access_touch_lfu(const struct access_rules *rules, struct entry *e, int64_t now, uint64_t random);

/* Notes a use. Writes to the entry only when its clock changes: once a second. `random`: 64 random bits. */
static inline void access_touch(const struct access_rules *rules, struct entry *e, int64_t now,
                                uint64_t random)
{
    if (__builtin_expect(rules->lfu, 0)) {
        access_touch_lfu(rules, e, now, random);
        return;
    }
    uint32_t clock = access_lru_now(now);
    if (entry_access(e) != clock) {
        entry_set_access(e, clock);
    }
}

/* Seconds since the last use (LRU). */
int64_t access_idle_seconds(const struct entry *e, int64_t now);

/* The counter (LFU), decayed up to now. */
unsigned access_frequency(const struct access_rules *rules, const struct entry *e, int64_t now);

/* A clock with this idle time or frequency, as RESTORE sets it. */
uint32_t access_from_idle(int64_t seconds, int64_t now);
uint32_t access_from_frequency(unsigned frequency, int64_t now);

#endif
