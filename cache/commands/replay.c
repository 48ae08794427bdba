#include "commands/replay.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"
#include "commands/block.h"
#include "commands/bundle.h"
#include "commands/call.h"
#include "commands/change.h"
#include "commands/outbox.h"
#include "commands/relay.h"
#include "commands/tracking.h"
#include "logger.h"
#include "memory.h"

enum {
    BATCH = 64,
    ENTRY_LINES = 4,        /* cache lines of an entry that are fetched ahead */
    REPLY_KEPT = 64 * 1024, /* of the buffer for replies, between two commands */
    ERRORS_TOLD = 10
};

struct replay {
    struct server *server;
    enum replay_kind kind;
    struct worker *
        worker; /* of a file: its own, since nothing that it counts is any client's doing; of a stream: the player's */
    struct conn conn; /* of nobody: it has no loop and no socket */
    struct conn_limit limit;
    struct client client;
    struct reply reply;
    struct call call;
    const struct command *select, *multi, *exec, *publish, *spublish;
    bool alone; /* it runs alone */
    bool in_unit;
    uint64_t unit_offset;
    struct bundle bundle;
    uint64_t offset, behind; /* of the command that runs: where it begins, and ends (of a stream) */
    uint64_t errors;
    struct planned batch[BATCH];
    /* Of a stream. */
    struct relay relay;
    replay_wanted_fn *wanted;
    void *context;
    bool unwanted;
};

/* ---- what a command is ----------------------------------------------------------------------------------- */

static int shown(struct slice text)
{
    enum { MOST = 128 };
    return (int)(text.len < MOST ? text.len : MOST);
}

/* Writes why a command is refused. Returns false. */
static __attribute__((format(printf, 3, 4))) bool refuse(char *reason, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, size, format, args);
    va_end(args);
    return false;
}

/* By its own name, whatever rename-command has made of it. */
static const struct command *find_row(struct slice name)
{
    for (int id = 0; id < command_count(); id++) {
        const struct command *command = command_at(id);
        if (command_parent(command) == NULL && slice_is(name, command->name)) {
            return command;
        }
    }
    return NULL;
}

/* What other servers wrote has names as clients sent them; our own log has the commands' own names as well. */
static const struct command *look_up(const struct aof_command *command)
{
    const struct command *found = command_find(command->argv[0]);
    if (__builtin_expect(found == NULL, 0)) {
        found = find_row(command->argv[0]);
    }
    const struct command *sub = NULL;
    if (found != NULL && found->subcommands != NULL && command->argc > 1) {
        sub = command_find_subcommand(found, command->argv[1]);
    }
    return sub != NULL ? sub : found;
}

/* Whether it changes keys: also where it only reads for its client, as PFCOUNT does, which keeps the count in the value. */
static bool changes_keys(const struct command *command)
{
    return (command->flags & CMD_WRITE) != 0 ||
           ((command->flags & CMD_MAY_REPLICATE) != 0 && (command->keys[0].flags & KEY_RW) != 0);
}

/* What a master puts into its stream for its replicas, which is also what a file is written from there. Every batch is
 * acknowledged, whether that is asked for or not. */
static bool is_for_replicas(const struct command *command)
{
    return strcmp(command->name, "ping") == 0 || strcmp(command->name, "replconf") == 0;
}

/* How something runs that changes no key. Reading does nothing, and whatever is about connections or the server itself has no business
 * in a file; a master sends some of it. */
static enum replay_what what_else(const struct replay *r, const struct command *command)
{
    bool streams = r->kind == REPLAY_STREAM;
    if (command == r->select || command == r->multi || command == r->exec) {
        return command == r->select ? RUN_SELECT : command == r->multi ? RUN_MULTI : RUN_EXEC;
    }
    if (streams && (command == r->publish || command == r->spublish)) {
        return RUN_FREE;
    }
    return (command->flags & (CMD_READONLY | CMD_MAY_REPLICATE)) != 0 || is_for_replicas(command)
               ? RUN_NOTHING
               : REFUSED;
}

static enum replay_what what_of(const struct replay *r, const struct command *command, size_t argc)
{
    if (command == NULL || !command_arity_fits(command, argc)) {
        return REFUSED;
    }
    if (!changes_keys(command)) {
        return what_else(r, command);
    }
    bool shared = (command->flags & CMD_ALONE) == 0 && command->keys[0].first != 0;
    return shared && command_has_one_key(command, argc) ? RUN_ON_KEY : RUN_ALONE;
}

