/*
 * Input: from bytes to requests that were served. Complete requests are served from where they were read; of
 * an incomplete one the bytes are kept, with the arguments found so far, and its parser goes on where it
 * stopped.
 */
#include "net/input.h"

#include "memory.h"
#include "net/output.h"

void input_free(struct conn *conn)
{
    struct conn_input *input = conn->input;
    if (input != NULL) {
        resp_args_free(&input->args);
        mem_free(input->data, input->cap);
        mem_free(input, sizeof *input);
        conn->input = NULL;
    }
}

bool input_reserve(struct conn_input *input, size_t room)
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

/* Room for `cap` bytes and `found` arguments; NULL when there is no memory. */
static struct conn_input *input_new(size_t cap, size_t found)
{
    struct conn_input *input = mem_alloc(sizeof *input);
    if (input == NULL) {
        return NULL;
    }
    *input = (struct conn_input){.data = mem_alloc(cap), .cap = cap, .args.cap = found};
    input->args.items = found > 0 ? mem_alloc(found * sizeof(struct slice)) : NULL;
    if (input->data == NULL || (found > 0 && input->args.items == NULL)) {
        mem_free(input->data, cap);
        mem_free(input->args.items, found * sizeof(struct slice));
        mem_free(input, sizeof *input);
        return NULL;
    }
    return input;
}

/* Keeps data[p->start .. len), with the arguments found so far, for when more comes. */
static bool input_keep(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data,
                       size_t len)
{
    size_t rest = len - p->start;
    size_t found = args->len - p->first;
    struct conn_input *input = conn->input;
    if (input == NULL) {
        size_t wants = resp_parser_wants(p, len);
        input = input_new(rest + (wants > INPUT_MIN ? INPUT_MIN : wants) + 512, found);
        if (input == NULL) {
            return false;
        }
        memcpy(input->data, data + p->start, rest);
        input->len = rest;
        conn->input = input;
    } else if (p->start > 0) { /* where nothing was served nothing is moved, however much there is */
        memmove(input->data, data + p->start, rest);
        input->len = rest;
    }
    if (found > 0 && input->args.items != args->items + p->first) {
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
    output_check(conn);
    conn_close_after_write(conn);
}

/* The request that has just been parsed; where its arguments lie is told when the batch is complete (input_point). */
static struct request request_of(const struct resp_parser *p, const struct resp_args *args, const char *data)
{
    return (struct request){
        .first = p->first, .argc = args->len - p->first, .start = p->start, .bulks = data[p->start] == '*'};
}

enum resp_status input_parse(struct loop *loop, struct resp_parser *p, char *data, size_t len,
                             struct resp_args *args, size_t *count)
{
    struct resp_limits limits = {.max_bulk =
                                     atomic_load_explicit(&loop->net->max_bulk, memory_order_relaxed)};
    while (*count < LOOP_BATCH) {
        enum resp_status status = resp_parse(p, data, len, &limits, args);
        if (status != RESP_REQUEST) {
            return status;
        }
        loop->requests[(*count)++] = request_of(p, args, data);
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
        loop->requests[(*count)++] = request_of(p, args, data);
    }
    return status;
}

void input_point(struct loop *loop, const struct resp_args *args, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        loop->requests[i].argv = args->items + loop->requests[i].first;
    }
}

/* Goes back to the beginning of a request, whose arguments would have begun at `first`. */
static void restart(struct resp_parser *p, struct resp_args *args, size_t start, size_t first)
{
    resp_parser_init(p);
    p->pos = p->start = start;
    p->first = args->len = first;
}

bool input_serve(struct conn *conn, struct resp_parser *p, struct resp_args *args, size_t first, size_t count)
{
    struct loop *loop = conn->loop;
    loop->reply.resp = conn->resp;
    conn->serving = true;
    size_t ran = count > 0 ? loop->net->hooks.serve(conn, loop->requests, first, count) : 0;
    conn->serving = false;
    output_check(conn);
    if (conn->closing || conn->closing_after_write) {
        return false;
    }
    if (ran < count) {
        restart(p, args, loop->requests[first + ran].start, loop->requests[first + ran].first);
        return false;
    }
    return !conn->stalled;
}

void input_end(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data, size_t len,
               bool going, enum resp_status status)
{
    if (going && status == RESP_INVALID) {
        refuse_stream(conn, p->error);
    } else if (status == RESP_INVALID) { /* it is found invalid again when it is its turn */
        restart(p, args, p->start, p->first);
    }
    if (conn->closing || conn->closing_after_write) {
        input_free(conn);
    } else if (p->remaining == 0 && p->start >= len) {
        input_free(conn);
    } else if (!input_keep(conn, p, args, data, len)) {
        conn_close(conn);
    }
}

void input_process(struct conn *conn, struct resp_parser *p, struct resp_args *args, char *data, size_t len)
{
    struct loop *loop = conn->loop;
    enum resp_status status;
    bool going;
    do {
        size_t count = 0;
        status = conn->unauthenticated ? parse_unauthenticated(loop, p, data, len, args, &count)
                                       : input_parse(loop, p, data, len, args, &count);
        input_point(loop, args, 0, count);
        loop->net->hooks.prepare(conn, loop->requests, 0, count);
        loop->net->hooks.fetch(loop, count);
        going = input_serve(conn, p, args, 0, count);
        if (going && status == RESP_REQUEST) {
            args->len = 0;
        }
    } while (going && status == RESP_REQUEST);
    input_end(conn, p, args, data, len, going, status);
}

void input_process_kept(struct conn *conn)
{
    struct conn_input *input = conn->input;
    struct resp_parser parser = input->parser;
    input_process(conn, &parser, &input->args, input->data, input->len);
}

/* Bytes are mostly read to where they belong. Not so when the waiting turn of the same connection was
 * served between the read and now, and has left an unfinished request. */
static bool append_input(struct conn_input *input, const char *data, size_t len)
{
    if (data != input->data + input->len) {
        if (!input_reserve(input, len)) {
            return false;
        }
        memcpy(input->data + input->len, data, len);
    }
    input->len += len;
    return true;
}

/* What the client has made us keep: its bytes, and where its arguments lie in them. */
static int64_t input_size(const struct conn_input *input)
{
    return (int64_t)(input->len + input->args.len * sizeof(struct slice));
}

void input_take(struct conn *conn, char *data, size_t len)
{
    struct loop *loop = conn->loop;
    if (conn->input != NULL) {
        if (!append_input(conn->input, data, len)) {
            conn_close(conn);
        } else if (input_size(conn->input) >
                   atomic_load_explicit(&loop->net->query_limit, memory_order_relaxed)) {
            counter_add(&loop->closed_for_input, 1);
            conn_close(conn);
        } else if (!conn->stalled) {
            input_process_kept(conn);
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
    input_process(conn, &parser, &loop->args, data, len);
}
