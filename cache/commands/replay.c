#include "commands/replay.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"
#include "commands/call.h"
#include "logger.h"
#include "memory.h"

enum {
    BATCH = 64,
    ENTRY_LINES = 4,        /* cache lines of an entry that are fetched ahead */
    REPLY_KEPT = 64 * 1024, /* of the buffer for replies, between two commands */
    ERRORS_TOLD = 10
};

enum what { RUN_ON_KEY, RUN_ALONE, RUN_SELECT, RUN_MULTI, RUN_EXEC, RUN_NOTHING, REFUSED };

/* What is known of a command before it runs. */
struct planned {
    const struct command *command;
    enum what what;
    const char *key; /* bytes of its first key; NULL: none */
    uint64_t hash;
};

/* A command of a transaction that waits for its EXEC. */
struct kept {
    struct planned planned;
    size_t first, argc; /* its arguments in `args` */
    uint64_t offset;
};

/* The commands of a transaction: three arrays that grow, and are used again for the next one. */
struct bundle {
    struct kept *commands;
    struct slice *args; /* until it runs, `ptr` is an offset in `bytes` */
    char *bytes;
    size_t command_count, command_room, arg_count, arg_room, len, room;
};

struct replay {
    struct server *server;
    struct worker *worker; /* its own: nothing that it counts is any client's doing */
    struct conn conn;      /* of nobody: it has no loop and no socket */
    struct conn_limit limit;
    struct client client;
    struct reply reply;
    struct call call;
    const struct command *select, *multi, *exec;
    bool alone;
    bool in_unit;
    uint64_t unit_offset;
    struct bundle bundle;
    uint64_t offset; /* of the command that runs, for the log */
    uint64_t errors;
    struct planned batch[BATCH];
};

/* ---- arrays that grow ------------------------------------------------------------------------------------ */

/* Makes room for `more` items behind `count`. False: no memory. */
static bool grow(void **items, size_t item, size_t *room, size_t count, size_t more)
{
    if (*room - count >= more) {
        return true;
    }
    size_t wanted = 2 * *room > count + more ? 2 * *room : count + more + 64;
    void *grown = mem_realloc(*items, *room * item, wanted * item);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = wanted;
    return true;
}

static void bundle_free(struct bundle *u)
{
    mem_free(u->commands, u->command_room * sizeof *u->commands);
    mem_free(u->args, u->arg_room * sizeof *u->args);
    mem_free(u->bytes, u->room);
    *u = (struct bundle){0};
}

static void bundle_clear(struct bundle *u)
{
    enum { KEPT_BYTES = 1 << 20 };
    if (u->room > KEPT_BYTES) {
        bundle_free(u);
    }
    u->command_count = u->arg_count = u->len = 0;
}

static bool bundle_make_room(struct bundle *u, const struct aof_command *command)
{
    size_t bytes =
        command
            ->argc; /* one more for each, so that an empty key has an address of its own (call.h, first_key) */
    for (size_t i = 0; i < command->argc; i++) {
        bytes += command->argv[i].len;
    }
    return grow((void **)&u->commands, sizeof *u->commands, &u->command_room, u->command_count, 1) &&
           grow((void **)&u->args, sizeof *u->args, &u->arg_room, u->arg_count, command->argc) &&
           grow((void **)&u->bytes, 1, &u->room, u->len, bytes);
}

/* Keeps a copy. False: no memory. */
static bool bundle_keep(struct bundle *u, const struct planned *planned, const struct aof_command *command)
{
    if (!bundle_make_room(u, command)) {
        return false;
    }
    u->commands[u->command_count++] = (struct kept){*planned, u->arg_count, command->argc, command->offset};
    for (size_t i = 0; i < command->argc; i++) {
        struct slice arg = command->argv[i];
        memcpy(u->bytes + u->len, arg.ptr, arg.len);
        u->args[u->arg_count++] = (struct slice){(const char *)(uintptr_t)u->len, arg.len};
        u->len += arg.len + 1;
    }
    return true;
}

/* Gives the arguments their addresses, once nothing moves any more. */
static void bundle_settle(struct bundle *u)
{
    for (size_t i = 0; i < u->arg_count; i++) {
        u->args[i].ptr = u->bytes + (uintptr_t)u->args[i].ptr;
    }
    for (size_t i = 0; i < u->command_count; i++) {
        struct kept *kept = &u->commands[i];
        if (kept->planned.key != NULL) {
            kept->planned.key = u->args[kept->first + (size_t)kept->planned.command->keys[0].first].ptr;
        }
    }
}

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

/* What a master puts into its stream for its replicas, which is the stream that the file was written from. */
static bool is_for_replicas(const struct command *command)
{
    return strcmp(command->name, "ping") == 0 || strcmp(command->name, "replconf") == 0;
}

/* How it runs. Only what changes keys does; reading them does nothing, and whatever is about connections or the server itself
 * has no business in such a file. */
