/*
 * The way of a command. A batch is taken in three passes, so that the cache misses of its requests overlap: look up the
 * commands, hash their keys and fetch their lines; fetch the entries whose tags fit; run them in order.
 *
 * What is rare (no such command, paused clients, monitors, slow commands, a full memory) is out of line.
 */
#include "commands/dispatch.h"

#include <stdio.h>

#include "clock.h"
#include "commands/block.h"
#include "commands/call.h"
#include "commands/cut_wait.h"
#include "commands/errorstats.h"
#include "commands/histogram.h"
#include "commands/latency.h"
#include "commands/monitor.h"
#include "commands/pause.h"
#include "commands/propagate.h"
#include "commands/refusing.h"
#include "commands/slowlog.h"
#include "commands/tracking.h"
#include "commands/transaction.h"
#include "logger.h"
#include "memory.h"

enum {
    FLUSH_AT = 256 * 1024, /* replies are sent when they grow beyond this within a batch */
    MAX_ENTRY_LINES = 16   /* cache lines of an entry that are fetched ahead */
};

enum parsed_mode { MODE_LOCAL, MODE_KEY, MODE_ALONE };

/* What is known of a request before it runs. */
struct parsed {
    const struct command *command; /* or NULL */
    int id;                        /* command_id */
    enum parsed_mode mode;
    uint64_t hash;   /* of the first key */
    const char *key; /* its bytes; NULL: the request has no key */
    struct db *db;   /* the client's when the batch was prepared: a hint for fetching only */
    uint32_t lines;  /* cache lines of its second argument */
};

size_t dispatch_batch_size(void)
{
    return LOOP_BATCH * sizeof(struct parsed);
}

/* How a request runs: on the shard of its only key, touching nothing shared, or alone. */
static enum parsed_mode mode_of(const struct command *command, size_t argc)
{
    const struct key_spec *spec = &command->keys[0];
    if ((command->flags & (CMD_LOCAL | CMD_ALONE)) != 0 || spec->first == 0) {
        return (command->flags & CMD_LOCAL) != 0 ? MODE_LOCAL : MODE_ALONE;
    }
    return command_has_one_key(command, argc) ? MODE_KEY : MODE_ALONE;
}

static void parse(struct worker *w, const struct client *client, const struct request *request,
                  struct parsed *parsed)
{
    const struct command *command = command_find_id(request->argv[0], &parsed->id);
    if (command != NULL && command->subcommands != NULL && request->argc > 1) {
        const struct command *sub = command_find_subcommand(command, request->argv[1]);
        if (sub != NULL) {
            command = sub;
            parsed->id = command_id(sub);
        }
    }
    parsed->command = command;
    parsed->key = NULL;
    if (command == NULL) {
        parsed->mode = MODE_LOCAL;
        return;
    }
    parsed->mode = mode_of(command, request->argc);
    size_t first = (size_t)command->keys[0].first;
    if (first > 0 && first < request->argc) {
        parsed->key = request->argv[first].ptr;
        parsed->hash = keyspace_hash(&w->server->keyspace, request->argv[first]);
        size_t lines = request->argc > first + 1 ? request->argv[first + 1].len / 64 + 1 : 1;
        parsed->lines = (uint32_t)(lines < MAX_ENTRY_LINES ? lines : MAX_ENTRY_LINES);
        parsed->db = client->db;
        const struct shard *s = db_shard(client->db, parsed->hash);
        if (s != NULL) {
            shard_prefetch(s, parsed->hash);
        }
    }
}

/* Fetches as many lines of the entry as are likely to be touched: what is about to be written over it, or what the replies
 * before this one were long. */
static void prefetch_entry(struct worker *w, const struct parsed *parsed)
{
    struct db *db = parsed->db;
    struct shard *s = parsed->key != NULL ? db_shard(db, parsed->hash) : NULL;
    if (s != NULL) {
        uint32_t lines = (parsed->command->flags & CMD_WRITE) != 0 ? parsed->lines : w->entry_lines;
        db_lock_shard(db, s);
        shard_prefetch_entry(s, parsed->hash, lines);
        db_unlock_shard(db, s);
    }
}

/* ---- refusals: what is checked before a command runs ------------------------------------------------ */

/* A browser that was made to post to this port: its headers are no commands, and what follows them must not run. */
static bool speaks_http(const struct call *c)
{
    return slice_is(c->argv[0], "post") || slice_is(c->argv[0], "host:");
}

