/*
 * Output: what a connection sends. Replies are written straight from the loop's shared buffer; only what the
 * kernel does not take at once is kept, in blocks queued in libuv, and held against the limits of the
 * connection's class.
 */
#include "net/output.h"

#include "clock.h"
#include "memory.h"

enum { COPY_UNSENT = 64 * 1024 }; /* more than this is handed to libuv without a copy */

/* Replies that the kernel did not take at once, on their way through libuv's queue. */
struct block {
    uv_write_t write;
    char *data;
    size_t len, cap;
};

void output_done(struct conn *conn)
{
    if (conn->closing_after_write && counter_get(&conn->unsent) == 0) {
        conn_close(conn);
    }
}

static void forget_block(struct conn *conn, struct block *block)
{
    counter_add(&conn->unsent, -(int64_t)block->len);
    counter_add(&conn->unsent_memory, -(int64_t)(block->cap + sizeof *block));
    mem_free(block->data, block->cap);
    mem_free(block, sizeof *block);
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = conn_of((uv_handle_t *)write->handle);
    forget_block(conn, write->data);
    if (status < 0) {
        conn_close(conn);
        return;
    }
    output_done(conn);
    if (conn->throttled && counter_get(&conn->unsent) < CONN_MAX_UNSENT / 2) {
        conn->throttled = false;
        conn_serve_again(conn);
    }
}

/* Whether the unsent bytes are within the limits of the connection's class; starts and stops the soft
 * limit's time. */
static bool within_limits(struct conn *conn)
{
    int64_t unsent = counter_get(&conn->unsent_memory);
    const struct conn_limit *limit = conn->limit;
    if (limit == NULL || unsent == 0) {
        return true;
    }
    int64_t hard = counter_get(&limit->hard);
    int64_t soft = counter_get(&limit->soft);
    if (hard > 0 && unsent > hard) {
        return false;
    }
    if (soft == 0 || unsent <= soft) {
        conn->soft_since = 0;
        return true;
    }
    int64_t now = clock_now();
    if (conn->soft_since == 0) {
        conn->soft_since = now;
    }
    return now - conn->soft_since <= counter_get(&limit->soft_seconds) * 1000;
}

static void queue_block(struct conn *conn, struct block *block, size_t sent)
{
    block->write.data = block;
    block->len -= sent;
    uv_buf_t buf = {block->data + sent, block->len}; /* uv_buf_init would take 32 bits of the length */
    counter_add(&conn->unsent, (int64_t)block->len);
    counter_add(&conn->unsent_memory, (int64_t)(block->cap + sizeof *block));
    int status = uv_write(&block->write, &conn->uv.stream, &buf, 1, on_written);
    if (status < 0) { /* the callback does not come, and block->write may not even know its stream */
        forget_block(conn, block);
        conn_close(conn);
        return;
    }
    if (!within_limits(conn)) {
        counter_add(&conn->loop->closed_for_output, 1);
        conn_close(conn);
    }
}

/* Queues r->data[from .. to). The whole of a large buffer is taken over from the reply, all else is
 * copied. */
static void queue_rest(struct conn *conn, struct reply *r, size_t from, size_t to)
{
    struct block *block = mem_alloc(sizeof *block);
    if (block == NULL) {
        conn_close(conn);
        return;
    }
    size_t sent = 0;
    if (to == r->len && to - from > COPY_UNSENT && conn->loop->reply_base == 0) {
        *block = (struct block){.data = r->data, .len = r->len, .cap = r->cap};
        *r = (struct reply){.resp = r->resp};
        sent = from;
    } else {
        *block = (struct block){.data = mem_alloc(to - from), .len = to - from, .cap = to - from};
        if (block->data == NULL) {
            mem_free(block, sizeof *block);
            conn_close(conn);
            return;
        }
        memcpy(block->data, r->data + from, to - from);
    }
    queue_block(conn, block, sent);
}

void output_send(struct conn *conn, size_t from, size_t to)
{
    struct reply *r = &conn->loop->reply;
    if (from == to || conn->closing) {
        return;
    }
    counter_add(&conn->bytes_out, (int64_t)(to - from));
    counter_add(&conn->loop->bytes_out, (int64_t)(to - from));
    counter_add(&conn->loop->writes, 1);
    if (counter_get(&conn->unsent) == 0) {
        uv_buf_t buf = {r->data + from, to - from};
        int status = uv_try_write(&conn->uv.stream, &buf, 1);
        if (status < 0 && status != UV_EAGAIN) {
            conn_close(conn);
            return;
        }
        from += status > 0 ? (size_t)status : 0;
    }
    if (from < to) {
        queue_rest(conn, r, from, to);
        if (counter_get(&conn->unsent) > CONN_MAX_UNSENT) {
            conn->throttled = true;
            conn->stalled = true;
        }
    }
}

void output_check(struct conn *conn)
{
    struct reply *r = &conn->loop->reply;
    if (r->failed) {
        r->failed = false;
        r->len = conn->loop->reply_base;
        conn_close(conn);
    }
}

void conn_flush(struct conn *conn)
{
    struct reply *r = &conn->loop->reply;
    output_check(conn);
    output_send(conn, conn->loop->reply_base, r->len);
    r->len = r->len < conn->loop->reply_base ? r->len : conn->loop->reply_base;
    if (r->len == 0) {
        reply_reset(r, OUTPUT_KEEP_REPLY);
    }
}

void conn_send(struct conn *conn, const char *bytes, size_t len)
{
    if (conn->closing || conn->closing_after_write) {
        return;
    }
    reply_raw(&conn->loop->reply, bytes, len);
    if (!conn->serving) { /* else it goes out with the replies of this turn */
        conn_flush(conn);
    }
}
