/*
 * Connections: opened for an accepted socket, read from, closed.
 */
#include "net/conn.h"

#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "net/hold.h"
#include "net/input.h"
#include "net/output.h"
#include "net/turn.h"

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *conn = conn_of(handle);
    struct conn_input *input = conn->input;
    if (input == NULL) {
        *buf = uv_buf_init(conn->loop->read_area + conn->loop->read_at, LOOP_READ_SIZE);
        return;
    }
    /* Room for what is wanted, but at most for as much again as has come: a length alone reserves nothing. */
    size_t wants = resp_parser_wants(&input->parser, input->len);
    size_t most = input->len < INPUT_MIN ? INPUT_MIN : input->len;
    size_t room = wants == 0 || wants > most ? most : wants;
    conn->loop->net->hooks.enter(conn->loop);
    bool reserved = input->cap - input->len >= (room < INPUT_MIN ? room : INPUT_MIN);
    if (!reserved) {
        conn->loop->net->hooks.make_room(conn->loop, input->len + room);
        reserved = input_reserve(input, room);
    }
    conn->loop->net->hooks.leave(conn->loop);
    /* Without room libuv reports UV_ENOBUFS, and the connection is closed. */
    *buf = reserved ? (uv_buf_t){input->data + input->len, input->cap - input->len} : (uv_buf_t){NULL, 0};
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct conn *conn = conn_of((uv_handle_t *)stream);
    struct loop *loop = conn->loop;
    if (conn->waiting) { /* what came before comes first */
        turn_serve_all(loop);
    }
    if (count == 0 || conn->closing || conn->closing_after_write) {
        return;
    }
    if (count < 0) {
        conn_close(conn);
        return;
    }
    counter_add(&loop->bytes_in, count);
    counter_add(&loop->reads, 1);
    counter_add(&conn->bytes_in, count);
    if (turn_wait(conn, buf->base, (size_t)count)) {
        return;
    }
    turn_serve_all(loop); /* the loop's reply is free again */
    if (conn->closing) {  /* one of those who were served has killed this one */
        return;
    }
    loop->net->hooks.enter(loop);
    input_take(conn, buf->base, (size_t)count);
    loop->net->hooks.leave(loop);
    conn_flush(conn);
    output_done(conn);
}

void conn_stall(struct conn *conn)
{
    conn->held = true;
    conn->stalled = true;
}

void conn_serve_again(struct conn *conn)
{
    if (conn->closing || conn->throttled || conn->held) {
        return;
    }
    conn->stalled = false;
    if (conn->input != NULL && !conn->serving) {
        conn->loop->net->hooks.enter(conn->loop);
        input_process_kept(conn);
        conn->loop->net->hooks.leave(conn->loop);
        conn_flush(conn);
        output_done(conn);
    }
}

void conn_resume(struct conn *conn)
{
    conn->held = false;
    conn_serve_again(conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = conn_of(handle);
    struct loop *loop = conn->loop;
    loop->net->hooks.enter(loop);
    *conn->link = conn->next;
    if (conn->next != NULL) {
        conn->next->link = conn->link;
    }
    counter_add(&loop->connections, -1);
    loop->net->hooks.closed(conn);
    output_drop_queue(conn);
    hold_drop(conn);
    input_free(conn);
    mem_free(conn, sizeof *conn);
    loop->net->hooks.leave(loop);
    loop_conn_gone(loop);
}

void conn_close(struct conn *conn)
{
    if (!conn->closing) {
        conn->closing = true;
        if (conn->loop->net->hooks.closing != NULL) {
            conn->loop->net->hooks.closing(conn);
        }
        uv_close(&conn->uv.handle, on_closed);
    }
}

void conn_close_after_write(struct conn *conn)
{
    if (!conn->closing && !conn->closing_after_write) {
        conn->closing_after_write = true;
        uv_read_stop(&conn->uv.stream);
        if (!conn->serving && conn->loop->reply.len == 0) {
            output_done(conn);
        }
    }
}

static bool start(struct conn *conn, int fd)
{
    struct loop *loop = conn->loop;
    int64_t keepalive = atomic_load_explicit(&loop->net->keepalive, memory_order_relaxed);
    int status;
    if (conn->local) {
        uv_pipe_init(&loop->uv, &conn->uv.pipe, 0);
        status = uv_pipe_open(&conn->uv.pipe, fd);
    } else {
        uv_tcp_init(&loop->uv, &conn->uv.tcp);
        status = uv_tcp_open(&conn->uv.tcp, fd);
        uv_tcp_nodelay(&conn->uv.tcp, 1);
        if (keepalive > 0) {
            uv_tcp_keepalive(&conn->uv.tcp, 1, (unsigned)keepalive);
        }
    }
    conn->uv.handle.data = conn;
    if (status < 0) {
        close(fd);
        return false;
    }
    return uv_read_start(&conn->uv.stream, on_alloc, on_read) == 0;
}

void conn_open(struct loop *loop, int fd, bool local)
{
    struct conn *conn = loop->stopping ? NULL : mem_alloc(sizeof *conn);
    if (conn == NULL) {
        counter_add(&loop->received, 1); /* it has come, and gone */
        close(fd);
        return;
    }
    memset(conn, 0, sizeof *conn);
    conn->loop = loop;
    conn->local = local;
    conn->resp = 2;
    counter_set(&conn->last_active, clock_now());
    loop->net->hooks.enter(loop);
    conn->next = loop->conns;
    conn->link = &loop->conns;
    if (conn->next != NULL) {
        conn->next->link = &conn->next;
    }
    loop->conns = conn;
    counter_add(&loop->connections, 1);
    counter_add(&loop->received, 1);
    bool open = start(conn, fd) && loop->net->hooks.opened(conn);
    loop->net->hooks.leave(loop);
    if (!open) {
        conn_close(conn);
    }
}

size_t conn_memory(const struct conn *conn)
{
    size_t bytes = mem_class(sizeof *conn) + (size_t)counter_get(&conn->unsent_memory);
    if (conn->input != NULL) {
        bytes +=
            mem_class(sizeof *conn->input) + conn->input->cap + conn->input->args.cap * sizeof(struct slice);
    }
    return bytes;
}

int conn_fd(const struct conn *conn)
{
    uv_os_fd_t fd = -1;
    uv_fileno(&conn->uv.handle, &fd);
    return fd;
}
