#include "replication/player.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "commands/aof.h"
#include "commands/load.h"
#include "commands/load_rdb.h"
#include "commands/replay.h"
#include "commands/saving.h"
#include "logger.h"
#include "memory.h"
#include "replication/handshake.h"
#include "replication/node.h"
#include "replication/replica.h"
#include "store/shadow.h"

enum {
    COMMANDS = 1024, /* that are taken from what was read, at most at a time */
    FIRST_PAUSE_MS = 100,
    LAST_PAUSE_MS = 1000,
    ACKS_IN_LEASE = 5, /* at least, so that the lease goes on when nothing is written */
    START_TICK_MS =
        100, /* a Redis that streams its snapshot begins with the first acknowledgement that comes behind its end */
    NEWLINE_MS = 1000 /* while a snapshot is loaded, the master sees that somebody is there */
};

/* What an attempt needs of the order and the settings, which may change under it: copies. */
struct attempt {
    char *host, *user, *password, *announce_ip, *source;
    char id[HISTORY_ID + 1];
    int64_t offset;
    int port, own_port;
    int64_t timeout;
    int64_t epoch; /* of what must be followed at least */
    bool has_past, recovers, of_roster, fails_over;
};

struct player {
    struct replica *replica;
    struct server *server;
    struct link *link;
    struct replay *replay;
    uint64_t order; /* that is carried out */
    struct attempt attempt;
    bool
        fresh; /* the next snapshot is asked for, whatever the history: this node's data is not the master's */
    int64_t pause;                /* before the next attempt */
    bool told_attempt, told_wish; /* the log knows of attempts: it hears again when one has got somewhere */
    uint64_t acked;               /* offset of the log */
    bool leases;                  /* the master grants them */
    struct keyspace *shadow;      /* a snapshot is loaded into it; NULL: into the keyspace */
    struct aof_command commands[COMMANDS];
};

/* ---- in the gate ------------------------------------------------------------------------------------------ */

static bool is_wanted(void *context)
{
    const struct player *p = context;
    return atomic_load_explicit(&p->replica->order, memory_order_relaxed) == p->order &&
           !atomic_load_explicit(&p->replica->cut, memory_order_relaxed) &&
           !atomic_load_explicit(&p->replica->stop, memory_order_relaxed);
}

static void enter(struct player *p)
{
    gate_enter(&p->server->gate, gate_number(&p->server->gate, GATE_PLAYER));
}

static void leave(struct player *p)
{
    gate_leave_guest(&p->server->gate, GATE_PLAYER);
}

static void go_alone(struct player *p)
{
    enter(p);
    gate_alone(&p->server->gate, gate_number(&p->server->gate, GATE_PLAYER));
}

static void go_together(struct player *p)
{
    gate_together(&p->server->gate, gate_number(&p->server->gate, GATE_PLAYER));
    leave(p);
}

/* Inside the gate, or alone. */
static void put_state(struct player *p, enum replica_state state)
{
    if (is_wanted(p)) {
        atomic_store(&p->replica->state, state);
        replica_judge(p->replica);
    }
}

static void set_state(struct player *p, enum replica_state state)
{
    enter(p);
    put_state(p, state);
    leave(p);
}

/* Why the attempt has ended: for INFO, and the log, which is told of the same reason once only. */
static void note_failure(struct player *p, const char *what, const char *reason)
{
    struct replica *r = p->replica;
    char text[sizeof r->error];
    snprintf(text, sizeof text, "%s%.200s", what, reason);
    enter(p);
    bool wanted = is_wanted(p);
    bool news = wanted && strcmp(r->error, text) != 0;
    if (news) {
        memcpy(r->error, text, sizeof text);
    }
    leave(p);
    if (news) {
        logger_warning("%s", text);
    }
}

/* ---- orders ----------------------------------------------------------------------------------------------- */

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        abort();
    }
    return copy;
}

static void forget_attempt(struct attempt *attempt)
{
    free(attempt->host);
    free(attempt->user);
    free(attempt->password);
    free(attempt->announce_ip);
    free(attempt->source);
    *attempt = (struct attempt){0};
}

