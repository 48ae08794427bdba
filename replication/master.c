#include "replication/master.h"

#include <stdlib.h>

#include "clock.h"
#include "commands/propagate.h"
#include "commands/refusing.h"
#include "commands/saving.h"
#include "commands/text.h"
#include "logger.h"
#include "memory.h"
#include "replication/node.h"

#define PING   "*1\r\n$4\r\nPING\r\n"
#define GETACK "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"

/* ---- the set ------------------------------------------------------------------------------------------- */

void master_add(struct master *master, struct feed *feed)
{
    struct master_loop *mine = &master->loops[feed->client->worker->loop->index];
    feed->next = master->feeds;
    master->feeds = feed;
    feed->next_of_loop = mine->feeds;
    mine->feeds = feed;
    master->server->replicas = ++master->count;
}

void master_remove(struct master *master, struct feed *feed)
{
    struct feed **link = &master->feeds;
    while (*link != feed) {
        link = &(*link)->next;
    }
    *link = feed->next;
    link = &master->loops[feed->client->worker->loop->index].feeds;
    while (*link != feed) {
        link = &(*link)->next_of_loop;
    }
    *link = feed->next_of_loop;
    master->server->replicas = --master->count;
    master->lonely_since = clock_now();
}

void master_cut_replicas(struct master *master, struct worker *by)
{
    for (struct feed *feed = master->feeds, *next; feed != NULL; feed = next) {
        next = feed->next;
        client_kill(by, feed->client);
    }
}

int master_count_acked(const struct master *master, uint64_t offset, bool synced)
{
    int count = 0;
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        uint64_t has = atomic_load(synced ? &feed->synced : &feed->acked);
        count += feed_state(feed) == FEED_ONLINE && has >= offset;
    }
    return count;
}

int master_good_replicas(const struct master *master)
{
    int count = 0;
    int64_t now = clock_now();
    int64_t most = (int64_t)master->server->config->min_replicas_max_lag * 1000;
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        count += feed_state(feed) == FEED_ONLINE && feed_lag_ms(feed, now) < most + 1000; /* whole seconds */
    }
    return count;
}

void master_wake_waits(struct master *master)
{
    for (int i = 0; i < master->server->net.count; i++) {
        if (atomic_load(&master->loops[i].waits) != NULL) {
            loop_wake(&master->server->net.loops[i]);
        }
    }
}

/* ---- before a loop polls --------------------------------------------------------------------------------- */

/* Puts something into the stream that changes nothing. While the last snapshot before the end is saved nothing may come behind it. */
static void append(struct worker *w, const char *bytes, size_t len)
{
    struct server *server = w->server;
    gate_enter(&server->gate, w->loop->index);
    if (log_is_on(&server->log) && !server->ending) {
        log_append_raw(&server->log, w->loop->index, bytes, len);
    }
    gate_leave(&server->gate, w->loop->index);
}

void master_ask_acks(struct master *master)
{
    struct server *server = master->server;
    if (log_is_on(&server->log) && !server->ending && atomic_load(&server->pause_until) == 0) {
        log_append_raw(&server->log, 0, GETACK, sizeof GETACK - 1);
        log_wake_readers(&server->log);
    }
}

void master_before_poll(struct master *master, struct worker *w)
{
    struct master_loop *mine = &master->loops[w->loop->index];
    if (__builtin_expect(atomic_load_explicit(&mine->waits, memory_order_relaxed) != NULL, 0)) {
        if (mine->asks) {
            mine->asks = false;
            append(w, GETACK, sizeof GETACK - 1);
        }
        wait_answer_reached(w);
    }
    for (struct feed *feed = mine->feeds, *next; feed != NULL; feed = next) {
        next = feed->next_of_loop;
        feed_pump(feed);
    }
}

/* ---- several times a second ------------------------------------------------------------------------------ */

static bool enough_replicas(const struct master *master)
{
    const struct config *config = master->server->config;
    return server_is_replica(master->server) || config->min_replicas_to_write == 0 ||
           config->min_replicas_max_lag == 0 || master_good_replicas(master) >= config->min_replicas_to_write;
}

/* Whether writes are refused for want of replicas. Inside the gate. */
static void judge(const struct master *master)
{
    if (enough_replicas(master)) {
        refusing_clear(master->server, REFUSING_FEW_REPLICAS);
    } else {
        refusing_set(master->server, REFUSING_FEW_REPLICAS);
    }
}

/* Whether a snapshot has to begin for those who wait: others may come until the delay is over. */
static bool sync_is_due(const struct master *master, int64_t now)
{
    const struct config *config = master->server->config;
    int most = config->repl_diskless_sync_max_replicas;
    int count = 0;
    bool at_once = !config->repl_diskless_sync;
    int64_t first = now;
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        if (feed_state(feed) == FEED_WAITS) {
            count++;
            at_once |=
                feed->recovers || feed->acks.id[0] != '\0'; /* of the roster, whose readers wait for it */
            first = feed->waits_since < first ? feed->waits_since : first;
        }
    }
    return count > 0 && (at_once || (most > 0 && count >= most) ||
                         now - first >= (int64_t)config->repl_diskless_sync_delay * 1000);
}

