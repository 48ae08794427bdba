#include "store/access.h"

/* Loops look at the clock once a batch, so an entry may have been used by one loop after the "now" of
 * another. A clock that is this little ahead (seconds for LRU, minutes for LFU) is one of those, and not
 * one that has gone round. */
enum { AHEAD = 60 };

static uint32_t minute(int64_t now)
{
    return (uint32_t)(now / 60000) & 0xFFFF;
}

unsigned access_frequency(const struct access_rules *rules, const struct entry *e, int64_t now)
{
    uint32_t clock = entry_access(e);
    unsigned counter = clock & 0xFF;
    uint32_t elapsed = (minute(now) - (clock >> 8)) & 0xFFFF;
    elapsed = elapsed > 0xFFFF - AHEAD ? 0 : elapsed;
    uint32_t periods = rules->decay > 0 ? elapsed / (uint32_t)rules->decay : 0;
    return periods > counter ? 0 : counter - periods;
}

void access_touch_lfu(const struct access_rules *rules, struct entry *e, int64_t now, uint64_t random)
{
    unsigned counter = access_frequency(rules, e, now);
    unsigned above = counter > ACCESS_LFU_START ? counter - ACCESS_LFU_START : 0;
    /* Grows with probability 1 / (above * factor + 1). */
    if (counter < 255 && (random >> 11) % (above * (unsigned)rules->log_factor + 1) == 0) {
        counter++;
    }
    entry_set_access(e, minute(now) << 8 | counter);
}

int64_t access_idle_seconds(const struct entry *e, int64_t now)
{
    uint32_t idle = (access_lru_now(now) - entry_access(e)) & ENTRY_MAX_ACCESS;
    return idle > ENTRY_MAX_ACCESS - AHEAD ? 0 : idle;
}

uint32_t access_from_idle(int64_t seconds, int64_t now)
{
    return (uint32_t)(now / 1000 - seconds) & ENTRY_MAX_ACCESS;
}

uint32_t access_from_frequency(unsigned frequency, int64_t now)
{
    return minute(now) << 8 | (frequency & 0xFF);
}
