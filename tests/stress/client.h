/*
 * A client of the stress test. Threads: each has its own.
 */
#ifndef ORDINAL_STRESS_CLIENT_H
#define ORDINAL_STRESS_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PIPELINE = 200,  /* requests at most */
    PATIENCE_S = 60, /* what takes longer has not come */
};

struct client {
    int fd;
    uint64_t random;
    int number;
    char *in, *out;
    size_t in_at, in_len, in_cap, out_len, out_cap;
    const char *allowed[PIPELINE]; /* first bytes that the reply of each request in `out` may have */
    int count;
};

extern int server_port;
extern _Atomic int64_t requests_sent, replies_seen, connections_made;

/* Says what is wrong, and ends the server and the test. In stress.c. */
__attribute__((format(printf, 1, 2), noreturn)) void broken(const char *format, ...);

/* A random number in 0 .. below - 1. */
uint32_t pick(struct client *c, uint32_t below);

/* Makes room for `need` bytes in all. */
void must_grow(char **data, size_t *cap, size_t need);

/* Adds bytes, or a bulk string, to what will be sent. */
void put(struct client *c, const char *bytes, size_t len);
void put_argument(struct client *c, const char *bytes, size_t len);

/* Adds a request of words between blanks (a tilde is a blank within a word); its reply begins with one of `allowed`. */
__attribute__((format(printf, 3, 4))) void ask(struct client *c, const char *allowed, const char *format,
                                               ...);

/* Connects anew; false when the server refuses. */
bool dial(struct client *c);
void hang_up(struct client *c);

/* Sends the first `len` bytes and forgets the others. False: the server has closed. */
bool send_all(struct client *c, size_t len);

/* Reads more bytes behind those at c->in_at; false when the server has closed. */
bool receive_more(struct client *c, const char *waited_for);

/* The length of the reply at `from`, or 0 when it is not complete. */
size_t reply_length(const char *from, size_t len);

/* One whole reply, in c->in; NULL when the server has closed. */
const char *read_reply(struct client *c, const char *allowed, size_t *len);

/* Sends what was asked and reads all replies. False when the server has closed. */
bool exchange(struct client *c);

#endif