static void end_http(struct call *c)
{
    logger_warning("A client speaks HTTP (%s), possibly a cross-protocol attack: its connection is closed",
                   slice_is(c->argv[0], "post") ? "POST" : "Host:");
    conn_close(c->client->conn);
}

static void unknown_command(struct call *c)
{
    if (speaks_http(c)) {
        end_http(c);
        return;
    }
    char args[256];
    size_t len = 0;
    args[0] = '\0';
    for (size_t i = 1; i < c->argc && len < 128; i++) {
        size_t shown = c->argv[i].len < 128 - len ? c->argv[i].len : 128 - len;
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ", (int)shown, c->argv[i].ptr);
    }
    reply_errorf(c->reply, "ERR unknown command '%.*s', with args beginning with: %s",
                 (int)(c->argv[0].len < 128 ? c->argv[0].len : 128), c->argv[0].ptr, args);
}

static void wrong_arity(struct call *c)
{
    char name[64];
    command_full_name(c->command, name, sizeof name);
    reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", name);
}

static bool debug_allowed(const struct call *c)
{
    int allow = c->server->config->enable_debug_command;
    return allow == CONFIG_ALLOW_YES || (allow == CONFIG_ALLOW_LOCAL && client_is_local(c->client));
}

/* What a RESP2 client may run that is subscribed: a message and a reply look alike to it. */
static bool allowed_while_subscribed(const struct command *command)
{
    static const char *const names[] = {"subscribe",   "ssubscribe",   "psubscribe",
                                        "unsubscribe", "sunsubscribe", "punsubscribe",
                                        "ping",        "quit",         "reset"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(command->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What the client is in the middle of may forbid a command. */
static __attribute__((noinline)) bool refused_in_state(struct call *c)
{
    uint32_t flags = c->command->flags;
    if ((c->client->flags & CLIENT_MULTI) != 0 && (flags & CMD_NO_MULTI) != 0) {
        reply_error(c->reply, "ERR Command not allowed inside a transaction");
    } else if ((c->client->flags & (CLIENT_MONITOR | CLIENT_REPLICA)) != 0 &&
               (flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_REPLICATE)) != 0) {
        reply_error(c->reply,
                    "ERR Replica can't interact with the keyspace"); /* Redis's monitors count as replicas */
    } else if ((c->client->flags & CLIENT_SUBSCRIBED) != 0 && c->client->conn->resp == 2 &&
               !allowed_while_subscribed(c->command)) {
        char name[64];
        command_full_name(c->command, name, sizeof name);
        reply_errorf(
            c->reply,
            "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
            "allowed in this context",
            name);
    } else {
        return false;
    }
    return true;
}

/* What can be told of the command and its client alone. */
static bool refused(struct call *c)
{
    const struct command *command = c->command;
    if (command == NULL) {
        unknown_command(c);
    } else if (command->subcommands != NULL && c->argc > 1) {
        call_unknown_subcommand(c); /* a known one would stand in `command` */
    } else if (!command_arity_fits(command, c->argc)) {
        wrong_arity(c);
    } else if ((command->flags & CMD_PROTECTED) != 0 && !debug_allowed(c)) {
        reply_error(
            c->reply,
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run "
            "it from a local connection, otherwise you need to set this option in the configuration file, and "
            "then restart the server.");
    } else if (!c->client->authenticated && (command->flags & CMD_NO_AUTH) == 0) {
        reply_error(c->reply, "NOAUTH Authentication required.");
    } else {
        return (c->client->flags & (CLIENT_MONITOR | CLIENT_REPLICA | CLIENT_MULTI | CLIENT_SUBSCRIBED)) !=
                   0 &&
               refused_in_state(c);
    }
    return true;
}

/* Evicts down to `limit`; false when that cannot be reached. What takes long is told to LATENCY. */
static bool evict_down_to(struct worker *w, int64_t limit)
{
    uint64_t began = clock_ticks();
    bool made = evict_to(&w->evictor, &w->server->policy, limit, w->now, &w->store);
    latency_note(w->server, "eviction-cycle", clock_ticks() - began);
    return made;
}

/* CLIENT PAUSE, or the data set is being loaded: nothing may change. A replica leaves it to its master. */
static bool may_not_evict(const struct server *server)
{
    uint32_t frozen = atomic_load_explicit(&server->keyspace.frozen, memory_order_relaxed);
    return (frozen & KEYSPACE_PAUSED) != 0 || refusing_is_loading(server) ||
           ((frozen & KEYSPACE_FOLLOWS) != 0 && server->config->replica_ignore_maxmemory);
}

/* Evicts until `bytes` more fit under the limit, or, where that is far (the limit was lowered), a good deal more than
 * these, so that no command takes long and each brings the limit nearer. False when nothing more may go. */
static bool fits(struct worker *w, int64_t bytes)
{
    enum { EVICT_STEP = 256 * 1024 };
    int64_t used = mem_used() - cut_bytes(&w->server->keyspace.cut);
    int64_t limit = w->server->max_memory - bytes;
    int64_t near = used - 2 * bytes - EVICT_STEP;
    if (may_not_evict(w->server)) {
        return true;
    }
    return used <= limit || evict_down_to(w, limit > near ? limit : near);
}

void dispatch_make_room(struct loop *loop, size_t bytes)
{
    struct worker *w = loop->worker;
    if (w->server->max_memory > 0) {
        w->now = clock_now();
        fits(w, (int64_t)bytes);
    }
}

/* Makes room for a command that takes memory. True when it must not run for want of it. */
static bool out_of_memory(struct call *c, const struct request *request)
{
    int64_t incoming = 0;
    bool queued = transaction_takes(c->client, c->command);
    if (!queued && (transaction_flags(c->client, c->command) & CMD_DENYOOM) == 0) {
        return false;
    }
    for (size_t i = 1; i < request->argc; i++) {
        incoming += (int64_t)request->argv[i].len;
    }
    if (incoming < c->server->max_memory && fits(c->worker, incoming)) {
        return false;
    }
    reply_error(c->reply, "OOM command not allowed when used memory > 'maxmemory'.");
    return true;
}

/* What is refused by the state that this server is in. */
static inline bool refused_now(struct call *c, const struct request *request)
{
    return (__builtin_expect(atomic_load_explicit(&c->server->refusing, memory_order_relaxed) != 0, 0) &&
            refusing_refuses(c)) ||
           (c->server->max_memory > 0 && out_of_memory(c, request));
}

/* ---- running ---------------------------------------------------------------------------------------- */

/* Reads the clock again, where so much time has passed that deadlines may have. */
static __attribute__((noinline)) void refresh_now(struct call *c, uint64_t ticks)
{
    c->worker->now = c->now = clock_now();
    c->worker->now_at = ticks;
}

/* Whether CLIENT PAUSE holds the command back. */
static inline bool paused(const struct call *c)
{
    return __builtin_expect(atomic_load_explicit(&c->server->pause_until, memory_order_relaxed) != 0, 0) &&
           pause_holds(c->client, c->command);
}

/* Where the command runs, if there is a floor above that knows of another place. */
static __attribute__((noinline)) enum route ask_route(struct call *c)
{
    return paused(c) ? ROUTE_WAITS : c->server->above.route(c);
}

static inline enum route route_of(struct call *c)
{
    return __builtin_expect(c->server->above.route != NULL, 0) ? ask_route(c) : ROUTE_HERE;
}

/* Whether what the client sent before must be answered elsewhere first: then what was replied to this command is taken back. */
static bool out_of_turn(struct call *c, size_t before)
{
    if (c->server->above.route == NULL) {
        return false;
    }
    c->command = NULL;
    if (c->server->above.route(c) != ROUTE_WAITS) {
        return false;
    }
    c->reply->len = before;
    return true;
}

/* What may have changed while this loop waited to be alone: the time, and whether the client may run this at all. */
static bool may_still_run(struct call *c)
{
    if (c->server->gate.loops == 1) {
        return true;
    }
    refresh_now(c, clock_ticks());
    return (c->client->flags & CLIENT_KILLED) == 0 && !paused(c);
}

/* Notes for client-side caching what the command has read, while the key's shard is held: so any change comes after it. */
static inline void remember_keys(struct call *c)
{
    if (__builtin_expect((c->client->flags & CLIENT_TRACKING) != 0, 0)) {
        tracking_remember(c);
    }
}

/* Lets those go on whose wait the command may have ended: by the time of now, since that took its own. */
static void serve_waiting(struct call *c)
{
    if (block_anyone(c->server)) {
        refresh_now(c, clock_ticks());
        block_serve(c);
    }
}

/* Runs the handler alone, and after it those whose wait it may have ended. */
static bool run_alone(struct call *c)
{
    struct gate *gate = &c->server->gate;
    int loop = c->worker->loop->index;
    gate_alone(gate, loop);
    bool runs = may_still_run(c) && !cut_wait_holds(c);
    propagate_mark(c); /* the log may have been off when this batch began */
    if (runs) {
        c->command->run(c);
        propagate_ran(c);
        remember_keys(c);
        serve_waiting(c);
        propagate_mark(c);
    }
    gate_together(gate, loop);
    return runs;
}

/* Whether somebody waits for the key that this command may fill. One that blocks itself only takes from its key. */
static __attribute__((noinline)) bool is_waited_for(struct call *c, const struct parsed *parsed)
{
    struct slice name = {parsed->key, 0};
    if ((c->command->flags & (CMD_WRITE | CMD_BLOCKING)) != CMD_WRITE) {
        return false;
    }
    name.len = c->argv[c->command->keys[0].first].len;
    return block_waits_for(c->server, c->db, &(struct key){name, parsed->hash});
}

/* EXEC of commands on one shard takes that alone: other loops go on (a counter and its deadline, a value that is watched and
 * set, are what most transactions are about). */
static __attribute__((noinline)) bool run_exec(struct call *c)
{
    uint64_t hash;
    if (c->server->gate.loops == 1 || !transaction_in_shard(c->client, &hash) || !db_lock(c->db, hash)) {
        return run_alone(c);
    }
    if (cut_wait_holds(c)) {
        db_unlock(c->db, hash);
        return false;
    }
    if (block_anyone(c->server)) { /* somebody may wait for what is written: such commands run alone */
        db_unlock(c->db, hash);
        return run_alone(c);
    }
    c->command->run(c);
    propagate_mark(c); /* its commands have logged what they did */
    db_unlock(c->db, hash);
    return true;
}

/* Runs the handler with what its mode needs. False when it has to wait after all. */
static bool run_locked(struct call *c, const struct parsed *parsed)
{
    switch (parsed->mode) {
    case MODE_LOCAL: c->command->run(c); break;
    case MODE_KEY:
        if (!db_lock(c->db, parsed->hash)) {
            call_out_of_memory(c);
            break;
        }
        if (__builtin_expect(block_anyone(c->server), 0) && is_waited_for(c, parsed)) {
            db_unlock(c->db, parsed->hash);
            return run_alone(c);
        }
        if (cut_wait_holds(c)) {
            db_unlock(c->db, parsed->hash);
            return false;
        }
        c->command->run(c);
        propagate_ran(c);
        remember_keys(c);
        db_unlock(c->db, parsed->hash);
        break;
    case MODE_ALONE: return (c->command->flags & CMD_EXEC) != 0 ? run_exec(c) : run_alone(c);
    }
    return true;
}

/* What follows a command when something asks for it; out of line. */
static __attribute__((noinline)) void note_error(struct call *c, int id, size_t before, bool ran)
{
    const struct reply *r = c->reply;
    c->worker->errors++;
    errorstats_note(c->worker, (struct slice){r->data + before + 1, r->len - before - 1});
    if (c->command != NULL) {
        struct command_stats *stats = &c->worker->stats[id];
        *(ran ? &stats->failed : &stats->rejected) += 1;
    }
}

static __attribute__((noinline)) void note_slow(struct call *c, uint64_t ticks)
{
    if ((int64_t)ticks >= c->server->slow_ticks && (c->command->flags & CMD_SKIP_SLOWLOG) == 0) {
        slowlog_note(c, ticks);
    }
    if ((int64_t)ticks >= c->server->latency_ticks) {
        latency_note(c->server, (c->command->flags & CMD_FAST) != 0 ? "fast-command" : "command", ticks);
    }
}

/* The first call of a command on this worker. */
static __attribute__((noinline)) void begin_histogram(struct command_stats *stats, uint64_t ticks)
{
    stats->histogram = histogram_new();
    if (stats->histogram != NULL) {
        histogram_add(stats->histogram, ticks);
    }
}

/* Counts a call that took so many ticks, for INFO, LATENCY and SLOWLOG. */
static inline void count_call(struct call *c, struct command_stats *stats, uint64_t ticks)
{
    const struct server *server = c->server;
    stats->calls++;
    stats->ticks += ticks;
    counter_add(&c->worker->commands, 1);
    if (__builtin_expect(server->config->latency_tracking, 1)) {
        if (__builtin_expect(stats->histogram != NULL, 1)) {
            histogram_add(stats->histogram, ticks);
        } else {
            begin_histogram(stats, ticks);
        }
    }
    if (__builtin_expect((int64_t)ticks >= server->slow_ticks || (int64_t)ticks >= server->latency_ticks,
                         0)) {
        note_slow(c, ticks);
    }
}

/* Who follows the stream asks for nothing: a reply would be a part of the stream to it. */
static void end_talkative_replica(struct call *c, size_t before)
{
    char name[64] = "<unknown>";
    const char *reply = c->reply->data + before;
    if (c->command != NULL) {
        command_full_name(c->command, name, sizeof name);
    }
    if (reply[0] == '-') {
        int len = (int)(c->reply->len - before - 3);
        logger_warning(
            "== CRITICAL == This master is sending an error to its replica: '%.*s' after processing the "
            "command '%s'",
            len, reply + 1, name);
    }
    logger_warning("Replica generated a reply to command '%s', disconnecting it: %s", name, c->client->peer);
    c->client->flags |= CLIENT_KILLED;
    conn_close(c->client->conn);
}

/* CLIENT REPLY OFF and SKIP: what was replied since `before` is taken back. */
static __attribute__((noinline)) void drop_reply(struct call *c, uint32_t flags_before, size_t before)
{
    uint32_t *flags = &c->client->flags;
    if ((flags_before & CLIENT_REPLICA) != 0 && c->reply->len > before) {
        end_talkative_replica(c, before);
    }
    bool skipped = (flags_before & *flags & CLIENT_REPLY_SKIP) != 0; /* CLIENT REPLY ON ends a SKIP too */
    if ((*flags & CLIENT_REPLY_OFF) != 0 || skipped) {
        c->reply->len = before;
    }
    *flags &= ~(uint32_t)CLIENT_REPLY_SKIP;
    if ((*flags & CLIENT_REPLY_SKIP_NEXT) != 0) {
        *flags = (*flags & ~(uint32_t)CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP;
        c->reply->len = before;
    }
}

static struct nested nested_of(const struct call *c, const struct parsed *parsed)
{
    return (struct nested){parsed->command,         parsed->id, c->argv, c->argc, parsed->hash, parsed->key,
                           parsed->mode == MODE_KEY};
}

/* A command that passed all that is looked at before it runs, of a client in MULTI. True when it was queued. */
static __attribute__((noinline)) bool queued(struct call *c, const struct parsed *parsed)
{
    if (!transaction_takes(c->client, c->command)) {
        return false;
    }
    struct nested nested = nested_of(c, parsed);
    c->client->last_command = c->command;
    transaction_queue(c, &nested);
    return true;
}

/* What a refusal means to a transaction. */
static __attribute__((noinline)) void note_refused(struct call *c, size_t before)
{
    if ((c->client->flags & CLIENT_MULTI) != 0 ||
        (c->command != NULL && (c->command->flags & CMD_EXEC) != 0)) {
        transaction_refused(c, before);
    }
}

/* Runs one request. Returns the ticks when it ended, from which the next one is timed; 0 when it has to wait after all. */
static uint64_t run_one(struct call *c, const struct request *request, const struct parsed *parsed,
                        uint64_t began)
{
    struct server *server = c->server;
    struct client *client = c->client;
    uint32_t flags = client->flags;
    size_t before = c->reply->len;
    bool ran = false;
    enum route route = ROUTE_HERE;
    c->command = parsed->command;
    c->argv = request->argv;
    c->argc = request->argc;
    c->as_sent = request->bulks;
    c->db = client->db;
    c->first_key = parsed->key;
    c->first_hash = parsed->hash;
    if (__builtin_expect(refused(c) || ((route = route_of(c)) == ROUTE_HERE && refused_now(c, request)), 0)) {
        if (out_of_turn(c, before)) {
            return 0;
        }
        c->command = parsed->command;
        note_refused(c, before);
    } else if (__builtin_expect(route == ROUTE_WAITS || paused(c), 0)) {
        return 0;
    } else if (__builtin_expect(route == ROUTE_TAKEN, 0)) {
        client->last_command = c->command;
    } else if (__builtin_expect((flags & CLIENT_MULTI) == 0, 1) || !queued(c, parsed)) {
        bool grows = server->max_memory > 0 && (transaction_flags(client, c->command) & CMD_DENYOOM) != 0;
        client->last_command = c->command;
        if (!run_locked(c, parsed)) {
            return 0;
        }
        ran = true;
        if (__builtin_expect(atomic_load_explicit(&server->monitors, memory_order_relaxed) > 0, 0)) {
            monitor_feed(c);
        }
        if (__builtin_expect(grows, 0)) {
            fits(c->worker, 0); /* the value may have grown by more than its arguments */
        }
    }
    uint64_t ended = clock_ticks();
    if (ran && __builtin_expect((client->flags & CLIENT_BLOCKED) == 0,
                                1)) { /* else it is counted when its wait ends */
        count_call(c, &c->worker->stats[parsed->id], ended - began);
    }
    if (c->reply->len > before && c->reply->data[before] == '-') {
        note_error(c, parsed->id, before, ran);
    }
    if (__builtin_expect(((flags | client->flags) & (CLIENT_REPLY_MASK | CLIENT_TRACKING)) != 0, 0)) {
        drop_reply(c, flags, before);
        tracking_request_done(c);
    }
    return ended;
}

void dispatch_again(struct call *c)
{
    uint64_t began = clock_ticks();
    propagate_mark(c);
    c->command->run(c);
    propagate_ran(c);
    if (!c->still_waits) {
        int id = command_id(c->command);
        count_call(c, &c->worker->stats[id], clock_ticks() - began);
        if (c->reply->len > 0 && c->reply->data[0] == '-') {
            note_error(c, id, 0, true);
        }
    }
}

uint64_t dispatch_nested(struct call *outer, const struct nested *command, uint64_t began)
{
    struct call c = *outer;
    size_t before = c.reply->len;
    c.command = command->command;
    c.argv = command->argv;
    c.argc = command->argc;
    c.db = c.client->db;
    c.first_hash = command->hash;
    c.first_key = command->key;
    c.may_not_block = true;
    c.as_sent = false;
    propagate_mark(&c);
    c.command->run(&c);
    propagate_ran(&c);
    remember_keys(&c);
    if (__builtin_expect(atomic_load_explicit(&c.server->monitors, memory_order_relaxed) > 0, 0)) {
        monitor_feed(&c);
    }
    uint64_t ended = clock_ticks();
    count_call(&c, &c.worker->stats[command->id], ended - began);
    if (c.reply->len > before && c.reply->data[before] == '-') {
        note_error(&c, command->id, before, true);
    }
    return ended;
}

void dispatch_count_waited(struct worker *w, const struct command *command, bool failed)
{
    if (command != NULL) {
        struct command_stats *stats = &w->stats[command_id(command)];
        stats->calls++;
        stats->failed += failed;
        counter_add(&w->commands, 1);
    }
}

void dispatch_prepare(struct conn *conn, const struct request *requests, size_t first, size_t count)
{
    struct client *client = conn->client;
    for (size_t i = first; i < first + count; i++) {
        parse(client->worker, client, &requests[i], &client->worker->batch[i]);
    }
}

void dispatch_fetch(struct loop *loop, size_t count)
{
    struct worker *w = loop->worker;
    w->now = clock_now();
    w->now_at = clock_ticks();
    if (count == 1 || refusing_is_loading(w->server)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        prefetch_entry(w, &w->batch[i]);
    }
}

size_t dispatch_serve(struct conn *conn, struct request *requests, size_t first, size_t count)
{
    struct client *client = conn->client;
    struct worker *w = client->worker;
    struct server *server = w->server;
    struct reply *reply = &w->loop->reply;
    size_t before = reply->len;
    counter_set(&conn->last_active, w->now);
    struct call c = {
        .server = server, .worker = w, .client = client, .reply = reply, .now = w->now, .dirty = w->dirty};
    uint64_t ticks = clock_ticks();
    size_t ran = 0;
    if (__builtin_expect(server->config->maxmemory_clients != 0, 0)) {
        client_limits_check(w);
    }
    while (ran < count && (client->flags & CLIENT_KILLED) == 0 && !conn->closing) {
        const struct parsed *parsed = &w->batch[first + ran];
        if (__builtin_expect(ticks - w->now_at >= server->ms_ticks, 0)) {
            refresh_now(&c, ticks);
        }
        ticks = run_one(&c, &requests[first + ran], parsed, ticks);
        if (ticks == 0) {
            break;
        }
        ran++;
        if (__builtin_expect(reply->len - before >= FLUSH_AT, 0)) {
            conn_flush(conn);
            before = reply->len;
        }
        if (__builtin_expect(conn->stalled || conn->closing || conn->closing_after_write, 0)) {
            break;
        }
    }
    if (ran > 0 && reply->len > before) { /* a guess at how much of the next entries will be read */
        size_t lines = (reply->len - before) / ran / 64 + 1;
        w->entry_lines = (uint32_t)(lines < MAX_ENTRY_LINES ? lines : MAX_ENTRY_LINES);
    }
    return ran;
}
