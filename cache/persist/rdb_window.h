/*
 * A window over a stream of bytes: what was read and not passed yet, in one piece, with the CRC-64 of all that was passed. It has
 * room for one read, and for more only while something that is looked at does not fit; so a file is never in memory as a whole.
 *
 * Threads: its owner's alone.
 */
#ifndef ORDINAL_PERSIST_RDB_WINDOW_H
#define ORDINAL_PERSIST_RDB_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where bytes come from: a file, a socket, memory. `read` is as read(2): how many bytes came, 0 at the end, or -1 with errno. More may
 * be asked for than belongs to what is looked at: a source that goes on behind that must end there, and not wait. */
struct rdb_source {
    void *context;
    ssize_t (*read)(void *context, void *buffer, size_t n);
    uint64_t size; /* bytes in all, 0: not known */
};

enum { RDB_WINDOW_READ = 256 * 1024 }; /* bytes of one read, at most */

struct rdb_window {
    const struct rdb_source *source;
    uint8_t *bytes;       /* malloc's */
    size_t read;          /* bytes of one read */
    size_t room, at, end; /* of bytes: allocated, passed, read */
    size_t summed;        /* those before it are part of crc */
    uint64_t base;        /* offset of bytes[0] in the stream */
    uint64_t crc;
    bool sums;  /* whether the CRC is wanted */
    bool ended; /* the source has ended */
    bool no_memory;
    int error; /* errno of a read that failed */
};

void rdb_window_init(struct rdb_window *w, const struct rdb_source *source, bool sums);
void rdb_window_free(struct rdb_window *w);

/* Reads on until there are `more` bytes more than now; they may then lie elsewhere. False: they will not come, and `ended`, `error`
 * or `no_memory` says why. Memory is taken only as bytes come, whatever `more` is. */
bool rdb_window_more(struct rdb_window *w, size_t more);

/* Before anything is read: what the source gave already. False: no memory. */
bool rdb_window_put(struct rdb_window *w, const void *bytes, size_t len);

/* How many bytes of the stream lie before the window's next one. */
static inline uint64_t rdb_window_offset(const struct rdb_window *w)
{
    return w->base + w->at;
}

/* The CRC-64 of all bytes that were passed. */
uint64_t rdb_window_sum(struct rdb_window *w);

#endif
