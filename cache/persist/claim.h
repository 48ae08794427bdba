/*
 * A claim on a folder: of all processes that could write into it, one does. Where several pods mount the same volume no lock can
 * be relied on (SMB with `nobrl` keeps locks to itself); what works everywhere is that of all who create a file of one name
 * exclusively (O_EXCL) one succeeds, and that a file can be read and written over. So a claim is a file
 *
 *   ordinal.claim.<epoch>
 *
 * and whoever has the highest epoch in the folder has it. To take it over is to create the file of the next epoch. Nobody
 * ever writes into another one's file, so an owner that was stopped and goes on can do no harm to the claim of its successor. The owner
 * writes its own over every second, in place, with a counter (its heartbeat). Not by a temporary file and a rename: a rename
 * over a name would be what a resumed owner does to its successor, and file systems refuse it for files that others have open.
 *
 * A claim may be taken over when it was given up (a clean stop); when its owner is provably dead; or when its heartbeat has
 * stood still for `timeout` while the observer looked, by the observer's own clock: wall clocks are not compared. Dead is an owner
 * of this kernel, on this file system as it numbers it, that held the lock file, which now is free: locks are worth
 * nothing between hosts, but within one kernel they end with their process.
 *
 * A takeover is first asked for ("asked"), then the old file is read once more, and only if nothing has moved it is made ("held").
 * An owner writes its heartbeat, and looks for higher epochs after that: so either it sees who asks, or that one sees the
 * heartbeat. An owner that finds its claim taken has lost it for good: what it has in memory does not belong to the folder any more.
 * What it found out is good for a third of the timeout; then it must look again before it may write.
 *
 * Threads: any; there is a lock within. A thread of its own writes the heartbeat, or watches another one's.
 */
#ifndef ORDINAL_PERSIST_CLAIM_H
#define ORDINAL_PERSIST_CLAIM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "persist/claim_record.h"

enum claim_state {
    CLAIM_NONE,     /* not asked for yet */
    CLAIM_WATCHING, /* another one has it, or it cannot be written */
    CLAIM_HELD,
    CLAIM_LOST /* another one has taken it: for good */
};

/* For INFO and the log. `other`: what the claim of another one says, when it is watched or has taken ours; *age: how long its heartbeat
 * has stood still, in ms when this was told. */
struct claim_figures {
    enum claim_state state;
    uint64_t epoch, beat;
    struct claim_record other;
    int64_t age;
};

struct claim {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool running, stopping; /* the thread */
    char folder[4096];
    int64_t timeout; /* ms */
    struct claim_record own;
    struct claim_record seen; /* the highest claim of another one, as last read … */
    int64_t seen_since;       /* … and since when it is so: ms of CLOCK_BOOTTIME */
    int fd;                   /* of the own file, or -1 */
    int lock_fd;              /* of the lock file while locked, or -1 */
    int error;                /* errno for who may not write */
    _Atomic int state;        /* enum claim_state */
    _Atomic int64_t verified; /* when the claim was last seen to be ours */
    pthread_mutex_t told_lock;
    struct claim_figures told; /* for claim_figures, which must not wait for a disk */
};

/* For the working directory of now. timeout: ms, 300 or more. Nothing is claimed yet. */
void claim_init(struct claim *claim, int64_t timeout);

/* Takes the claim if that is possible; with `waits` it watches another one's heartbeat until that has moved, or has stood still for
 * long enough. False: `error` says who has it, or what is wrong; a thread goes on watching, and takes it as soon as it may. */
bool claim_take(struct claim *claim, bool waits, char *error, size_t error_size);

/* Before each change of the folder: 0, or the errno with which it must fail. Takes the claim where it is not asked for yet, and may
 * be. A clock is read and no more, unless the last look at the folder is too old, or (`anew`) what follows makes files take their
 * place: then it looks. */
int claim_check(struct claim *claim, bool anew);

/* Gives the claim up, and begins anew for the working directory of now. */
void claim_move(struct claim *claim);

/* A clean end: ends the thread, and leaves the claim to whoever wants it. */
void claim_give_up(struct claim *claim);

/* Any thread; never waits for the disk. */
void claim_figures(struct claim *claim, struct claim_figures *figures);

#endif
