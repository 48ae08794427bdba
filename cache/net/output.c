/*
 * Output: what a connection sends. Replies are written straight from the loop's shared buffer; only what the
 * kernel does not take at once is kept, in blocks queued in libuv, and held against the limits of the
 * connection's class.
 */
#include "net/output.h"

#include "clock.h"
#include "memory.h"
#include "net/hold.h"

enum {
    COPY_UNSENT = 64 * 1024, /* more than this is handed to libuv without a copy */
    QUEUE_FIRST = 512        /* bytes of room in what a connection queues, at first */
};

void output_done(struct conn *conn)
{
    if (conn->closing_after_write && counter_get(&conn->unsent) == 0 && conn->hold == NULL) {
        conn_close(conn);
    }
}

/* Takes `len` bytes over: memory that counts as the connection's from here on. */
static struct block *block_new(struct conn *conn, char *data, size_t len, size_t cap)
{
    struct block *block = mem_alloc(sizeof *block);
    if (block != NULL) {
        block->next = NULL;
        block->data = data;
        block->len = len;
        block->cap = cap;
        block->push = NULL;
        counter_add(&conn->unsent_memory, (int64_t)(cap + sizeof *block));
    }
    return block;
}

void output_free_block(struct conn *conn, struct block *block)
{
    counter_add(&conn->unsent_memory, -(int64_t)(block->cap + sizeof *block));
    if (block->push != NULL) {
        push_drop(block->push);
    } else {
        mem_free(block->data, block->cap);
    }
    mem_free(block, sizeof *block);
}

static int64_t bytes_waiting(const struct conn *conn)
{
    return counter_get(&conn->unsent) + counter_get(&conn->held_bytes);
}

static void throttle(struct conn *conn)
{
    if (bytes_waiting(conn) > CONN_MAX_UNSENT) {
        conn->throttled = true;
        conn->stalled = true;
    }
}

