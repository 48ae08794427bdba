/*
 * Output of a connection, for the rooms of net alone (conn.h has what others may call).
 */
#ifndef ORDINAL_NET_OUTPUT_H
#define ORDINAL_NET_OUTPUT_H

#include "net/conn.h"

enum { OUTPUT_KEEP_REPLY = 1024 * 1024 }; /* a loop's reply buffer larger than this is freed after use */

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

#endif
