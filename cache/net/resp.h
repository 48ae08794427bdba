/*
 * RESP coming in: a parser that is fed bytes and gives requests, apart from any socket, so that it can be
 * tested and fuzzed by itself. It works in place: an argument is a slice of the buffer. A request that is not
 * complete yet is resumed where it stopped, so arguments that arrive in many pieces are looked at once.
 *
 * Source: RESP specification, "Sending commands to a server"; inline commands with Redis's quoting rules;
 * limits and texts of Redis's protocol errors.
 */
#ifndef ORDINAL_NET_RESP_H
#define ORDINAL_NET_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

enum {
    RESP_MAX_INLINE = 64 * 1024, /* also the longest line of a head */
    RESP_MAX_ARGS_UNAUTHENTICATED = 10,
    RESP_MAX_BULK_UNAUTHENTICATED = 16384,
};

enum resp_status {
    RESP_REQUEST,    /* a request is complete: `argc` arguments from `first` on */
    RESP_INCOMPLETE, /* all bytes are used up; more are needed */
    RESP_INVALID,    /* the stream cannot be followed any more; `error` says why */
};

/* Arguments of the requests that were parsed and not yet run; whoever has run them sets len to 0. */
struct resp_args {
    struct slice *items;
    size_t len, cap;
    char *unquoted; /* the words of inline commands that had quotes */
    size_t unquoted_len, unquoted_cap;
};

struct resp_limits {
    int64_t max_bulk;     /* proto-max-bulk-len */
    bool unauthenticated; /* the small limits before AUTH */
};

struct resp_parser {
    size_t pos;        /* next byte to look at, from the beginning of the buffer */
    size_t start;      /* beginning of the request that is being parsed */
    size_t first;      /* its first argument in `args` */
    int64_t bulk;      /* length of the argument that is expected, or -1 */
    int64_t remaining; /* arguments that are still to come; 0: between two requests */
    char error[64];
};

static inline void resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){.bulk = -1};
}

/*
 * Parses one request of data[0 .. len) from p->pos on. Arguments are appended to *args as slices of `data`
 * (quoted words of an inline command: of args->unquoted). `data` stays as it is: a request that has to wait
 * is parsed again. An empty request (a bare line end, or `*0`) is passed over. On RESP_INCOMPLETE the caller
 * keeps the bytes from p->start on, and may move them to another buffer by resp_parser_rebase before it goes
 * on.
 */
enum resp_status resp_parse(struct resp_parser *p, const char *data, size_t len,
                            const struct resp_limits *limits, struct resp_args *args);

/* Follows an incomplete request that was moved: its bytes from `start` on now begin at `to`. */
void resp_parser_rebase(struct resp_parser *p, struct resp_args *args, const char *from, const char *to);

/* How many bytes the argument that is being waited for still needs (0: not known). */
size_t resp_parser_wants(const struct resp_parser *p, size_t len);

void resp_args_free(struct resp_args *args);

#endif
