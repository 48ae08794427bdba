/*
 * A connection: bytes in, requests to the hook, replies out.
 *
 * What the connections of a loop send in one turn of it is served together: read from all, then run, then
 * written to all. So the cache misses of different clients' requests overlap, and the kernel's code for
 * reading, our own and the kernel's for writing each stay in the instruction cache. (SET and GET without
 * pipeline: see docs/performance.md.)
 *
 * An idle connection owns nothing but this structure: reads go to the loop's shared buffer, replies to the
 * loop's shared reply. Only an incomplete request (`input`) or unsent replies (blocks queued in libuv) cost
 * memory of their own.
 *
 * Threads: its loop's own, except as conn fields say.
 */
#ifndef ORDINAL_NET_CONN_H
#define ORDINAL_NET_CONN_H

#include "net/loop.h"
#include "net/push.h"

/* Unsent bytes at which a connection is not served any further. */
enum { CONN_MAX_UNSENT = 256 * 1024 * 1024 };

/* Limits for unsent bytes; 0: none. Settings, which any loop may change while another one writes. */
struct conn_limit {
    counter hard, soft, soft_seconds;
};

/* What has come of a request that is not complete, or must wait. */
struct conn_input {
    struct resp_parser parser;
    struct resp_args args;
    char *data;
    size_t len, cap;
};

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct loop *loop;
    struct conn *next, **link;       /* in loop->conns */
    void *client;                    /* the hooks' own */
    struct conn_input *input;        /* NULL while no request is incomplete */
    struct block *queue, *queue_end; /* what conn_queue has gathered (output.c) … */
    struct conn *next_queued;        /* … while it stands in loop->queued */
    struct block *hold, *hold_end;   /* output that waits for a mark (hold.h) … */
    struct conn *next_held;          /* … while it stands in loop->held */
    /* Both may be set by the hooks of another loop (a new password): atomic, and in words of their own. */
    const struct conn_limit *_Atomic limit;
    _Alignas(8) _Atomic bool unauthenticated; /* the small limits hold */
    int64_t soft_since;    /* when the soft limit was passed (ms of clock.h), 0: it is not */
    counter unsent;        /* bytes of replies that the kernel has not taken yet */
    counter held_bytes;    /* bytes that are held (hold.h) */
    counter unsent_memory; /* bytes of the blocks of both */
    counter bytes_in, bytes_out;
    counter last_active; /* ms of clock.h: the last read, unsent bytes taken, or end of a wait */
    uint8_t resp;        /* protocol of its replies: 2 or 3 */
    bool local;          /* a Unix socket */
    bool closing;        /* conn_close was called */
    bool closing_after_write;
    bool stalled;   /* input is kept, not served: held or throttled */
    bool held;      /* by conn_stall */
    bool throttled; /* for CONN_MAX_UNSENT */
    bool serving;   /* inside serve */
    bool waiting;   /* has a turn in loop->turns */
};

/* Opens a connection for an accepted socket on this loop. The socket is the connection's from here on. */
void conn_open(struct loop *loop, int fd, bool local);

/* Closes at once; unsent replies are lost. The structure lives on until hooks->closed. */
void conn_close(struct conn *conn);

/* Serves nothing more, and closes when all replies are sent. */
void conn_close_after_write(struct conn *conn);

/* Keeps further input unserved until conn_resume, which serves what has come meanwhile. */
void conn_stall(struct conn *conn);
void conn_resume(struct conn *conn);

/* For output.c, whose queue has shrunk: serves what has come meanwhile, unless something still stalls the
 * connection. */
void conn_serve_again(struct conn *conn);

/* Sends this connection's replies, which end loop->reply, and takes them out. For hooks: when replies grow
 * large. */
void conn_flush(struct conn *conn);

/* Sends bytes that no request of this connection asked for (a monitor's line, a message). From a message
 * of the loop or a timer, or from this connection's own serve; never from inside the serve of another one. */
void conn_send(struct conn *conn, const char *bytes, size_t len);

/*
 * Gathers bytes that no request of this connection asked for, until its loop is about to poll: then all of them go out at
 * once, behind the replies of the turn. conn_queue copies a small push and shares a large one; conn_queue_bytes copies. From
 * anywhere on the loop's thread. Without memory for them the connection is closed.
 */
void conn_queue(struct conn *conn, struct push *push);
void conn_queue_bytes(struct conn *conn, const char *bytes, size_t len);

/* From this connection's own serve: what was gathered goes out with the replies, before the next one. */
void conn_queue_reply(struct conn *conn);

/* A write of bytes that stay the caller's until it is over. In memory of the caller's, one at a time. */
struct conn_lent {
    uv_write_t write;
    size_t len;                           /* what the kernel has not taken yet */
    void (*done)(struct conn_lent *lent); /* on the loop's thread; the connection may be closing */
    void *context;                        /* the caller's own */
};

enum { CONN_LENT_RUNS = 16 };

/*
 * Sends runs of bytes without a copy, behind what is unsent; not while something is queued or held, which it would overtake. True:
 * the kernel has taken all, or the connection is closing; `done` is not called then. False: it will be, once, when the bytes are
 * needed no more. From anywhere on the loop's thread but the serve of a connection.
 */
bool conn_send_lent(struct conn *conn, struct conn_lent *lent, const struct slice *runs, int count);

/* Memory of the connection: structure, unfinished input, unsent output. Its loop's thread, or one that
 * keeps every loop from being between hooks->enter and hooks->leave. */
size_t conn_memory(const struct conn *conn);

/* "address:port", or the path of a Unix socket with ":0", of the peer and of this end. */
void conn_peer(const struct conn *conn, char *text, size_t size);
void conn_name(const struct conn *conn, char *text, size_t size);

/* "address:port" of an IP address; IPv6 in brackets. */
struct sockaddr_storage;
void conn_format_address(const struct sockaddr_storage *address, char *text, size_t size);

int conn_fd(const struct conn *conn);

#endif
