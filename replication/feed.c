#include "replication/feed.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "logger.h"
#include "memory.h"
#include "replication/master.h"
#include "replication/node.h"
#include "replication/roster_watch.h"

enum {
    NEWLINE_MS = 1000, /* to one that waits, so that it does not give up */
    MOST_BEHIND =
        LOG_BLOCKS / 2 * (LOG_BLOCK >> 20) /* MB: where no limit is set; the log itself ends at twice that */
};

/* ---- life -------------------------------------------------------------------------------------------- */

struct feed *feed_of(struct call *c)
{
    struct client *client = c->client;
    if (client->above == NULL) {
        struct feed *feed = mem_alloc(sizeof *feed);
        if (feed == NULL) {
            call_out_of_memory(c);
            return NULL;
        }
        memset(feed, 0, sizeof *feed);
        feed->master = &node_of(c->server)->master;
        feed->client = client;
        feed->acks.ordinal = -1;
        client->above = feed;
    }
    return client->above;
}

static struct server *server_of(const struct feed *feed)
{
    return feed->master->server;
}

static struct acks *acks_of(const struct feed *feed)
{
    return &node_of(server_of(feed))->acks;
}

/* "address:port", as the log names it. */
static const char *name_of(const struct feed *feed)
{
    static _Thread_local char name[80];
    char address[64];
    feed_address(feed, address, sizeof address);
    snprintf(name, sizeof name, "%s:%d", address, feed->port);
    return name;
}

static void become_replica(struct feed *feed)
{
    struct client *client = feed->client;
    client->flags |= CLIENT_REPLICA | CLIENT_REPLY_OFF;
    client_choose_limit(client);
    if (!client->conn->local && server_of(feed)->config->repl_disable_tcp_nodelay) {
        int off = 0;
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
    }
    feed->waits_since = feed->newline_at = clock_now();
    master_add(feed->master, feed);
}

static void set_state(struct feed *feed, enum feed_state state)
{
    atomic_store_explicit(&feed->state, (int)state, memory_order_release);
}

static void add_text(struct feed *feed, const char *text)
{
    size_t len = strlen(text);
    memcpy(feed->text + feed->text_len, text, len);
    feed->text_len += len;
}

void feed_wait(struct feed *feed)
{
    set_state(feed, FEED_WAITS);
    become_replica(feed);
}

static bool open_reader(struct feed *feed, uint64_t at)
{
    feed->reading = log_reader_open(&server_of(feed)->log, &feed->reader, at, LOG_KEEPS);
    atomic_store(&feed->sent, at);
    return feed->reading;
}

static void come_online(struct feed *feed)
{
    atomic_store(&feed->heard, clock_now());
    feed->between = true;
    set_state(feed, FEED_ONLINE);
}

bool feed_go_on(struct feed *feed, int64_t offset)
{
    struct server *server = server_of(feed);
    if (!open_reader(feed, history_to_log(&server->history, offset))) {
        return false;
    }
    atomic_store(&feed->acked, history_to_log(&server->history, offset));
    add_text(feed, "+CONTINUE");
    if (feed->knows_psync2) {
        add_text(feed, " ");
        add_text(feed, server->history.id);
    }
    add_text(feed, "\r\n");
    come_online(feed);
    become_replica(feed);
    logger_notice(
        "Partial resynchronization request from %s accepted. Sending %lld bytes of backlog starting from offset %lld.",
        name_of(feed), (long long)(history_offset(server) - offset), (long long)offset + 1);
    return true;
}

bool feed_load(struct feed *feed, struct full_sync *sync, const char *text)
{
    struct server *server = server_of(feed);
    if (!open_reader(feed, log_end(&server->log))) {
        client_kill(&server->workers[0], feed->client);
        return false;
    }
    spool_open(&sync->spool, &feed->spool);
    atomic_fetch_add(&sync->references, 1);
    feed->sync = sync;
    feed->knows_eof = feed->knows_eof && server->config->repl_diskless_sync;
    if (!feed->old) {
        add_text(feed, text);
    }
    if (feed->knows_eof) {
        add_text(feed, "$EOF:");
        add_text(feed, sync->mark);
        add_text(feed, "\r\n");
    }
    counter_set(&feed->client->conn->last_active, clock_now());
    set_state(feed, FEED_LOADS);
    loop_wake(feed->client->worker->loop);
    return true;
}

