/*
 * The log: the one stream of all writes, RESP bytes numbered by a 64-bit offset. It knows bytes and offsets only; what is in them
 * is the business of commands/propagate.h. Its readers are the append-only file, the replicas' connections, and whoever comes back
 * and asks from an offset on.
 *
 * The bytes lie in blocks of 1 MB, made on demand, that a small table finds by arithmetic; nothing is ever moved. Blocks there are
 * while the log is live: somebody reads, history is kept, or it follows. Else it has no memory.
 *
 * It is on while loops append: live, unless it follows. A log that follows is a copy of another node's: its bytes come from the one
 * that plays them, by log_append_raw alone, and nothing that is done here adds to it. Appenders look at one flag.
 *
 *   word:  database of the last record + 1 : 16 | end offset modulo 2^48 : 48
 *
 * An append is one compare-and-swap on that word, which reserves a range of offsets, and a copy outside of it. The word holds the
 * database too, because a record for another one than the record before needs a SELECT in front, and which record is the one before
 * is decided by the same step. The upper bits of the offset come from a hint that is never more than some gigabytes behind.
 *
 * Loops fill their ranges at the same time. Each says, in a word on a cache line of its own, from where on it may still be
 * filling: what lies before the lowest of these and before the end is readable, without a lock or a wait for anybody.
 *
 * Blocks before what any reader needs, and beyond the history that was asked for, are given back. A reader that holds its bytes
 * and falls behind by more than the log's room makes loops wait (log_await_room), as a full pipe would. For one that merely keeps
 * them nobody waits, and whoever opened it sees to it that it does not fall behind for ever. Where there is no memory
 * for a block the log breaks: offsets go on, bytes do not, readers are told so at the place where bytes are missing (LOG_BROKEN),
 * and the log is whole again from where the next reader opens.
 *
 * Threads: an appender is a loop, or whoever shares the gate as one, and uses its own slot, for one record at a time; the order of
 * records of one key is that in which its shard was locked. A reader is used by one thread at a time, which sleeps until there is
 * something to read, or (a loop) is called when there is. "Alone" means that no appender is between two of its calls: under the gate
 * alone, or before loops run.
 */
#ifndef ORDINAL_LOG_H
#define ORDINAL_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum {
    LOG_BLOCK_SHIFT = 20,
    LOG_BLOCK = 1 << LOG_BLOCK_SHIFT,
    LOG_BLOCKS = 1 << 14, /* at most at a time: 16 GB */
    LOG_SPARE = 8,        /* blocks kept for the next ones */
    LOG_BROKEN = -1
};

#define LOG_IDLE            UINT64_MAX
#define LOG_DEFAULT_ROOM    (UINT64_C(64) << 20)
#define LOG_ALL             UINT64_MAX
#define LOG_OFFSET_BITS     48
#define LOG_MAX_NUMBERED_DB 0xFFFD /* databases beyond it get a SELECT before every record */

struct log_slot {
    _Alignas(64) _Atomic uint64_t
        filling; /* nothing before it is being filled by this appender; LOG_IDLE: nothing at all */
};

/* Where the bytes of a record go that do not lie in one block, or are lost. */
struct log_range {
    uint64_t at;
    bool lost;
};

/* What a reader's bytes are to others. */
enum log_claim {
    LOG_PASSES, /* they may be gone when it comes (LOG_BROKEN) */
    LOG_KEEPS,  /* they stay until it has passed them */
    LOG_HOLDS   /* … and loops wait where it is behind by more than the room */
};

/* Embedded by whoever reads; its fields are the log's. */
struct log_reader {
    struct log_reader *next;
    uint64_t at;
    uint64_t broken_at;          /* where bytes are missing */
    uint64_t target;             /* it waits until this offset is readable; LOG_ALL: it does not wait */
    void (*wake)(void *context); /* it is called instead of sleeping (log_reader_call_at) */
    void *context;
    enum log_claim claim;
    bool reading; /* between peek and advance */
    bool woken;
};

struct log {
    /* Read by every appender, changed seldom. */
    _Alignas(64) _Atomic bool on; /* loops append */
    _Atomic bool live;            /* there are blocks */
    _Atomic bool crowded;         /* some reader is behind by more than the room */
    _Atomic bool broken;          /* bytes are dropped */
    _Atomic(char *) *blocks;      /* by number modulo LOG_BLOCKS; NULL: not made yet */
    struct log_slot *slots;
    _Atomic uint64_t limit; /* no byte may be filled beyond it: the table, or the bytes allowed, end there */
    _Atomic uint64_t hint;  /* an offset not far behind the end */
    int slot_count;

    _Alignas(64) _Atomic uint64_t word;
    _Alignas(64) _Atomic uint64_t wake_at; /* the lowest target of sleeping readers */