/* Inside the gate. */
static void copy_attempt(struct player *p)
{
    const struct replica *r = p->replica;
    const struct config *config = p->server->config;
    struct attempt *attempt = &p->attempt;
    attempt->host = copy_text(r->host);
    attempt->port = r->port;
    attempt->user = copy_text(config->masteruser);
    attempt->password = copy_text(node_password(node_of(p->server)));
    attempt->announce_ip = copy_text(config->replica_announce_ip);
    attempt->source = copy_text(config->bind_source_addr);
    attempt->own_port =
        config->replica_announce_port > 0 ? config->replica_announce_port : p->server->net.port;
    attempt->timeout = (int64_t)config->repl_timeout * 1000;
    attempt->has_past = r->has_past && !p->fresh;
    attempt->recovers = recovery_is_active(&node_of(p->server)->recovery);
    attempt->epoch = r->of_roster && !attempt->recovers ? p->server->history.epoch : 0;
    attempt->of_roster = r->of_roster;
    attempt->fails_over = failover_hands_over(&node_of(p->server)->failover);
    memcpy(attempt->id, p->server->history.id, sizeof attempt->id);
    attempt->offset = history_offset(p->server);
}

/* Takes the last order, and what is needed for it. False: no master is to be followed. */
static bool take_order(struct player *p)
{
    struct replica *r = p->replica;
    uint64_t before = p->order;
    forget_attempt(&p->attempt);
    if (atomic_load(&r->state) == REPLICA_NONE) {
        return false;
    }
    enter(p);
    p->order = atomic_load(&r->order);
    atomic_store(&r->cut, false);
    bool follows = r->host != NULL;
    if (follows && p->order != before) {
        p->fresh = p->told_attempt = p->told_wish = false;
        p->pause = 0;
    }
    if (follows) {
        copy_attempt(p);
        put_state(p, REPLICA_CONNECT);
    }
    leave(p);
    return follows;
}

/* A master has no player: it leaves the gate until it is admitted again. */
static void resign(struct player *p)
{
    struct replica *r = p->replica;
    struct gate *gate = &p->server->gate;
    if (!r->admitted) {
        return;
    }
    go_alone(p);
    if (r->host != NULL) {
        go_together(p);
        return;
    }
    r->admitted = false;
    keyspace_lock_shards(&p->server->keyspace, gate_members(gate) > 2);
    gate_resign(gate);
}

/* Sleeps until there is another order, or (0 or more) so many milliseconds. */
static void sleep_for(const struct player *p, int64_t ms)
{
    struct pollfd polled = {p->replica->event, POLLIN, 0};
    uint64_t count;
    if (poll(&polled, 1, (int)ms) > 0 && read(p->replica->event, &count, sizeof count) < 0) {
        return;
    }
}

/* ---- the stream ------------------------------------------------------------------------------------------- */

/* To an Ordinal of the roster with this node's clock, which a lease will count from. */
static bool acknowledge(struct player *p)
{
    char text[128], offset[32], clock[32];
    uint64_t end = log_end(&p->server->log);
    int len = snprintf(offset, sizeof offset, "%lld", (long long)history_of_log(&p->server->history, end));
    bool leaves = atomic_load_explicit(&p->replica->leaves, memory_order_relaxed);
    int size = snprintf(text, sizeof text, "*%d\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%d\r\n%s\r\n",
                        p->leases ? 5 : 3, len, offset);
    if (p->leases) {
        len = snprintf(clock, sizeof clock, "%lld", (long long)clock_boot());
        size += snprintf(text + size, sizeof text - (size_t)size, "$5\r\n%s\r\n$%d\r\n%s\r\n",
                         leaves ? "LEAVE" : "CLOCK", len, clock);
    }
    p->acked = end;
    return link_write(p->link, text, (size_t)size);
}

static void on_annotation(void *context, struct slice line)
{
    struct player *p = context;
    if (is_wanted(p) && !atomic_load(&p->replica->leaves)) {
        lease_take(&p->replica->lease, line);
    }
}

static void on_wait(void *context)
{
    struct player *p = context;
    if (atomic_load(&p->replica->state) == REPLICA_CONNECTED) {
        acknowledge(p); /* where that fails, the next read does */
    }
}

static ssize_t read_stream(void *context, void *buffer, size_t n)
{
    struct player *p = context;
    if (p->acked != log_end(&p->server->log) && !acknowledge(p)) {
        return -1;
    }
    ssize_t got = link_read(p->link, buffer, n);
    p->link->tick = p->leases ? p->server->config->read_lease / ACKS_IN_LEASE : LINK_TICK_MS;
    return got;
}

