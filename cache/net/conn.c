#include "net/conn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"

enum {
    KEEP_REPLY = 1024 * 1024, /* a loop's reply buffer larger than this is freed after use */
    COPY_UNSENT = 64 * 1024,  /* more than this is handed to libuv without a copy */
    MIN_INPUT = 16 * 1024
};

/* ---- output ----------------------------------------------------------------------------------------- */

/* Replies that the kernel did not take at once, on their way through libuv's queue. */
struct block {
    uv_write_t write;
    char *data;
    size_t len, cap;
};

static struct conn *conn_of(void *handle_or_stream)
{
    return ((uv_handle_t *)handle_or_stream)->data;
}

static void after_write(struct conn *conn)
{
    if (conn->closing_after_write && counter_get(&conn->unsent) == 0) {
        conn_close(conn);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct block *block = write->data;
    struct conn *conn = conn_of(write->handle);
    counter_add(&conn->unsent, -(int64_t)block->len);
    counter_add(&conn->unsent_memory, -(int64_t)(block->cap + sizeof *block));
    mem_free(block->data, block->cap);
    mem_free(block, sizeof *block);
    if (status < 0) {
        conn_close(conn);
        return;
    }
    after_write(conn);
    if (conn->throttled && counter_get(&conn->unsent) < CONN_MAX_UNSENT / 2) {
        conn->throttled = false;
        conn_resume(conn);
    }
}

/* Whether the unsent bytes are within the limits of the connection's class; starts and stops the soft limit's time. */
static bool within_limits(struct conn *conn)
{
    int64_t unsent = counter_get(&conn->unsent_memory);
    const struct conn_limit *limit = conn->limit;
    if (limit == NULL || unsent == 0) {
        return true;
    }
    if (limit->hard > 0 && unsent > limit->hard) {
        return false;
    }
    if (limit->soft == 0 || unsent <= limit->soft) {
        conn->soft_since = 0;
        return true;
    }
    int64_t now = clock_now();
    if (conn->soft_since == 0) {
        conn->soft_since = now;
    }
    return now - conn->soft_since <= limit->soft_seconds * 1000;
}

static void queue_block(struct conn *conn, struct block *block, size_t sent)
{
    block->write.data = block;
    block->len -= sent;
    uv_buf_t buf = uv_buf_init(block->data + sent, (unsigned)block->len);
    counter_add(&conn->unsent, (int64_t)block->len);
    counter_add(&conn->unsent_memory, (int64_t)(block->cap + sizeof *block));
    int status = uv_write(&block->write, &conn->uv.stream, &buf, 1, on_written);
    if (status < 0) { /* the callback does not come */
        on_written(&block->write, status);
        return;
    }
    if (!within_limits(conn)) {
        counter_add(&conn->loop->closed_for_output, 1);
        conn_close(conn);
    }
}

/* Queues r->data[from .. to). The whole of a large buffer is taken over from the reply, all else is copied. */
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

/* Sends loop->reply's bytes from..to to a connection. The bytes stay there, unless the whole buffer is taken over. */
static void send_replies(struct conn *conn, size_t from, size_t to)
{
    struct reply *r = &conn->loop->reply;
    if (from == to || conn->closing) {
        return;
    }
    counter_add(&conn->bytes_out, (int64_t)(to - from));
    counter_add(&conn->loop->bytes_out, (int64_t)(to - from));
    counter_add(&conn->loop->writes, 1);
    if (counter_get(&conn->unsent) == 0) {
        uv_buf_t buf = uv_buf_init(r->data + from, (unsigned)(to - from));
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

/* A reply that ran out of memory cannot be sent in part: the connection ends. */
static void drop_failed(struct conn *conn)
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
    drop_failed(conn);
    send_replies(conn, conn->loop->reply_base, r->len);
    r->len = r->len < conn->loop->reply_base ? r->len : conn->loop->reply_base;
    if (r->len == 0) {
        reply_reset(r, KEEP_REPLY);
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

/* ---- input ------------------------------------------------------------------------------------------ */

static void input_free(struct conn *conn)
{
    struct conn_input *input = conn->input;
    if (input != NULL) {
        resp_args_free(&input->args);
        mem_free(input->data, input->cap);
        mem_free(input, sizeof *input);
        conn->input = NULL;
    }
}

static bool input_reserve(struct conn_input *input, size_t room)
{
    if (input->cap - input->len >= room) {
        return true;
    }
    size_t cap = input->len + room;
    char *data = mem_alloc(cap);
    if (data == NULL) {
        return false;
    }
    memcpy(data, input->data, input->len);
    resp_parser_rebase(&input->parser, &input->args, input->data, data);
    mem_free(input->data, input->cap);
    input->data = data;
    input->cap = cap;
    return true;
}

/* Keeps data[p->start .. len), with the arguments found so far, for when more comes. */
static bool input_keep(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data,
                       size_t len)
{
    size_t rest = len - p->start;
    struct conn_input *input = conn->input;
    if (input == NULL) {
        size_t wants = resp_parser_wants(p, len);
        size_t cap = rest + (wants > MIN_INPUT ? MIN_INPUT : wants) + 512;
        input = mem_alloc(sizeof *input);
        if (input == NULL) {
            return false;
        }
        *input = (struct conn_input){.data = mem_alloc(cap), .len = rest, .cap = cap};
        conn->input = input;
        size_t found = args->len - p->first;
        if (found > 0) {
            input->args.items = mem_alloc(found * sizeof(struct slice));
            input->args.cap = found;
        }
        if (input->data == NULL || (found > 0 && input->args.items == NULL)) {
            input->cap = input->data != NULL ? cap : 0;
            input->args.cap = input->args.items != NULL ? found : 0;
            return false;
        }
        memcpy(input->data, data + p->start, rest);
    } else {
        memmove(input->data, data + p->start, rest);
        input->len = rest;
    }
    size_t found = args->len - p->first;
    if (found > 0) {
        memmove(input->args.items, args->items + p->first, found * sizeof(struct slice));
    }
    input->args.len = found;
    p->first = 0;
    resp_parser_rebase(p, &input->args, data, input->data);
    input->parser = *p;
    return true;
}

static void refuse_stream(struct conn *conn, const char *why)
{
    reply_errorf(&conn->loop->reply, "ERR Protocol error: %s", why);
    conn_close_after_write(conn);
}

/* Parses requests from the parser's position on into loop->requests[*count ..], until the batch is full. */
static enum resp_status parse_requests(struct loop *loop, struct resp_parser *p, char *data, size_t len,
                                       struct resp_args *args, size_t *count)
{
    struct resp_limits limits = {.max_bulk =
                                     atomic_load_explicit(&loop->net->max_bulk, memory_order_relaxed)};
    while (*count < LOOP_BATCH) {
        enum resp_status status = resp_parse(p, data, len, &limits, args);
        if (status != RESP_REQUEST) {
            return status;
        }
        loop->requests[(*count)++] =
            (struct request){.first = p->first, .argc = args->len - p->first, .start = p->start};
    }
    return RESP_REQUEST;
}

/* One request alone, under the small limits that hold before AUTH, which changes them for what follows. */
static enum resp_status parse_unauthenticated(struct loop *loop, struct resp_parser *p, char *data,
                                              size_t len, struct resp_args *args, size_t *count)
{
    struct resp_limits limits = {.max_bulk = atomic_load_explicit(&loop->net->max_bulk, memory_order_relaxed),
                                 .unauthenticated = true};
    enum resp_status status = resp_parse(p, data, len, &limits, args);
    if (status == RESP_REQUEST) {
        loop->requests[(*count)++] =
            (struct request){.first = p->first, .argc = args->len - p->first, .start = p->start};
    }
    return status;
}

/* The arguments have their final place: lets the requests point to them. */
static void point_to(struct loop *loop, const struct resp_args *args, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        loop->requests[i].argv = args->items + loop->requests[i].first;
    }
}

/* Serves requests that were prepared; returns false when serving has to end, with the parser at what was not run. */
static bool serve_requests(struct conn *conn, struct resp_parser *p, struct resp_args *args, size_t first,
                           size_t count)
{
    struct loop *loop = conn->loop;
    loop->reply.resp = conn->resp;
    conn->serving = true;
    size_t ran = count > 0 ? loop->net->hooks.serve(conn, loop->requests, first, count) : 0;
    conn->serving = false;
    drop_failed(conn);
    if (conn->closing || conn->closing_after_write) {
        return false;
    }
    if (ran < count) {
        size_t at = loop->requests[first + ran].start;
        args->len = loop->requests[first + ran].first;
        resp_parser_init(p);
        p->pos = p->start = at;
        p->first = args->len;
        return false;
    }
    return !conn->stalled;
}

/* What serving leaves: nothing, an error of the stream, or bytes that are kept. */
static void end_serving(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data,
                        size_t len, bool going, enum resp_status status)
{
    if (going && status == RESP_INVALID) {
        refuse_stream(conn, p->error);
    }
    if (conn->closing || conn->closing_after_write) {
        input_free(conn);
    } else if (p->remaining == 0 && p->start >= len) {
        input_free(conn);
    } else if (!input_keep(conn, p, args, data, len)) {
        conn_close(conn);
    }
}

/* Parses and serves all that is complete in data[0 .. len), and keeps the rest. */
static void process(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data, size_t len)
{
    struct loop *loop = conn->loop;
    enum resp_status status;
    bool going;
    do {
        size_t count = 0;
        status = conn->unauthenticated ? parse_unauthenticated(loop, p, data, len, args, &count)
                                       : parse_requests(loop, p, data, len, args, &count);
        point_to(loop, args, 0, count);
        loop->net->hooks.prepare(conn, loop->requests, 0, count);
        loop->net->hooks.fetch(loop, count);
        going = serve_requests(conn, p, args, 0, count);
        if (going && status == RESP_REQUEST) {
            args->len = 0;
        }
    } while (going && status == RESP_REQUEST);
    end_serving(conn, p, args, data, len, going, status);
}

/* Serves what stands in conn->input. */
static void process_input(struct conn *conn)
{
    struct conn_input *input = conn->input;
    struct resp_parser parser = input->parser;
    process(conn, &parser, &input->args, input->data, input->len);
}

static void take_bytes(struct conn *conn, char *data, size_t len)
{
    struct loop *loop = conn->loop;
    if (conn->input != NULL) {
        conn->input->len += len;
        if ((int64_t)conn->input->len > atomic_load_explicit(&loop->net->query_limit, memory_order_relaxed)) {
            counter_add(&loop->closed_for_input, 1);
            conn_close(conn);
        } else if (!conn->stalled) {
            process_input(conn);
        }
        return;
    }
    struct resp_parser parser;
    resp_parser_init(&parser);
    loop->args.len = 0;
    if (conn->stalled) {
        if (!input_keep(conn, &parser, &loop->args, data, len)) {
            conn_close(conn);
        }
        return;
    }
    process(conn, &parser, &loop->args, data, len);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

/* Parses turns from `at` on until the batch of requests is full, and prepares them. Returns the turn after the last. */
static size_t gather_turns(struct loop *loop, size_t at, size_t *requests)
{
    size_t first = at;
    size_t count = 0;
    loop->args.len = 0;
    while (at < loop->turn_count && count < LOOP_BATCH) {
        struct turn *turn = &loop->turns[at++];
        resp_parser_init(&turn->parser);
        turn->first = count;
        turn->status = RESP_INCOMPLETE;
        if (!turn->conn->closing && !turn->conn->closing_after_write && !turn->conn->stalled) {
            turn->status = parse_requests(loop, &turn->parser, turn->data, turn->len, &loop->args, &count);
        }
        turn->count = count - turn->first;
    }
    point_to(loop, &loop->args, 0, count);
    for (size_t i = first; i < at; i++) {
        struct turn *turn = &loop->turns[i];
        loop->net->hooks.prepare(turn->conn, loop->requests, turn->first, turn->count);
    }
    *requests = count;
    return at;
}

static void serve_turn(struct loop *loop, struct turn *turn)
{
    struct conn *conn = turn->conn;
    conn->waiting = false;
    loop->reply_base = loop->reply.len;
    if (!conn->closing && !conn->closing_after_write) {
        bool going = serve_requests(conn, &turn->parser, &loop->args, turn->first, turn->count);
        if (going &&
            turn->status == RESP_REQUEST) { /* the batch was full: the last of its turns goes on alone */
            loop->args.len = 0;
            process(conn, &turn->parser, &loop->args, turn->data, turn->len);
        } else {
            end_serving(conn, &turn->parser, &loop->args, turn->data, turn->len, going, turn->status);
        }
    }
    turn->reply_end = loop->reply.len;
}

void conn_serve_turns(struct loop *loop)
{
    if (loop->turn_count == 0) {
        return;
    }
    loop->net->hooks.enter(loop);
    for (size_t at = 0; at < loop->turn_count;) {
        size_t requests;
        size_t end = gather_turns(loop, at, &requests);
        loop->net->hooks.fetch(loop, requests);
        for (; at < end; at++) {
            serve_turn(loop, &loop->turns[at]);
        }
    }
    loop->net->hooks.leave(loop);
    size_t from = 0;
    for (size_t i = 0; i < loop->turn_count; i++) {
        struct turn *turn = &loop->turns[i];
        send_replies(turn->conn, from, turn->reply_end);
        after_write(turn->conn);
        from = turn->reply_end;
    }
    loop->turn_count = 0;
    loop->read_at = 0;
    loop->reply_base = 0;
    reply_reset(&loop->reply, KEEP_REPLY);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

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
    size_t most = input->len < MIN_INPUT ? MIN_INPUT : input->len;
    size_t room = wants == 0 || wants > most ? most : wants;
    conn->loop->net->hooks.enter(conn->loop);
    bool reserved =
        input->cap - input->len >= (room < MIN_INPUT ? room : MIN_INPUT) || input_reserve(input, room);
    conn->loop->net->hooks.leave(conn->loop);
    /* Without room libuv reports UV_ENOBUFS, and the connection is closed. */
    *buf = reserved ? uv_buf_init(input->data + input->len, (unsigned)(input->cap - input->len))
                    : uv_buf_init(NULL, 0);
}

/* Lets a short read wait for the end of the poll, to be served together with those of other connections. */
static bool defer(struct conn *conn, char *data, size_t len)
{
    struct loop *loop = conn->loop;
    if (len > LOOP_TURN_SIZE || conn->input != NULL || conn->stalled || conn->unauthenticated) {
        return false;
    }
    struct turn *turn = &loop->turns[loop->turn_count++];
    turn->conn = conn;
    turn->data = data;
    turn->len = len;
    conn->waiting = true;
    loop->read_at += (len + 63) & ~(size_t)63;
    if (loop->turn_count == LOOP_TURNS) {
        conn_serve_turns(loop);
    }
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct conn *conn = conn_of(stream);
    struct loop *loop = conn->loop;
    if (conn->waiting) { /* what came before comes first */
        conn_serve_turns(loop);
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
    if (defer(conn, buf->base, (size_t)count)) {
        return;
    }
    conn_serve_turns(loop); /* the loop's reply is free again */
    loop->net->hooks.enter(loop);
    take_bytes(conn, buf->base, (size_t)count);
    loop->net->hooks.leave(loop);
    conn_flush(conn);
    after_write(conn);
}

void conn_stall(struct conn *conn)
{
    conn->stalled = true;
}

void conn_resume(struct conn *conn)
{
    if (conn->closing || conn->throttled) {
        return;
    }
    conn->stalled = false;
    if (conn->input != NULL && !conn->serving) {
        conn->loop->net->hooks.enter(conn->loop);
        process_input(conn);
        conn->loop->net->hooks.leave(conn->loop);
        conn_flush(conn);
        after_write(conn);
    }
}

/* ---- life ------------------------------------------------------------------------------------------- */

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
    input_free(conn);
    mem_free(conn, sizeof *conn);
    loop->net->hooks.leave(loop);
}

void conn_close(struct conn *conn)
{
    if (!conn->closing) {
        conn->closing = true;
        uv_close(&conn->uv.handle, on_closed);
    }
}

void conn_close_after_write(struct conn *conn)
{
    if (!conn->closing && !conn->closing_after_write) {
        conn->closing_after_write = true;
        uv_read_stop(&conn->uv.stream);
        if (!conn->serving && conn->loop->reply.len == 0) {
            after_write(conn);
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
    struct conn *conn = mem_alloc(sizeof *conn);
    if (conn == NULL) {
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

static void format_address(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%d", host, ntohs(in6->sin6_port));
    } else {
        snprintf(text, size, "?:0");
    }
}

/* A Unix socket's clients have no name of their own: both ends go by the path that was connected to. */
static void format_local(const struct conn *conn, char *text, size_t size)
{
    struct sockaddr_un un = {0};
    socklen_t len = sizeof un;
    getsockname(conn_fd(conn), (struct sockaddr *)&un, &len);
    snprintf(text, size, "%s:0", un.sun_path[0] != '\0' ? un.sun_path : "?");
}

void conn_peer(const struct conn *conn, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (conn->local) {
        format_local(conn, text, size);
        return;
    }
    getpeername(conn_fd(conn), (struct sockaddr *)&address, &len);
    format_address(&address, text, size);
}

void conn_name(const struct conn *conn, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (conn->local) {
        format_local(conn, text, size);
        return;
    }
    getsockname(conn_fd(conn), (struct sockaddr *)&address, &len);
    format_address(&address, text, size);
}