    /* Under the lock. */
    _Alignas(64) pthread_mutex_t lock;
    pthread_cond_t readable; /* for readers that sleep */
    pthread_cond_t roomy;    /* for loops that wait */
    struct log_reader *readers;
    uint64_t first; /* number of the first block that is kept */
    bool follows;
    uint64_t history;      /* bytes kept though every reader has read them */
    uint64_t history_from; /* nothing is missing from here to the end */
    uint64_t room, most_blocks;
    char *spare[LOG_SPARE];
    int spares;
    uint64_t mapped; /* blocks, spare ones included */
    uint64_t waits, wait_us, breaks;
};

/* loops: appenders use slots 0 … loops - 1, and `loops` is one more, for a background thread. Before any thread is started. Ends
 * the process without memory. */
void log_init(struct log *log, int loops);

/* Gives all memory back. No reader is open. */
void log_free(struct log *log);

/* Whether loops have to append their records. It changes alone only: one answer holds for a whole command. */
static inline bool log_is_on(const struct log *log)
{
    return atomic_load_explicit(&log->on, memory_order_relaxed);
}

/* The offset that a word stands for. */
static inline uint64_t log_offset(const struct log *log, uint64_t word)
{
    uint64_t hint = atomic_load_explicit(&log->hint, memory_order_relaxed);
    return hint + (uint64_t)((int64_t)((word - hint) << (64 - LOG_OFFSET_BITS)) >> (64 - LOG_OFFSET_BITS));
}

/* The offset behind the last byte reserved; grows only while the log is live. Any thread. */
static inline uint64_t log_end(const struct log *log)
{
    return log_offset(log, atomic_load_explicit(&log->word, memory_order_acquire));
}

/* Everything before it has been filled in. Any thread. */
uint64_t log_readable(const struct log *log);

/* Makes the next offset `offset`. Alone, while the log is not live. */
void log_start_at(struct log *log, uint64_t offset);

/* ---- appending -------------------------------------------------------------------------------------- */

/* Appends whole commands, contiguous, as one record: for database `db` at its beginning, and `last_db` at its end. */
void log_append(struct log *log, int slot, int db, int last_db, const char *bytes, size_t len);

char *log_reserve_slow(struct log *log, int slot, int db, int last_db, size_t len, struct log_range *range);

/*
 * Without a copy: reserves `len` (1 or more) bytes for one record of database `db`. Returns where to write them; or NULL when they
 * lie in several blocks or will be lost: they are then given to log_fill, piece by piece. log_commit ends it, soon.
 */
static inline char *log_reserve(struct log *log, int slot, int db, size_t len, struct log_range *range)
{
    uint64_t word = atomic_load_explicit(&log->word, memory_order_relaxed);
    for (;;) {
        uint64_t limit = atomic_load_explicit(&log->limit, memory_order_acquire);
        uint64_t at = log_offset(log, word);
        size_t in_block = (size_t)(at & (LOG_BLOCK - 1));
        if (__builtin_expect(word >> LOG_OFFSET_BITS != (uint64_t)db + 1 || len > LOG_BLOCK - in_block ||
                                 at + len > limit,
                             0)) {
            return log_reserve_slow(log, slot, db, db, len, range);
        }
        char *block = atomic_load_explicit(&log->blocks[(at >> LOG_BLOCK_SHIFT) & (LOG_BLOCKS - 1)],
                                           memory_order_acquire);
        if (__builtin_expect(block == NULL, 0)) {
            return log_reserve_slow(log, slot, db, db, len, range);
        }
        uint64_t end = (at + len) << (64 - LOG_OFFSET_BITS) >> (64 - LOG_OFFSET_BITS);
        uint64_t next = end | ((uint64_t)db + 1) << LOG_OFFSET_BITS;
        atomic_store_explicit(&log->slots[slot].filling, at, memory_order_release);
        if (atomic_compare_exchange_weak_explicit(&log->word, &word, next, memory_order_release,
                                                  memory_order_relaxed)) {
            return block + in_block;
        }
    }
}

/* Fills in the next bytes of a record for which log_reserve has returned NULL. */
void log_fill(struct log *log, struct log_range *range, const char *bytes, size_t len);

static inline void log_commit(struct log *log, int slot)
{
    atomic_store_explicit(&log->slots[slot].filling, LOG_IDLE, memory_order_release);
}

/* Appends bytes as they are, with no SELECT in front: another node's stream, to a log that follows it, or what is for no database
 * (a PING). `len` is 1 or more. */
void log_append_raw(struct log *log, int slot, const char *bytes, size_t len);

/* A record could not be made, for want of memory: the log breaks here. As log_append. */
void log_lose(struct log *log, int slot);