static void plan(struct replay *r, const struct aof_command *command, struct planned *planned)
{
    *planned = (struct planned){.command = look_up(command)};
    planned->what = what_of(r, planned->command, command->argc);
    if (planned->command == NULL || planned->what > RUN_ALONE) {
        return;
    }
    size_t first = (size_t)planned->command->keys[0].first;
    if (first == 0 || first >= command->argc) {
        return;
    }
    planned->key = command->argv[first].ptr;
    planned->hash = keyspace_hash(&r->server->keyspace, command->argv[first]);
    const struct shard *s = db_shard(r->client.db, planned->hash);
    if (s != NULL) {
        shard_prefetch(s, planned->hash);
    }
}

static void fetch(const struct replay *r, const struct planned *planned)
{
    struct db *db = r->client.db;
    struct shard *s = planned->key != NULL ? db_shard(db, planned->hash) : NULL;
    if (s != NULL) {
        db_lock_shard(db, s);
        shard_prefetch_entry(s, planned->hash, ENTRY_LINES);
        db_unlock_shard(db, s);
    }
}

/* ---- running --------------------------------------------------------------------------------------------- */

/* Passes on what was played. A snapshot that is begun then tells which database the stream is for. */
static void pass_on(struct replay *r, uint64_t until)
{
    r->server->history.stream_db = r->client.db->id;
    relay_until(&r->relay, until);
}

/* Everything before `offset`, but nothing of a transaction that has no end yet. */
static void pass_before(struct replay *r, uint64_t offset)
{
    if (!r->in_unit) {
        pass_on(r, offset);
    } else if (r->relay.kept.len == 0) { /* it has begun in this batch */
        pass_on(r, r->unit_offset);
    }
}

/* From inside the gate. False, and it is inside again, when the stream is not wanted any more. What has been played until here goes to
 * the log first: others may run before. */
static bool go_alone(struct replay *r)
{
    struct gate *gate = &r->server->gate;
    if (r->kind == REPLAY_STREAM) {
        pass_before(r, r->offset);
    }
    gate_alone(gate, gate_number(gate, GATE_PLAYER));
    r->alone = true;
    r->unwanted = r->wanted != NULL && !r->wanted(r->context);
    return !r->unwanted;
}

static void go_together(struct replay *r)
{
    struct gate *gate = &r->server->gate;
    if (r->kind == REPLAY_STREAM && !r->unwanted) {
        pass_on(r, r->behind);
    }
    r->alone = false;
    gate_together(gate, gate_number(gate, GATE_PLAYER));
    r->unwanted = r->wanted != NULL && !r->wanted(r->context);
}

/* Runs the handler, alone, and after it those whose wait it may have ended: for these, time goes on. */
static void run_handler_alone(struct replay *r)
{
    struct call *c = &r->call;
    c->command->run(c);
    if (r->kind == REPLAY_STREAM && block_anyone(r->server)) {
        c->now = r->worker->now;
        block_serve(c);
        c->now = ENTRY_NOTHING_DUE;
    }
}

static void run_alone(struct replay *r)
{
    if (r->alone) {
        run_handler_alone(r);
        return;
    }
    if (go_alone(r)) {
        run_handler_alone(r);
    }
    go_together(r);
}

/* Whether somebody waits for the key of the command. */
static bool is_waited_for(const struct replay *r)
{
    const struct call *c = &r->call;
    if (r->kind != REPLAY_STREAM || c->first_key == NULL) {
        return false;
    }
    struct slice name = {c->first_key, c->argv[c->command->keys[0].first].len};
    return block_waits_for(r->server, c->db, &(struct key){name, c->first_hash});
}

static bool run_on_key(struct replay *r)
{
    struct call *c = &r->call;
    if (!db_lock(c->db, c->first_hash)) {
        return false;
    }
    if (__builtin_expect(block_anyone(r->server), 0) && is_waited_for(r)) {
        db_unlock(c->db, c->first_hash);
        run_alone(r);
        return true;
    }
    c->command->run(c);
    db_unlock(c->db, c->first_hash);
    return true;
}

