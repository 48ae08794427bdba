#include "store/shard.h"

#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "memory.h"
#include "store/reaper.h"

#define ONES  0x0101010101010101ULL
#define HIGHS 0x0080808080808080ULL /* the top bit of each of the seven tags */

static const struct shard_hasher *hasher;
uint32_t shard_mark;

void shard_set_hasher(const struct shard_hasher *new_hasher)
{
    hasher = new_hasher;
}

static uint64_t hash_of(const struct entry *e)
{
    return hasher->hash(hasher->context, entry_key(e));
}

void shard_init(struct shard *s)
{
    memset(s, 0, sizeof *s);
    s->next_due = INT64_MAX;
}

void shard_await(const struct shard *s)
{
    for (int spins = 0; atomic_load_explicit(&s->lock, memory_order_relaxed) != 0; spins++) {
        if (spins > 200) {
            sched_yield();
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

/* The first line; NULL without any. */
static struct line *first_line(const struct shard *s)
{
    return atomic_load_explicit(&s->line, memory_order_relaxed);
}

static void set_table(struct shard *s, struct line *lines, uint32_t count)
{
    atomic_store_explicit(&s->line, lines, memory_order_relaxed);
    __atomic_store_n(&s->lines, count, __ATOMIC_RELAXED);
}

/* Stored in one piece, as who evicts looks at it before taking the lock. */
static void count_timed(struct shard *s, uint32_t count)
{
    __atomic_store_n(&s->timed, count, __ATOMIC_RELAXED);
}

void shard_clear(struct shard *s)
{
    for (uint32_t i = 0; i < s->lines; i++) {
        struct line *line = shard_line(s, i);
        for (unsigned k = 0; k < LINE_SLOTS; k++) {
            if (line->tag[k] != 0) {
                reaper_free_entry(slot_entry((struct slot){line, k}));
            }
        }
    }
    mem_free(first_line(s), s->lines * sizeof(struct line));
    set_table(s, NULL, 0);
    s->used = 0;
    count_timed(s, 0);
    s->next_due = INT64_MAX;
}

size_t shard_memory(const struct shard *s)
{
    return s->lines > 0 ? mem_class(s->lines * sizeof(struct line)) : 0;
}

void shard_prefetch(const struct shard *s, uint64_t hash)
{
    uint64_t lines = __atomic_load_n(&s->lines, __ATOMIC_RELAXED);
    const struct line *line = atomic_load_explicit(&s->line, memory_order_relaxed);
    uintptr_t home = (uintptr_t)line + (hash_position(hash) * lines >> 32) * sizeof(struct line);
    __builtin_prefetch((const void *)home);
}

/* One bit for each slot whose tag fits (bit 8k+7 for slot k). A slot after a fitting one may be named
 * wrongly, which only costs the comparison of a key. */
static uint64_t tags_fitting(const struct line *line, uint8_t tag)
{
    uint64_t tags;
    memcpy(&tags, line, sizeof tags); /* the tags and, masked out below, `displaced` */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    tags = __builtin_bswap64(tags);
#endif
    uint64_t difference = tags ^ tag * ONES;
    return (difference - ONES) & ~difference & HIGHS;
}

void shard_prefetch_entry(const struct shard *s, uint64_t hash, uint32_t lines)
{
    if (s->lines == 0) {
        return;
    }
    struct line *line = shard_line(s, shard_home(s, hash));
    uint64_t fits = tags_fitting(line, hash_tag(hash));
    if (fits != 0) {
        const char *e = (const char *)slot_entry((struct slot){line, (unsigned)__builtin_ctzll(fits) / 8});
        for (uint32_t i = 0; i <= lines; i++) {
            __builtin_prefetch(e + 64 * (size_t)i);
        }
    }
}

/* Walks the lines in which an entry with this hash may be, until one whose tag fits is the one. */
static inline struct slot find(const struct shard *s, uint64_t hash, const struct slice *key)
{
    uint8_t tag = hash_tag(hash);
    uint32_t at = s->lines > 0 ? shard_home(s, hash) : 0;
    for (uint32_t seen = 0; seen < s->lines; seen++) {
        struct line *line = shard_line(s, at);
        for (uint64_t fits = tags_fitting(line, tag); fits != 0; fits &= fits - 1) {
            struct slot slot = {line, (unsigned)__builtin_ctzll(fits) / 8};
            const struct entry *e = slot_entry(slot);
            if (line->tag[slot.index] == tag &&
                (key != NULL ? slice_equal(entry_key(e), *key) : hash_of(e) == hash)) {
                return slot;
            }
        }
        if (line->displaced == 0) {
            break;
        }
        at = at + 1 < s->lines ? at + 1 : 0;
    }
    return (struct slot){NULL, 0};
}

struct slot shard_find(const struct shard *s, uint64_t hash, struct slice key)
{
    return find(s, hash, &key);
}

struct slot shard_find_hash(const struct shard *s, uint64_t hash)
{
    return find(s, hash, NULL);
}

/* The code for a deadline, as the file's opening comment describes it; lowers next_due. */
static uint16_t due_code(struct shard *s, int64_t deadline, int64_t now)
{
    if (__builtin_expect(now == ENTRY_NOTHING_DUE,
                         0)) { /* codes are for the sweeps to come, and these ask the clock */
        now = clock_now();
    }
    int64_t unit = deadline / (1 << DUE_SHIFT) + 1;
    int64_t limit = now / (1 << DUE_SHIFT) + DUE_HORIZON;
    int64_t look = unit < limit ? unit : limit;
    if (deadline < now) { /* long past, or negative: due at once */
        look = now / (1 << DUE_SHIFT);
    }
    if (look < s->next_due) {
        s->next_due = look;
    }
    uint16_t code = (uint16_t)look;
    return code != 0 ? code : 1;
}

static void slot_set(struct shard *s, struct slot slot, uint8_t tag, const struct entry *e, int64_t now)
{
    uintptr_t p = (uintptr_t)e;
    slot.line->tag[slot.index] = tag;
    slot.line->low[slot.index] = (uint32_t)p | shard_mark;
    slot.line->high[slot.index] = (uint16_t)(p >> 32);
    int64_t due = (e->kind & ENTRY_TIMED) != 0 ? entry_due(e) : ENTRY_NO_DEADLINE;
    slot.line->due[slot.index] = due != ENTRY_NO_DEADLINE ? due_code(s, due, now) : 0;
}

/* The first free slot from a key's home on; counts the entry in every full line that it passes. */
static struct slot claim(struct shard *s, uint64_t hash)
{
    uint32_t at = shard_home(s, hash);
    for (;;) {
        struct line *line = shard_line(s, at);
        for (unsigned k = 0; k < LINE_SLOTS; k++) {
            if (line->tag[k] == 0) {
                return (struct slot){line, k};
            }
        }
        if (line->displaced < UINT8_MAX) {
            line->displaced++;
        }
        at = at + 1 < s->lines ? at + 1 : 0;
    }
}

static void move_line(struct shard *to, const struct line *line)
{
    for (unsigned k = 0; k < LINE_SLOTS; k++) {
        if (line->tag[k] != 0) {
            struct slot from = {(struct line *)line, k};
            struct slot slot = claim(to, hash_of(slot_entry(from)));
            slot.line->tag[slot.index] = line->tag[k];
            slot.line->due[slot.index] = line->due[k];
            slot.line->high[slot.index] = line->high[k];
            slot.line->low[slot.index] = line->low[k];
        }
    }
}

static void prefetch_entries(const struct line *line)
{
    for (unsigned k = 0; k < LINE_SLOTS; k++) {
        if (line->tag[k] != 0) {
            __builtin_prefetch(slot_entry((struct slot){(struct line *)line, k}));
        }
    }
}

/* Moves everything into a table of `count` lines. The entries' keys are needed for their hashes: they are
 * fetched a few lines ahead, so that a move costs the memory's bandwidth and not its latency. */
static bool resize(struct shard *s, uint32_t count)
{
    struct line *old = first_line(s);
    uint32_t old_count = s->lines;
    struct line *lines = NULL;
    if (count > 0) {
        lines = mem_alloc_lines(count * sizeof(struct line));
        if (lines == NULL) {
            return false;
        }
    }
    set_table(s, lines, count);
    enum { AHEAD = 3 };
    for (uint32_t i = 0; i < AHEAD && i < old_count; i++) {
        prefetch_entries(old + i);
    }
    for (uint32_t i = 0; i < old_count; i++) {
        if (i + AHEAD < old_count) {
            prefetch_entries(old + i + AHEAD);
        }
        move_line(s, old + i);
    }
    mem_free(old, old_count * sizeof(struct line));
    return true;
}

/* Lines of the smallest of jemalloc's classes that holds `count` lines. */
static uint32_t whole_class(uint64_t count)
{
    return (uint32_t)(mem_class(count * sizeof(struct line)) / sizeof(struct line));
}

/* Lines for `used` entries at 6 of 7 slots each; one line may be filled up. */
static uint64_t lines_for(uint64_t used)
{
    return used <= LINE_SLOTS ? (used > 0) : (used + 5) / 6;
}

void shard_reserve(struct shard *s, uint64_t entries)
{
    uint64_t lines = lines_for(entries);
    if (lines > s->lines && lines <= UINT32_MAX / 2) {
        resize(s, whole_class(lines));
    }
}

bool shard_insert(struct shard *s, uint64_t hash, struct entry *e, int64_t now)
{
    if (lines_for((uint64_t)s->used + 1) > s->lines && !resize(s, whole_class(s->lines + 1)) &&
        s->used == s->lines * LINE_SLOTS) {
        return false; /* without memory the table is filled to its last slot first */
    }
    slot_set(s, claim(s, hash), hash_tag(hash), e, now);
    s->used++;
    count_timed(s, s->timed + entry_has_deadline(e));
    return true;
}

void shard_replace(struct shard *s, struct slot slot, struct entry *e, bool was_timed, int64_t now)
{
    slot_set(s, slot, slot.line->tag[slot.index], e, now);
    count_timed(s, s->timed + (uint32_t)entry_has_deadline(e) - (uint32_t)was_timed);
}

struct entry *shard_remove(struct shard *s, struct slot slot, uint64_t hash)
{
    struct entry *e = slot_entry(slot);
    struct line *end = slot.line;
    slot.line->tag[slot.index] = 0;
    slot.line->due[slot.index] = 0;
    for (uint32_t at = shard_home(s, hash); shard_line(s, at) != end; at = at + 1 < s->lines ? at + 1 : 0) {
        if (shard_line(s, at)->displaced < UINT8_MAX) {
            shard_line(s, at)->displaced--;
        }
    }
    s->used--;
    count_timed(s, s->timed - entry_has_deadline(e));
    return e;
}

/* What a sweep works with. */
struct sweep {
    struct shard *shard;
    int64_t now;
    bool all;   /* looks at every entry with a deadline, whatever its code */
    bool spare; /* leaves what a cut still has to save */
    shard_swept_fn *swept;
    void *context;
};

/* Renews the code of an entry that stays where it is, and what it is to a cut. */
static void renew(struct shard *s, struct slot slot, const struct entry *e, int64_t now)
{
    bool marked = slot_is_marked(slot);
    slot_set(s, slot, slot.line->tag[slot.index], e, now);
    if (!marked) {
        slot_unmark(slot);
    }
}

/* The sweep after this one looks at the entry again. */
static void put_off(const struct sweep *sweep, struct slot slot)
{
    uint16_t code = (uint16_t)((sweep->now >> DUE_SHIFT) + 1);
    slot.line->due[slot.index] = code != 0 ? code : 1;
}

/* Looks at an entry that is due. True when it is gone; else its code is renewed. */
static bool sweep_slot(const struct sweep *sweep, struct slot slot)
{
    if (sweep->spare && !slot_is_marked(slot)) {
        put_off(sweep, slot);
        return false;
    }
    struct entry *e = slot_entry(slot);
    enum shard_swept what = SHARD_EXPIRED;
    uint64_t dropped = 0;
    if (entry_deadline(e) > sweep->now) {
        bool lives = (e->kind & ENTRY_TIMED_PARTS) == 0 ||
                     entry_sweep_parts(e, sweep->now, SHARD_SWEEP_PARTS, &dropped);
        what = lives ? SHARD_PARTS_EXPIRED : SHARD_EMPTIED;
    }
    if (what == SHARD_PARTS_EXPIRED) {
        renew(sweep->shard, slot, e, sweep->now);
        if (dropped > 0) {
            sweep->swept(sweep->context, e, what, dropped);
        }
        return false;
    }
    sweep->swept(sweep->context, shard_remove(sweep->shard, slot, hash_of(e)), what, dropped);
    return true;
}

/* Takes out the dead of one line and renews the codes of the others that are due; returns how many the dead were. */
static uint32_t sweep_line(const struct sweep *sweep, struct line *line)
{
    uint16_t unit = (uint16_t)(sweep->now >> DUE_SHIFT);
    uint32_t dead = 0;
    for (unsigned k = 0; k < LINE_SLOTS; k++) {
        if (line->due[k] != 0 && (sweep->all || (int16_t)(line->due[k] - unit) <= 0)) {
            dead += sweep_slot(sweep, (struct slot){line, k});
        }
    }
    return dead;
}

/* The earliest unit at which an entry of this line must be looked at. */
static int64_t line_next_due(const struct line *line, int64_t unit)
{
    int64_t next = INT64_MAX;
    for (unsigned k = 0; k < LINE_SLOTS; k++) {
        if (line->due[k] != 0) {
            int64_t due = unit + (int16_t)(uint16_t)(line->due[k] - (uint16_t)unit);
            next = due < next ? due : next;
        }
    }
    return next;
}

static void shrink(struct shard *s)
{
    uint32_t wanted = s->used == 0 ? 0 : whole_class(lines_for(s->used + s->used / 4));
    if (wanted * 2 <= s->lines) {
        resize(s, wanted); /* without memory for the smaller table the larger one stays */
    }
}

static void free_expired(void *unused, struct entry *e, enum shard_swept what, uint64_t dropped)
{
    (void)unused;
    (void)dropped;
    if (what != SHARD_PARTS_EXPIRED) {
        reaper_free_entry(e);
    }
}

uint32_t shard_sweep(struct shard *s, int64_t now, bool spare, shard_swept_fn *swept, void *context)
{
    int64_t unit = now >> DUE_SHIFT;
    uint32_t dead = 0;
    if (s->next_due <= unit) {
        int64_t next = INT64_MAX;
        /* After a long pause (a stopped process) old codes look like new ones. */
        struct sweep sweep = {
            .shard = s,
            .now = now,
            .all = unit - s->next_due > INT16_MAX,
            .spare = spare,
            .swept = swept != NULL ? swept : free_expired,
            .context = context,
        };
        for (uint32_t i = 0; i < s->lines; i++) {
            dead += sweep_line(&sweep, shard_line(s, i));
            int64_t due = line_next_due(shard_line(s, i), unit);
            next = due < next ? due : next;
        }
        s->next_due = next;
    }
    shrink(s);
    return dead;
}

/* Visits everything at home in a line, from position `from` on: it is there, or was passed on to the lines
 * after it. */
static uint32_t scan_home(const struct shard *s, uint32_t home, uint32_t from, shard_visit_fn *visit,
                          void *context)
{
    uint32_t seen = 0;
    uint32_t at = home;
    for (uint32_t steps = 0; steps < s->lines; steps++) {
        struct line *line = shard_line(s, at);
        for (unsigned k = 0; k < LINE_SLOTS; k++) {
            if (line->tag[k] == 0) {
                continue;
            }
            struct entry *e = slot_entry((struct slot){line, k});
            uint64_t hash = hash_of(e);
            if (shard_home(s, hash) == home && hash_position(hash) >= from) {
                visit(context, e, hash);
                seen++;
            }
        }
        if (line->displaced == 0) {
            break;
        }
        at = at + 1 < s->lines ? at + 1 : 0;
    }
    return seen;
}

int64_t shard_scan(const struct shard *s, uint32_t from, uint32_t want, shard_visit_fn *visit, void *context)
{
    if (s->lines == 0) {
        return -1;
    }
    uint32_t seen = 0;
    uint32_t home = (uint32_t)((uint64_t)from * s->lines >> 32);
    for (; home < s->lines && (seen < want || seen == 0); home++) {
        seen += scan_home(s, home, from, visit, context);
    }
    if (home >= s->lines) {
        return -1;
    }
    /* The first position whose home is the next line. */
    return (int64_t)((((uint64_t)home << 32) + s->lines - 1) / s->lines);
}