void output_unthrottle(struct conn *conn)
{
    if (conn->throttled && bytes_waiting(conn) < CONN_MAX_UNSENT / 2) {
        conn->throttled = false;
        conn_serve_again(conn);
        loop_wake(conn->loop); /* what it has queued or held meanwhile is looked at before the loop sleeps */
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = conn_of((uv_handle_t *)write->handle);
    struct block *block = write->data;
    counter_add(&conn->unsent, -(int64_t)block->len);
    output_free_block(conn, block);
    if (status < 0) {
        conn_close(conn);
        return;
    }
    counter_set(&conn->last_active, clock_now()); /* it reads, if slowly */
    output_done(conn);
    output_unthrottle(conn);
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

void output_check_limits(struct conn *conn)
{
    if (!conn->closing && !within_limits(conn)) {
        counter_add(&conn->loop->closed_for_output, 1);
        conn_close(conn);
    }
    throttle(conn);
}

/* Points to the bytes of a block from `sent` on. Returns how many runs they are. */
static unsigned block_point(struct block *block, size_t sent)
{
    if (block->push == NULL) {
        block->bufs[0] = (uv_buf_t){block->data + sent, block->len - sent};
        return 1; /* uv_buf_init would take 32 bits of the length */
    }
    if (sent < block->head.len) {
        block->bufs[0] = (uv_buf_t){(char *)block->head.ptr + sent, block->head.len - sent};
        block->bufs[1] = (uv_buf_t){push_body(block->push), block->push->body};
        return 2;
    }
    sent -= block->head.len;
    block->bufs[0] = (uv_buf_t){push_body(block->push) + sent, block->push->body - sent};
    return 1;
}

/* Hands a block, whose first bytes the kernel has taken, to libuv. */
static void queue_block(struct conn *conn, struct block *block, size_t sent)
{
    unsigned runs = block_point(block, sent);
    block->write.data = block;
    block->len -= sent;
    counter_add(&conn->unsent, (int64_t)block->len);
    int status = uv_write(&block->write, &conn->uv.stream, block->bufs, runs, on_written);
    if (status < 0) { /* the callback does not come, and block->write may not even know its stream */
        counter_add(&conn->unsent, -(int64_t)block->len);
        output_free_block(conn, block);
        conn_close(conn);
        return;
    }
    output_check_limits(conn);
}

/* Makes a block of loop->reply's bytes from .. to, of which the first *sent are not to be sent. The whole of a large buffer is
 * taken over from the reply, all else is copied. */
static struct block *take(struct conn *conn, size_t from, size_t to, size_t *sent)
{
    struct reply *r = &conn->loop->reply;
    struct block *block;
    *sent = 0;
    if (to == r->len && to - from > COPY_UNSENT && conn->loop->reply_base == 0) {
        block = block_new(conn, r->data, r->len, r->cap);
        *sent = from;
    } else {
        char *copy = mem_alloc(to - from);
        block = copy != NULL ? block_new(conn, copy, to - from, to - from) : NULL;
        if (block == NULL) {
            mem_free(copy, to - from);
        } else {
            memcpy(copy, r->data + from, to - from);
        }
    }
    if (block == NULL) {
        conn_close(conn);
    } else if (block->data == r->data) {
        *r = (struct reply){.resp = r->resp};
    }
    return block;
}

struct block *output_take(struct conn *conn, size_t from, size_t to)
{
    size_t sent;
    return take(conn, from, to, &sent); /* with reply_base 0 `from` is 0, too: nothing of it was sent */
}

/* Notes bytes that go out, and lets the kernel take what it will at once. Returns how many; negative: closed. */
static ssize_t try_send(struct conn *conn, const uv_buf_t *bufs, unsigned runs, size_t len)
{
    counter_add(&conn->bytes_out, (int64_t)len);
    counter_add(&conn->loop->bytes_out, (int64_t)len);
    counter_add(&conn->loop->writes, 1);
    if (counter_get(&conn->unsent) > 0) {
        return 0;
    }
    int status = uv_try_write(&conn->uv.stream, bufs, runs);
    if (status < 0 && status != UV_EAGAIN) {
        conn_close(conn);
        return status;
    }
    return status > 0 ? status : 0;
}

void output_send(struct conn *conn, size_t from, size_t to)
{
    struct reply *r = &conn->loop->reply;
    if (from == to || conn->closing || (hold_concerns(conn) && hold_reply(conn, from, to))) {
        return;
    }
    uv_buf_t buf = {r->data + from, to - from};
    ssize_t sent = try_send(conn, &buf, 1, to - from);
    if (sent < 0) {
        return;
    }
    from += (size_t)sent;
    if (from < to) {
        size_t skipped;
        struct block *block = take(conn, from, to, &skipped);
        if (block != NULL) {
            queue_block(conn, block, skipped);
        }
    }
}

/* ---- what is lent ------------------------------------------------------------------------------------- */

static void on_lent_written(uv_write_t *write, int status)
{
    struct conn_lent *lent = write->data;
    struct conn *conn = conn_of((uv_handle_t *)write->handle);
    counter_add(&conn->unsent, -(int64_t)lent->len);
    if (status < 0) {
        conn_close(conn);
    } else {
        counter_set(&conn->last_active, clock_now());
    }
    lent->done(lent);
    output_done(conn);
}

/* Leaves out the first `sent` bytes. Returns how many runs are left. */
static unsigned skip(uv_buf_t *bufs, unsigned count, size_t sent)
{
    unsigned first = 0;
    while (first < count && sent >= bufs[first].len) {
        sent -= bufs[first++].len;
    }
    memmove(bufs, bufs + first, (count - first) * sizeof *bufs);
    if (first < count) {
        bufs[0].base += sent;
        bufs[0].len -= sent;
    }
    return count - first;
}

bool conn_send_lent(struct conn *conn, struct conn_lent *lent, const struct slice *runs, int count)
{
    uv_buf_t bufs[CONN_LENT_RUNS];
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        bufs[i] = (uv_buf_t){(char *)runs[i].ptr, runs[i].len};
        len += runs[i].len;
    }
    if (conn->closing || conn->closing_after_write) {
        return true;
    }
    ssize_t sent = try_send(conn, bufs, (unsigned)count, len);
    if (sent < 0 || (size_t)sent == len) {
        return true;
    }
    unsigned left = skip(bufs, (unsigned)count, (size_t)sent);
    lent->write.data = lent;
    lent->len = len - (size_t)sent;
    counter_add(&conn->unsent, (int64_t)lent->len);
    if (uv_write(&lent->write, &conn->uv.stream, bufs, left, on_lent_written) < 0) {
        counter_add(&conn->unsent, -(int64_t)lent->len);
        conn_close(conn);
        return true;
    }
    return false;
}

/* ---- what is queued ----------------------------------------------------------------------------------- */

static void queue_append(struct conn *conn, struct block *block)
{
    if (conn->queue == NULL) {
        conn->queue = block;
        conn->next_queued = conn->loop->queued;
        conn->loop->queued = conn;
    } else {
        conn->queue_end->next = block;
    }
    conn->queue_end = block;
}

static bool block_grow(struct conn *conn, struct block *block, size_t len)
{
    size_t cap = block->cap * 2 > block->len + len ? block->cap * 2 : block->len + len;
    char *data = mem_realloc(block->data, block->cap, cap);
    if (data == NULL) {
        return false;
    }
    counter_add(&conn->unsent_memory, (int64_t)(cap - block->cap));
    block->data = data;
    block->cap = cap;
    return true;
}

/* Room for `len` bytes at the end of the queue's last block, or of a new one. False: no memory. */
static bool queue_reserve(struct conn *conn, size_t len)
{
    struct block *block = conn->queue != NULL ? conn->queue_end : NULL;
    if (block != NULL && block->push == NULL) {
        return block->cap - block->len >= len || block_grow(conn, block, len);
    }
    size_t cap = len > QUEUE_FIRST ? len : QUEUE_FIRST;
    char *data = mem_alloc(cap);
    block = data != NULL ? block_new(conn, data, 0, cap) : NULL;
    if (block == NULL) {
        mem_free(data, cap);
        return false;
    }
    queue_append(conn, block);
    return true;
}

bool output_merge(struct conn *conn, struct block *block, const struct block *next)
{
    if (block->push != NULL || next->push != NULL ||
        (block->cap - block->len < next->len && !block_grow(conn, block, next->len))) {
        return false;
    }
    memcpy(block->data + block->len, next->data, next->len);
    block->len += next->len;
    return true;
}

static void queue_copy(struct conn *conn, const char *bytes, size_t len)
{
    memcpy(conn->queue_end->data + conn->queue_end->len, bytes, len);
    conn->queue_end->len += len;
}

void conn_queue_bytes(struct conn *conn, const char *bytes, size_t len)
{
    if (conn->closing || conn->closing_after_write) {
        return;
    }
    if (!queue_reserve(conn, len)) {
        conn_close(conn);
        return;
    }
    queue_copy(conn, bytes, len);
}

void conn_queue(struct conn *conn, struct push *push)
{
    struct slice head = push_head(push, conn->resp);
    if (head.len == 0 || conn->closing || conn->closing_after_write) {
        return;
    }
    if (push->body >= PUSH_SHARED) {
        struct block *block = block_new(conn, NULL, head.len + push->body, head.len + push->body);
        if (block == NULL) {
            conn_close(conn);
            return;
        }
        push_keep(push);
        block->push = push;
        block->head = head;
        queue_append(conn, block);
    } else if (queue_reserve(conn, head.len + push->body)) {
        queue_copy(conn, head.ptr, head.len);
        queue_copy(conn, push_body(push), push->body);
    } else {
        conn_close(conn);
    }
}

/* Takes a connection's queue out of it; it still stands in loop->queued. */
static struct block *queue_take(struct conn *conn)
{
    struct block *first = conn->queue;
    conn->queue = conn->queue_end = NULL;
    return first;
}

void output_send_block(struct conn *conn, struct block *block)
{
    ssize_t sent = -1;
    if (!conn->closing) {
        unsigned runs = block_point(block, 0);
        sent = try_send(conn, block->bufs, runs, block->len);
    }
    if (sent >= 0 && (size_t)sent < block->len) {
        queue_block(conn, block, (size_t)sent);
    } else {
        output_free_block(conn, block);
    }
}

void output_flush_queues(struct loop *loop)
{
    while (loop->queued != NULL) {
        struct conn *conn = loop->queued;
        loop->queued = conn->next_queued;
        struct block *next;
        for (struct block *block = queue_take(conn); block != NULL; block = next) {
            next = block->next;
            if (!hold_concerns(conn) || !hold_block(conn, block)) {
                output_send_block(conn, block);
            }
        }
    }
}

static void leave_queued(struct conn *conn)
{
    struct conn **link = &conn->loop->queued;
    while (*link != conn) {
        link = &(*link)->next_queued;
    }
    *link = conn->next_queued;
}

void output_drop_queue(struct conn *conn)
{
    if (conn->queue == NULL) {
        return;
    }
    leave_queued(conn);
    struct block *next;
    for (struct block *block = queue_take(conn); block != NULL; block = next) {
        next = block->next;
        output_free_block(conn, block);
    }
}

void conn_queue_reply(struct conn *conn)
{
    for (struct block *block = conn->queue; block != NULL; block = block->next) {
        unsigned runs = block_point(block, 0);
        for (unsigned i = 0; i < runs; i++) {
            reply_raw(&conn->loop->reply, block->bufs[i].base, block->bufs[i].len);
        }
    }
    output_drop_queue(conn);
}

/* ---- the turn's replies ------------------------------------------------------------------------------- */

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