/* What a client would have got as an error. Going on is what Redis does, but for want of memory, since the data would not be whole. */
static void tell_error(struct replay *r, const char *error, int len)
{
    if (r->errors++ >= ERRORS_TOLD) {
        return;
    }
    if (r->kind == REPLAY_STREAM) {
        logger_warning(
            "== CRITICAL == This replica is sending an error to its master: '%.*s' after processing the "
            "command '%s'",
            len, error, r->call.command != NULL ? r->call.command->name : "<unknown>");
    } else {
        logger_warning(
            "A command of the append-only file was answered with an error, and is passed over: '%.*s' after '%s' at "
            "offset %llu",
            len, error, r->call.command->name, (unsigned long long)r->offset);
    }
}

static bool note_error(struct replay *r, char *reason, size_t size)
{
    const struct reply *reply = &r->reply;
    struct slice error = {reply->data + 1, reply->len - (reply->len > 3 ? 3 : 1)};
    bool lacks_memory = error.len > 4 && memcmp(error.ptr, "OOM ", 4) == 0;
    if (lacks_memory || (r->call.command == r->select && r->kind != REPLAY_STREAM)) {
        return refuse(reason, size, "'%.*s' is the answer to '%s'", shown(error), error.ptr,
                      r->call.command->name);
    }
    tell_error(r, error.ptr, shown(error));
    return true;
}

/* The log, if it is on (DEBUG LOADAOF), has this already: it is what is being read. */
static inline void forget_effects(struct worker *w)
{
    if (__builtin_expect(w->unit.commands > 0, 0)) {
        w->unit.commands = 0;
        reply_reset(&w->unit.bytes, REPLY_KEPT);
    }
}

/* A master's commands are this server's as well, for INFO: how many, while their time is the player's own. */
static inline void count_run(struct replay *r)
{
    if (r->kind == REPLAY_STREAM) {
        struct command_stats *stats = &r->worker->stats[command_id(r->call.command)];
        stats->calls++;
        stats->failed += r->reply.len > 0 && r->reply.data[0] == '-';
    }
}

static bool run_command(struct replay *r, const struct planned *planned, struct slice *argv, size_t argc,
                        char *reason, size_t size)
{
    struct call *c = &r->call;
    bool good = true;
    c->command = planned->command;
    c->argv = argv;
    c->argc = argc;
    c->db = r->client.db;
    c->first_key = planned->key;
    c->first_hash = planned->hash;
    switch (planned->what) {
    case RUN_ON_KEY: good = run_on_key(r); break;
    case RUN_SELECT:
    case RUN_FREE: c->command->run(c); break;
    case RUN_NOTHING: break;
    default: run_alone(r); break;
    }
    if (!good || r->reply.failed) {
        return refuse(reason, size, "There is not enough memory for '%s'", c->command->name);
    }
    count_run(r);
    if (r->reply.len > 0 && r->reply.data[0] == '-') {
        good = note_error(r, reason, size);
    }
    forget_effects(r->worker);
    r->reply.len = 0;
    if (__builtin_expect(r->reply.cap > REPLY_KEPT, 0)) {
        reply_reset(&r->reply, REPLY_KEPT);
    }
    return good;
}

static bool run_unit(struct replay *r, char *reason, size_t size)
{
    struct bundle *u = &r->bundle;
    bool good = true;
    bool goes_alone = r->kind == REPLAY_STREAM && u->command_count > 0;
    bundle_settle(u);
    if (goes_alone && !go_alone(r)) {
        go_together(r);
        return true;
    }
    for (size_t i = 0; i < u->command_count && good; i++) {
        const struct kept *kept = &u->commands[i];
        r->offset = kept->offset;
        good = run_command(r, &kept->planned, u->args + kept->first, kept->argc, reason, size);
    }
    r->in_unit = false;
    bundle_clear(u);
    if (goes_alone) {
        go_together(r);
    }
    return good;
}

static bool begin_unit(struct replay *r, uint64_t offset, char *reason, size_t size)
{
    if (r->in_unit) {
        return refuse(reason, size, "A MULTI inside of a transaction");
    }
    r->in_unit = true;
    r->unit_offset = offset;
    return true;
}

static bool refuse_command(struct replay *r, const struct planned *planned, const struct aof_command *command,
                           char *reason, size_t size)
{
    struct slice name = command->argv[0];
    const char *why = planned->command == NULL ? "Unknown command"
                      : !command_arity_fits(planned->command, command->argc)
                          ? "Wrong number of arguments for"
                          : "A command that changes no key,";
    refuse(reason, size, "%s '%.*s'", why, shown(name), name.ptr);
    if (r->kind == REPLAY_STREAM) {
        r->call.command = planned->command;
        tell_error(r, reason, (int)strlen(reason));
        reason[0] = '\0';
        return true;
    }
    return false;
}

