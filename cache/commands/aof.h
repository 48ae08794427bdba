/*
 * The append-only file as the server has it: when it is written and rewritten, what clients may be told meanwhile, and what INFO
 * says. The files and the thread that writes them are persist's (aof_set.h, aof_writer.h); here they meet settings, snapshots, the
 * clients' replies and the refusal of writes.
 *
 *   off ──CONFIG SET appendonly yes──▶ waiting ──its first base is complete──▶ on
 *    ▲                                   ▲   │                                  │ a sync failed, or the log was lost:
 *    └──────────appendonly no────────────┴───┼──────────────────────────────────┘ only a new base is sound ("mending")
 *                                            └─ a base failed: tried again, with growing pauses
 *
 * Off is said at once; the writer's thread, which is asked to end then, may need a moment for the end of the file.
 *
 * With appendfsync always, all output is held (net/hold.h) until the log as it was then is on the disk. While the disk
 * fails, only the acknowledgements of writes are, so that reads go on; writes are refused. After CONFIG SET appendonly yes nothing
 * is held until the first base is complete, as in Redis: it may take minutes, and WAITAOF waits for it. A start with a
 * snapshot alone makes no such gap (load_aof.h).
 *
 * Threads: all of this is touched alone, or by loop 0 inside the gate, except what the writer's thread tells (atomics).
 */
#ifndef ORDINAL_COMMANDS_AOF_H
#define ORDINAL_COMMANDS_AOF_H

#include "commands/server.h"

/* At start, before the loops run: makes what is needed, follows the settings. */
void aof_init(struct server *server);

/*
 * When everything is loaded: with appendonly yes goes on with the files that the manifest names, or makes the first ones. Alone, or
 * before the loops run. False: they cannot be opened or made, which is told to the log; the server must not serve then.
 */
bool aof_begin(struct server *server);

/* While the data set is replaced as a whole nothing is written; the files stay as they are. Then they are begun anew, where there shall
 * be any. Alone. */
void aof_suspend(struct server *server);
void aof_resume(struct server *server);

/* When no loop runs any more: writes and syncs what is left. */
void aof_end(struct server *server);

/* Loop 0's cron, inside the gate: begins and ends rewrites. */
void aof_tick(struct worker *w);

/* Replies OK to a CONFIG SET. When that has turned the file on, the first base is begun here. When it has turned it off, its client
 * waits until the end of the file is on the disk, and only that client does. Alone. */
struct call;
void aof_reply_set(struct call *c);

/* `dir` is another one: what is known of the files is read anew there. False: files are being written in the one of before. Alone. */
bool aof_move(struct server *server);

/* The hook of net: what output to this connection has to wait for. */
uint64_t aof_due(struct conn *conn, uint64_t *own);

/* BGREWRITEAOF; alone. The state that the command's reply tells of. */
enum aof_rewrite { AOF_REWRITE_STARTED, AOF_REWRITE_SCHEDULED, AOF_REWRITE_RUNNING, AOF_REWRITE_FAILED };
enum aof_rewrite aof_rewrite(struct server *server, bool may_begin);

/* Whether a snapshot that is under way is the base of a rewrite. */
bool aof_is_rewriting(const struct server *server);

/* Whether everything before the offset would be read again after a crash: not while there is no base yet. And whether there is
 * an append-only file at all. Any thread. */
bool aof_keeps(const struct server *server, uint64_t offset);
bool aof_is_on(const struct server *server);

/* Whether it was turned on, and has no base yet: so far what is in memory is not in it. */
bool aof_awaits_base(const struct server *server);

/* Waits until all that was logged is written to the files, which say it all then. False: they do not, as they are off, have no base
 * yet, or cannot be written. Alone. */
bool aof_catch_up(struct server *server);

/* For INFO; alone. */
struct aof_figures {
    bool on, rewriting, scheduled;
    int64_t last_seconds, current_seconds; /* -1: none */
    bool last_rewrite_good, last_write_good;
    int64_t rewrites, failures; /* failures: since the last success */
    int64_t size, base_size, buffered, delayed;
    bool syncing;
};
void aof_figures(const struct server *server, struct aof_figures *figures);

#endif
