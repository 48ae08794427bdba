/*
 * A client: what the commands know of a connection.
 *
 * Threads: its loop's own, inside the gate; others may read it, and set its flags, under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_CLIENT_H
#define ORDINAL_COMMANDS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "commands/server.h"
#include "net/conn.h"

enum client_flag {
    CLIENT_REPLY_OFF = 1 << 0,
    CLIENT_REPLY_SKIP = 1 << 1,      /* the running command's reply is dropped */
    CLIENT_REPLY_SKIP_NEXT = 1 << 2, /* … the next one's */
    CLIENT_REPLY_MASK = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT,
    CLIENT_MONITOR = 1 << 3,
    CLIENT_NO_EVICT = 1 << 4,
    CLIENT_NO_TOUCH = 1 << 5,
    CLIENT_PAUSED = 1 << 6,          /* in its worker's list of paused clients */
    CLIENT_BLOCKED = 1 << 7,         /* waits inside a command: `blocked` says in which */
    CLIENT_KILLED = 1 << 8,          /* its loop is about to close it; it counts no more */
    CLIENT_WOKEN = 1 << 9,           /* its loop is about to end its wait (CLIENT UNBLOCK) … */
    CLIENT_WOKEN_BY_ERROR = 1 << 10, /* … with an error */
    CLIENT_MULTI = 1 << 16,          /* its commands are kept for EXEC (transaction.h) */
    CLIENT_WOKEN_BY_ROLE = 1 << 14,  /* … with that of a node which has become a replica, and is closed */
    CLIENT_SUBSCRIBED = 1 << 11,     /* to something (pubsub.h) */
    CLIENT_TRACKING = 1 << 12,       /* it is told of changed keys (tracking.h) */
    CLIENT_FORWARDED =
        1 << 15,              /* another node carries its clients' commands over it (replication/forward.h) */
    CLIENT_REPLICA = 1 << 13, /* it gets the log: its connection is a feed's (replication/feed.h) */
    CLIENT_REPLAYS =
        1 << 20, /* it has no connection: its commands come from an append-only file (replay.h) */
};

/*
 * A command that waits: WAIT, or BLPOP and its kin (block.h), which have this at the front of a structure of their own.
 *
 * A wait ends in one of three ways, and in one of them only: by time-out or CLIENT UNBLOCK, when its connection is gone, or
 * because it was claimed: whoever runs alone has got for it what it waited for, and a message with the reply is on its way to
 * the client's loop. From then on it belongs to that message, which finds `client` NULL when the connection is gone.
 */
struct blocked {
    struct client *client;
    /* Replies (to loop->reply) to a wait that ends without what it waited for: on time-out, or by CLIENT UNBLOCK. */
    void (*timed_out)(struct client *client);
    /* Called once when the wait ends other than by a claim, inside the gate on the client's loop, or alone; or NULL. */
    void (*left)(struct blocked *blocked);
    void *state;          /* the command's own */
    size_t size;          /* of the whole allocation */
    bool fixed;           /* CLIENT UNBLOCK does not end it */
    bool silent;          /* CLIENT REPLY SKIP stood before the command: its reply is dropped */
    bool claimed;         /* set alone */
    bool timed;           /* its timer is open */
    bool over;            /* to be freed when the timer is closed */
    _Atomic bool closing; /* its connection is being closed: nothing may be taken for it */
    struct blocked *next_due;
    uv_timer_t timer; /* stops on time-out; not opened for a wait without one */
};

/* The commands that a client in MULTI has sent (transaction.h). */
struct transaction {
    struct queued *first, *last;
    size_t memory;
    uint32_t count;
    uint32_t flags; /* of all of them together */
    uint32_t lacks; /* … and those that one of them does not have */
    bool failed;    /* one was refused: EXEC will fail */
    bool scattered; /* they need more than one shard … */
    uint64_t hash;  /* … or else that of this key */
};

/* The keys that a client watches (watch.h). */
struct watches {
    struct watch *first;
    size_t count, memory;
};