/* Plays one run of commands. False, told: the stream cannot go on. */
static bool play(struct player *p, struct aof_reader *reader, size_t count)
{
    char reason[256] = "";
    const struct replay_bytes bytes = {p->commands, count, aof_reader_bytes(reader), reader->offset};
    enum replay_played played = replay_play(p->replay, &bytes, is_wanted, p, reason, sizeof reason);
    forward_applied(&node_of(p->server)->forward);
    if (played == PLAYED_FAILED) {
        p->fresh = true;
        note_failure(p, "The master's stream cannot be played: ", reason);
    }
    return played == PLAYED_ALL;
}

static void note_end(struct player *p, const struct aof_reader *reader, enum aof_read end)
{
    if (end == AOF_READ_DAMAGED) { /* who knows since when */
        p->fresh = true;
        note_failure(p, "Protocol error from master: ", reader->reason);
    } else if (end == AOF_READ_FAILED && reader->window.no_memory) {
        note_failure(p, "Connection with master lost: ", reader->reason);
    } else {
        note_failure(p, "Connection with master lost: ", p->link->error);
    }
}

/* Follows the stream until that ends; `rest` was read of it already. */
static void follow_stream(struct player *p, const void *rest, size_t rest_len)
{
    const struct rdb_source source = {.context = p, .read = read_stream};
    struct aof_reader reader;
    size_t count;
    enum aof_read got = AOF_READ_FAILED;
    int64_t began = clock_now();
    p->link->tick = START_TICK_MS;
    p->told_attempt = p->told_wish = false;
    bool good = aof_reader_open_stream(&reader, &source, rest, rest_len) && acknowledge(p);
    if (p->leases) {
        reader.annotated = on_annotation;
        reader.context = p;
    }
    while (good) {
        got = aof_reader_next(&reader, p->commands, COMMANDS, &count);
        good = got == AOF_READ_COMMANDS && play(p, &reader, count);
    }
    if (got != AOF_READ_COMMANDS && is_wanted(p)) {
        note_end(p, &reader, got);
    }
    aof_reader_close(&reader);
    if (clock_now() - began >
        LAST_PAUSE_MS) { /* one that ends at once, again and again, is a failure like others */
        p->pause = 0;
    }
    enter(p);
    if (is_wanted(p)) {
        atomic_store(&p->replica->down_since, clock_wall_us() / 1000000);
        put_state(p, REPLICA_CONNECT);
    }
    leave(p);
}

/* ---- the snapshot ----------------------------------------------------------------------------------------- */

struct snapshot_source {
    struct player *player;
    struct handshake_bulk bulk;
    uint64_t got;
    char tail[HANDSHAKE_ID]; /* the last bytes that came */
    bool ended;
    int64_t newline; /* ms of clock.h: when the last one was sent */
};

/* Shifts bytes into the tail. */
static void note_tail(struct snapshot_source *s, const char *bytes, size_t n)
{
    if (n >= sizeof s->tail) {
        memcpy(s->tail, bytes + n - sizeof s->tail, sizeof s->tail);
        return;
    }
    memmove(s->tail, s->tail + n, sizeof s->tail - n);
    memcpy(s->tail + sizeof s->tail - n, bytes, n);
}

static ssize_t read_snapshot(void *context, void *buffer, size_t n)
{
    struct snapshot_source *s = context;
    struct player *p = s->player;
    int64_t now = clock_now();
    uint64_t left = s->bulk.size - s->got;
    if (s->ended || (!s->bulk.marked && left == 0)) {
        return 0;
    }
    if (now - s->newline >= NEWLINE_MS) {
        s->newline = now;
        if (!link_write(p->link, "\n", 1)) {
            return -1;
        }
    }
    ssize_t got = link_read(p->link, buffer, !s->bulk.marked && left < n ? (size_t)left : n);
    if (got > 0) {
        s->got += (uint64_t)got;
        atomic_store_explicit(&p->replica->sync_read, (int64_t)s->got, memory_order_relaxed);
        note_tail(s, buffer, (size_t)got);
        s->ended = s->bulk.marked && memcmp(s->tail, s->bulk.mark, sizeof s->tail) == 0;
    }
    return got;
}

/* Alone: nothing of what was is true any more. The files stay as they are until there is a whole data set again. */
static void drop_data(struct player *p)
{
    saving_drop(p->server);
    aof_suspend(p->server);
    replay_begin(p->replay);
    replay_flush(p->replay);
    lease_drop(&p->replica->lease);
    history_renew(p->server);
    master_cut_replicas(&node_of(p->server)->master, server_player(p->server));
    p->server->history.stream_db = 0;
    p->replica->has_past = false;
}