static void leave_sync(struct feed *feed)
{
    if (feed->sync != NULL) {
        spool_close(&feed->sync->spool, &feed->spool);
        full_sync_release(feed->sync);
        feed->sync = NULL;
    }
}

void feed_close(struct feed *feed)
{
    feed->client->above = NULL;
    if (feed_state(feed) != FEED_HANDSHAKE) {
        logger_notice("Connection with replica %s lost.", name_of(feed));
        if (feed->reading) {
            log_reader_close(&server_of(feed)->log, &feed->reader);
        }
        leave_sync(feed);
        acks_lost(acks_of(feed), &feed->acks);
        roster_watch_lost(node_of(server_of(feed)), feed);
        master_remove(feed->master, feed);
    }
    mem_free(feed, sizeof *feed);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

/* What a write has brought out is done with. */
static void note_written(struct feed *feed)
{
    switch (feed->writing) {
    case FEED_IDLE: break;
    case FEED_TEXT: feed->text_len = 0; break;
    case FEED_SNAPSHOT: spool_advance(&feed->sync->spool, &feed->spool, feed->written); break;
    case FEED_LOG: {
        uint64_t to = atomic_load_explicit(&feed->sent, memory_order_relaxed) + feed->written;
        log_reader_advance(&server_of(feed)->log, &feed->reader, to);
        atomic_store_explicit(&feed->sent, to, memory_order_relaxed);
        break;
    }
    }
    feed->writing = FEED_IDLE;
}

static void on_taken(struct conn_lent *lent)
{
    struct feed *feed = lent->context;
    note_written(feed);
    feed_pump(feed);
}

/* Writes. False: the kernel has not taken all of it. */
static bool write_runs(struct feed *feed, enum feed_writing what, const struct slice *runs, int count)
{
    feed->writing = what;
    feed->written = 0;
    for (int i = 0; i < count; i++) {
        feed->written += runs[i].len;
    }
    feed->lent.done = on_taken;
    feed->lent.context = feed;
    if (!conn_send_lent(feed->client->conn, &feed->lent, runs, count)) {
        return false;
    }
    note_written(feed);
    return true;
}

static bool write_text(struct feed *feed)
{
    return write_runs(feed, FEED_TEXT, &(struct slice){feed->text, feed->text_len}, 1);
}

/* The snapshot has been sent. */
static bool end_snapshot(struct feed *feed)
{
    if (feed->knows_eof && !feed->mark_sent) {
        feed->mark_sent = true;
        add_text(feed, feed->sync->mark);
        return true;
    }
    leave_sync(feed);
    if (feed->wants_rdb_only) {
        conn_close_after_write(feed->client->conn);
        return false;
    }
    feed->awaits_ack = feed->knows_eof;
    come_online(feed);
    logger_notice("Synchronization with replica %s succeeded", name_of(feed));
    return true;
}

static bool write_length(struct feed *feed)
{
    char text[32];
    int64_t length = spool_length(&feed->sync->spool);
    if (length < 0) {
        return false;
    }
    feed->length_sent = true;
    snprintf(text, sizeof text, "$%lld\r\n", (long long)length);
    add_text(feed, text);
    return true;
}

static bool write_snapshot(struct feed *feed)
{
    struct slice bytes;
    enum spool_status status = spool_peek(&feed->sync->spool, &feed->spool, &bytes);
    if (status == SPOOL_FAILED) {
        conn_close(feed->client->conn);
        return false;
    }
    if (!feed->knows_eof && !feed->length_sent) {
        return write_length(feed);
    }
    return status == SPOOL_BYTES ? write_runs(feed, FEED_SNAPSHOT, &bytes, 1)
           : status == SPOOL_END ? end_snapshot(feed)
                                 : false;
}

static void on_readable(void *context)
{
    struct feed *feed = context;
    atomic_store(&feed->asked, false);
    loop_wake(feed->client->worker->loop);
}

/* Lets whoever appends wake this loop. True: there is something already. */
static bool ask(struct feed *feed, uint64_t sent)
{
    atomic_store(&feed->asked, true);
    if (log_reader_call_at(&server_of(feed)->log, &feed->reader, sent + 1, on_readable, feed)) {
        return false;
    }
    atomic_store(&feed->asked, false);
    return true;
}

/* What the log has for it. */
static bool write_log(struct feed *feed)
{
    struct log *log = &server_of(feed)->log;
    struct slice runs[CONN_LENT_RUNS];
    uint64_t sent = atomic_load_explicit(&feed->sent, memory_order_relaxed);
    if (log_end(log) == sent) {
        return !atomic_load_explicit(&feed->asked, memory_order_relaxed) && ask(feed, sent);
    }
    int count = log_reader_peek(log, &feed->reader, LOG_ALL, runs, CONN_LENT_RUNS);
    if (count == LOG_BROKEN) {
        logger_warning("Replica %s is cut: the log has lost bytes that it needs", name_of(feed));
        conn_close(feed->client->conn);
        return false;
    }
    if (count == 0) { /* some loop still fills them in */
        return ask(feed, sent);
    }
    feed->between = count < CONN_LENT_RUNS;
    return write_runs(feed, FEED_LOG, runs, count);
}

/* A lease that is due is granted between two records. */
static bool write_lease(struct feed *feed)
{
    uint64_t sent = atomic_load_explicit(&feed->sent, memory_order_relaxed);
    char line[ACKS_LEASE_LINE];
    if (!feed->between || !acks_grant(acks_of(feed), &feed->acks, sent, line)) {
        return false;
    }
    add_text(feed, line);
    return true;
}

/* One write. False: there is nothing to do for now. */
static bool step(struct feed *feed)
{
    enum feed_state state = feed_state(feed);
    if (state == FEED_HANDSHAKE || state == FEED_WAITS) {
        return false;
    }
    if (feed->text_len > 0) {
        return write_text(feed);
    }
    if (state == FEED_LOADS) {
        return write_snapshot(feed);
    }
    return !feed->awaits_ack && (write_log(feed) || write_lease(feed));
}

void feed_pump(struct feed *feed)
{
    enum { MOST = 64 }; /* writes in a row: other connections of the loop are there as well */
    const struct conn *conn = feed->client->conn;
    int writes = 0;
    while (feed->writing == FEED_IDLE && !conn->closing && conn->queue == NULL && conn->hold == NULL &&
           step(feed)) {
        if (++writes == MOST) {
            loop_wake(conn->loop);
            return;
        }
    }
}

/* ---- limits and silences ----------------------------------------------------------------------------- */

/* Closes the connection at once, so that it is not found any more. */
static void cut(struct feed *feed)
{
    feed->client->flags |= CLIENT_KILLED;
    conn_close(feed->client->conn);
}

/* The limit of its class; what the backlog keeps in any case is not too much. */
static bool too_far_behind(struct feed *feed, int64_t now)
{
    const struct server *server = server_of(feed);
    const struct conn_limit *limit = &server->output_limits[CONFIG_CLASS_REPLICA];
    int64_t behind = (int64_t)(log_end(&server->log) - atomic_load(&feed->sent));
    int64_t backlog = history_backlog_size(server);
    int64_t hard = counter_get(&limit->hard);
    int64_t soft = counter_get(&limit->soft);
    if (behind > (int64_t)MOST_BEHIND << 20 || (hard > 0 && behind > hard && behind > backlog)) {
        return true;
    }
    if (soft == 0 || behind <= soft || behind <= backlog) {
        feed->soft_since = 0;
        return false;
    }
    feed->soft_since = feed->soft_since != 0 ? feed->soft_since : now;
    return now - feed->soft_since > counter_get(&limit->soft_seconds) * 1000;
}

/* A replica that loads is silent, but takes bytes. */
static bool silent(const struct feed *feed, int64_t now)
{
    int64_t timeout = (int64_t)server_of(feed)->config->repl_timeout * 1000;
    switch (feed_state(feed)) {
    case FEED_LOADS:
        return feed->writing != FEED_IDLE && now - counter_get(&feed->client->conn->last_active) > timeout;
    case FEED_ONLINE: return !feed->old && now - atomic_load(&feed->heard) > timeout;
    default: return false;
    }
}

/* A replica that waits gets a newline now and then, which it ignores. */
static void say_that_it_goes_on(struct feed *feed, int64_t now)
{
    bool waits = feed_state(feed) == FEED_WAITS || (feed_state(feed) == FEED_LOADS && !feed->knows_eof &&
                                                    !feed->length_sent && feed->text_len == 0);
    if (waits && now - feed->newline_at >= NEWLINE_MS) {
        feed->newline_at = now;
        conn_send(feed->client->conn, "\n", 1);
    }
}

void feed_tick(struct feed *feed, int64_t now)
{
    if (feed->client->conn->closing) {
        return;
    }
    if (feed->reading && too_far_behind(feed, now)) {
        logger_warning("Replica %s is cut: it is further behind than client-output-buffer-limit allows",
                       name_of(feed));
        counter_add(&feed->client->conn->loop->closed_for_output, 1);
        cut(feed);
    } else if (silent(feed, now)) {
        logger_warning("Disconnecting timedout replica (%s): %s",
                       feed_state(feed) == FEED_ONLINE ? "streaming sync" : "full sync", name_of(feed));
        cut(feed);
    } else {
        say_that_it_goes_on(feed, now);
    }
}

/* ---- what it says ------------------------------------------------------------------------------------ */

/* Nobody is believed to have more than there is. */
static void raise_to(const struct feed *feed, _Atomic uint64_t *mark, int64_t offset)
{
    const struct server *server = server_of(feed);
    int64_t present = history_offset(server);
    int64_t least = history_of_log(&server->history, atomic_load_explicit(mark, memory_order_relaxed));
    if (offset > least && offset <= present) {
        atomic_store(mark, history_to_log(&server->history, offset));
    }
}

void feed_acknowledge(struct feed *feed, int64_t offset, int64_t synced, int64_t clock)
{
    raise_to(feed, &feed->acked, offset);
    raise_to(feed, &feed->synced, synced);
    atomic_store(&feed->heard, clock_now());
    if (feed_state(feed) == FEED_ONLINE) {
        feed->awaits_ack = false; /* the log follows when the loop is about to poll */
        acks_heard(acks_of(feed), &feed->acks, atomic_load(&feed->acked), clock, feed->client->worker->loop);
    }
    master_wake_waits(feed->master);
}

void feed_address(const struct feed *feed, char *text, size_t size)
{
    const char *peer = feed->client->peer;
    const char *colon = strrchr(peer, ':');
    if (feed->address[0] != '\0') {
        snprintf(text, size, "%s", feed->address);
    } else {
        snprintf(text, size, "%.*s", (int)(colon != NULL ? colon - peer : 0), peer);
    }
}

int64_t feed_lag_ms(const struct feed *feed, int64_t now)
{
    return feed_state(feed) == FEED_ONLINE && !feed->old ? now - atomic_load(&feed->heard) : 0;
}

/* A snapshot that is streamed counts as one that is made until it has all been sent. */
const char *feed_state_name(const struct feed *feed)
{
    enum feed_state state = feed_state(feed);
    bool sends = state == FEED_LOADS && !feed->knows_eof && feed->length_sent;
    return state == FEED_ONLINE ? "online" : sends ? "send_bulk" : "wait_bgsave";
}