struct client {
    struct conn *conn;
    struct worker *worker;
    int64_t id;
    struct db *db;
    uint32_t flags; /* enum client_flag */
    bool authenticated;
    int64_t created; /* ms of clock.h */
    const struct command *last_command;
    char *name, *lib_name, *lib_version; /* or NULL */
    char *peer, *local;                  /* addresses, as conn_peer and conn_name write them */
    int fd;
    struct blocked *blocked; /* while CLIENT_BLOCKED */
    struct client *next_paused, *next_monitor;
    /* Of the log: behind the last of what its commands have logged. Its loop reads it at any time (aof_due); who serves it while it
     * is blocked sets it alone. */
    _Atomic uint64_t write_offset;
    struct transaction transaction;
    struct watches watches;
    _Atomic bool touched;          /* a key that it watches has changed; set by any loop */
    struct subscriber *subscriber; /* while CLIENT_SUBSCRIBED */
    struct tracker *tracker;       /* once it has tracked, or was redirected to */
    void *above;                   /* what the floor above keeps of it (server_above.client_closed) */
    struct carry *carry; /* once it was carried to another node (server_above.route), whose field this is */
};

/* The client of a new connection, or NULL when there is no memory. */
struct client *client_new(struct conn *conn);

/* When its connection is gone; nothing else may know it any more. */
void client_free(struct client *client);

/* Sets one of the owned texts; an empty slice takes it away. False: no memory. */
bool client_set_text(char **text, struct slice value);

/* Whether a text may name a client: printable ASCII without blanks. */
bool client_name_is_valid(struct slice name);
#define CLIENT_NAME_ERROR "ERR Client names cannot contain spaces, newlines or special characters."

/* Whether an address, or the peer of a client, is on this host: a Unix socket, or a loopback address. */
bool client_address_is_local(const struct sockaddr *address);
bool client_is_local(const struct client *client);

/* Notes whether this client has given a password, or none is needed; until then the small limits of requests and replies
 * hold. */
void client_set_authenticated(struct client *client, bool authenticated);

/* Chooses the output limit that holds for this client now. */
void client_choose_limit(struct client *client);

/*
 * Blocking: client_block makes the running command wait; the connection is served no further until client_unblock,
 * which is called by the client's own loop, from a timer or a message (not inside the gate). timeout: milliseconds,
 * 0: for ever. False: no memory. client_block_by takes a wait that was made by mem_alloc (of blocked->size bytes, and all but
 * `size`, `timed_out` and `left` zero), and frees it in the end.
 */
bool client_block(struct client *client, int64_t timeout, void (*timed_out)(struct client *), void *state);
void client_block_by(struct client *client, struct blocked *blocked, int64_t timeout);
void client_unblock(struct client *client);

/* Whether it waits, and nothing has ended that yet. */
static inline bool client_waits(const struct client *client)
{
    return (client->flags & (CLIENT_BLOCKED | CLIENT_WOKEN)) == CLIENT_BLOCKED;
}

/* For a wait that got what it waited for: client_claim by who runs alone; then client_answer by the message, on the client's own
 * loop, sends the reply, if there still is a client, and frees the wait. */
void client_claim(struct blocked *blocked);
void client_answer(struct blocked *blocked, const struct reply *reply);

/* Its connection is about to be closed (net's hook). */
void client_closing(struct client *client);

/*
 * Both under the gate alone, for a client of any loop (`by` is the caller's worker). client_kill closes its connection;
 * from here on it runs nothing more and is not listed. client_wake ends its wait as a time-out does, or with an error;
 * false when it does not wait.
 */
void client_kill(struct worker *by, struct client *client);
bool client_wake(struct client *client, bool with_error);

/* The same for all that wait, since this node is a replica now: with an error, and they are closed. */
void client_wake_all_by_role(struct server *server);

/* Calls `visit` for every client of every loop that is not killed; under the gate alone. */
void client_each(struct server *server, void (*visit)(void *context, struct client *client), void *context);

/* The client with an id, on any loop, or NULL when there is none that is not killed; under the gate alone. */
struct client *client_find(struct server *server, int64_t id);

#endif
