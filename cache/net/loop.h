/*
 * A loop: a thread with its uv_loop_t and the connections that it owns. A connection stays on its loop;
 * whoever else wants something of it posts a message to the loop's mailbox and lets the loop do it.
 *
 * `net` knows no command: it is given hooks, and calls them with complete requests.
 *
 * Threads: everything of a loop is touched by its own thread alone, except loop_post, loop_ask_to_stop and
 * the counters. It changes `conns` between hooks->enter and hooks->leave only, so a thread that keeps every
 * loop from being there may walk the list.
 */
#ifndef ORDINAL_NET_LOOP_H
#define ORDINAL_NET_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "counter.h"
#include "net/reply.h"
#include "net/resp.h"

struct conn;
struct loop;
struct net;
struct sockaddr;

enum {
    LOOP_BATCH = 64,            /* requests that are parsed ahead before they are run */
    LOOP_TURNS = 64,            /* connections whose requests are run together */
    LOOP_TURN_SIZE = 4096,      /* bytes of one of these at most; more is run at once */
    LOOP_READ_SIZE = 64 * 1024, /* bytes for one read */
    LOOP_READ_AREA = LOOP_TURNS * LOOP_TURN_SIZE + LOOP_READ_SIZE
};

/* One complete request: slices that are good until serve returns. */
struct request {
    struct slice *argv;
    size_t argc;
    size_t first; /* position of argv in the parser's arguments */
    size_t start; /* where its bytes begin in the buffer */
    bool bulks;   /* they are an array of bulk strings, not an inline command */
};

struct net_hooks {
    void *context; /* for the hooks' own use */
    /* Before a loop touches what others may look at, and after; around all other hooks. */
    void (*enter)(struct loop *loop);
    void (*leave)(struct loop *loop);
    /* A connection was accepted. NULL to keep it, or an error text to refuse it with (a whole RESP line). */
    const char *(*admit)(struct net *net, const struct sockaddr *peer);
    /* A connection is open: the hook hangs its own state into conn->client. False: no memory, close it. */
    bool (*opened)(struct conn *conn);
    /*
     * Requests come in batches, of one connection or of several, and in three steps, so that the cache misses
     * of a batch overlap: `prepare` for each connection (requests[first .. first + count) are its own),
     * `fetch` once for all of the batch, `serve` for each connection again. `serve` runs them in order and
     * writes their replies to loop->reply. It returns how many it ran: fewer than `count` when the connection
     * has to wait (conn_stall) or is closing; the rest comes again after conn_resume.
     */
    void (*prepare)(struct conn *conn, const struct request *requests, size_t first, size_t count);
    void (*fetch)(struct loop *loop, size_t count);
    size_t (*serve)(struct conn *conn, struct request *requests, size_t first, size_t count);
    /* An input buffer of so many bytes is about to be made: memory that may be given up for it should be. */
    void (*make_room)(struct loop *loop, size_t bytes);
    /* A connection is about to be closed: nothing may be taken for it any more. Anywhere on the loop's thread, also where
     * neither enter nor leave is around it: it may set what is atomic. May be NULL. */
    void (*closing)(struct conn *conn);
    /* Called once, last, when the connection is gone. */
    void (*closed)(struct conn *conn);
    /* The loop is about to wait for input: once in each of its turns, outside of enter and leave. Or NULL. What the hook queues
     * (conn_queue) goes out with what was queued before. */
    void (*before_poll)(struct loop *loop);
    /* Which offset of the log what is sent to this connection now could tell of, and (*own) which one ends its own last write: 0 for
     * nothing. Called while output is held (hold.h), on the loop's thread, inside enter and leave or not, after what is told of has
     * happened. */
    uint64_t (*due)(struct conn *conn, uint64_t *own);
};

struct message {
    struct message *next;
    void (*run)(struct loop *loop, void *argument);
    void *argument;
    bool lent; /* the sender's memory, which `run` may free: not the mailbox's */
};

/* What a connection has sent in this turn of the loop, on its way to being served with others' (turn.c). */
struct turn {
    struct conn *conn;
    char *data;
    size_t len;
    struct resp_parser parser;
    enum resp_status status;
    size_t first, count; /* its requests in loop->requests */
    size_t args_end;     /* where its arguments end in loop->args */
    size_t reply_end;    /* where its replies end in loop->reply */
};

