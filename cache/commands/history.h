/*
 * The history: the names of the log's stream. Two nodes whose id is the same and who have the same offset hold the same keyspace; so
 * a replica that comes back names both, and gets what it has missed (PSYNC).
 *
 * The rules are Redis's. An id is drawn at random when a history begins; what came before is known as id2, up to the offset where it
 * ended: that of the file from which the node started, or of the master whose replica it was before it was promoted.
 *
 * The log's own offsets begin at 0 with each process and never jump, for they are what the disk and WAIT count in. The offsets that
 * replicas know differ from them by a constant, which changes only where a node takes over another history whole:
 *
 *   offset of the history = offset of the log + base
 *
 * Redis numbers the stream's bytes from 1 in PSYNC (the next one wanted) and second_repl_offset; here an offset is how many bytes are
 * before.
 *
 * The backlog is the end of the log that is kept for those who come back. An id says something only as long as every change is
 * logged, so it is drawn anew whenever the backlog begins or ends.
 *
 * Threads: changes alone; read inside the gate.
 */
#ifndef ORDINAL_COMMANDS_HISTORY_H
#define ORDINAL_COMMANDS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct server;
struct snapshot_options;

enum { HISTORY_ID = 40 };

struct history {
    char id[HISTORY_ID + 1], id2[HISTORY_ID + 1];
    int64_t end2; /* id2 holds up to this offset of the history; -1: there is none */
    uint64_t base;
    int64_t
        epoch; /* how many masters have served it, one after the other: of two histories that differ, the greater is the newer */
    bool backlog;         /* it is kept */
    int64_t memory_limit; /* of the container, in bytes; 0: none */
    int stream_db; /* of a replica: the database that its master's stream has selected (repl-stream-db) */
};

/* What an RDB file says of the history that it is a cut of. */
struct history_mark {
    char id[HISTORY_ID + 1]; /* "": nothing */
    int64_t offset;          /* -1: nothing */
    int64_t epoch;
    int db;
};

/* At start: a history of its own, that has no past. */
void history_init(struct server *server);

/* The offset of the history at the log's end; and the two offsets by each other. */
int64_t history_offset(const struct server *server);
static inline int64_t history_of_log(const struct history *history, uint64_t offset)
{
    return (int64_t)(offset + history->base);
}
static inline uint64_t history_to_log(const struct history *history, int64_t offset)
{
    return (uint64_t)offset - history->base;
}

/* Whether `offset` of the history named `id` is one of this history, and its bytes from there on are in the log. */
bool history_has(struct server *server, struct slice id, int64_t offset);

/* A new id, and no past. */
void history_renew(struct server *server);

/* Promotion: a new id, while the old one stays good for what is there by now. */
void history_shift(struct server *server);

/* The same history has got another id, as the master says that it goes on under (+CONTINUE id). */
void history_rename(struct server *server, struct slice id);

/* Another node's history takes the place of this one: from here on, and nothing before is known. */
void history_adopt(struct server *server, struct slice id, int64_t offset);

/* A master begins to serve: its history is newer than any that it has seen. Tells what came before by its old id, as history_shift. */
void history_serve(struct server *server);

/* After a start from a file: what its history was is this one's past. */
void history_resume(struct server *server, const struct history_mark *mark);

/* The backlog begins or ends. A replica's history stays what it is, as its changes are logged in any case. False: no memory. */
bool history_begin_backlog(struct server *server);
void history_end_backlog(struct server *server);

/* Follows repl-backlog-size: how many bytes the backlog has at least (its default is less in a small container). */
int64_t history_backlog_size(const struct server *server);
void history_apply_backlog_size(struct server *server);

/* What a snapshot that is begun now tells of the history, if there is one to speak of. */
void history_mark_snapshot(const struct server *server, struct snapshot_options *options);

/* Takes note of a field of an RDB file: repl-id, repl-offset, repl-stream-db, and Ordinal's own repl-epoch, which other servers pass
 * over. False: it is another one. */
bool history_note(struct history_mark *mark, struct slice name, struct slice value);

#endif