static bool lonely_too_long(const struct master *master, int64_t now)
{
    int64_t ttl = master->server->config->repl_backlog_ttl;
    return !master->keeps_backlog && master->server->history.backlog && master->count == 0 && ttl > 0 &&
           now - master->lonely_since > ttl * 1000 && log_is_on(&master->server->log);
}

static void begin_sync(struct master *master)
{
    struct server *server = master->server;
    if (!snapshot_running(&server->saving->snapshot) && !server->ending && !refusing_is_loading(server)) {
        full_sync_begin(master);
    }
}

static void end_backlog(struct master *master)
{
    logger_notice("Replication backlog freed after %lld seconds without connected replicas.",
                  (long long)master->server->config->repl_backlog_ttl);
    history_end_backlog(master->server);
}

/* What loop 0 does for all. */
static void tend(struct master *master, int64_t now)
{
    struct gate *gate = &master->server->gate;
    gate_enter(gate, 0);
    judge(master);
    bool sync = sync_is_due(master, now);
    bool lonely = lonely_too_long(master, now);
    if (master->sync != NULL && spool_readers(&master->sync->spool) == 0) {
        snapshot_abandon(&master->server->saving->snapshot);
    }
    if (sync || lonely) {
        gate_alone(gate, 0);
        if (sync) {
            begin_sync(master);
        } else if (lonely_too_long(master, now)) {
            end_backlog(master);
        }
        gate_together(gate, 0);
    }
    gate_leave(gate, 0);
}

static void ping(struct master *master, struct worker *w, int64_t now)
{
    struct gate *gate = &master->server->gate;
    gate_enter(gate, 0);
    int64_t period = (int64_t)master->server->config->repl_ping_replica_period * 1000;
    bool due = master->count > 0 && now - master->pinged >= period &&
               !failover_is_active(&node_of(master->server)->failover);
    gate_leave(gate, 0);
    if (due) {
        master->pinged = now;
        append(w, PING, sizeof PING - 1);
    }
}

void master_tick(struct master *master, struct worker *w)
{
    int64_t now = clock_now();
    if (w->loop->index == 0) {
        tend(master, now);
        ping(master, w, now);
    }
    if (master->loops[w->loop->index].feeds != NULL) {
        gate_enter(&master->server->gate, w->loop->index);
        for (struct feed *feed = master->loops[w->loop->index].feeds; feed != NULL;
             feed = feed->next_of_loop) {
            feed_tick(feed, now);
        }
        gate_leave(&master->server->gate, w->loop->index);
    }
}

/* ---- INFO and ROLE --------------------------------------------------------------------------------------- */

static int64_t acked_offset(const struct feed *feed)
{
    uint64_t acked = atomic_load(&feed->acked);
    return acked != 0 ? history_of_log(&feed->master->server->history, acked) : 0;
}

void master_info(const struct master *master, struct reply *text)
{
    const struct config *config = master->server->config;
    int number = 0;
    text_addf(text, "connected_slaves:%d\r\n", master->count);
    if (config->min_replicas_to_write > 0 && config->min_replicas_max_lag > 0) {
        text_addf(text, "min_slaves_good_slaves:%d\r\n", master_good_replicas(master));
    }
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        char address[64];
        feed_address(feed, address, sizeof address);
        text_addf(text, "slave%d:ip=%s,port=%d,state=%s,offset=%lld,lag=%lld\r\n", number++, address,
                  feed->port, feed_state_name(feed), (long long)acked_offset(feed),
                  (long long)(feed_lag_ms(feed, clock_now()) / 1000));
    }
}

void master_role(const struct master *master, struct reply *out)
{
    int online = 0;
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        online += feed_state(feed) == FEED_ONLINE;
    }
    reply_array(out, 3);
    reply_bulk_string(out, "master");
    reply_int(out, history_offset(master->server));
    reply_array(out, online);
    for (const struct feed *feed = master->feeds; feed != NULL; feed = feed->next) {
        char address[64];
        if (feed_state(feed) == FEED_ONLINE) {
            feed_address(feed, address, sizeof address);
            reply_array(out, 3);
            reply_bulk_string(out, address);
            reply_bulk_int(out, feed->port);
            reply_bulk_int(out, acked_offset(feed));
        }
    }
}

/* ---- start ----------------------------------------------------------------------------------------------- */

static bool on_setting(void *context, struct config *config, const char **error)
{
    (void)config;
    (void)error;
    judge(context);
    return true;
}

void master_init(struct master *master, struct server *server)
{
    size_t size = (size_t)server->net.count * sizeof *master->loops;
    *master = (struct master){.server = server, .pinged = clock_now(), .lonely_since = clock_now()};
    master->loops = mem_alloc_lines(size);
    if (master->loops == NULL) {
        logger_warning("Failed to start: out of memory");
        exit(1);
    }
    memset(master->loops, 0, size);
    judge(master);
    config_on_change(server->config, "min-replicas-to-write", on_setting, master);
    config_on_change(server->config, "min-replicas-max-lag", on_setting, master);
}
