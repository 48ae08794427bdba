/*
 * Turns: what the connections of a loop send in one turn of it, served together: read from all, then run,
 * then written to all.
 */
#include "net/turn.h"

#include "net/input.h"
#include "net/output.h"

/* Parses turns from `at` on until the batch of requests is full, and prepares them. Returns the turn after
 * the last. */
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
        turn->parser.first = loop->args.len;
        if (!turn->conn->closing && !turn->conn->closing_after_write && !turn->conn->stalled) {
            turn->status = input_parse(loop, &turn->parser, turn->data, turn->len, &loop->args, &count);
        }
        turn->count = count - turn->first;
        turn->args_end = loop->args.len;
    }
    input_point(loop, &loop->args, 0, count);
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
    loop->args.len = turn->args_end; /* what follows is other connections' */
    if (!conn->closing && !conn->closing_after_write) {
        bool going = input_serve(conn, &turn->parser, &loop->args, turn->first, turn->count);
        if (going &&
            turn->status == RESP_REQUEST) { /* the batch was full: the last of its turns goes on alone */
            loop->args.len = 0;
            input_process(conn, &turn->parser, &loop->args, turn->data, turn->len);
        } else {
            input_end(conn, &turn->parser, &loop->args, turn->data, turn->len, going, turn->status);
        }
    }
    turn->reply_end = loop->reply.len;
}

void turn_serve_all(struct loop *loop)
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
        output_send(turn->conn, from, turn->reply_end);
        output_done(turn->conn);
        from = turn->reply_end;
    }
    loop->turn_count = 0;
    loop->read_at = 0;
    loop->reply_base = 0;
    reply_reset(&loop->reply, OUTPUT_KEEP_REPLY);
}

bool turn_wait(struct conn *conn, char *data, size_t len)
{
    struct loop *loop = conn->loop;
    if (len > LOOP_TURN_SIZE || conn->input != NULL || conn->stalled || conn->unauthenticated) {
        return false;
    }
    if (data != loop->read_area + loop->read_at) { /* turns were served since: the area begins anew */
        memmove(loop->read_area + loop->read_at, data, len);
        data = loop->read_area + loop->read_at;
    }
    struct turn *turn = &loop->turns[loop->turn_count++];
    turn->conn = conn;
    turn->data = data;
    turn->len = len;
    conn->waiting = true;
    loop->read_at += (len + 63) & ~(size_t)63;
    if (loop->turn_count == LOOP_TURNS) {
        turn_serve_all(loop);
    }
    return true;
}
