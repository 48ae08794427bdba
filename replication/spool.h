/*
 * A spool: the bytes of a snapshot on their way from the thread that walks the keyspace to several replicas, each of which takes them
 * at its own pace. It is a list of pieces that only grows at its end; a piece goes when all readers have passed it.
 *
 *   piece  piece  piece (on disk)  piece  ◀── writer
 *     ▲              ▲
 *   slow reader    fast reader
 *
 * The writer must not wait for a slow replica, since what is written meanwhile by clients is kept in memory until it goes on
 * (store/cut.h). So pieces are memory up to SPOOL_MEMORY; beyond that they go into a file without a name in the working directory. As
 * long as nothing suffers from it (`patient` says so), and readers go on, the writer waits a moment instead.
 *
 * Threads: one writer; each reader is one loop's. The lock is held for a few instructions.
 */
#ifndef ORDINAL_REPLICATION_SPOOL_H
#define ORDINAL_REPLICATION_SPOOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum {
    SPOOL_MEMORY = 32 << 20, /* bytes of pieces in memory before there are some on disk */
    SPOOL_PIECE = 256 << 10, /* bytes of a piece at most */
    SPOOL_PATIENCE_MS = 1000 /* how long the writer waits for a reader that takes nothing */
};

struct spool_piece {
    struct spool_piece *next;
    char *bytes; /* or NULL: in the file … */
    uint64_t at; /* … from here on */
    size_t len;
    int readers; /* that have not passed it */
};

/* Where a reader is. */
struct spool_reader {
    struct spool_piece *piece; /* NULL: at the end, as far as there is one */
    size_t taken;              /* of it */
    char *buffer;              /* SPOOL_PIECE bytes, once it has read from the file */
    size_t buffered;           /* bytes of the piece in it; 0: it is not read yet */
    bool open;
};

struct spool {
    pthread_mutex_t lock;
    pthread_cond_t taken;
    struct spool_piece *first, *last;
    struct spool_reader **slots; /* the readers that are open */
    int readers, room;
    uint64_t length;  /* bytes written */
    size_t in_memory; /* bytes */
    uint64_t on_disk;
    int fd; /* of the file, -1: none yet */
    bool
        hurries; /* some reader has tried the writer's patience: it waits no more until half of the memory is free */
    bool complete;
    int error; /* errno: what is here is all that there will ever be */
    bool (*patient)(void *context);
    void (*grown)(void *context);
    void *context;
};

/* `patient`: whether the writer may wait; `grown`: there is more to read, or there will not be; on the writer's thread. `readers`: how
 * many there can be. False: no memory. */
bool spool_init(struct spool *spool, int readers, bool (*patient)(void *context),
                void (*grown)(void *context), void *context);

/* When nobody writes or reads any more. */
void spool_free(struct spool *spool);

/* Appends; false with errno set: the disk is full, or there is no memory. */
bool spool_write(struct spool *spool, const void *bytes, size_t n);

/* The end: all is there (true), or nothing more will come. */
void spool_end(struct spool *spool, bool complete);

/* A reader at the beginning. Before anything is written. */
void spool_open(struct spool *spool, struct spool_reader *reader);

/* It needs no more. Any thread; once is enough. */
void spool_close(struct spool *spool, struct spool_reader *reader);

/* How many readers are open. Any thread. */
int spool_readers(struct spool *spool);

/* The next bytes of a reader. SPOOL_END: it has had all; SPOOL_FAILED: there will not be all. */
enum spool_status { SPOOL_BYTES, SPOOL_NOTHING_YET, SPOOL_END, SPOOL_FAILED };
enum spool_status spool_peek(struct spool *spool, struct spool_reader *reader, struct slice *bytes);

/* The bytes that were peeked have been sent. */
void spool_advance(struct spool *spool, struct spool_reader *reader, size_t n);

/* Length of all, once it is complete; -1: it is not. */
int64_t spool_length(struct spool *spool);

#endif