/* Alone: where the snapshot goes. With swapdb beside what this node has, which is served meanwhile if it is of the same history. */
static void make_place(struct player *p, const struct handshake_result *result)
{
    struct server *server = p->server;
    bool beside = server->config->repl_diskless_load == CONFIG_DISKLESS_LOAD_SWAPDB;
    bool same = p->replica->has_past && strcmp(result->id, server->history.id) == 0;
    p->shadow = beside ? shadow_new(&server->keyspace) : NULL;
    load_begin(server, p->shadow != NULL && same);
    if (p->shadow == NULL) {
        logger_notice("MASTER <-> REPLICA sync: Flushing old data");
        drop_data(p);
    }
}

static bool begin_loading(struct player *p, const struct handshake_bulk *bulk,
                          const struct handshake_result *result)
{
    go_alone(p);
    bool wanted = is_wanted(p);
    if (wanted) {
        logger_notice("MASTER <-> REPLICA sync: Loading DB in memory");
        p->replica->syncing = true;
        atomic_store(&p->replica->sync_read, 0);
        atomic_store(&p->replica->sync_size, (int64_t)bulk->size);
        make_place(p, result);
    }
    go_together(p);
    return wanted;
}

/* Alone: the snapshot is there whole, or it is of no use. */
static void settle(struct player *p, bool good)
{
    if (!good) {
        logger_notice("MASTER <-> REPLICA sync: what has come of the snapshot is dropped");
    } else if (p->shadow != NULL) {
        logger_notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    }
    bool drops = good ? p->shadow != NULL : p->shadow == NULL;
    if (drops) {
        drop_data(p);
    }
    if (good && p->shadow != NULL) {
        shadow_take_place(p->shadow, &p->server->keyspace);
    }
}

/* The keyspace is the master's as of where the handshake said; or it is empty, or what it was. */
static bool end_loading(struct player *p, bool loaded, const struct handshake_result *result)
{
    struct server *server = p->server;
    const struct history_mark *mark = &server->loading->history;
    go_alone(p);
    bool good = loaded && is_wanted(p);
    settle(p, good);
    if (good) {
        history_adopt(server, (struct slice){result->id, HISTORY_ID}, (int64_t)result->offset);
        server->history.epoch = result->history.epoch;
        server->history.stream_db = mark->db < server->keyspace.count ? mark->db : 0;
        replay_select(p->replay, server->history.stream_db);
        p->replica->has_past = true;
        p->replica->error[0] = '\0';
        put_state(p, REPLICA_CONNECTED);
        p->fresh = p->fresh && result->is_made_up;
    }
    if (good || p->replica->host == NULL) {
        aof_resume(server);
    }
    p->replica->syncing = false;
    load_end(server);
    go_together(p);
    shadow_free(p->shadow);
    p->shadow = NULL;
    return good;
}

/* What the source has still to give behind the snapshot: its mark. `rest` is what was read beyond the snapshot. */
static bool check_mark(struct snapshot_source *s, const struct rdb_load_result *loaded)
{
    char mark[HANDSHAKE_ID];
    size_t len = loaded->rest_len < sizeof mark ? loaded->rest_len : sizeof mark;
    memcpy(mark, loaded->rest + loaded->rest_at, len);
    while (len < sizeof mark) {
        ssize_t got = link_read(s->player->link, mark + len, sizeof mark - len);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
    }
    return memcmp(mark, s->bulk.mark, sizeof mark) == 0;
}

/* Whether the snapshot ends where the master said. */
static bool ends_well(struct snapshot_source *s, const struct rdb_load_result *loaded)
{
    bool good = s->bulk.marked ? check_mark(s, loaded) : s->got == s->bulk.size && loaded->rest_len == 0;
    if (!good) {
        note_failure(s->player, "The master's snapshot does not end where it should", "");
    }
    return good;
}

static bool load(struct snapshot_source *s, struct rdb_load_result *loaded)
{
    const struct load_rdb_how how = {.keep_expired = true, .into = s->player->shadow};
    struct rdb_load_options options = {.source = {.context = s, .read = read_snapshot, .size = s->bulk.size}};
    enum load_end end =
        load_rdb_source(s->player->server->loading, "the master's snapshot", &how, &options, loaded);
    if (end != LOAD_DONE) {
        note_failure(s->player, "MASTER <-> REPLICA sync failed: ",
                     s->player->link->error[0] != '\0' ? s->player->link->error : loaded->reason);
        return false;
    }
    if (!ends_well(s, loaded)) {
        free(loaded->rest);
        return false;
    }
    return true;
}