/* The next record gets a SELECT whatever its database: at a cut, from which somebody will begin to read. Alone. */
void log_forget_db(struct log *log);

void log_await_room_slow(struct log *log);

/* Head of a batch, outside of the gate: waits while a reader that holds is behind by more than the room. */
static inline void log_await_room(struct log *log)
{
    if (__builtin_expect(atomic_load_explicit(&log->crowded, memory_order_relaxed), 0)) {
        log_await_room_slow(log);
    }
}

void log_wake_readers_slow(struct log *log);

/*
 * After a batch: wakes readers that wait for what there is now. A reader sets its target and then looks at what is readable, an
 * appender looks in the other order: both steps on wake_at write it, so that one of the two sees what the other has done.
 */
static inline void log_wake_readers(struct log *log)
{
    if (atomic_load_explicit(&log->live, memory_order_relaxed) &&
        log_end(log) >= atomic_fetch_or_explicit(&log->wake_at, 0, memory_order_acq_rel)) {
        log_wake_readers_slow(log);
    }
}

/* ---- limits ----------------------------------------------------------------------------------------- */

/* How far a reader that holds may fall behind before loops wait (1 MB or more); and how many bytes there may be at all, at most
 * 16 GB, before the log breaks. Any thread. */
void log_set_room(struct log *log, uint64_t bytes);
void log_set_most(struct log *log, uint64_t bytes);

/* How many bytes are kept beyond what readers need, so that a reader can open at an offset of the past. With more than 0 the log is
 * live without a reader as well. Alone. False: no memory. */
bool log_keep_history(struct log *log, uint64_t bytes);

/* Nothing of what there is by now is history any more: a reader can be opened at the end alone. Alone. */
void log_forget_history(struct log *log);

/* The log follows another node's (it is live, and loops append nothing), or does so no more. Alone. False: no memory. */
bool log_follow(struct log *log, bool follows);

/* The first offset of which, up to the end, nothing is missing. Any thread. */
uint64_t log_history_from(struct log *log);

/* ---- readers ---------------------------------------------------------------------------------------- */

/*
 * Adds a reader at offset `at`: log_end() at a cut, or one that the history still has. Makes the log live if it was not, whole
 * again if it was broken, and lets the next record begin with a SELECT. Alone. False: `at` is not there any more, or there is no
 * memory.
 */
bool log_reader_open(struct log *log, struct log_reader *r, uint64_t at, enum log_claim claim);

/* Takes a reader away. Alone. */
void log_reader_close(struct log *log, struct log_reader *r);

/* What its bytes are from here on; loops that waited for it may go on. Any thread. */
void log_reader_claim(struct log *log, struct log_reader *r, enum log_claim claim);

/* Runs of readable bytes from the reader's position on, not beyond `until` (LOG_ALL: all there are), at most `max`. Returns how
 * many runs; 0: nothing yet; LOG_BROKEN: the next byte is gone, so begin again from a cut. The bytes stay until
 * log_reader_advance. */
int log_reader_peek(struct log *log, struct log_reader *r, uint64_t until, struct slice *runs, int max);

/* Moves the reader on to `to`, which it has peeked. */
void log_reader_advance(struct log *log, struct log_reader *r, uint64_t to);

/* Its position. Any thread. */
uint64_t log_reader_at(struct log *log, const struct log_reader *r);

/* Sleeps until everything before `offset` is readable, log_reader_wake is called, or `ms` have passed; not when it has just been
 * woken, or when bytes are missing. log_reader_wait: until there is any byte. A high target spares the loops the system call by
 * which they wake the reader. */
void log_reader_wait_until(struct log *log, struct log_reader *r, uint64_t offset, int64_t ms);
void log_reader_wait(struct log *log, struct log_reader *r, int64_t ms);

/*
 * Instead of sleeping: `wake` is called once when everything before `offset` is readable, or bytes are missing; on any thread, with
 * the log locked, so all it may do is to let somebody know. False: it is so already, and nothing will be called. A call that was
 * asked for before is replaced.
 */
bool log_reader_call_at(struct log *log, struct log_reader *r, uint64_t offset, void (*wake)(void *context),
                        void *context);

/* Ends its sleep, or the next one before it begins. Any thread. */
void log_reader_wake(struct log *log, struct log_reader *r);

/* ---- for INFO --------------------------------------------------------------------------------------- */

struct log_stats {
    uint64_t end, first;     /* offsets: of the next byte, and of the first that is kept */
    uint64_t memory;         /* bytes of all blocks */
    uint64_t waits, wait_us; /* of loops for room */
    uint64_t breaks;
    int readers;
};
void log_stats(struct log *log, struct log_stats *stats);

#endif
