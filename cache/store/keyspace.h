/*
 * The keyspace: the databases, each an array of shards, and the secret that hashes their keys. This is what
 * commands see of the store: find, put, remove by key, with deadlines looked at.
 *
 * The shards of a database are made when it is first used, those of database 0 at once. The hash of a
 * key is XXH3 under a random secret of 192 bytes that no client can know, so nobody can choose keys that
 * collide.
 *
 * Threads: a call that names one key needs that key's shard locked (db_lock) inside gate_enter, or the gate
 * alone; calls over whole databases need the gate alone, except where they say otherwise.
 */
#ifndef ORDINAL_STORE_KEYSPACE_H
#define ORDINAL_STORE_KEYSPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/cut.h"
#include "store/shard.h"

enum { SHARD_BITS = 12, SHARDS = 1 << SHARD_BITS, KEYSPACE_SECRET = 192 };

struct db {
    int id;
    int home; /* during a cut: the database whose entries these were at the cut. Changes alone */
    bool
        locking; /* whether several threads use it (loops, or a guest of the gate): shards have to be locked. Changes alone */
    _Atomic(struct shard *) shards; /* SHARDS of them, or NULL until a key is locked or put */
    struct keyspace *keyspace;
};

struct store_stats;

/* Why an entry goes that no command removed, or changes. */
enum db_gone {
    DB_EXPIRED,
    DB_EVICTED,
    DB_PARTS_EXPIRED, /* parts of its value have gone (a hash's fields), each past a deadline of its own; the entry stays, unless … */
    DB_EMPTIED        /* … they were the last ones: told after DB_PARTS_EXPIRED */
};

/* Told of an entry that is about to be freed, or has just lost parts: `stats` are those of the caller that came upon it. Runs with
 * the entry's shard locked, or alone; must not change the keyspace. */
typedef void db_gone_fn(struct store_stats *stats, struct db *db, const struct entry *e, enum db_gone why);

struct keyspace {
    uint8_t secret[KEYSPACE_SECRET];
    int count; /* databases */
    struct db *dbs;
    db_gone_fn *gone;        /* or NULL */
    _Atomic uint32_t frozen; /* enum keyspace_frozen */
    struct cut cut;          /* what is being saved (cut.h) */
};

/* Why nothing goes by itself: a pause of all writes, or a replica, whose master says what goes. */
enum keyspace_frozen { KEYSPACE_PAUSED = 1 << 0, KEYSPACE_FOLLOWS = 1 << 1 };

/* While a keyspace is frozen, entries past their deadline are not found any more, but stay where they are. Any thread. */
static inline bool keyspace_is_frozen(const struct keyspace *ks)
{
    return atomic_load_explicit(&ks->frozen, memory_order_relaxed) != 0;
}

static inline void keyspace_freeze(struct keyspace *ks, enum keyspace_frozen why, bool frozen)
{
    if (frozen) {
        atomic_fetch_or_explicit(&ks->frozen, (uint32_t)why, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&ks->frozen, ~(uint32_t)why, memory_order_relaxed);
    }
}

/* Alone: whether shards are locked from here on, as others than one loop use them. */
void keyspace_lock_shards(struct keyspace *ks, bool locking);

/* Makes `count` empty databases with a fresh secret. Ends the process when there is no memory. One keyspace a
 * process: its hash is the one that shards use. `loops`: how many threads will run commands. */
void keyspace_init(struct keyspace *ks, int count, int loops);

/* The hash of a key. Any thread. */
uint64_t keyspace_hash(const struct keyspace *ks, struct slice key);

/* The shard of a key's hash, or NULL while the database has none. */
static inline struct shard *db_shard(const struct db *db, uint64_t hash)
{
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    return shards == NULL ? NULL : &shards[hash >> (64 - SHARD_BITS)];
}

/* Whether two keys of one database lie in one shard. */
static inline bool db_same_shard(uint64_t hash, uint64_t other)
{
    return hash >> (64 - SHARD_BITS) == other >> (64 - SHARD_BITS);
}

/* Locks the shard of a key for what follows, making the database's shards where there are none yet. With one
 * loop (and no cut) it only does the latter. False when there is no memory; nothing is locked then. */
bool db_lock(struct db *db, uint64_t hash);
void db_unlock(struct db *db, uint64_t hash);

/* Makes the database's shards where there are none yet. False when there is no memory. Any thread. */
bool db_make(struct db *db);

/* Ahead of many entries: makes the tables of shards first .. first + count - 1 as large as they will be once the whole database,
 * which has its shards, holds so many entries. What there is no memory for grows as usual. */
void db_reserve(struct db *db, uint64_t entries, uint32_t first, uint32_t count);

/* Locks a shard of the database where there are loops to keep out. */
static inline void db_lock_shard(const struct db *db, struct shard *s)
{
    if (db->locking) {
        shard_lock(s);
    }
}

static inline void db_unlock_shard(const struct db *db, struct shard *s)
{
    if (db->locking) {
        shard_unlock(s);
    }
}

/* What happened to entries behind the callers' backs, for statistics. Added to by the calls below. */
struct store_stats {
    uint64_t expired;
    uint64_t expired_parts; /* of values: a hash's fields */
    uint64_t evicted;
};