static enum what what_of(const struct replay *r, const struct command *command, size_t argc)
{
    if (command == NULL || !command_arity_fits(command, argc)) {
        return REFUSED;
    }
    if (!changes_keys(command)) {
        return command == r->select  ? RUN_SELECT
               : command == r->multi ? RUN_MULTI
               : command == r->exec  ? RUN_EXEC
               : (command->flags & (CMD_READONLY | CMD_MAY_REPLICATE)) != 0 || is_for_replicas(command)
                   ? RUN_NOTHING
                   : REFUSED;
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

static void run_alone(struct replay *r)
{
    struct gate *gate = &r->server->gate;
    if (!r->alone) {
        gate_alone(gate, gate->loops);
    }
    r->call.command->run(&r->call);
    if (!r->alone) {
        gate_together(gate, gate->loops);
    }
}

static bool run_on_key(struct replay *r)
{
    struct call *c = &r->call;
    if (!db_lock(c->db, c->first_hash)) {
        return false;
    }
    c->command->run(c);
    db_unlock(c->db, c->first_hash);
    return true;
}

/* An error that a client would have got. Going on is what Redis does, but for want of memory, since the data would not be whole. */
static bool note_error(struct replay *r, char *reason, size_t size)
{
    const struct reply *reply = &r->reply;
    struct slice error = {reply->data + 1, reply->len - (reply->len > 3 ? 3 : 1)};
    if (r->call.command == r->select || (error.len > 4 && memcmp(error.ptr, "OOM ", 4) == 0)) {
        return refuse(reason, size, "'%.*s' is the answer to '%s'", shown(error), error.ptr,
                      r->call.command->name);
    }
    if (r->errors++ < ERRORS_TOLD) {
        logger_warning(
            "A command of the append-only file was answered with an error, and is passed over: '%.*s' after '%s' at "
            "offset %llu",
            shown(error), error.ptr, r->call.command->name, (unsigned long long)r->offset);
    }
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
    case RUN_SELECT: c->command->run(c); break;
    case RUN_NOTHING: break;
    default: run_alone(r); break;
    }
    if (!good || r->reply.failed) {
        return refuse(reason, size, "There is not enough memory for '%s'", c->command->name);
    }
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
    bundle_settle(u);
    for (size_t i = 0; i < u->command_count && good; i++) {
        const struct kept *kept = &u->commands[i];
        r->offset = kept->offset;
        good = run_command(r, &kept->planned, u->args + kept->first, kept->argc, reason, size);
    }
    r->in_unit = false;
    bundle_clear(u);
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

static bool refuse_command(const struct planned *planned, const struct aof_command *command, char *reason,
                           size_t size)
{
    struct slice name = command->argv[0];
    const char *why = planned->command == NULL ? "Unknown command"
                      : !command_arity_fits(planned->command, command->argc)
                          ? "Wrong number of arguments for"
                          : "A command that changes no key,";
    return refuse(reason, size, "%s '%.*s'", why, shown(name), name.ptr);
}

/* Runs or keeps one command of the file. */
static bool step(struct replay *r, const struct planned *planned, const struct aof_command *command,
                 char *reason, size_t size)
{
    r->offset = command->offset;
    switch (planned->what) {
    case REFUSED: return refuse_command(planned, command, reason, size);
    case RUN_MULTI: return begin_unit(r, command->offset, reason, size);
    case RUN_EXEC:
        return r->in_unit ? run_unit(r, reason, size) : refuse(reason, size, "An EXEC without MULTI");
    default: break;
    }
    if (r->in_unit) {
        return bundle_keep(&r->bundle, planned, command) ||
               refuse(reason, size, "There is not enough memory for a transaction");
    }
    return run_command(r, planned, command->argv, command->argc, reason, size);
}

static size_t run_batch(struct replay *r, const struct aof_command *commands, size_t count, char *reason,
                        size_t size)
{
    size_t ran = 0;
    r->worker->now = clock_now();
    for (size_t i = 0; i < count; i++) {
        plan(r, &commands[i], &r->batch[i]);
    }
    for (size_t i = 0; i < count; i++) {
        fetch(r, &r->batch[i]);
    }
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
        gate_enter(gate, gate->loops);
    }
    do {
        part = count - done < BATCH ? count - done : BATCH;
        ran = run_batch(r, commands + done, part, reason, reason_size);
        done += ran;
    } while (ran == part && done < count);
    if (!r->alone) {
        gate_leave(gate, gate->loops);
    }
    return done;
}

/* ---- the client ------------------------------------------------------------------------------------------ */

void replay_begin(void *context)
{
    struct replay *r = context;
    r->client.db = &r->server->keyspace.dbs[0];
    r->in_unit = false;
    bundle_clear(&r->bundle);
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

struct replay *replay_new(struct server *server, bool alone)
{
    struct worker *w = make_worker(server);
    struct replay *r = w != NULL ? mem_alloc(sizeof *r) : NULL;
    if (r == NULL) {
        mem_free(w, sizeof *w);
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->server = server;
    r->worker = w;
    r->alone = alone;
    r->conn.client = &r->client;
    r->conn.resp = 2;
    counter_set(&r->limit.hard, INT64_MAX);
    r->conn.limit = &r->limit;
    r->client.conn = &r->conn;
    r->client.worker = w;
    r->client.flags = CLIENT_REPLAYS;
    r->client.authenticated = true;
    r->client.fd = -1;
    r->reply.resp = 2;
    r->select = find_row(SLICE("select"));
    r->multi = find_row(SLICE("multi"));
    r->exec = find_row(SLICE("exec"));
    r->call = (struct call){.server = server,
                            .worker = w,
                            .client = &r->client,
                            .reply = &r->reply,
                            .now = ENTRY_NOTHING_DUE,
                            .may_not_block = true};
    replay_begin(r);
    return r;
}

void replay_free(struct replay *r)
{
    reply_free(&r->reply);
    reply_free(&r->worker->unit.bytes);
    bundle_free(&r->bundle);
    mem_free(r->worker, sizeof *r->worker);
    mem_free(r, sizeof *r);
}
