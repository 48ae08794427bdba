/*
 * Replies: RESP going out. A reply is a buffer that grows, with the protocol version (2 or 3) that decides
 * how nulls, maps, sets, doubles, booleans and pushes are written: commands say what they mean and need not
 * know.
 *
 * One `struct reply` belongs to each loop and serves its connections in turn (conn.h), so replies cost no
 * allocation. When memory runs out the buffer stops growing and `failed` is set; the connection is then
 * closed.
 *
 * Source: RESP specification, versions 2 and 3.
 * Threads: used by one thread at a time.
 */
#ifndef ORDINAL_NET_REPLY_H
#define ORDINAL_NET_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

struct reply {
    char *data;
    size_t len, cap;
    int resp; /* 2 or 3 */
    bool failed;
};

/* Frees the buffer when it has grown beyond `keep` bytes; empties it. */
void reply_reset(struct reply *r, size_t keep);
void reply_free(struct reply *r);

/* Room for `size` more bytes at data + len; NULL (and failed) when there is no memory. */
char *reply_reserve_slow(struct reply *r, size_t size);

static inline char *reply_reserve(struct reply *r, size_t size)
{
    if (__builtin_expect(r->cap - r->len >= size, 1)) {
        return r->data + r->len;
    }
    return reply_reserve_slow(r, size);
}

/* Bytes as they are: for what is RESP already. */
void reply_raw(struct reply *r, const char *bytes, size_t len);

#define REPLY_LITERAL(r, literal) reply_raw((r), (literal), sizeof(literal) - 1)

void reply_ok(struct reply *r);
void reply_status(struct reply *r, const char *text);

/* An error: `text` with its code first ("ERR no such key"). Line ends inside become spaces. */
void reply_error(struct reply *r, const char *text);
void reply_errorf(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

void reply_int(struct reply *r, int64_t value);
void reply_double(struct reply *r, double value);
void reply_bool(struct reply *r, bool value); /* :1 or :0 in RESP2 */

void reply_bulk(struct reply *r, const void *bytes, size_t len);
void reply_bulk_slice(struct reply *r, struct slice s);
void reply_bulk_string(struct reply *r, const char *text);
void reply_bulk_int(struct reply *r, int64_t value);
void reply_bulkf(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A bulk string whose bytes come in two runs. */
void reply_bulk_pair(struct reply *r, struct slice a, struct slice b);

/* RESP3's verbatim string with a format of three letters ("txt"); a bulk string in RESP2. */
void reply_verbatim(struct reply *r, const char *format, struct slice text);

void reply_null(struct reply *r);       /* "no value": $-1 or _ */
void reply_null_array(struct reply *r); /* "no array": *-1 or _ */

/* Beginnings of aggregates; that many elements (for a map: pairs) must follow. */
void reply_array(struct reply *r, int64_t count);
void reply_map(struct reply *r, int64_t pairs);
void reply_set(struct reply *r, int64_t count);
void reply_push(struct reply *r, int64_t count);

/* For aggregates whose length is known only at the end: reply_hole leaves room for an array's head and
 * returns where, reply_fill_* writes it. Holes may nest; they are filled from the inside out. */
size_t reply_hole(const struct reply *r);
void reply_fill_array(struct reply *r, size_t hole, int64_t count);
void reply_fill_map(struct reply *r, size_t hole, int64_t pairs);
void reply_fill_set(struct reply *r, size_t hole, int64_t count);

#endif
