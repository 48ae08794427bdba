/*
 * Output of a connection, for the rooms of net alone (conn.h has what others may call).
 */
#ifndef ORDINAL_NET_OUTPUT_H
#define ORDINAL_NET_OUTPUT_H

#include "net/conn.h"

enum { OUTPUT_KEEP_REPLY = 1024 * 1024 }; /* a loop's reply buffer larger than this is freed after use */

/* Bytes on their way out: what was queued or held, and what the kernel did not take at once, in libuv's queue. */
struct block {
    uv_write_t write;
    struct block *next; /* in conn->queue or conn->hold */
    char *data;         /* its own … */
    size_t len, cap;    /* cap: bytes that it is held responsible for */
    struct push *push;  /* … or NULL, and these are shared … */
    struct slice head;  /* … behind the head for the protocol of that moment */
    uv_buf_t bufs[2];   /* what is still to be sent */
    uint64_t until;     /* while it is held: the offset that it waits for … */
    uint64_t own;       /* … and the one while only that is asked for */
};

static inline struct conn *conn_of(const uv_handle_t *handle)
{
    return handle->data;
}

/* Sends loop->reply's bytes from .. to. They stay there, unless the whole of a large buffer is taken over. */
void output_send(struct conn *conn, size_t from, size_t to);

/* Sends what the loop's connections have queued. */
void output_flush_queues(struct loop *loop);

/* Drops what a connection has queued. */
void output_drop_queue(struct conn *conn);

/* Closes the connection when a reply ran out of memory: it cannot be sent in part. */
void output_check(struct conn *conn);

/* Closes the connection when that was waiting for its output, and nothing is unsent any more. */
void output_done(struct conn *conn);

/* For hold.c. Takes loop->reply's bytes from .. to as a block; NULL: no memory, and the connection is closed. */
struct block *output_take(struct conn *conn, size_t from, size_t to);

/* Sends a block, behind what is unsent, and frees it in the end; or just frees it. */
void output_send_block(struct conn *conn, struct block *block);
void output_free_block(struct conn *conn, struct block *block);

/* Copies a block's bytes behind another one's. False, and nothing has changed: one of them is shared, or there is no memory. */
bool output_merge(struct conn *conn, struct block *block, const struct block *next);

/* Closes the connection when it is beyond its limits; serves it no further when that is far. */
void output_check_limits(struct conn *conn);

/* Serves a connection again that was throttled, once little enough is unsent. */
void output_unthrottle(struct conn *conn);

#endif
