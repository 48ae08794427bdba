/*
 * MULTI, EXEC, DISCARD, WATCH and UNWATCH.
 *
 * EXEC is one command that runs alone, or, where all its keys lie in one shard, with that held: its handler runs the queued ones
 * by dispatch_nested. So no client of any loop sees the keyspace between two of them, and clients that wait for keys (block.h)
 * are served when all of them are done.
 */
#include "commands/transaction.h"

#include "clock.h"
#include "commands/groups.h"
#include "commands/refusing.h"
#include "commands/propagate.h"
#include "commands/watch.h"
#include "memory.h"

/* One allocation: the arguments' bytes follow their slices. */
struct queued {
    struct queued *next;
    size_t size;
    struct nested command;
    struct slice argv[];
};

/* ---- the queue ---------------------------------------------------------------------------------------- */

static struct queued *copy(const struct nested *command)
{
    size_t size = sizeof(struct queued) + command->argc * sizeof(struct slice);
    char *bytes;
    for (size_t i = 0; i < command->argc; i++) {
        size +=
            command->argv[i].len + 1; /* so that an empty key has an address of its own (call.h, first_key) */
    }
    struct queued *q = mem_alloc(size);
    if (q == NULL) {
        return NULL;
    }
    *q = (struct queued){.size = size, .command = *command};
    bytes = (char *)&q->argv[command->argc];
    for (size_t i = 0; i < command->argc; i++) {
        struct slice from = command->argv[i];
        if (from.ptr == command->key) {
            q->command.key = bytes;
        }
        q->argv[i] = (struct slice){bytes, from.len};
        memcpy(bytes, from.ptr, from.len);
        bytes += from.len + 1;
    }
    q->command.argv = q->argv;
    return q;
}

static void append(struct transaction *t, struct queued *q)
{
    t->scattered |= !q->command.one_key || (t->count > 0 && !db_same_shard(q->command.hash, t->hash));
    t->hash = q->command.hash;
    *(t->last != NULL ? &t->last->next : &t->first) = q;
    t->last = q;
    t->count++;
    t->memory += mem_class(q->size);
    t->flags |= q->command.command->flags;
    t->lacks |= ~q->command.command->flags;
}

static void clear(struct transaction *t)
{
    struct queued *next;
    for (struct queued *q = t->first; q != NULL; q = next) {
        next = q->next;
        mem_free(q, q->size);
    }
    *t = (struct transaction){0};
}

void transaction_queue(struct call *c, const struct nested *command)
{
    struct transaction *t = &c->client->transaction;
    struct queued *q = NULL;
    bool fails = t->failed || atomic_load_explicit(&c->client->touched, memory_order_relaxed);
    if (!fails) { /* else EXEC will run nothing: no memory for what is never used */
        q = copy(command);
        if (q == NULL) {
            t->failed = true;
            call_out_of_memory(c);
            return;
        }
        append(t, q);
    }
    REPLY_LITERAL(c->reply, "+QUEUED\r\n");
}

bool transaction_in_shard(const struct client *client, uint64_t *hash)
{
    enum { FEW = 16 }; /* whoever waits for a shard spins */
    const struct transaction *t = &client->transaction;
    *hash = t->hash;
    return !t->scattered && t->count > 0 && t->count <= FEW && watch_in_shard(client, t->hash);
}

bool transaction_any(const struct client *client, bool (*visit)(void *context, const struct nested *command),
                     void *context)
{
    const struct queued *q = client->transaction.first;
    while (q != NULL && !visit(context, &q->command)) {
        q = q->next;
    }
    return q != NULL;
}

/* ---- its end ------------------------------------------------------------------------------------------ */

void transaction_discard(struct client *client)
{
    clear(&client->transaction);
    client->flags &= ~(uint32_t)CLIENT_MULTI;
    watch_forget(client);
}

/* The reply to an EXEC that was refused tells why, without the general code. */
static void reply_abort(struct call *c, size_t before)
{
    enum { REASON = 256 };
    char reason[REASON];
    struct reply *r = c->reply;
    size_t from = before + (memcmp(r->data + before, "-ERR ", 5) == 0 ? 5 : 1);
    size_t len = r->len - 2 - from;
    len = len < REASON ? len : REASON;
    memcpy(reason, r->data + from, len);
    r->len = before;
    reply_errorf(r, "EXECABORT Transaction discarded because of: %.*s", (int)len, reason);
}

