#include "replication/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

bool spool_init(struct spool *spool, int readers, bool (*patient)(void *context),
                void (*grown)(void *context), void *context)
{
    pthread_condattr_t monotonic;
    *spool =
        (struct spool){.fd = -1, .room = readers, .patient = patient, .grown = grown, .context = context};
    spool->slots = calloc((size_t)readers, sizeof(struct spool_reader *));
    if (spool->slots == NULL) {
        return false;
    }
    pthread_mutex_init(&spool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&spool->taken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return true;
}

/* ---- pieces, under the lock -------------------------------------------------------------------------- */

static void free_piece(struct spool *spool, struct spool_piece *piece)
{
    if (piece->bytes != NULL) {
        spool->in_memory -= piece->len;
        free(piece->bytes);
    }
    free(piece);
}

/* Readers pass pieces in order, so those that all have passed are the first. */
static void free_passed(struct spool *spool)
{
    while (spool->first != NULL && spool->first->readers == 0) {
        struct spool_piece *piece = spool->first;
        spool->first = piece->next;
        spool->last = spool->first == NULL ? NULL : spool->last;
        free_piece(spool, piece);
    }
    pthread_cond_signal(&spool->taken);
}

void spool_free(struct spool *spool)
{
    for (struct spool_piece *piece = spool->first, *next; piece != NULL; piece = next) {
        next = piece->next;
        free_piece(spool, piece);
    }
    if (spool->fd >= 0) {
        close(spool->fd);
    }
    free(spool->slots);
    pthread_mutex_destroy(&spool->lock);
    pthread_cond_destroy(&spool->taken);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

/* Waits a moment for room in memory, where nobody suffers from that and readers go on. With the lock. */
static void await_room(struct spool *spool, size_t n)
{
    enum { LOOK_MS = 10, NS = 1000000 };
    size_t seen = spool->in_memory;
    int64_t until = clock_now() + SPOOL_PATIENCE_MS;
    spool->hurries = spool->hurries && spool->in_memory > SPOOL_MEMORY / 2;
    while (spool->in_memory + n > SPOOL_MEMORY && spool->readers > 0 && !spool->hurries &&
           spool->patient(spool->context)) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += LOOK_MS * NS;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&spool->taken, &spool->lock, &t);
        until = spool->in_memory < seen ? clock_now() + SPOOL_PATIENCE_MS : until;
        seen = spool->in_memory;
        spool->hurries = clock_now() >= until;
    }
}

