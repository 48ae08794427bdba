/*
 * What the server's own state refuses, whoever asks: everything but a few commands while the data set is being loaded, writes while
 * the disk fails under them, and what a replica leaves to its master. One word of bits, so that dispatch looks at it in one test.
 *
 * Threads: any may set and clear; loops read.
 */
#ifndef ORDINAL_COMMANDS_REFUSING_H
#define ORDINAL_COMMANDS_REFUSING_H

#include "commands/call.h"

/* The bits of server->refusing. */
enum refusing {
    REFUSING_LOADING = 1 << 0, /* commands without CMD_LOADING */
    REFUSING_SNAPSHOT_ERROR =
        1 << 1, /* writes: the last snapshot failed, and stop-writes-on-bgsave-error says so */
    REFUSING_AOF_ERROR = 1 << 2,    /* writes: the append-only file cannot be written */
    REFUSING_FEW_REPLICAS = 1 << 3, /* writes: fewer good replicas than min-replicas-to-write */
    REFUSING_READONLY = 1 << 4,     /* writes: this is a replica, and replica-read-only says so */
    REFUSING_STALE =
        1
        << 5, /* commands without CMD_STALE: a replica without its master, and no replica-serve-stale-data */
    REFUSING_NO_QUORUM = 1 << 7, /* writes: fewer replicas are there than write-ack asks for */
    REFUSING_RECOVERY = 1 << 6, /* commands without CMD_LOADING: a master that looks for the newest history */
};

/* What a master says that does not serve yet (REFUSING_RECOVERY), also to who wants to follow it. */
#define REFUSING_RECOVERY_ERROR "LOADING Ordinal asks the other nodes for the newest data before it serves"

/* Whether the data set is being loaded: loops leave the keyspace alone then, the loading thread works on it. */
static inline bool refusing_is_loading(const struct server *server)
{
    return __builtin_expect(
        (atomic_load_explicit(&server->refusing, memory_order_relaxed) & REFUSING_LOADING) != 0, 0);
}

void refusing_set(struct server *server, enum refusing why);
void refusing_clear(struct server *server, enum refusing why);

/* The error number for which the append-only file cannot be written, for MISCONF's text: set it before the bit. */
void refusing_set_aof_errno(struct server *server, int number);

/* The answer while the data set is being loaded. */
void refusing_reply_loading(struct call *c);

/* Whether the call must not run; it is answered then. EXEC is judged by what it would run. Only when some bit is set. */
bool refusing_refuses(struct call *c);

#endif
