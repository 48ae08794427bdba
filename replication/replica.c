#include "replication/replica.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "commands/aof.h"
#include "commands/load.h"
#include "commands/refusing.h"
#include "commands/text.h"
#include "logger.h"
#include "replication/node.h"
#include "replication/player.h"

/* ---- what clients may do --------------------------------------------------------------------------------- */

static void refuse(struct server *server, enum refusing why, bool on)
{
    if (on) {
        refusing_set(server, why);
    } else {
        refusing_clear(server, why);
    }
}

void replica_judge(struct replica *r)
{
    struct server *server = r->server;
    const struct config *config = server->config;
    int state = atomic_load(&r->state);
    bool follows = state != REPLICA_NONE;
    refuse(server, REFUSING_READONLY, follows && config->replica_read_only);
    refuse(server, REFUSING_STALE,
           follows && state != REPLICA_CONNECTED && !config->replica_serve_stale_data);
}

static bool on_setting(void *context, struct config *config, const char **error)
{
    (void)config;
    (void)error;
    replica_judge(context);
    return true;
}

/* ---- orders ---------------------------------------------------------------------------------------------- */

static void wake_player(const struct replica *r)
{
    const uint64_t one = 1;
    ssize_t written = write(r->event, &one, sizeof one);
    (void)written; /* it fails only while the player is to be woken already */
}

static void set_order(struct replica *r, char *host, int port, enum replica_state state)
{
    free(r->host);
    r->of_roster = false;
    r->host = host;
    r->port = port;
    r->error[0] = '\0';
    forward_set_master(&node_of(r->server)->forward, NULL);
    atomic_store(&r->down_since, 0);
    atomic_store(&r->state, state);
    atomic_fetch_add(&r->order, 1);
    lease_drop(&r->lease);
    replica_judge(r);
    wake_player(r);
}

/* As CONFIG GET tells it. */
static bool note_setting(struct config *config, const char *host, int port)
{
    char *text;
    if (host == NULL ? (text = strdup("")) == NULL : asprintf(&text, "%s %d", host, port) < 0) {
        return false;
    }
    free(config->replicaof);
    config->replicaof = text;
    return true;
}

/* The player is a guest of the gate from here on. */
static bool admit_player(struct replica *r)
{
    struct server *server = r->server;
    if (!r->started) {
        r->started = pthread_create(&r->thread, NULL, player_run, r) == 0;
        if (!r->started) {
            return false;
        }
    }
    if (!r->admitted) {
        gate_admit(&server->gate);
        keyspace_lock_shards(&server->keyspace, true);
        r->admitted = true;
    }
    return true;
}

/* From a master to a replica. */
static bool become_replica(struct replica *r)
{
    struct server *server = r->server;
    if (!history_begin_backlog(server) || !log_follow(&server->log, true)) {
        return false;
    }
    keyspace_freeze(&server->keyspace, KEYSPACE_FOLLOWS, true);
    atomic_store(&node_of(server)->is_replica, true);
    acks_end(&node_of(server)->acks);
    forward_set_role(&node_of(server)->forward, !recovery_is_active(&node_of(server)->recovery));
    client_wake_all_by_role(server);
    return true;
}

bool replica_follow(struct replica *r, struct slice host, int port)
{
    char *name = strndup(host.ptr, host.len);
    if (name == NULL || !note_setting(r->server->config, name, port) || !admit_player(r) ||
        (r->host == NULL && !become_replica(r))) {
        free(name);
        wake_player(r);
        return false;
    }
    set_order(r, name, port, REPLICA_CONNECT);
    return true;
}

bool replica_cut(struct replica *r, struct slice address)
{
    bool meant = address.ptr == NULL || slice_equal(address, (struct slice){r->peer, strlen(r->peer)});
    if (r->host == NULL || r->peer[0] == '\0' || !meant) {
        return false;
    }
    logger_notice("Connection with master lost: it was closed by CLIENT KILL");
    atomic_store(&r->cut, true);
    if (atomic_load(&r->state) == REPLICA_CONNECTED) {
        atomic_store(&r->down_since, clock_wall_us() / 1000000);
    }
    atomic_store(&r->state, REPLICA_CONNECT);
    replica_judge(r);
    wake_player(r);
    return true;
}

void replica_keep_order(struct replica *r)
{
    config_keep(r->server->config, "replicaof");
}

void replica_leave(struct replica *r)
{
    atomic_store(&r->leaves, true);
    lease_drop(&r->lease);
    wake_player(r);
}

void replica_promote(struct replica *r)
{
    struct server *server = r->server;
    note_setting(server->config, NULL, 0);
    set_order(r, NULL, 0, REPLICA_NONE);
    keyspace_freeze(&server->keyspace, KEYSPACE_FOLLOWS, false);
    atomic_store(&node_of(server)->is_replica, false);
    forward_set_role(&node_of(server)->forward, false);
    log_follow(&server->log, false);
    clock_keep_own_wall();
    history_shift(server);
    master_cut_replicas(&node_of(server)->master, server_player(server));
    r->has_past = true;
    if (!r->syncing) {
        aof_resume(server);
    }
    logger_notice("MASTER MODE enabled");
}

