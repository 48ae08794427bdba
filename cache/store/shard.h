/*
 * A shard: one of the keyspace's many small hash tables. A table is an array of lines of one cache line each:
 *
 *   tag[7]:8 | displaced:8 | due[7]:16 | pointer[7]:48        = 64 bytes, seven slots
 *
 * A key's home line comes from its hash; a full line passes the entry on to the next one and counts it in
 * `displaced`, so a lookup that finds 0 there stops. A lookup compares the seven tags (8 bits of the hash) in
 * one word operation and touches the one entry whose tag fits: two cache misses in all.
 *
 * `due` says when to look at the entry again, in units of 256 ms modulo 2^16 and never before its deadline:
 * either the deadline itself, rounded up, or, for deadlines more than two hours away, a time at which the
 * code is renewed. 0 stands for never. So a sweep reads lines in order, 16 bytes of each, and opens only what
 * is due. An entry parts of which have deadlines of their own (a hash's fields) is due for the first of these too.
 *
 * A shard is small (a million keys make 4,096 shards of 250): growing it, sweeping it or writing it out takes
 * microseconds and needs no incremental machinery. It grows in the steps of jemalloc's size classes, a
 * quarter at a time, which keeps lines 70 to 85 % full: 12 bytes for an entry.
 *
 * Threads: everything here needs the shard's lock, or the gate alone. shard_prefetch needs neither;
 * `lines` and `timed`, stored in one piece, may be read without them as a hint. shard_mark changes alone.
 */
#ifndef ORDINAL_STORE_SHARD_H
#define ORDINAL_STORE_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/entry.h"

enum {
    LINE_SLOTS = 7,
    DUE_SHIFT = 8,      /* a unit of `due` is 256 ms */
    DUE_HORIZON = 30000 /* units: how far ahead a code may lie (2.1 hours) */
};

/* The lowest bit of a slot's pointer, which an address leaves clear: whether the present cut (cut.h) has the entry. */
enum { SLOT_MARK = 1 };

struct line {
    uint8_t tag[LINE_SLOTS]; /* 0: empty */
    uint8_t displaced;       /* entries at home here or before that were passed on; 255 sticks */
    uint16_t due[LINE_SLOTS];
    uint16_t high[LINE_SLOTS];
    uint32_t low[LINE_SLOTS];
};
_Static_assert(sizeof(struct line) == 64, "a line is a cache line");

struct shard {
    _Alignas(64) _Atomic uint8_t lock;
    uint32_t lines;   /* how many */
    uint32_t used;    /* entries */
    uint32_t timed;   /* entries with a deadline */
    int64_t next_due; /* no entry has to be looked at before this unit; INT64_MAX: none ever */
    _Atomic(struct line *) line;
};

/* Where an entry hangs. Good until the shard changes. `line` is NULL for "nowhere". */
struct slot {
    struct line *line;
    unsigned index;
};

void shard_init(struct shard *s);

/* Frees the lines and, with them, every entry. */
void shard_clear(struct shard *s);

/* Waits until the lock looks free: spins for a moment, then lets others have the core (a command may hold
 * the lock for long: BITCOUNT of a large value). */
void shard_await(const struct shard *s);

static inline void shard_lock(struct shard *s)
{
    while (__builtin_expect(atomic_exchange_explicit(&s->lock, 1, memory_order_acquire) != 0, 0)) {
        shard_await(s);
    }
}

static inline void shard_unlock(struct shard *s)
{
    atomic_store_explicit(&s->lock, 0, memory_order_release);
}

static inline bool shard_try_lock(struct shard *s)
{
    return atomic_exchange_explicit(&s->lock, 1, memory_order_acquire) == 0;
}

static inline struct entry *slot_entry(struct slot slot)
{
    uintptr_t p = (uintptr_t)slot.line->high[slot.index] << 32 | slot.line->low[slot.index];
    return (struct entry *)(p & ~(uintptr_t)SLOT_MARK);
}

/* What the mark of an entry is that a cut need not save (any more): a cut turns it round, so that all are unmarked. An entry that
 * is put into a slot has it. */
extern uint32_t shard_mark;

static inline bool slot_is_marked(struct slot slot)
{
    return ((slot.line->low[slot.index] ^ shard_mark) & SLOT_MARK) == 0;
}

static inline void slot_mark(struct slot slot)
{
    slot.line->low[slot.index] = (slot.line->low[slot.index] & ~(uint32_t)SLOT_MARK) | shard_mark;
}