/* Whether an entry of the key is there that has passed its deadline, or that of a part. */
bool db_is_due(const struct db *db, uint64_t hash, struct slice key, int64_t now);

/* The entry of a key, or NULL when there is none that lives at `now` (ms of clock.h). An entry past its
 * deadline is removed and counted in *stats, and so is one whose parts are all past theirs; of other entries some
 * parts past their deadline may go. The entry is good until the next call on its shard. */
struct entry *db_find(struct db *db, uint64_t hash, struct slice key, int64_t now, struct store_stats *stats);

/* The same for who is about to change the value where it lies: what a cut has still to save is saved first (cut.h). */
struct entry *db_find_to_change(struct db *db, uint64_t hash, struct slice key, int64_t now,
                                struct store_stats *stats);

/* For dispatch, before a command that may change the value of the key: cut_must_wait. Only while a cut is active. */
bool db_must_wait(const struct db *db, uint64_t hash, struct slice key);

/* Whether the bytes of the string of this key, which must be there, may be written over (cut_may_overwrite). */
bool db_may_overwrite(const struct db *db, uint64_t hash, struct slice key);

/* Links an entry, in place of the one with its key if there is one, which is freed. Takes the entry over;
 * false, with the entry freed, when there is no memory. */
bool db_put(struct db *db, uint64_t hash, struct entry *e, int64_t now);

/* Sets a value of bytes: over the old entry where it fits, else by a new one. False when there is no
 * memory; the old value is then still there. */
bool db_set(struct db *db, uint64_t hash, enum entry_type type, struct slice key, struct slice value,
            int64_t deadline, uint32_t access, int64_t now);

/* Gives the entry, which must be linked, another deadline; ENTRY_NO_DEADLINE takes it away. The entry may
 * move. False when there is no memory. */
bool db_expire(struct db *db, uint64_t hash, struct entry *e, int64_t deadline, int64_t now);

/* Drops all parts of an entry, which lives, that are past their deadline, as a look-up does with the first of them: a command that
 * changes the value is logged, and whoever runs it again must not meet them. */
void db_sweep_parts(struct db *db, struct entry *e, int64_t now, struct store_stats *stats);

/* After parts of the value of a linked entry have got other deadlines: the entry is looked at in time. */
void db_parts_timed(struct db *db, uint64_t hash, struct entry *e, int64_t now);

/* Gives the value of a small collection, whose entry must be linked, another length (entry_resize). Returns the entry, which may
 * have moved, or NULL when there is no memory: nothing has changed then. */
struct entry *db_resize(struct db *db, uint64_t hash, struct entry *e, size_t len, int64_t now);

/* Removes and frees; false when the key is not there (or past its deadline: it is then removed all the
 * same, and counted). */
bool db_remove(struct db *db, uint64_t hash, struct slice key, int64_t now, struct store_stats *stats);

/* Gives the entry of a key, which must be there, another key or database: the value is taken along without
 * a copy, with its deadline and access clock; what had the other key is freed. Needs the gate alone.
 * False, and nothing has changed, when there is no memory. */
bool db_move(struct db *from, uint64_t from_hash, struct slice from_key, struct db *to, uint64_t to_hash,
             struct slice to_key, int64_t now);

/* Entries, and entries with a deadline, dead ones that were not swept yet included. */
uint64_t db_size(const struct db *db);
uint64_t db_timed(const struct db *db);

/* Bytes of the tables alone. */
size_t db_memory(const struct db *db);

/* Calls visit for every entry; visit must not change the database. */
void db_each(const struct db *db, shard_visit_fn *visit, void *context);

/* One step of SCAN: visits at least `want` entries (fewer only at the end) from `cursor` on, and returns
 * the cursor to go on from, 0 at the end. Every entry that is there from the first step to the last is
 * visited. Takes the locks of the shards that it reads itself; callable inside gate_enter. */
uint64_t db_scan(struct db *db, uint64_t cursor, uint32_t want, shard_visit_fn *visit, void *context);

/* Any entry that lives at `now`, each about as likely as the next, or NULL. `random`: 64 random bits. */
struct entry *db_random(struct db *db, uint64_t random, int64_t now);

/* Empties the database, and gives up a cut. More than a few entries are freed by the reaper's thread, so this returns at once
 * whatever the size. Returns how many entries there were. A database that was in use keeps a table, 256 KB
 * of empty shards: else its next write would take that memory at once, and under `maxmemory` be refused or
 * evict for it. */
uint64_t db_flush(struct db *db);

/* As db_flush, and gives the table back too. */
void db_free(struct db *db);

/* Exchanges the contents of two databases. */
void db_swap(struct db *a, struct db *b);

/* Sweeps shard `index` of a database: frees what is past its deadline. Takes the lock itself; callable inside
 * gate_enter. Returns how many entries were freed; what went is counted in *stats. *more tells whether there was more
 * than one sweep does (many parts of one value): the caller goes on when it has the time. */
uint32_t db_sweep(struct db *db, uint32_t index, int64_t now, struct store_stats *stats, bool *more);

/* For the evictor: an entry that it has unlinked is told of and freed; `wanted`: by a cut (cut_wants), before it was. Its shard
 * locked, or alone. */
void db_evicted(struct db *db, struct entry *e, bool wanted, struct store_stats *stats);

#endif
