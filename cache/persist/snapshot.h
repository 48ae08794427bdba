/*
 * Snapshots: the keyspace at one instant as an RDB stream, without a fork. snapshot_begin makes a cut (store/cut.h); a thread walks
 * through it and writes it into a sink: the file of BGSAVE, the base of the append-only file, a replica that needs everything. One
 * snapshot at a time.
 *
 * The stream is of version 10, which Redis 7.0 and all that came later read, unless there is a value at the cut of a kind that is
 * younger (a hash whose fields have deadlines: version 12); entry_timed_parts counts these.
 *
 * The walker gives way: after a tenth of a millisecond's work it rests for a moment while loops are busy, for the kernel would let it
 * keep a core that a loop waits for (store/reaper.c tells the same story).
 *
 * Threads: as each call says; the walker's own thread is made at the first snapshot, and stays.
 */
#ifndef ORDINAL_PERSIST_SNAPSHOT_H
#define ORDINAL_PERSIST_SNAPSHOT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"
#include "persist/rdb_stream.h"
#include "store/gate.h"
#include "store/keyspace.h"

/* Where the bytes go; called on the walker's thread. */
struct snapshot_sink {
    void *context;
    bool (*write)(void *context, const void *bytes,
                  size_t n); /* false: an error, errno set: the snapshot ends */

    /* Once, last, when the walker is done with the sink: `complete`, or not (it failed, or was abandoned). Here a file is synced and
     * renamed, or removed. False: an error, errno set, and the snapshot has failed after all. Or NULL. */
    bool (*end)(void *context, bool complete);
};

struct snapshot_options {
    struct snapshot_sink sink;
    bool compress, checksum; /* rdbcompression, rdbchecksum */
    bool aof_base;           /* it is the base of an append-only file … */
    bool commands;           /* … and consists of commands … */
    bool timestamp;          /* … after a line with the time of the cut */
    const char *version;     /* redis-ver */
    char replication_id[41]; /* "": without the fields repl-… */
    int64_t replication_offset;
    int64_t replication_epoch; /* 0: without that field */
    int replication_db;
    enum rdb_access access; /* whether idle times or frequencies are written, as for maxmemory-policy … */
    struct access_rules rules; /* … by these */
};

enum snapshot_end {
    SNAPSHOT_DONE,
    SNAPSHOT_FAILED,   /* `error` is errno's */
    SNAPSHOT_ABANDONED /* by a flush (begin again), or by snapshot_abandon */
};

/* On loop 0's thread, alone: the snapshot is over, and another one may be begun here. */
typedef void snapshot_done_fn(void *context, enum snapshot_end end, int error);

/* What INFO tells. Read by any thread. */
struct snapshot_progress {
    _Atomic uint64_t keys_total, keys; /* of the snapshot that runs, or ran last */
    _Atomic uint64_t bytes;
    _Atomic int64_t began; /* ms of clock.h */
};

struct snapshot_size {
    uint64_t keys, timed;
};

struct snapshot {
    struct keyspace *keyspace;
    struct gate *gate;
    struct loop *loop; /* 0 */
    struct rdb_values values;
    void (*unpinned)(void *context); /* something that clients wait for is saved: any thread but loops' */
    void *unpinned_context;
    _Atomic int64_t delay_us; /* for each key, for tests; below 0: a microsecond for each -n keys */
    struct snapshot_progress progress;

    bool running; /* changes alone */
    struct snapshot_options options;
    snapshot_done_fn *done;
    void *context;
    struct snapshot_size *sizes; /* of each database at the cut */
    int version;                 /* of RDB, that it needs */
    struct rdb_record how;
    int64_t ctime, used; /* at the cut: seconds of wall time, bytes of memory */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards the next three */
    pthread_cond_t work;
    bool begun, closed, stopping;
    _Atomic bool abandoned; /* by snapshot_abandon */
    struct message message;
    enum snapshot_end end;
    int error;
};

/* Before the loops start. */
void snapshot_init(struct snapshot *s, struct keyspace *ks, struct gate *gate, struct loop *loop0,
                   const struct rdb_values *values);

/* Alone: makes the cut, and lets the walker begin. The caller notes what belongs to the cut (an offset of the log) before it lets
 * others run. False: one is under way, or (errno set, else 0) there is no thread or memory for it. */
bool snapshot_begin(struct snapshot *s, const struct snapshot_options *options, snapshot_done_fn *done,
                    void *context);

/* Alone. Whether one is under way: until `done` is called. */
static inline bool snapshot_running(const struct snapshot *s)
{
    return s->running;
}

/* Any thread: ends the one under way, if there is; `done` is told soon. */
void snapshot_abandon(struct snapshot *s);

/* When the loops have ended: ends the thread. What was under way is abandoned, and `done` is not called. */
void snapshot_stop(struct snapshot *s);

#endif
