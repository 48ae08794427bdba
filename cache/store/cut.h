/*
 * A cut: the keyspace as it is at one instant, to be saved while commands go on changing it. There is no fork and no second copy:
 * what a cut still has to save is told by one bit of each slot (slot_is_marked), which all have wrong at its beginning.
 *
 * A walker (persist/snapshot.c, a thread of its own) goes through the shards in small steps, each inside the gate and with one
 * shard's lock, saves the entries whose mark is wrong and puts it right. Whoever changes the keyspace meanwhile sees to it that
 * nothing is lost that the walker has not come to:
 *
 *   a new entry                    has the right mark: the cut does not have it
 *   removed, replaced, evicted     the old entry, whole, goes to the walker instead of being freed ("kept")
 *   past its deadline              goes to the walker where a command comes upon it (a change behind the cut may have read it while it
 *                                  lived, and will be done again); the sweep leaves it until the walker has been there
 *   renamed, moved, new deadline   the old shell goes to the walker, with the value pinned (pin.h) that it shares with the new one
 *   small value changed in place   a copy goes to the walker, or (an object) its bytes as they will be in the file
 *   large value changed in place   is pinned and goes to the walker, who saves it next; the client that wants to change it waits,
 *                                  and only that one (cut_must_wait, asked by dispatch). Where that is found out too late (a command
 *                                  that runs in the middle of another one), the thread waits: cut_keep
 *   FLUSHALL, FLUSHDB              give the cut up: it is begun again
 *   SWAPDB                         entries belong to the database in which they were
 *
 * The walker writes a large value that is pinned without any lock, so that even its readers do not wait.
 *
 * What is kept lies in a queue. It is bounded: where the walker does not keep up, loops wait before their next batch
 * (cut_await_room), a little above CUT_KEPT_SOFT, and until there is room above CUT_KEPT_HARD.
 *
 * A cut that is given up is still walked to its end, without saving, so that all marks are the same when it is closed.
 *
 * Threads: loops call everything of the first part with the entry's shard locked, or alone; what is opened and closed is so alone.
 */
#ifndef ORDINAL_STORE_CUT_H
#define ORDINAL_STORE_CUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/pin.h"
#include "store/shard.h"

struct db;
struct gate;
struct keyspace;

enum {
    CUT_LARGE =
        64 * 1024, /* bytes from which a value is pinned rather than copied, or saved with its shard locked */
    CUT_KEPT_SOFT = 16 * 1024 * 1024,
    CUT_KEPT_HARD = 48 * 1024 * 1024,
};

/* What is given by above: writes an entry as a record of an RDB file into memory of malloc's. NULL: there is none. */
typedef uint8_t *cut_record_fn(void *context, const struct entry *e, size_t *len);

/* Something that the walker has to save. */
struct cut_kept {
    struct cut_kept *next;
    int db;              /* at the cut */
    struct entry *entry; /* whole, or (pinned) a shell around a pinned value; or NULL: */
    uint8_t *record;     /* the bytes to write */
    size_t len;
    size_t bytes; /* of memory that is held for it */
    struct pin pin;
};

struct cut {
    _Atomic bool active;  /* from cut_open to cut_close: changes alone */
    _Atomic bool keeping; /* the cut is being saved; else it has been given up */
    _Atomic bool no_memory;
    _Atomic(struct cut_kept *) queue;
    _Atomic int64_t kept, kept_peak; /* bytes in the queue, and not saved yet */
    _Atomic uint64_t waits, wait_us; /* of loops, in cut_await_room */
    _Atomic bool clients_wait;       /* some client waits for a pin to go */
    _Atomic int threads_wait;        /* in cut_keep, and for room */
    pthread_mutex_t lock;            /* for the condition alone */
    pthread_cond_t progress;         /* something that was kept is saved */
    cut_record_fn *record;
    void *context;
};

