/*
 * A feed: what one replica is sent. It is an ordinary connection of a loop whose client has asked for the stream (PSYNC, SYNC); from
 * then on nothing that it says is replied to.
 *
 *   handshake ──PSYNC, no common past──▶ waits ──a snapshot begins──▶ loads ──it has all of it──▶ online
 *            └──PSYNC, the log has what it misses────────────────────────────────────────────────▲
 *
 * Its loop writes, when it is about to poll, all that has come into the log since, straight from the log's blocks: one system call for a
 * turn of the loop and a replica. What the kernel does not take stays where it is, pinned by the feed's reader, until it does.
 *
 * A replica that falls behind is cut when that is more than client-output-buffer-limit allows, as nobody waits for it. Until then the
 * log keeps its bytes.
 *
 * Threads: its loop's own; what others read is atomic. The lists and the step from waiting to loading change alone.
 */
#ifndef ORDINAL_REPLICATION_FEED_H
#define ORDINAL_REPLICATION_FEED_H

#include "commands/call.h"
#include "replication/acks.h"
#include "replication/full_sync.h"

struct master;

enum feed_state {
    FEED_HANDSHAKE, /* it has sent REPLCONF, and is not counted */
    FEED_WAITS,     /* for a snapshot to begin */
    FEED_LOADS,     /* it is sent one */
    FEED_ONLINE
};

enum feed_writing { FEED_IDLE, FEED_TEXT, FEED_SNAPSHOT, FEED_LOG };

struct feed {
    struct master *master;
    struct client *client;
    struct feed *next;         /* of all */
    struct feed *next_of_loop; /* of its loop */
    _Atomic int state;

    /* What it has told of itself (REPLCONF). */
    int port;
    char address[64]; /* "": that of its connection */
    bool knows_eof, knows_psync2, wants_rdb_only;
    bool recovers; /* what Ordinals tell each other: handshake.h */
    struct acks_replica acks;
    bool old; /* it came by SYNC: it sends no acknowledgements */

    /* Offsets of the log, and times in ms of clock.h. */
    struct log_reader reader;
    bool reading;                    /* the reader is open */
    _Atomic bool asked;              /* it calls when there is more */
    _Atomic uint64_t sent;           /* before it all is the kernel's */
    _Atomic uint64_t acked, synced;  /* the replica has it; it has it on its disk */
    _Atomic int64_t heard;           /* when it acknowledged last, or came online */
    int64_t waits_since, newline_at; /* when it began to wait, and was sent a newline last */
    int64_t soft_since;              /* when it passed the soft limit; 0: it has not */
    bool awaits_ack;                 /* it gets the log when it has said that it is done with the snapshot */

    /* What is being written. */
    struct conn_lent lent;
    enum feed_writing writing;
    size_t written; /* by the write under way, when it is over */
    char text[160]; /* goes out first */
    bool between;   /* what was sent last ends between two records */
    size_t text_len;

    struct full_sync *sync; /* while it loads */
    struct spool_reader spool;
    bool mark_sent;
    _Atomic bool length_sent; /* asked from other threads as well: feed_state_name */
};

/* The feed of a client, made when it first says that it is a replica. NULL: no memory. */
struct feed *feed_of(struct call *c);

/* What PSYNC and SYNC make of a client: from here on it is a replica. Alone. */
void feed_wait(struct feed *feed);
bool feed_go_on(struct feed *feed, int64_t offset);

/* Alone: it is sent the snapshot that begins at this moment. False: it has no place in the log, and is closed. */
bool feed_load(struct feed *feed, struct full_sync *sync, const char *text);

/* Its loop is about to poll. */
void feed_pump(struct feed *feed);

/* Several times a second, on its loop, inside the gate: limits and silences. */
void feed_tick(struct feed *feed, int64_t now);

/* REPLCONF ACK: offsets of the history; `synced` -1: it did not say; `clock`: as acks_heard takes it. */
void feed_acknowledge(struct feed *feed, int64_t offset, int64_t synced, int64_t clock);

/* The connection is gone: alone. Frees the feed. */
void feed_close(struct feed *feed);

/* For INFO and ROLE: also the state as Redis calls it. */
const char *feed_state_name(const struct feed *feed);
static inline enum feed_state feed_state(const struct feed *feed)
{
    return (enum feed_state)atomic_load_explicit(&feed->state, memory_order_acquire);
}
void feed_address(const struct feed *feed, char *text, size_t size);
int64_t feed_lag_ms(const struct feed *feed, int64_t now);

#endif