struct loop {
    uv_loop_t uv;
    int index;
    struct net *net;
    pthread_t thread;
    void *worker; /* the hooks' own state for this loop */

    struct reply reply;    /* replies of the connections that are being served */
    size_t reply_base;     /* where those of the present one begin */
    struct resp_args args; /* arguments of the requests that are being served */
    struct request requests[LOOP_BATCH];
    char *read_area; /* LOOP_READ_AREA bytes that all connections read into */
    size_t read_at;  /* how much of it the waiting turns hold */
    struct turn turns[LOOP_TURNS];
    size_t turn_count;
    uv_check_t after_poll;        /* serves the turns */
    uv_prepare_t before_poll;     /* sends what is queued */
    struct conn *queued;          /* connections with something queued */
    struct conn *held, *held_end; /* connections with something held (hold.h) */
    _Atomic bool holds;           /* there are some: for who moves the mark */

    struct conn *conns; /* list of all connections of this loop */
    bool stopping;      /* loop_stop was called: no connection is opened any more */
    uv_async_t wake;
    _Atomic bool stop_asked; /* by loop_ask_to_stop */
    _Atomic(struct message *) mailbox;

    counter connections; /* open now */
    counter received;    /* connections ever opened */
    counter dealt;       /* connections ever sent here (written by loop 0); some may be on their way */
    counter bytes_in, bytes_out, reads, writes;
    counter closed_for_output, closed_for_input; /* closed at a buffer limit */
};

struct listener;

struct net {
    struct net_hooks hooks;
    int count;
    struct loop *loops;
    struct listener *listeners; /* loop 0's */
    int port;                   /* of the first TCP listener, 0 where there is none: as it was at start */
    _Atomic int64_t max_connections;
    _Atomic int64_t keepalive; /* seconds, 0: off */
    _Atomic int64_t max_bulk;
    _Atomic int64_t query_limit; /* bytes of one connection's unfinished input */
    _Atomic uint32_t holding;    /* a bit for each mark that output may have to wait for … */
    _Atomic bool relaxed;        /* … (not all of it) … */
    _Atomic uint64_t marks[2];   /* … and where they are: HOLD_MARKS of hold.h */
    counter rejected;            /* connections refused for max_connections */
    counter accept_errors;
};

/* Makes `count` loops (their threads do not run yet). Ends the process when the system refuses. */
void net_init(struct net *net, int count, const struct net_hooks *hooks);

/* Starts the threads of all loops but loop 0, which the caller runs itself by loop_run. */
void net_start(struct net *net);

/* Runs a loop until loop_stop. */
void loop_run(struct loop *loop);

/* From any thread: lets `run` be called by the loop's own thread, after what was posted before. False: no
 * memory. */
bool loop_post(struct loop *loop, void (*run)(struct loop *loop, void *argument), void *argument);

/* The same in memory of the caller's, which is the message's until `run` is called. Cannot fail. */
void loop_post_lent(struct loop *loop, struct message *m, void (*run)(struct loop *loop, void *argument),
                    void *argument);
/* The loop's own thread, from hooks->before_poll: runs what has been posted, so that it comes before what is sent now. */
void loop_run_messages(struct loop *loop);

/* From any thread: lets the loop come round to hooks->before_poll soon. Needs no memory. */
void loop_wake(struct loop *loop);

/* From any thread: lets the loop's own thread call loop_stop. Needs no memory. */
void loop_ask_to_stop(struct loop *loop);

/* Closes every connection and handle of the loop (of loop 0: the listeners too) but its mailbox, and ends
 * loop_run. The loop's own thread. */
void loop_stop(struct loop *loop);

/* For conn.c: a connection is gone. The last one of a stopping loop takes the other handles along. */
void loop_conn_gone(struct loop *loop);

/* After the loop_run of every loop that may post to this one: takes the mailbox down. */
void loop_free(struct loop *loop);

/* From loop 0, after its loop_run has returned: stops the other loops and waits for their threads. Other threads may still wake
 * loops, to no effect, until net_free. */
void net_stop(struct net *net);

/* Frees all loops. */
void net_free(struct net *net);

#endif
