/*
 * Fuzzes the RESP parser. An input is parsed whole, then in pieces whose cuts it chooses itself, each time moved to a
 * buffer of just its size: requests, arguments and errors must be the same, and no argument may lie outside.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "net/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* What came out so far: a running hash over the arguments and the ends of requests. */
struct outcome {
    uint64_t hash;
    uint64_t requests;
    enum resp_status status;
    char error[64];
};

static void note(struct outcome *o, const struct resp_parser *p, const struct resp_args *args)
{
    check(args->len > p->first);
    for (size_t i = p->first; i < args->len; i++) {
        o->hash = XXH3_64bits_withSeed(args->items[i].ptr, args->items[i].len, o->hash + args->items[i].len);
    }
    o->hash = o->hash * 31 + (args->len - p->first);
    o->requests++;
}

static enum resp_status drain(struct resp_parser *p, const char *bytes, size_t len,
                              const struct resp_limits *limits, struct resp_args *args, struct outcome *o)
{
    while ((o->status = resp_parse(p, bytes, len, limits, args)) == RESP_REQUEST) {
        check(p->pos <= len && p->start <= p->pos);
        note(o, p, args);
        args->len = 0;
    }
    if (o->status == RESP_INVALID) {
        memcpy(o->error, p->error, sizeof o->error);
    }
    return o->status;
}

static struct outcome parse_whole(const uint8_t *data, size_t size, const struct resp_limits *limits)
{
    struct resp_parser p;
    struct resp_args args = {0};
    struct outcome o = {0};
    char *bytes = malloc(size + 1);
    memcpy(bytes, data, size);
    resp_parser_init(&p);
    drain(&p, bytes, size, limits, &args, &o);
    check(memcmp(bytes, data, size) == 0);
    free(bytes);
    resp_args_free(&args);
    return o;
}

/* Keeps the unfinished request, as a connection does, and puts `more` bytes behind it. */
static char *carry_over(struct resp_parser *p, struct resp_args *args, char *bytes, size_t *len,
                        const uint8_t *more, size_t more_len)
{
    size_t rest = *len - p->start;
    char *moved = malloc(rest + more_len + 1);
    memcpy(moved, bytes + p->start, rest);
    memcpy(moved + rest, more, more_len);
    if (p->first > 0) {
        memmove(args->items, args->items + p->first, (args->len - p->first) * sizeof *args->items);
        args->len -= p->first;
        p->first = 0;
    }
    resp_parser_rebase(p, args, bytes, moved);
    free(bytes);
    *len = rest + more_len;
    return moved;
}

static struct outcome parse_pieces(const uint8_t *data, size_t size, const struct resp_limits *limits)
{
    struct resp_parser p;
    struct resp_args args = {0};
    struct outcome o = {0};
    char *bytes = malloc(1);
    size_t len = 0;
    size_t at = 0;
    resp_parser_init(&p);
    do {
        size_t piece = size - at > 0 ? 1 + data[at] % 23 : 0;
        piece = piece < size - at ? piece : size - at;
        bytes = carry_over(&p, &args, bytes, &len, data + at, piece);
        at += piece;
    } while (drain(&p, bytes, len, limits, &args, &o) == RESP_INCOMPLETE && at < size);
    free(bytes);
    resp_args_free(&args);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int small = 0; small < 2; small++) {
        struct resp_limits limits = {.max_bulk = 1 << 20, .unauthenticated = small != 0};
        struct outcome whole = parse_whole(data, size, &limits);
        struct outcome pieces = parse_pieces(data, size, &limits);
        check(whole.hash == pieces.hash && whole.requests == pieces.requests);
        check(whole.status == pieces.status && strcmp(whole.error, pieces.error) == 0);
    }
    return 0;
}
