#include "store/keyspace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "memory.h"
#include "store/reaper.h"

uint64_t keyspace_hash(const struct keyspace *ks, struct slice key)
{
    return XXH3_64bits_withSecret(key.ptr, key.len, ks->secret, sizeof ks->secret);
}

static uint64_t hash_for_shards(const void *context, struct slice key)
{
    return keyspace_hash(context, key);
}

static struct shard *new_shards(void)
{
    struct shard *made = mem_alloc_lines(SHARDS * sizeof *made);
    for (int i = 0; made != NULL && i < SHARDS; i++) {
        shard_init(&made[i]);
    }
    return made;
}

static bool make_shards(struct db *db)
{
    struct shard *made = new_shards();
    struct shard *none = NULL;
    if (made == NULL) {
        return false;
    }
    if (!atomic_compare_exchange_strong(&db->shards, &none, made)) {
        mem_free(made, SHARDS * sizeof *made); /* another loop was first */
    }
    return true;
}

bool db_make(struct db *db)
{
    return atomic_load_explicit(&db->shards, memory_order_acquire) != NULL || make_shards(db);
}

/* Of so many entries a shard gets its part, give or take some: two standard deviations are added. */
void db_reserve(struct db *db, uint64_t entries, uint32_t first, uint32_t count)
{
    enum { FEW = 16 }; /* a table of so many grows in no time */
    double mean = (double)entries / SHARDS;
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    for (uint32_t i = first; i < first + count && mean >= FEW; i++) {
        shard_reserve(&shards[i], (uint64_t)(mean + 2 * sqrt(mean)));
    }
}

void keyspace_init(struct keyspace *ks, int count, int loops)
{
    static struct shard_hasher hasher;
    if (getrandom(ks->secret, sizeof ks->secret, 0) != (ssize_t)sizeof ks->secret) {
        perror("ordinal: getrandom");
        exit(1);
    }
    ks->count = count;
    ks->dbs = mem_must((size_t)count * sizeof *ks->dbs);
    for (int i = 0; i < count; i++) {
        ks->dbs[i] = (struct db){.id = i, .home = i, .locking = loops > 1, .keyspace = ks};
    }
    cut_init(&ks->cut);
    hasher = (struct shard_hasher){hash_for_shards, ks};
    shard_set_hasher(&hasher);
    if (!make_shards(&ks->dbs[0])) { /* nearly every client uses this one */
        fprintf(stderr, "ordinal: out of memory at start\n");
        exit(1);
    }
}

void keyspace_lock_shards(struct keyspace *ks, bool locking)
{
    for (int i = 0; i < ks->count; i++) {
        ks->dbs[i].locking = locking;
    }
}

bool db_lock(struct db *db, uint64_t hash)
{
    if (__builtin_expect(atomic_load_explicit(&db->shards, memory_order_acquire) == NULL, 0) &&
        !make_shards(db)) {
        return false;
    }
    if (db->locking) {
        shard_lock(db_shard(db, hash));
    }
    return true;
}

void db_unlock(struct db *db, uint64_t hash)
{
    if (db->locking) {
        shard_unlock(db_shard(db, hash));
    }
}

static void tell(struct db *db, const struct entry *e, enum db_gone why, struct store_stats *stats)
{
    if (db->keyspace->gone != NULL) {
        db->keyspace->gone(stats, db, e, why);
    }
}

/* Frees an entry that has been unlinked, or leaves it to the cut that wanted it. */
static inline void let_go(struct db *db, struct entry *e, bool wanted)
{
    if (__builtin_expect(wanted, 0)) {
        cut_take(db, e);
    } else {
        reaper_free_entry(e);
    }
}

static inline bool wanted_by_cut(const struct db *db, struct slot slot)
{
    return cut_wants(&db->keyspace->cut, slot);
}

/* Lets an entry go that no command removed, once whoever wants to know has been told. */
static void end_entry(struct db *db, struct entry *e, bool wanted, enum db_gone why,
                      struct store_stats *stats)
{
    tell(db, e, why, stats);
    let_go(db, e, wanted);
}

void db_evicted(struct db *db, struct entry *e, bool wanted, struct store_stats *stats)
{
    end_entry(db, e, wanted, DB_EVICTED, stats);
}

/* What was past its deadline, and unlinked. */
static void note_expired(struct db *db, struct entry *e, bool wanted, struct store_stats *stats)
{
    stats->expired++;
    end_entry(db, e, wanted, DB_EXPIRED, stats);
}