void transaction_refused(struct call *c, size_t before)
{
    if (c->command == NULL || (c->command->flags & CMD_EXEC) == 0) {
        c->client->transaction.failed = true;
        return;
    }
    transaction_discard(c->client);
    if (c->reply->len > before) {
        reply_abort(c, before);
    }
}

/* ---- the commands ------------------------------------------------------------------------------------- */

static void run_multi(struct call *c)
{
    if ((c->client->flags & CLIENT_MULTI) != 0) {
        reply_error(c->reply, "ERR MULTI calls can not be nested");
    } else {
        c->client->flags |= CLIENT_MULTI;
        reply_ok(c->reply);
    }
}

static void run_discard(struct call *c)
{
    if ((c->client->flags & CLIENT_MULTI) == 0) {
        reply_error(c->reply, "ERR DISCARD without MULTI");
    } else {
        transaction_discard(c->client);
        reply_ok(c->reply);
    }
}

static void run_queue(struct call *c)
{
    const struct transaction *t = &c->client->transaction;
    uint64_t ticks = clock_ticks();
    reply_array(c->reply, t->count);
    propagate_begin(c->worker);
    for (struct queued *q = t->first; q != NULL; q = q->next) {
        ticks = dispatch_nested(c, &q->command, ticks);
    }
    propagate_end(c->worker);
}

static void run_exec(struct call *c)
{
    struct client *client = c->client;
    if ((client->flags & CLIENT_MULTI) == 0) {
        reply_error(c->reply, "ERR EXEC without MULTI");
        return;
    }
    if (client->transaction.failed) {
        reply_error(c->reply, "EXECABORT Transaction discarded because of previous errors.");
        transaction_discard(client);
        return;
    }
    watch_expire(client, c->now);
    if (atomic_load_explicit(&client->touched, memory_order_relaxed)) {
        reply_null_array(c->reply);
    } else {
        watch_forget(client);
        run_queue(c);
    }
    transaction_discard(client);
}

/* Watches argv[index]. A key that is past its deadline already is none, and goes first. */
static bool watch(struct call *c, size_t index)
{
    struct key key = call_key(c, index);
    if (!db_lock(c->db, key.hash)) {
        return false;
    }
    if (!refusing_is_loading(c->server)) { /* else the keyspace is the loading thread's */
        key_peek(c, &key);
    }
    bool watched = watch_add(c->client, &key);
    db_unlock(c->db, key.hash);
    return watched;
}

static void run_watch(struct call *c)
{
    if ((c->client->flags & CLIENT_MULTI) != 0) {
        reply_error(c->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    /* A client that is marked already watches no more: its EXEC will fail. */
    for (size_t i = 1; i < c->argc && !atomic_load_explicit(&c->client->touched, memory_order_relaxed); i++) {
        if (!watch(c, i)) {
            call_out_of_memory(c);
            return;
        }
    }
    reply_ok(c->reply);
}

static void run_unwatch(struct call *c)
{
    watch_forget(c->client);
    reply_ok(c->reply);
}

enum {
    OWN = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_LOCAL,
};

const struct command transaction_commands[] = {
    {
        .name = "discard",
        .run = run_discard,
        .arity = 1,
        .flags = OWN | CMD_NOT_QUEUED,
        .group = GROUP_TRANSACTIONS,
        .since = "2.0.0",
        .complexity = "O(N), when N is the number of queued commands",
        .summary = "Discards a transaction.",
    },
    {
        .name = "exec",
        .run = run_exec,
        .arity = 1,
        .flags =
            CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG | CMD_ALONE | CMD_NOT_QUEUED | CMD_EXEC,
        .group = GROUP_TRANSACTIONS,
        .since = "1.2.0",
        .complexity = "Depends on commands in the transaction",
        .summary = "Executes all commands in a transaction.",
    },
    {
        .name = "multi",
        .run = run_multi,
        .arity = 1,
        .flags = OWN | CMD_NOT_QUEUED,
        .group = GROUP_TRANSACTIONS,
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Starts a transaction.",
    },
    {
        .name = "unwatch",
        .run = run_unwatch,
        .arity = 1,
        .flags = OWN,
        .group = GROUP_TRANSACTIONS,
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Forgets about watched keys of a transaction.",
    },
    {
        .name = "watch",
        .run = run_watch,
        .arity = -2,
        .flags = OWN | CMD_NOT_QUEUED,
        .keys = {{1, -1, 1, KEY_RO}},
        .group = GROUP_TRANSACTIONS,
        .since = "2.2.0",
        .complexity = "O(1) for every key.",
        .summary = "Monitors changes to keys to determine the execution of a transaction.",
        .syntax = "key [key ...]",
    },
    {0},
};