/* ---- for whoever changes the keyspace; each does something only while a cut is active ------------------------------ */

static inline bool cut_is_active(const struct cut *cut)
{
    return __builtin_expect(atomic_load_explicit(&cut->active, memory_order_relaxed), 0);
}

/* Whether there is a cut that is being saved, not one that has been given up. */
static inline bool cut_is_saving(const struct cut *cut)
{
    return cut_is_active(cut) && atomic_load_explicit(&cut->keeping, memory_order_relaxed);
}

/* Whether the cut still has to save what hangs in the slot. */
static inline bool cut_wants(const struct cut *cut, struct slot slot)
{
    return cut_is_saving(cut) && !slot_is_marked(slot);
}

/* The value in the slot is about to be changed in place: saves it first, where that is still to be done, and waits for whoever
 * reads it. Of strings only objects: others are replaced rather than changed (cut_may_overwrite). */
void cut_keep(const struct db *db, struct slot slot);

/* Whether the bytes of the string in the slot may be written over. */
bool cut_may_overwrite(const struct db *db, struct slot slot);

/* An entry that the cut wants has been unlinked: takes it over. */
void cut_take(const struct db *db, struct entry *e);

/* An entry that the cut wants lives on as another one, made by entry_moved: takes over the old one. */
void cut_take_shell(const struct db *db, struct entry *old);

/* Before a command that may change the value in the slot: whether it has to wait, since the value is large and must be saved
 * first, or is being saved. That is under way then, and the walker tells when something that was waited for is saved. */
bool cut_must_wait(const struct db *db, struct slot slot);

/* Nothing of the cut is worth saving any more. */
void cut_give_up(struct cut *cut);

/* Before a batch, outside of the gate: whether too much is kept, and the wait for the walker then. */
static inline bool cut_is_crowded(const struct cut *cut)
{
    return __builtin_expect(atomic_load_explicit(&cut->kept, memory_order_relaxed) > CUT_KEPT_SOFT, 0);
}
void cut_await_room(struct cut *cut);

/* Bytes of memory that exist only because of the cut: nothing has to be evicted for them. */
static inline int64_t cut_bytes(const struct cut *cut)
{
    return atomic_load_explicit(&cut->kept, memory_order_relaxed) + (int64_t)pin_deferred();
}

/* ---- for the walker's owner ------------------------------------------------------------------------------------------ */

void cut_init(struct cut *cut);

/* Alone: from now on there is a cut, and one more member of the gate. cut_close ends it, when the walker is done. */
void cut_open(struct keyspace *ks, struct gate *gate, cut_record_fn *record, void *context);
void cut_close(struct keyspace *ks, struct gate *gate, int loop);

/* ---- for the walker ---------------------------------------------------------------------------------------------------- */

/* Takes all that is kept, in no order; each has to be given to cut_kept_done once it is saved. */
struct cut_kept *cut_take_kept(struct cut *cut);
void cut_kept_done(struct cut *cut, struct cut_kept *kept);

/* Saves an entry that fits into a step (true), or (large) leaves it to `pinned`. False: this is enough for one step. */
struct cut_visitor {
    void *context;
    bool (*save)(void *context, const struct entry *e);
    struct cut_kept *pinned; /* the large value that ended a step; no memory for it: cut->no_memory */
};

/* Where the walker stands. */
struct cut_place {
    int db; /* at the cut */
    uint32_t shard, line;
    const struct line *table; /* when the shard was begun: another one, and it is begun anew */
};

enum cut_step { CUT_MORE, CUT_BUSY, CUT_DONE };

/* One step through the database at->db. CUT_BUSY: somebody runs alone or holds the shard, perhaps waiting for something that is
 * kept; the caller sees to that and tries again. CUT_DONE: nothing of this database is left to be saved. */
enum cut_step cut_step(struct keyspace *ks, struct gate *gate, struct cut_place *at,
                       struct cut_visitor *visitor);

#endif