/* So many parts of an entry that stays were dropped. */
static void note_parts(struct db *db, struct entry *e, uint64_t dropped, struct store_stats *stats)
{
    stats->expired_parts += dropped;
    tell(db, e, DB_PARTS_EXPIRED, stats);
}

/* An entry whose last parts were dropped, unlinked. */
static void note_emptied(struct db *db, struct entry *e, bool wanted, uint64_t dropped,
                         struct store_stats *stats)
{
    note_parts(db, e, dropped, stats);
    end_entry(db, e, wanted, DB_EMPTIED, stats);
}

enum { FOUND_SWEEP_PARTS = 16 }; /* parts that a look-up drops: 5 microseconds */

/* Looks closer at an entry that is due. True when it lives. */
static bool outlives(struct db *db, struct slot slot, uint64_t hash, int64_t now, struct store_stats *stats)
{
    struct entry *e = slot_entry(slot);
    struct shard *s = db_shard(db, hash);
    bool wanted = wanted_by_cut(db, slot);
    uint64_t dropped = 0;
    if (keyspace_is_frozen(db->keyspace)) {
        return !entry_is_dead(e, now);
    }
    if (entry_deadline(e) <= now) {
        note_expired(db, shard_remove(s, slot, hash), wanted, stats);
        return false;
    }
    if (!entry_sweep_parts(e, now, wanted ? 0 : FOUND_SWEEP_PARTS, &dropped)) {
        note_emptied(db, shard_remove(s, slot, hash), wanted, dropped, stats);
        return false;
    }
    if (dropped > 0) {
        note_parts(db, e, dropped, stats);
    }
    return true;
}

/* The slot of a key, or {NULL}. */
static inline struct slot slot_of(const struct db *db, uint64_t hash, struct slice key)
{
    const struct shard *s = db_shard(db, hash);
    return s != NULL ? shard_find(s, hash, key) : (struct slot){NULL, 0};
}

/* The entry in a slot if it lives. */
static inline struct entry *living(struct db *db, struct slot slot, uint64_t hash, int64_t now,
                                   struct store_stats *stats)
{
    if (slot.line == NULL) {
        return NULL;
    }
    struct entry *e = slot_entry(slot);
    if (__builtin_expect((e->kind & ENTRY_TIMED) != 0 && entry_due(e) <= now, 0)) {
        return outlives(db, slot, hash, now, stats) ? e : NULL;
    }
    return e;
}

void db_sweep_parts(struct db *db, struct entry *e, int64_t now, struct store_stats *stats)
{
    uint64_t dropped = 0;
    if (keyspace_is_frozen(db->keyspace) || entry_parts_due(e) > now) {
        return;
    }
    if (cut_is_active(&db->keyspace->cut)) {
        struct slice key = entry_key(e);
        cut_keep(db, slot_of(db, keyspace_hash(db->keyspace, key), key));
    }
    if (entry_sweep_parts(e, now, UINT64_MAX, &dropped)) {
        note_parts(db, e, dropped, stats);
    }
}

struct entry *db_find(struct db *db, uint64_t hash, struct slice key, int64_t now, struct store_stats *stats)
{
    return living(db, slot_of(db, hash, key), hash, now, stats);
}

struct entry *db_find_to_change(struct db *db, uint64_t hash, struct slice key, int64_t now,
                                struct store_stats *stats)
{
    struct slot slot = slot_of(db, hash, key);
    struct entry *e = living(db, slot, hash, now, stats);
    if (cut_is_active(&db->keyspace->cut) && e != NULL) {
        cut_keep(db, slot);
    }
    return e;
}

bool db_must_wait(const struct db *db, uint64_t hash, struct slice key)
{
    struct slot slot = slot_of(db, hash, key);
    return slot.line != NULL && cut_must_wait(db, slot);
}

bool db_may_overwrite(const struct db *db, uint64_t hash, struct slice key)
{
    return !cut_is_active(&db->keyspace->cut) || cut_may_overwrite(db, slot_of(db, hash, key));
}

bool db_is_due(const struct db *db, uint64_t hash, struct slice key, int64_t now)
{
    struct shard *s = db_shard(db, hash);
    struct slot slot = s != NULL ? shard_find(s, hash, key) : (struct slot){NULL, 0};
    return slot.line != NULL && entry_due(slot_entry(slot)) <= now;
}

