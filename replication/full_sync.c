#include "replication/full_sync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "commands/saving.h"
#include "logger.h"
#include "replication/master.h"

/* ---- the snapshot's sink, on the walker's thread ------------------------------------------------------- */

static bool write_bytes(void *context, const void *bytes, size_t n)
{
    struct full_sync *sync = context;
    return spool_write(&sync->spool, bytes, n);
}

static bool end(void *context, bool complete)
{
    struct full_sync *sync = context;
    spool_end(&sync->spool, complete);
    return true;
}

/* It may wait for replicas as long as next to nothing has to be kept for it. */
static bool patient(void *context)
{
    enum { LITTLE = 4 << 20 };
    const struct full_sync *sync = context;
    const struct cut *cut = &sync->server->keyspace.cut;
    return atomic_load(&cut->keeping) && atomic_load(&cut->kept) < LITTLE;
}

static void grown(void *context)
{
    const struct full_sync *sync = context;
    for (int i = 0; i < sync->server->net.count; i++) {
        if (sync->wakes[i]) {
            loop_wake(&sync->server->net.loops[i]);
        }
    }
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

void full_sync_release(struct full_sync *sync)
{
    if (atomic_fetch_sub(&sync->references, 1) == 1) {
        spool_free(&sync->spool);
        free(sync->wakes);
        free(sync);
    }
}

static void on_done(void *context, enum snapshot_end how, int error)
{
    struct full_sync *sync = context;
    struct server *server = sync->server;
    switch (how) {
    case SNAPSHOT_DONE: logger_notice("The snapshot for replicas is complete"); break;
    case SNAPSHOT_FAILED: logger_warning("The snapshot for replicas failed: %s", strerror(error)); break;
    case SNAPSHOT_ABANDONED: logger_notice("The snapshot for replicas was given up"); break;
    }
    sync->master->sync = NULL;
    full_sync_release(sync);
    saving_next(server);
}

static void draw_mark(char *mark)
{
    uint8_t bytes[FULL_SYNC_MARK / 2] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        logger_warning("No random bytes for the mark of a snapshot");
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(mark + 2 * i, 3, "%02x", bytes[i]);
    }
}

static struct full_sync *make(struct master *master, int feeds)
{
    struct server *server = master->server;
    struct full_sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL) {
        return NULL;
    }
    sync->wakes = calloc((size_t)server->net.count, sizeof *sync->wakes);
    if (sync->wakes == NULL || !spool_init(&sync->spool, feeds, patient, grown, sync)) {
        free(sync->wakes);
        free(sync);
        return NULL;
    }
    sync->server = server;
    sync->master = master;
    sync->references = 1;
    draw_mark(sync->mark);
    return sync;
}

static int count_waiting(const struct master *master)
{
    int count = 0;
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        count += feed_state(feed) == FEED_WAITS;
    }
    return count;
}

static void drop_waiting(struct master *master)
{
    logger_warning("No snapshot can be made for replicas: there is not enough memory");
    for (struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        if (feed_state(feed) == FEED_WAITS) {
            client_kill(&master->server->workers[0], feed->client);
        }
    }
}

static void take_waiting(struct master *master, struct full_sync *sync)
{
    char text[128];
    snprintf(text, sizeof text, "+FULLRESYNC %s %lld\r\n", master->server->history.id,
             (long long)history_offset(master->server));
    for (struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        if (feed_state(feed) == FEED_WAITS) {
            sync->wakes[feed->client->worker->loop->index] = true;
            feed_load(feed, sync, text);
        }
    }
}

/* Readers first: the walker may be through before this one goes on. */
void full_sync_begin(struct master *master)
{
    struct server *server = master->server;
    struct snapshot_options options;
    int count = count_waiting(master);
    struct full_sync *sync = make(master, count);
    if (sync == NULL) {
        drop_waiting(master);
        return;
    }
    logger_notice("A snapshot for %d replica%s begins", count, count == 1 ? "" : "s");
    take_waiting(master, sync);
    saving_options(server, &options);
    options.sink = (struct snapshot_sink){sync, write_bytes, end};
    if (snapshot_begin(&server->saving->snapshot, &options, on_done, sync)) {
        master->sync = sync;
    } else {
        logger_warning("No snapshot can be made: %s", strerror(errno != 0 ? errno : ENOMEM));
        spool_end(&sync->spool, false); /* by which its feeds are closed */
        full_sync_release(sync);
    }
}