/* Receives and loads the snapshot, and follows the stream behind it. */
static void sync_fully(struct player *p, const struct handshake_result *result)
{
    struct snapshot_source source = {.player = p, .newline = clock_now()};
    struct rdb_load_result loaded;
    logger_notice("Full resync from master: %s:%llu", result->id, (unsigned long long)result->offset);
    if (!handshake_await_bulk(p->link, &source.bulk)) {
        note_failure(p, "MASTER <-> REPLICA sync failed: ", p->link->error);
        return;
    }
    if (source.bulk.marked) {
        logger_notice("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser");
    } else {
        logger_notice("MASTER <-> REPLICA sync: receiving %llu bytes from master to parser",
                      (unsigned long long)source.bulk.size);
    }
    p->link->error[0] = '\0';
    set_state(p, REPLICA_SYNC);
    if (!link_await(p->link)) { /* until there is something, this node keeps what it has */
        note_failure(p, "MASTER <-> REPLICA sync failed: ", p->link->error);
        set_state(p, REPLICA_CONNECT);
        return;
    }
    if (!begin_loading(p, &source.bulk, result)) {
        return;
    }
    bool good = load(&source, &loaded);
    if (!end_loading(p, good, result)) {
        if (good) {
            free(loaded.rest);
        }
        set_state(p, REPLICA_CONNECT);
        return;
    }
    logger_notice("MASTER <-> REPLICA sync: Finished with success");
    size_t mark = source.bulk.marked ? HANDSHAKE_ID : 0;
    size_t skipped = mark < loaded.rest_len ? mark : loaded.rest_len;
    follow_stream(p, loaded.rest + loaded.rest_at + skipped, loaded.rest_len - skipped);
    free(loaded.rest);
}

/* ---- an attempt ------------------------------------------------------------------------------------------- */

/* The stream goes on behind what this node has. */
static void go_on(struct player *p, const struct handshake_result *result)
{
    struct server *server = p->server;
    go_alone(p);
    bool wanted = is_wanted(p);
    if (wanted) {
        if (result->id[0] != '\0' && strcmp(result->id, server->history.id) != 0) {
            logger_notice("Master replication ID changed to %s", result->id);
            history_rename(server, (struct slice){result->id, HISTORY_ID});
            master_cut_replicas(&node_of(server)->master, server_player(server));
        }
        server->history.epoch = result->history.epoch > 0 ? result->history.epoch : server->history.epoch;
        replay_begin(p->replay);
        replay_select(p->replay, server->history.stream_db);
        p->replica->error[0] = '\0';
        put_state(p, REPLICA_CONNECTED);
    }
    go_together(p);
    if (wanted) {
        logger_notice("Successful partial resynchronization with master.");
        follow_stream(p, NULL, 0);
    }
}

static void make_id(struct handshake_result *result, const char *run_id)
{
    memcpy(result->id, run_id, HANDSHAKE_ID);
    result->id[HANDSHAKE_ID] = '\0';
    result->offset = 0;
    result->is_made_up = true;
}

/* Once, until something comes of it. */
static void tell_wish(struct player *p, const struct handshake_own *own)
{
    if (p->told_wish) {
        return;
    }
    p->told_wish = true;
    if (own->id != NULL) {
        logger_notice("Trying a partial resynchronization (request %s:%llu).", own->id,
                      (unsigned long long)own->offset + 1);
    } else {
        logger_notice("Partial resynchronization not possible (no cached master)");
    }
}

/* What the other end made of PSYNC … FAILOVER: where it has not answered, it is asked again. */
static void tell_failover(struct player *p, enum handshake_answer answer,
                          const struct handshake_result *result)
{
    bool taken_over = answer == HANDSHAKE_CONTINUE || answer == HANDSHAKE_FULL;
    if (!p->attempt.fails_over || (!taken_over && !result->refused)) {
        return;
    }
    go_alone(p);
    if (is_wanted(p)) {
        failover_answered(node_of(p->server), taken_over);
    }
    go_together(p);
}

/* Of two passwords the master may know only the other one. */
static void look_for_password(struct player *p)
{
    if (strstr(p->link->error, "WRONGPASS") != NULL) {
        go_alone(p);
        config_password_refused(p->server->config);
        go_together(p);
    }
}