static bool insert(struct db *db, uint64_t hash, struct entry *e, int64_t now)
{
    if ((db_shard(db, hash) == NULL && !make_shards(db)) || !shard_insert(db_shard(db, hash), hash, e, now)) {
        entry_free(e);
        return false;
    }
    return true;
}

/* Puts an entry in the place of the one in the slot, which goes. */
static void replace(struct db *db, struct shard *s, struct slot slot, struct entry *e, int64_t now)
{
    struct entry *old = slot_entry(slot);
    bool wanted = wanted_by_cut(db, slot);
    shard_replace(s, slot, e, entry_has_deadline(old), now);
    let_go(db, old, wanted);
}

bool db_put(struct db *db, uint64_t hash, struct entry *e, int64_t now)
{
    struct shard *s = db_shard(db, hash);
    struct slot slot = s != NULL ? shard_find(s, hash, entry_key(e)) : (struct slot){NULL, 0};
    if (slot.line == NULL) {
        return insert(db, hash, e, now);
    }
    replace(db, s, slot, e, now);
    return true;
}

bool db_set(struct db *db, uint64_t hash, enum entry_type type, struct slice key, struct slice value,
            int64_t deadline, uint32_t access, int64_t now)
{
    struct shard *s = db_shard(db, hash);
    struct slot slot = s != NULL ? shard_find(s, hash, key) : (struct slot){NULL, 0};
    if (slot.line != NULL && cut_may_overwrite(db, slot) &&
        entry_overwrite(slot_entry(slot), type, value, deadline, access)) {
        shard_replace(s, slot, slot_entry(slot), deadline != ENTRY_NO_DEADLINE, now);
        return true;
    }
    struct entry *e = entry_new_bytes(type, key, value, deadline, access);
    if (e == NULL) {
        return false;
    }
    if (slot.line == NULL) {
        return insert(db, hash, e, now);
    }
    replace(db, s, slot, e, now);
    return true;
}

/* Another deadline for an entry that a cut wants: the old shell goes to it. */
static bool expire_wanted(struct db *db, struct slot slot, uint64_t hash, int64_t deadline, int64_t now)
{
    struct entry *old = slot_entry(slot);
    struct entry *moved = entry_moved(old, entry_key(old), deadline);
    if (moved == NULL) {
        return false;
    }
    shard_replace(db_shard(db, hash), slot, moved, entry_has_deadline(old), now);
    cut_take_shell(db, old);
    return true;
}

bool db_expire(struct db *db, uint64_t hash, struct entry *e, int64_t deadline, int64_t now)
{
    struct shard *s = db_shard(db, hash);
    struct slot slot = shard_find(s, hash, entry_key(e));
    bool was_timed = entry_has_deadline(e);
    if (wanted_by_cut(db, slot)) {
        return expire_wanted(db, slot, hash, deadline, now);
    }
    struct entry *moved = entry_with_deadline(e, deadline);
    if (moved == NULL) {
        return false;
    }
    shard_replace(s, slot, moved, was_timed, now);
    return true;
}

void db_parts_timed(struct db *db, uint64_t hash, struct entry *e, int64_t now)
{
    struct shard *s = db_shard(db, hash);
    entry_mark_parts(e);
    shard_replace(s, shard_find(s, hash, entry_key(e)), e, entry_has_deadline(e), now);
}

struct entry *db_resize(struct db *db, uint64_t hash, struct entry *e, size_t len, int64_t now)
{
    if (__builtin_expect(entry_resize_in_place(e, len), 1)) {
        return e;
    }
    struct shard *s = db_shard(db, hash);
    struct slot slot = shard_find(s, hash, entry_key(e));
    struct entry *moved = entry_resize(e, len);
    if (moved != NULL) {
        shard_replace(s, slot, moved, entry_has_deadline(moved), now);
    }
    return moved;
}

/* Links an entry that is nobody's as db_put does, but leaves it the caller's when there is no memory. */
static bool link_moved(struct db *db, uint64_t hash, struct entry *e, int64_t now)
{
    if (db_shard(db, hash) == NULL && !make_shards(db)) {
        return false;
    }
    struct shard *s = db_shard(db, hash);
    struct slot slot = shard_find(s, hash, entry_key(e));
    if (slot.line == NULL) {
        return shard_insert(s, hash, e, now);
    }
    replace(db, s, slot, e, now);
    return true;
}

/* Puts back what was just taken out: there is room for it. A cut that wanted it still does. */
static void relink(struct db *db, uint64_t hash, struct entry *e, bool wanted, int64_t now)
{
    shard_insert(db_shard(db, hash), hash, e, now);
    struct slot slot = slot_of(db, hash, entry_key(e));
    if (wanted && slot.line != NULL) {
        slot_unmark(slot);
    }
}