static inline void slot_unmark(struct slot slot)
{
    slot.line->low[slot.index] = (slot.line->low[slot.index] | SLOT_MARK) ^ shard_mark;
}

/* A line of the shard's table. */
static inline struct line *shard_line(const struct shard *s, uint32_t index)
{
    return atomic_load_explicit(&s->line, memory_order_relaxed) + index;
}

/* The bits of a hash: the lowest eight are the tag, the middle choose the line, the highest the shard. */
static inline uint8_t hash_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)hash;
    return tag != 0 ? tag : 1;
}

static inline uint32_t hash_position(uint64_t hash)
{
    return (uint32_t)(hash >> 16);
}

static inline uint32_t shard_home(const struct shard *s, uint64_t hash)
{
    return (uint32_t)((uint64_t)hash_position(hash) * s->lines >> 32);
}

/* Asks for the home line of a key to be brought into the cache. Reads `lines` and `line` without the lock:
 * what it gets may be stale, and is never followed. */
void shard_prefetch(const struct shard *s, uint64_t hash);

/* Asks for the first `lines` cache lines of the entry whose tag fits, once its line is in the cache. Needs
 * the lock, as it reads the line. */
void shard_prefetch_entry(const struct shard *s, uint64_t hash, uint32_t lines);

/* The slot of a key, or {NULL}. Deadlines are not looked at. */
struct slot shard_find(const struct shard *s, uint64_t hash, struct slice key);

/* The slot of an entry with this very hash, or {NULL}: for who kept a hash and no key. */
struct slot shard_find_hash(const struct shard *s, uint64_t hash);

/* Links an entry whose key is not there yet (`now`: ms of clock.h). False when there is no memory for a
 * larger table. */
bool shard_insert(struct shard *s, uint64_t hash, struct entry *e, int64_t now);

/* Makes the table large enough for so many entries in all; without memory it stays as it is. */
void shard_reserve(struct shard *s, uint64_t entries);

/* Puts another entry (same key) in place of the one in the slot, which the caller still owns. */
void shard_replace(struct shard *s, struct slot slot, struct entry *e, bool was_timed, int64_t now);

/* Takes the entry out and hands it to the caller; `hash` is its key's. */
struct entry *shard_remove(struct shard *s, struct slot slot, uint64_t hash);

/* Hash of a key, for what must find an entry's home again. */
typedef uint64_t shard_hash_fn(const void *context, struct slice key);

struct shard_hasher {
    shard_hash_fn *hash;
    const void *context;
};
/* Set once for a process, before the first entry. */
void shard_set_hasher(const struct shard_hasher *hasher);

/* What a sweep came upon. Of the first two the entry is no longer linked, and whoever is told takes it over. */
enum shard_swept {
    SHARD_EXPIRED,      /* past its deadline */
    SHARD_EMPTIED,      /* no part of it lives (entry_ops) */
    SHARD_PARTS_EXPIRED /* parts of it were dropped: it stays */
};

/* Told of it; `dropped`: how many parts. */
typedef void shard_swept_fn(void *context, struct entry *e, enum shard_swept what, uint64_t dropped);

/* Parts of one entry that one sweep drops: 0.1 ms. */
enum { SHARD_SWEEP_PARTS = 256 };

/* Takes out every entry that is past its deadline at `now` (ms of clock.h) or has no part that lives, drops parts that are past
 * theirs, tells `swept` (NULL: frees what is to be freed), and gives back table memory that is no longer needed. `spare`: what a cut
 * still has to save stays as it is until a later sweep. Returns how many entries were taken out. Costs a few nanoseconds when nothing
 * is due. */
uint32_t shard_sweep(struct shard *s, int64_t now, bool spare, shard_swept_fn *swept, void *context);

/* Whether a sweep has something to do: after one, whether an entry had more parts to drop than one sweep drops. */
static inline bool shard_is_due(const struct shard *s, int64_t now)
{
    return s->next_due <= now >> DUE_SHIFT;
}

/*
 * Visits entries in the order of their hash positions from `from` on, until at least `want` were visited and
 * a line is done. Every entry that stays in the shard is visited exactly at its position, however often the
 * shard grows or shrinks between calls. Returns the position to go on from, or -1 at the end. `visit` must
 * not change the shard.
 */
typedef void shard_visit_fn(void *context, struct entry *e, uint64_t hash);
int64_t shard_scan(const struct shard *s, uint32_t from, uint32_t want, shard_visit_fn *visit, void *context);

/* Bytes of the table itself. */
size_t shard_memory(const struct shard *s);

#endif
