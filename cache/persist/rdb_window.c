#include "persist/rdb_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "persist/crc64.h"

void rdb_window_init(struct rdb_window *w, const struct rdb_source *source, bool sums)
{
    bool small = source->size > 0 && source->size < RDB_WINDOW_READ;
    *w = (struct rdb_window){.source = source, .sums = sums};
    w->read = small ? (size_t)source->size + 1 : RDB_WINDOW_READ; /* a whole small file, and its end */
}

void rdb_window_free(struct rdb_window *w)
{
    free(w->bytes);
    w->bytes = NULL;
}

uint64_t rdb_window_sum(struct rdb_window *w)
{
    if (w->sums && w->at > w->summed) {
        w->crc = crc64(w->crc, w->bytes + w->summed, w->at - w->summed);
    }
    w->summed = w->at;
    return w->crc;
}

/* How large a block is made. What the source is known to have gets its room at once, else room grows as bytes come. */
static size_t new_room(const struct rdb_window *w, size_t held, size_t more)
{
    uint64_t read = w->base + w->end;
    size_t least = held + w->read;
    size_t room = least > 2 * w->read ? least + held : 2 * w->read;
    bool known = w->source->size > read && more <= w->source->size - read;
    return known && least + more > room ? least + more : room;
}

/* Moves what was not passed to the front, into a block that has room for one more read behind it. */
static bool make_room(struct rdb_window *w, size_t more)
{
    size_t held = w->end - w->at;
    size_t least = held + w->read;
    rdb_window_sum(w);
    if (least > w->room || least < w->room / 4) { /* a large value has passed: its block is given back */
        size_t room = new_room(w, held, more);
        uint8_t *bytes = malloc(room);
        if (bytes == NULL) {
            w->no_memory = true;
            return false;
        }
        if (held > 0) {
            memcpy(bytes, w->bytes + w->at, held);
        }
        free(w->bytes);
        w->bytes = bytes;
        w->room = room;
    } else {
        memmove(w->bytes, w->bytes + w->at, held);
    }
    w->base += w->at;
    w->at = w->summed = 0;
    w->end = held;
    return true;
}

/* One read, of `more` bytes that are wanted. */
static bool read_on(struct rdb_window *w, size_t more)
{
    if (w->room - w->end < w->read && !make_room(w, more)) {
        return false;
    }
    ssize_t got;
    do {
        got = w->source->read(w->source->context, w->bytes + w->end, w->read);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        w->ended = got == 0;
        w->error = got == 0 ? 0 : errno;
        return false;
    }
    w->end += (size_t)got;
    return true;
}

bool rdb_window_put(struct rdb_window *w, const void *bytes, size_t len)
{
    w->bytes = malloc(len + w->read);
    w->no_memory = w->bytes == NULL;
    if (w->bytes != NULL) {
        memcpy(w->bytes, bytes, len);
        w->room = len + w->read;
        w->end = len;
    }
    return w->bytes != NULL;
}

bool rdb_window_more(struct rdb_window *w, size_t more)
{
    size_t held = w->end - w->at;
    while (w->end - w->at - held < more) {
        if (!read_on(w, more - (w->end - w->at - held))) {
            return false;
        }
    }
    return true;
}
