/*
 * Waiting for keys: what BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP, BZPOPMIN, BZPOPMAX and BZMPOP do when there is nothing to
 * take. First come, first served, whatever loop a client is on.
 *
 * A waiting client stands in the queue of each of its keys. A command that may fill such a key runs alone (dispatch sees to
 * it: a write whose key somebody waits for, and every command of several keys); when it ends, or for a transaction or a script
 * when the whole of it has ended, the commands of those who wait are run again, in the order in which they came, each with a
 * reply buffer of its own, as long as there is something to take. The replies go to the clients' loops by mailbox.
 *
 * So a blocking command is one handler that is run again, not two: it tries to take from its keys in order, and when there is
 * nothing it ends with `block_on_keys(...)`, whether it runs for the first time, again, or where it must not wait.
 *
 * Threads: the queues have a lock of their own, taken inside the gate.
 */
#ifndef ORDINAL_COMMANDS_BLOCK_H
#define ORDINAL_COMMANDS_BLOCK_H

#include "commands/call.h"

/* How a blocking command replies inside MULTI when it got nothing. On time-out it is always a null array. */
enum block_nothing { BLOCK_NULL, BLOCK_NULL_ARRAY };

/*
 * Ends a blocking command that found nothing. The client waits for keys argv[first] … argv[first + count - 1], which must then
 * hold a value of `type`, for `timeout` milliseconds (0: for ever). In a transaction or script it replies with nothing
 * at once. When the command was run again for a client that waits already, the client goes on waiting, its deadline as it was.
 */
void block_on_keys(struct call *c, size_t first, size_t count, enum entry_type type, int64_t timeout,
                   enum block_nothing nothing);

/* A timeout in seconds as these commands take it ("0.1"), in milliseconds, rounded up; replies with Redis's error and returns
 * false when it is none, negative or out of range. */
bool block_timeout(struct call *c, struct slice arg, int64_t *timeout);

/* Whether some client waits for a key: for any one, which is a relaxed load for hot paths, or for this one; with the key's shard
 * locked, so that nobody begins to. */
static inline bool block_anyone(const struct server *server)
{
    return atomic_load_explicit(&server->waiting_clients, memory_order_relaxed) != 0;
}
bool block_waits_for(struct server *server, const struct db *db, const struct key *key);

/* A key of this database has come into being, or another value under its name (key_put, db_move's callers, SWAPDB for all
 * keys that are waited for): when the running command ends, those who wait for it are tried. Alone, or where nobody can
 * wait for the key. */
void block_signal_key(struct call *c, struct db *db, const struct key *key);
void block_signal_all(struct call *c, struct db *db);
static inline void block_signal(struct call *c, struct db *db, const struct key *key)
{
    if (__builtin_expect(block_anyone(c->server), 0)) {
        block_signal_key(c, db, key);
    }
}

/* Runs again the commands of those who wait for keys that were signalled. Alone; by dispatch, after a command. */
void block_serve_ready(struct call *c);
static inline void block_serve(struct call *c)
{
    if (__builtin_expect(block_anyone(c->server), 0)) {
        block_serve_ready(c);
    }
}

/* For INFO: keys that are waited for. */
uint64_t block_keys(struct server *server);

/* Makes the queues, at start. */
void block_init(struct server *server);

#endif