static bool end_unit(struct replay *r, char *reason, size_t size)
{
    if (r->in_unit) {
        return run_unit(r, reason, size);
    }
    if (r->kind == REPLAY_STREAM) {
        r->call.command = r->exec;
        tell_error(r, "ERR EXEC without MULTI", 22);
        return true;
    }
    return refuse(reason, size, "An EXEC without MULTI");
}

/* Runs or keeps one command of the stream. */
static bool step(struct replay *r, const struct planned *planned, const struct aof_command *command,
                 char *reason, size_t size)
{
    r->offset = command->offset;
    switch (planned->what) {
    case REFUSED: return refuse_command(r, planned, command, reason, size);
    case RUN_MULTI: return begin_unit(r, command->offset, reason, size);
    case RUN_EXEC: return end_unit(r, reason, size);
    default: break;
    }
    if (r->in_unit) {
        return bundle_keep(&r->bundle, planned, command) ||
               refuse(reason, size, "There is not enough memory for a transaction");
    }
    return run_command(r, planned, command->argv, command->argc, reason, size);
}

static void prepare_batch(struct replay *r, const struct aof_command *commands, size_t count)
{
    r->worker->now = clock_now();
    for (size_t i = 0; i < count; i++) {
        plan(r, &commands[i], &r->batch[i]);
    }
    for (size_t i = 0; i < count; i++) {
        fetch(r, &r->batch[i]);
    }
}

/* ---- a file ---------------------------------------------------------------------------------------------- */

static size_t run_batch(struct replay *r, const struct aof_command *commands, size_t count, char *reason,
                        size_t size)
{
    size_t ran = 0;
    prepare_batch(r, commands, count);
    while (ran < count && step(r, &r->batch[ran], &commands[ran], reason, size)) {
        ran++;
    }
    return ran;
}

size_t replay_run(void *context, const struct aof_command *commands, size_t count, char *reason,
                  size_t reason_size)
{
    struct replay *r = context;
    struct gate *gate = &r->server->gate;
    size_t done = 0, ran = 0, part;
    if (!r->alone) {
        gate_enter(gate, gate_number(gate, GATE_PLAYER));
    }
    do {
        part = count - done < BATCH ? count - done : BATCH;
        ran = run_batch(r, commands + done, part, reason, reason_size);
        done += ran;
    } while (ran == part && done < count);
    if (!r->alone) {
        gate_leave_guest(gate, GATE_PLAYER);
    }
    return done;
}

/* ---- a stream -------------------------------------------------------------------------------------------- */

/* Inside the gate, before it is left: what was played goes to the log; of a transaction that has no end yet nothing does. */
static bool settle(struct replay *r, uint64_t end)
{
    pass_before(r, end);
    return !r->in_unit || relay_keep(&r->relay, end);
}

/* The commands [from, until) of the stream, which are at most a batch: inside the gate. False with a reason. */
static bool play_batch(struct replay *r, const struct replay_bytes *stream, size_t from, size_t until,
                       char *reason, size_t size)
{
    bool good = true;
    size_t ran = from;
    prepare_batch(r, stream->commands + from, until - from);
    while (ran < until && good && !r->unwanted) {
        r->behind = ran + 1 < stream->count ? stream->commands[ran + 1].offset : stream->end;
        good = step(r, &r->batch[ran - from], &stream->commands[ran], reason, size);
        ran++;
    }
    counter_add(&r->worker->commands, (int64_t)(ran - from));
    counter_set(&r->worker->dirty_seen, (int64_t)r->worker->dirty);
    if (good && !r->unwanted && !settle(r, r->behind)) {
        good = refuse(reason, size, "There is not enough memory for a transaction");
    }
    return good;
}