bool db_move(struct db *from, uint64_t from_hash, struct slice from_key, struct db *to, uint64_t to_hash,
             struct slice to_key, int64_t now)
{
    struct shard *s = db_shard(from, from_hash);
    struct slot slot = shard_find(s, from_hash, from_key);
    struct entry *moved = entry_renamed(slot_entry(slot), to_key);
    if (moved == NULL) {
        return false;
    }
    bool wanted = wanted_by_cut(from, slot);
    struct entry *old = shard_remove(s, slot, from_hash);
    if (!link_moved(to, to_hash, moved, now)) {
        entry_free_shell(moved);
        relink(from, from_hash, old, wanted, now);
        return false;
    }
    if (wanted) {
        cut_take_shell(from, old);
    } else {
        entry_free_shell(old);
    }
    return true;
}

bool db_remove(struct db *db, uint64_t hash, struct slice key, int64_t now, struct store_stats *stats)
{
    struct slot slot = slot_of(db, hash, key);
    if (slot.line == NULL) {
        return false;
    }
    bool wanted = wanted_by_cut(db, slot);
    struct entry *e = shard_remove(db_shard(db, hash), slot, hash);
    if (!entry_is_dead(e, now)) {
        let_go(db, e, wanted);
        return true;
    }
    uint64_t dropped = 0;
    if (entry_deadline(e) <= now || entry_sweep_parts(e, now, 0, &dropped)) {
        note_expired(db, e, wanted, stats);
    } else {
        note_emptied(db, e, wanted, dropped, stats);
    }
    return false;
}

/* Adds up one field of every shard. */
#define SUM_SHARDS(db, expression)                                                    \
    uint64_t sum = 0;                                                                 \
    struct shard *shards = atomic_load_explicit(&(db)->shards, memory_order_acquire); \
    for (int i = 0; shards != NULL && i < SHARDS; i++) {                              \
        const struct shard *s = &shards[i];                                           \
        sum += (expression);                                                          \
    }                                                                                 \
    return sum

uint64_t db_size(const struct db *db)
{
    SUM_SHARDS(db, s->used);
}

uint64_t db_timed(const struct db *db)
{
    SUM_SHARDS(db, s->timed);
}

size_t db_memory(const struct db *db)
{
    SUM_SHARDS(db, shard_memory(s));
}

void db_each(const struct db *db, shard_visit_fn *visit, void *context)
{
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    for (int i = 0; shards != NULL && i < SHARDS; i++) {
        shard_scan(&shards[i], 0, UINT32_MAX, visit, context);
    }
}

struct counting_visit {
    shard_visit_fn *visit;
    void *context;
    uint32_t seen;
};

static void count_visit(void *context, struct entry *e, uint64_t hash)
{
    struct counting_visit *counting = context;
    counting->seen++;
    counting->visit(counting->context, e, hash);
}

/* A cursor is the shard above 32 bits of position in it: less than 2^44, which every client holds exactly. */
uint64_t db_scan(struct db *db, uint64_t cursor, uint32_t want, shard_visit_fn *visit, void *context)
{
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    struct counting_visit counting = {visit, context, 0};
    uint32_t position = (uint32_t)cursor;
    for (uint64_t i = cursor >> 32; shards != NULL && i < SHARDS; i++, position = 0) {
        if (counting.seen >= want) {
            return i << 32;
        }
        if (__atomic_load_n(&shards[i].lines, __ATOMIC_RELAXED) == 0) {
            continue; /* most shards of a small database: not worth a lock */
        }
        db_lock_shard(db, &shards[i]);
        int64_t next = shard_scan(&shards[i], position, want - counting.seen, count_visit, &counting);
        db_unlock_shard(db, &shards[i]);
        if (next >= 0) {
            return i << 32 | (uint64_t)next;
        }
    }
    return 0;
}

/* Any living entry of a shard, from slot `start` on. */
static struct entry *shard_living(const struct shard *s, uint32_t start, int64_t now)
{
    uint32_t slots = s->lines * LINE_SLOTS;
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t at = (start + i) % slots;
        struct slot slot = {shard_line(s, at / LINE_SLOTS), at % LINE_SLOTS};
        if (slot.line->tag[slot.index] != 0 && !entry_is_dead(slot_entry(slot), now)) {
            return slot_entry(slot);
        }
    }
    return NULL;
}

