/*
 * Loading the data set at start, on a thread of its own, while the loops already answer: most commands with -LOADING (refusing.h).
 * The loading thread takes part in the gate as one more loop, and loops leave the keyspace alone: no sweep, no eviction. What is
 * loaded is the append-only file where `appendonly` is on and there is one, else the snapshot.
 *
 * A file that cannot be loaded ends the server with status 1: it never serves, and never saves, less than what it had.
 *
 * Threads: load_start and load_stop are main's; the fields of `struct loading` as each says.
 */
#ifndef ORDINAL_COMMANDS_LOAD_H
#define ORDINAL_COMMANDS_LOAD_H

#include <pthread.h>

#include "commands/server.h"
#include "persist/rdb_load.h"

enum load_end {
    LOAD_DONE,
    LOAD_NOTHING, /* there is no file */
    LOAD_FAILED,  /* the log says why */
    LOAD_STOPPED  /* load_goes_on said no */
};

/* Something that can be loaded at start. */
struct load_kind {
    const char *name; /* for the log: "the snapshot" */
    /* Whether there is something, before a thread is made for it. */
    bool (*exists)(const struct server *server);
    /* On the loading thread. */
    enum load_end (*run)(struct loading *loading);
};

/* In server->loading from server_init on. */
struct loading {
    struct server *server;
    const struct server
        *reader; /* by whose settings values are read: `server`, or while it is loaded at start … */
    struct server *
        copy; /* … or a master sends it, this, as CONFIG SET may change those of `server`. It stays for ever: tables of large values
                                    point to its secret */
    const struct load_kind *kind;
    struct rdb_load_options *options;  /* of the RDB that is being read */
    struct history_mark history;       /* what the file that is loaded, or was last, says of its own */
    struct rdb_load_progress progress; /* any thread reads it; of the last load, also once it is over */
    _Atomic bool active;               /* the loading thread is at work … */
    bool beside; /* … on a keyspace beside the one that serves; else REFUSING_LOADING is set. Changes alone */
    _Atomic bool stop;   /* the thread is asked to end */
    int64_t began_wall;  /* seconds: set before `active` */
    int64_t began, told; /* ms of clock.h: the loading thread's own: beginning, and last line in the log */
    pthread_t thread;
    bool started;      /* main and loop 0: there is a thread to join */
    enum load_end end; /* once joined */
    int exit_status;
    uint64_t changes;    /* by commands of an append-only file: they count for `save`, as in Redis */
    struct message done; /* to loop 0 */
};

/* From server_init. */
void load_init(struct server *server);

/* After server_init, before any loop runs: begins to load what there is. */
void load_start(struct server *server);

/* After loop 0 has ended, before net_stop: ends the loading thread if it is at work. False: it cannot be ended (it waits for a disk
 * that does not answer), so the process must end without freeing what it works on. */
bool load_stop(struct server *server);

/* 1 when the data set could not be loaded, else 0. */
int load_exit_status(const struct server *server);

static inline bool load_is_active(const struct server *server)
{
    return atomic_load_explicit(&server->loading->active, memory_order_relaxed);
}

/* ---- a load at another time than the start: that of a master's snapshot, by the gate's player ------------------- */

/* From here on clients are told that the data set is loaded; or it is loaded beside the one that serves; and no more. The player,
 * alone. */
void load_begin(struct server *server, bool beside);
void load_end(struct server *server);

/* ---- for what is loaded: on the loading thread ----------------------------------------------------------------- */

/* Around changes of the keyspace, briefly: whoever wants to run alone waits for load_leave. */
void load_enter(struct loading *loading);
void load_leave(struct loading *loading);

/* Now and then: whether to go on. Tells the log how far it is, every few seconds. */
bool load_goes_on(struct loading *loading);

#endif