/* ---- start and stop -------------------------------------------------------------------------------------- */

void replica_init(struct replica *r, struct server *server)
{
    static const char *const names[] = {"replica-read-only", "replica-serve-stale-data"};
    memset(r, 0, sizeof *r);
    r->server = server;
    r->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->event < 0) {
        perror("ordinal: eventfd");
        exit(1);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        config_on_change(server->config, names[i], on_setting, r);
    }
}

/* What was loaded is a part of the master's history, if the file says of which. */
static void take_up_past(struct replica *r)
{
    struct server *server = r->server;
    const struct history_mark *mark = &server->loading->history;
    r->has_past = mark->id[0] != '\0' && mark->offset >= 0;
    if (r->has_past) {
        history_adopt(server, (struct slice){mark->id, HISTORY_ID}, mark->offset);
        server->history.stream_db = mark->db < server->keyspace.count ? mark->db : 0;
    }
}

void replica_loaded(struct replica *r)
{
    const char *setting = r->server->config->replicaof;
    const char *blank = strrchr(setting, ' ');
    if (blank == NULL) {
        r->has_past = true;
        return;
    }
    take_up_past(r);
    char *host = strndup(setting, (size_t)(blank - setting));
    if (host == NULL || !replica_follow(r, (struct slice){host, strlen(host)}, atoi(blank + 1))) {
        logger_warning("Failed to start: there is not enough memory, or no thread, to follow a master");
        exit(1);
    }
    free(host);
}

bool replica_stop(struct replica *r)
{
    enum { STOP_SECONDS = 2 };
    struct timespec until;
    atomic_store(&r->stop, true);
    atomic_fetch_add(&r->order, 1);
    wake_player(r);
    if (!r->started) {
        return true;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    return pthread_timedjoin_np(r->thread, NULL, &until) == 0;
}

/* ---- what is told of it ---------------------------------------------------------------------------------- */

static int64_t seconds_since_io(const struct replica *r)
{
    return (clock_now() - atomic_load(&r->link.last_io)) / 1000;
}

static void sync_lines(const struct replica *r, struct reply *text)
{
    int64_t size = atomic_load(&r->sync_size), got = atomic_load(&r->sync_read);
    text_addf(text, "master_sync_total_bytes:%lld\r\nmaster_sync_read_bytes:%lld\r\n", (long long)size,
              (long long)got);
    text_addf(text, "master_sync_left_bytes:%lld\r\nmaster_sync_perc:%.2f\r\n", (long long)(size - got),
              size > 0 ? 100 * (double)got / (double)size : 0.0);
    text_addf(text, "master_sync_last_io_seconds_ago:%lld\r\n", (long long)seconds_since_io(r));
}

void replica_info(const struct replica *r, struct reply *text)
{
    const struct config *config = r->server->config;
    int state = atomic_load(&r->state);
    int64_t down = atomic_load(&r->down_since), offset = history_offset(r->server);
    bool up = state == REPLICA_CONNECTED;
    text_addf(text, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\n", r->host,
              r->port, up ? "up" : "down");
    text_addf(text, "master_last_io_seconds_ago:%lld\r\nmaster_sync_in_progress:%d\r\n",
              (long long)(up ? seconds_since_io(r) : -1), state == REPLICA_SYNC);
    text_addf(text, "slave_read_repl_offset:%lld\r\nslave_repl_offset:%lld\r\n", (long long)offset,
              (long long)offset);
    if (state == REPLICA_SYNC) {
        sync_lines(r, text);
    }
    if (!up) {
        text_addf(text, "master_link_down_since_seconds:%lld\r\nmaster_link_error:%s\r\n",
                  (long long)(down > 0 ? clock_wall_us() / 1000000 - down : -1), r->error);
    }
    text_addf(text, "slave_priority:%d\r\nslave_read_only:%d\r\nreplica_announced:%d\r\n",
              config->replica_priority, config->replica_read_only, config->replica_announced);
}

void replica_role(const struct replica *r, struct reply *reply)
{
    static const char *const names[] = {
        [REPLICA_NONE] = "none",           [REPLICA_CONNECT] = "connect", [REPLICA_CONNECTING] = "connecting",
        [REPLICA_HANDSHAKE] = "handshake", [REPLICA_SYNC] = "sync",       [REPLICA_CONNECTED] = "connected"};
    int state = atomic_load(&r->state);
    reply_array(reply, 5);
    reply_bulk_string(reply, "slave");
    reply_bulk_string(reply, r->host);
    reply_int(reply, r->port);
    reply_bulk_string(reply, names[state]);
    reply_int(reply, state == REPLICA_CONNECTED ? history_offset(r->server) : -1);
}