/* The slot of the entry with `rank` others before it; there must be so many. */
static uint32_t shard_ranked(const struct shard *s, uint64_t rank)
{
    uint32_t at = 0;
    while (shard_line(s, at / LINE_SLOTS)->tag[at % LINE_SLOTS] == 0 || rank-- > 0) {
        at++;
    }
    return at;
}

/* Counts to a random entry and takes the first one from there on that lives: fair, but it looks at every
 * shard. */
static struct entry *random_counted(const struct db *db, struct shard *shards, uint64_t random, int64_t now)
{
    uint64_t entries = db_size(db);
    if (entries == 0) {
        return NULL;
    }
    uint64_t rank = random % entries;
    uint32_t first = 0;
    for (; rank >= shards[first].used; first++) {
        rank -= shards[first].used;
    }
    struct entry *e = shard_living(&shards[first], shard_ranked(&shards[first], rank), now);
    for (uint32_t i = 1; e == NULL && i < SHARDS; i++) {
        e = shard_living(&shards[(first + i) % SHARDS], 0, now);
    }
    return e;
}

/* Random slots are tried first: in a database of more than a few thousand entries one of them soon is a
 * hit. */
struct entry *db_random(struct db *db, uint64_t random, int64_t now)
{
    enum { TRIES = 32 };
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    if (shards == NULL) {
        return NULL;
    }
    for (int i = 0; i < TRIES; i++) {
        random = (random ^ random >> 29) * 0xBF58476D1CE4E5B9ULL + 1;
        const struct shard *s = &shards[random >> (64 - SHARD_BITS)];
        if (s->lines == 0) {
            continue;
        }
        struct slot slot = {shard_line(s, (uint32_t)random % s->lines),
                            (unsigned)(random >> 32) % LINE_SLOTS};
        if (slot.line->tag[slot.index] != 0 && !entry_is_dead(slot_entry(slot), now)) {
            return slot_entry(slot);
        }
    }
    return random_counted(db, shards, random, now);
}

enum { FREED_AT_ONCE = 1000 }; /* entries that FLUSHDB frees itself: 0.1 ms */

/* Puts `fresh` in the place of the database's shards, and leaves these to the reaper. */
static void replace_shards(struct db *db, struct shard *fresh)
{
    struct shard *shards = atomic_exchange(&db->shards, fresh);
    if (shards != NULL) {
        reaper_free_shards(shards, SHARDS);
    }
}

uint64_t db_flush(struct db *db)
{
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    uint64_t entries = db_size(db);
    if (entries > 0) {
        cut_give_up(&db->keyspace->cut);
    }
    if (entries > FREED_AT_ONCE) {
        replace_shards(db, new_shards());
        return entries;
    }
    for (int i = 0; shards != NULL && i < SHARDS; i++) {
        shard_clear(&shards[i]);
    }
    return entries;
}

void db_free(struct db *db)
{
    replace_shards(db, NULL);
}

void db_swap(struct db *a, struct db *b)
{
    struct shard *shards = atomic_load(&a->shards);
    int home = a->home;
    atomic_store(&a->shards, atomic_load(&b->shards));
    atomic_store(&b->shards, shards);
    a->home = b->home;
    b->home = home;
}

struct sweep {
    struct db *db;
    struct store_stats *stats;
};

static void swept(void *context, struct entry *e, enum shard_swept what, uint64_t dropped)
{
    const struct sweep *sweep = context;
    if (what == SHARD_EXPIRED) {
        note_expired(sweep->db, e, false, sweep->stats);
    } else if (what == SHARD_EMPTIED) {
        note_emptied(sweep->db, e, false, dropped, sweep->stats);
    } else {
        note_parts(sweep->db, e, dropped, sweep->stats);
    }
}

uint32_t db_sweep(struct db *db, uint32_t index, int64_t now, struct store_stats *stats, bool *more)
{
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    *more = false;
    if (shards == NULL || keyspace_is_frozen(db->keyspace)) {
        return 0;
    }
    struct shard *s = &shards[index];
    if (__atomic_load_n(&s->lines, __ATOMIC_RELAXED) == 0) {
        return 0;
    }
    db_lock_shard(db, s);
    struct sweep sweep = {db, stats};
    uint32_t freed = shard_sweep(s, now, cut_is_saving(&db->keyspace->cut), swept, &sweep);
    *more = shard_is_due(s, now);
    db_unlock_shard(db, s);
    return freed;
}