enum replay_played replay_play(struct replay *r, const struct replay_bytes *stream, replay_wanted_fn *wanted,
                               void *context, char *reason, size_t reason_size)
{
    struct server *server = r->server;
    struct gate *gate = &server->gate;
    bool good = true;
    r->wanted = wanted;
    r->context = context;
    relay_begin(&r->relay, stream->bytes, stream->commands[0].offset);
    for (size_t done = 0, until; done < stream->count && good; done = until) {
        until = stream->count - done < BATCH ? stream->count : done + BATCH;
        log_await_room(&server->log);
        cut_await_room(&server->keyspace.cut);
        gate_enter(gate, gate_number(gate, GATE_PLAYER));
        r->unwanted = !wanted(context);
        good = r->unwanted || play_batch(r, stream, done, until, reason, reason_size);
        tracking_hand_over(r->worker);
        outbox_hand_over(r->worker);
        gate_leave_guest(gate, GATE_PLAYER);
        log_wake_readers(&server->log);
        if (r->unwanted) {
            return PLAYED_UNWANTED;
        }
    }
    return good ? PLAYED_ALL : PLAYED_FAILED;
}

/* ---- the client ------------------------------------------------------------------------------------------ */

void replay_begin(void *context)
{
    struct replay *r = context;
    r->client.db = &r->server->keyspace.dbs[0];
    r->in_unit = false;
    r->errors = r->kind == REPLAY_STREAM ? 0 : r->errors;
    bundle_clear(&r->bundle);
    relay_reset(&r->relay);
}

void replay_flush(struct replay *r)
{
    struct keyspace *ks = &r->server->keyspace;
    r->worker->now = clock_now();
    change_flush(&r->call, NULL);
    for (int i = 0; i < ks->count; i++) {
        r->worker->dirty += db_flush(&ks->dbs[i]);
    }
    tracking_hand_over(r->worker);
    outbox_hand_over(r->worker);
}

int replay_db(const struct replay *r)
{
    return r->client.db->id;
}

void replay_select(struct replay *r, int db)
{
    r->client.db = &r->server->keyspace.dbs[db];
}

bool replay_unfinished(void *context, uint64_t *offset)
{
    struct replay *r = context;
    *offset = r->unit_offset;
    return r->in_unit;
}

uint64_t replay_errors(const struct replay *r)
{
    return r->errors;
}

uint64_t replay_changes(const struct replay *r)
{
    return r->worker->dirty;
}

static struct worker *make_worker(struct server *server)
{
    struct worker *w = mem_alloc(sizeof *w);
    if (w != NULL) {
        memset(w, 0, sizeof *w);
        w->server = server;
        w->loop = &server->net.loops[0];
        w->unit.depth = 1; /* what handlers tell the log is gathered, and forgotten */
        w->now = clock_now();
        w->random = (uint64_t)clock_now_us() | 1;
    }
    return w;
}

static void find_rows(struct replay *r)
{
    r->select = find_row(SLICE("select"));
    r->multi = find_row(SLICE("multi"));
    r->exec = find_row(SLICE("exec"));
    r->publish = find_row(SLICE("publish"));
    r->spublish = find_row(SLICE("spublish"));
}

static void make_client(struct replay *r)
{
    r->conn.client = &r->client;
    r->conn.resp = 2;
    counter_set(&r->limit.hard, INT64_MAX);
    r->conn.limit = &r->limit;
    r->client.conn = &r->conn;
    r->client.worker = r->worker;
    r->client.flags = r->kind == REPLAY_STREAM ? 0 : CLIENT_REPLAYS;
    r->client.authenticated = true;
    r->client.fd = -1;
    r->reply.resp = 2;
    r->call = (struct call){.server = r->server,
                            .worker = r->worker,
                            .client = &r->client,
                            .reply = &r->reply,
                            .now = ENTRY_NOTHING_DUE,
                            .may_not_block = true};
}

struct replay *replay_new(struct server *server, enum replay_kind kind)
{
    bool streams = kind == REPLAY_STREAM;
    struct worker *w = streams ? server_player(server) : make_worker(server);
    struct replay *r = w != NULL ? mem_alloc(sizeof *r) : NULL;
    if (r == NULL) {
        if (!streams) {
            mem_free(w, sizeof *w);
        }
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->server = server;
    r->kind = kind;
    r->worker = w;
    r->alone = kind == REPLAY_FILE_ALONE;
    if (streams) {
        r->relay = (struct relay){.log = &server->log, .slot = w->loop->index};
    }
    find_rows(r);
    make_client(r);
    replay_begin(r);
    return r;
}

void replay_free(struct replay *r)
{
    reply_free(&r->reply);
    relay_reset(&r->relay);
    bundle_free(&r->bundle);
    if (r->kind != REPLAY_STREAM) {
        reply_free(&r->worker->unit.bytes);
        mem_free(r->worker, sizeof *r->worker);
    }
    mem_free(r, sizeof *r);
}
