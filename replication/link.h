/*
 * A link: the connection of a replica to its master, for the thread that follows it. Its calls wait, so that what happens on a link is
 * written one after another, as for a file; but never longer than repl-timeout without a byte, and not at all once the link is
 * not wanted any more: whoever decides that writes to the event that ends every wait.
 *
 * Threads: one thread's own, except the event, and last_io, which any thread may read.
 */
#ifndef ORDINAL_REPLICATION_LINK_H
#define ORDINAL_REPLICATION_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

enum {
    LINK_TICK_MS = 1000,
    LINK_CONNECT_MS = 2000,
    LINK_BUFFER = 16 * 1024,
    LINK_ERROR_SIZE = 256,
    LINK_LINE = 1024
};

struct link_hooks {
    void *context;
    bool (*goes_on)(void *context); /* whether the link is still wanted */
    void (*waits)(
        void *context); /* once in each `tick` of waiting for bytes; or NULL. It may write to the link */
};

struct link {
    int fd;    /* -1: not open */
    int event; /* an eventfd, the caller's */
    struct link_hooks hooks;
    uv_loop_t uv; /* for looking names up; there is one since the first time */
    bool has_uv;
    int64_t timeout;         /* milliseconds without a byte, after which it is given up */
    int64_t tick;            /* milliseconds; LINK_TICK_MS unless the caller changes it */
    _Atomic int64_t last_io; /* ms of clock.h: when bytes came last */
    size_t at, end;          /* of what was read and not taken yet … */
    char buffer[LINK_BUFFER];
    char error[LINK_ERROR_SIZE]; /* why the last call failed */
};

/* Where to, and from where. */
struct link_address {
    const char *host; /* a name or an address: looked up anew each time */
    int port;
    const char *source; /* an address of this host, or "" */
};

/* Not open yet. */
void link_init(struct link *link, int event, const struct link_hooks *hooks);

/* Connects; every address of the name is tried, each for LINK_CONNECT_MS at most: what was a pod's may be nobody's now, and its new address
 * is found by the next attempt. False with an error. */
bool link_open(struct link *link, const struct link_address *to, int64_t timeout);
void link_close(struct link *link);

/* The last call, by the thread that has used it: what it has is freed. */
void link_free(struct link *link);

/* Writes all of it. False with an error. */
bool link_write(struct link *link, const void *bytes, size_t len);

/* Reads one line without its end, at most `size` - 1 bytes, and ends it with 0; lines that are empty are passed over: by them a master
 * that has nothing to say yet shows that it is there. False with an error. */
bool link_read_line(struct link *link, char *line, size_t size);

/* Waits until some bytes are there that were not taken yet. False with an error. */
bool link_await(struct link *link);

/* As read(2): waits until some bytes have come; 0 when the other end has closed; -1 with errno and an error: ETIMEDOUT, ECANCELED (not
 * wanted any more), or what the system says. */
ssize_t link_read(struct link *link, void *buffer, size_t n);

#endif