static bool to_disk(struct spool *spool, struct spool_piece *piece, const char *bytes)
{
    if (spool->fd < 0) {
        spool->fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
    piece->at = spool->on_disk;
    for (size_t written = 0; written < piece->len;) {
        ssize_t n =
            pwrite(spool->fd, bytes + written, piece->len - written, (off_t)(spool->on_disk + written));
        if (n < 0 && errno != EINTR) {
            return false;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    spool->on_disk += piece->len;
    return true;
}

/* A piece of these bytes. Only the writer comes here, so the lock is not held while it copies or writes. */
static struct spool_piece *make_piece(struct spool *spool, const char *bytes, size_t n, bool memory)
{
    struct spool_piece *piece = calloc(1, sizeof *piece);
    if (piece == NULL) {
        return NULL;
    }
    piece->len = n;
    piece->bytes = memory ? malloc(n) : NULL;
    if (piece->bytes != NULL) {
        memcpy(piece->bytes, bytes, n);
    } else if (!to_disk(spool, piece, bytes)) {
        free(piece);
        return NULL;
    }
    return piece;
}

static void append(struct spool *spool, struct spool_piece *piece)
{
    piece->readers = spool->readers;
    spool->in_memory += piece->bytes != NULL ? piece->len : 0;
    spool->length += piece->len;
    if (spool->last != NULL) {
        spool->last->next = piece;
    } else {
        spool->first = piece;
    }
    spool->last = piece;
    for (int i = 0; i < spool->room; i++) {
        struct spool_reader *reader = spool->slots[i];
        if (reader != NULL && reader->piece == NULL) {
            reader->piece = piece;
        }
    }
    free_passed(spool); /* nobody reads at all */
}

static bool write_piece(struct spool *spool, const char *bytes, size_t n)
{
    pthread_mutex_lock(&spool->lock);
    await_room(spool, n);
    bool memory = spool->in_memory + n <= SPOOL_MEMORY;
    pthread_mutex_unlock(&spool->lock);
    struct spool_piece *piece = make_piece(spool, bytes, n, memory);
    if (piece == NULL) {
        return false;
    }
    pthread_mutex_lock(&spool->lock);
    append(spool, piece);
    pthread_mutex_unlock(&spool->lock);
    spool->grown(spool->context);
    return true;
}

bool spool_write(struct spool *spool, const void *bytes, size_t n)
{
    const char *from = bytes;
    while (n > 0) {
        size_t part = n < SPOOL_PIECE ? n : SPOOL_PIECE;
        if (!write_piece(spool, from, part)) {
            return false;
        }
        from += part;
        n -= part;
    }
    return true;
}

void spool_end(struct spool *spool, bool complete)
{
    pthread_mutex_lock(&spool->lock);
    spool->complete = complete;
    spool->error = complete ? 0 : ECANCELED;
    pthread_mutex_unlock(&spool->lock);
    spool->grown(spool->context);
}

int64_t spool_length(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    int64_t length = spool->complete ? (int64_t)spool->length : -1;
    pthread_mutex_unlock(&spool->lock);
    return length;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

void spool_open(struct spool *spool, struct spool_reader *reader)
{
    *reader = (struct spool_reader){.open = true};
    pthread_mutex_lock(&spool->lock);
    spool->slots[spool->readers++] = reader;
    pthread_mutex_unlock(&spool->lock);
}

void spool_close(struct spool *spool, struct spool_reader *reader)
{
    pthread_mutex_lock(&spool->lock);
    if (reader->open) {
        for (struct spool_piece *piece = reader->piece; piece != NULL; piece = piece->next) {
            piece->readers--;
        }
        for (int i = 0; i < spool->room; i++) {
            spool->slots[i] = spool->slots[i] != reader ? spool->slots[i] : NULL;
        }
        spool->readers--;
        reader->open = false;
        free_passed(spool);
    }
    pthread_mutex_unlock(&spool->lock);
    free(reader->buffer);
    reader->buffer = NULL;
}

int spool_readers(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    int readers = spool->readers;
    pthread_mutex_unlock(&spool->lock);
    return readers;
}

/* Reads a piece from the file into the reader's own buffer. */
static bool fetch(struct spool *spool, struct spool_reader *reader)
{
    const struct spool_piece *piece = reader->piece;
    if (reader->buffer == NULL) {
        reader->buffer = malloc(SPOOL_PIECE);
    }
    while (reader->buffer != NULL && reader->buffered < piece->len) {
        ssize_t n = pread(spool->fd, reader->buffer + reader->buffered, piece->len - reader->buffered,
                          (off_t)(piece->at + reader->buffered));
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        reader->buffered += n > 0 ? (size_t)n : 0;
    }
    return reader->buffer != NULL;
}

enum spool_status spool_peek(struct spool *spool, struct spool_reader *reader, struct slice *bytes)
{
    pthread_mutex_lock(&spool->lock);
    const struct spool_piece *piece = reader->piece;
    bool complete = spool->complete;
    bool failed = spool->error != 0;
    pthread_mutex_unlock(&spool->lock);
    if (failed) {
        return SPOOL_FAILED;
    }
    if (piece == NULL) {
        return complete ? SPOOL_END : SPOOL_NOTHING_YET;
    }
    if (piece->bytes == NULL && !fetch(spool, reader)) {
        return SPOOL_FAILED;
    }
    const char *from = piece->bytes != NULL ? piece->bytes : reader->buffer;
    *bytes = (struct slice){from + reader->taken, piece->len - reader->taken};
    return SPOOL_BYTES;
}

void spool_advance(struct spool *spool, struct spool_reader *reader, size_t n)
{
    reader->taken += n;
    if (reader->taken < reader->piece->len) {
        return;
    }
    pthread_mutex_lock(&spool->lock);
    struct spool_piece *piece = reader->piece;
    reader->piece = piece->next;
    reader->taken = reader->buffered = 0;
    piece->readers--;
    free_passed(spool);
    pthread_mutex_unlock(&spool->lock);
}