static void talk(struct player *p)
{
    const struct attempt *attempt = &p->attempt;
    struct handshake_result result;
    struct handshake_own own = {.user = attempt->user,
                                .password = attempt->password,
                                .announce_ip = attempt->announce_ip,
                                .port = attempt->own_port,
                                .id = attempt->has_past ? attempt->id : NULL,
                                .offset = (uint64_t)attempt->offset,
                                .node_id = attempt->of_roster ? p->server->run_id : NULL,
                                .ordinal = node_of(p->server)->roster.identity.ordinal,
                                .epoch = attempt->epoch,
                                .recovers = attempt->recovers,
                                .fails_over = attempt->fails_over};
    set_state(p, REPLICA_HANDSHAKE);
    tell_wish(p, &own);
    enum handshake_answer answer = handshake_run(p->link, &own, &result);
    tell_failover(p, answer, &result);
    p->leases = attempt->of_roster && !attempt->recovers && result.history.epoch > 0;
    if (answer != HANDSHAKE_FAILED && result.history.epoch > 0) { /* an Ordinal: deadlines are by its clock */
        int64_t since = clock_now() - result.heard;
        lease_set_clock(&p->replica->lease, result.history.clock + since, result.heard - result.asked);
    }
    switch (answer) {
    case HANDSHAKE_CONTINUE: go_on(p, &result); break;
    case HANDSHAKE_FULL: sync_fully(p, &result); break;
    case HANDSHAKE_OLD:
        make_id(&result, p->server->run_id);
        p->fresh = true;
        sync_fully(p, &result);
        break;
    case HANDSHAKE_LATER:
    case HANDSHAKE_FAILED:
        note_failure(p, "", p->link->error);
        look_for_password(p);
        break;
    }
}

/* Writes of this node's clients go where the link leads, which was looked up just now. */
static void note_peer(struct player *p)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    enter(p);
    if (is_wanted(p) && getpeername(p->link->fd, (struct sockaddr *)&address, &len) == 0) {
        forward_set_master(&node_of(p->server)->forward, (struct sockaddr *)&address);
        conn_format_address(&address, p->replica->peer, sizeof p->replica->peer);
    }
    leave(p);
}

static void forget_peer(struct player *p)
{
    enter(p);
    p->replica->peer[0] = '\0';
    leave(p);
}

static void try_once(struct player *p)
{
    const struct attempt *attempt = &p->attempt;
    const struct link_address to = {attempt->host, attempt->port, attempt->source};
    set_state(p, REPLICA_CONNECTING);
    if (!p->told_attempt) {
        logger_notice("Connecting to MASTER %s:%d", attempt->host, attempt->port);
        p->told_attempt = true;
    }
    if (link_open(p->link, &to, attempt->timeout)) {
        note_peer(p);
        talk(p);
        forget_peer(p);
        link_close(p->link);
    } else {
        note_failure(p, "Error condition on socket for SYNC: ", p->link->error);
    }
}

static void pause_between(struct player *p)
{
    if (p->pause > 0 && is_wanted(p)) {
        sleep_for(p, p->pause);
    }
    p->pause = p->pause == 0 ? FIRST_PAUSE_MS : p->pause < LAST_PAUSE_MS / 2 ? 2 * p->pause : LAST_PAUSE_MS;
}

static struct player *new_player(struct replica *r)
{
    struct player *p = mem_must(sizeof *p);
    memset(p, 0, sizeof *p);
    p->replica = r;
    p->server = r->server;
    p->link = &r->link;
    p->replay = replay_new(r->server, REPLAY_STREAM);
    if (p->replay == NULL) {
        abort();
    }
    link_init(p->link, r->event, &(struct link_hooks){p, is_wanted, on_wait});
    return p;
}

void *player_run(void *replica)
{
    struct replica *r = replica;
    mem_thread_init();
    struct player *p = new_player(r);
    while (!atomic_load(&r->stop)) {
        if (take_order(p)) {
            try_once(p);
            pause_between(p);
        } else {
            resign(p);
            if (!atomic_load(&r->stop) && atomic_load(&r->state) == REPLICA_NONE) {
                sleep_for(p, -1);
            }
        }
    }
    forget_attempt(&p->attempt);
    link_free(p->link);
    replay_free(p->replay);
    mem_free(p, sizeof *p);
    return NULL;
}
