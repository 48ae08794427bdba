#include "commands/slowlog.h"

#include <pthread.h>
#include <stdio.h>

#include "clock.h"
#include "commands/groups.h"
#include "commands/redact.h"
#include "memory.h"

enum { MAX_ARGS = 32, MAX_ARG = 128, MORE_TEXT = 48, DEFAULT_COUNT = 10 };

/* One allocation: what is here, then the client's address and name and the arguments one after another. */
struct slow_entry {
    struct slow_entry *older, *newer;
    size_t size;
    int64_t id, seconds, microseconds;
    struct slice address, name;
    size_t argc;
    struct slice args[MAX_ARGS];
    char bytes[];
};

static struct {
    pthread_mutex_t lock;
    struct slow_entry *newest, *oldest;
    int64_t len, next_id;
} slowlog = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- writing ---------------------------------------------------------------------------------------- */

/* Text that is gathered before the entry's size is known. */
struct gathered {
    char bytes[MAX_ARGS * (MAX_ARG + MORE_TEXT)];
    size_t len;
};

static struct slice gather(struct gathered *all, const char *bytes, size_t len)
{
    struct slice kept = {all->bytes + all->len, len};
    memcpy(all->bytes + all->len, bytes, len);
    all->len += len;
    return kept;
}

/* An argument as it is kept: redacted, or cut with a note of how much is missing. */
static struct slice gather_argument(struct gathered *all, const struct call *c, size_t index)
{
    char more[MORE_TEXT];
    struct slice arg = c->argv[index];
    if (index == MAX_ARGS - 1 && c->argc > MAX_ARGS) {
        int len = snprintf(more, sizeof more, "... (%zu more arguments)", c->argc - MAX_ARGS + 1);
        return gather(all, more, (size_t)len);
    }
    if (redact_argument(c, index)) {
        return gather(all, REDACTED, sizeof REDACTED - 1);
    }
    if (arg.len <= MAX_ARG) {
        return gather(all, arg.ptr, arg.len);
    }
    struct slice kept = gather(all, arg.ptr, MAX_ARG);
    int len = snprintf(more, sizeof more, "... (%zu more bytes)", arg.len - MAX_ARG);
    gather(all, more, (size_t)len);
    kept.len += (size_t)len;
    return kept;
}

static void append(struct slow_entry *e, size_t *at, struct slice *kept, struct slice text)
{
    *kept = (struct slice){e->bytes + *at, text.len};
    memcpy(e->bytes + *at, text.ptr, text.len);
    *at += text.len;
}

static struct slow_entry *make_entry(const struct call *c, uint64_t ticks)
{
    struct gathered all;
    struct slice args[MAX_ARGS];
    size_t argc = c->argc < MAX_ARGS ? c->argc : MAX_ARGS;
    all.len = 0;
    for (size_t i = 0; i < argc; i++) {
        args[i] = gather_argument(&all, c, i);
    }
    const char *name = c->client->name != NULL ? c->client->name : "";
    struct slice peer = {c->client->peer, strlen(c->client->peer)};
    size_t size = sizeof(struct slow_entry) + all.len + peer.len + strlen(name);
    struct slow_entry *e = mem_alloc(size);
    if (e == NULL) {
        return NULL;
    }
    size_t at = 0;
    *e = (struct slow_entry){.size = size,
                             .seconds = clock_wall_us() / 1000000,
                             .microseconds = (int64_t)(clock_ticks_ns(ticks) / 1000),
                             .argc = argc};
    append(e, &at, &e->address, peer);
    append(e, &at, &e->name, (struct slice){name, strlen(name)});
    for (size_t i = 0; i < argc; i++) {
        append(e, &at, &e->args[i], args[i]);
    }
    return e;
}

/* Drops the oldest entries beyond `most`. The lock is held. */
static void trim(int64_t most)
{
    while (slowlog.len > most) {
        struct slow_entry *e = slowlog.oldest;
        slowlog.oldest = e->newer;
        *(e->newer != NULL ? &e->newer->older : &slowlog.newest) = NULL;
        mem_free(e, e->size);
        slowlog.len--;
    }
}

void slowlog_note(struct call *c, uint64_t ticks)
{
    int64_t most = c->server->config->slowlog_max_len;
    struct slow_entry *e = make_entry(c, ticks);
    if (e == NULL) {
        return;
    }
    pthread_mutex_lock(&slowlog.lock);
    e->id = slowlog.next_id++;
    e->older = slowlog.newest;
    *(e->older != NULL ? &e->older->newer : &slowlog.oldest) = e;
    slowlog.newest = e;
    slowlog.len++;
    trim(most);
    pthread_mutex_unlock(&slowlog.lock);
}

/* ---- commands --------------------------------------------------------------------------------------- */

static void reply_entry(struct reply *r, const struct slow_entry *e)
{
    reply_array(r, 6);
    reply_int(r, e->id);
    reply_int(r, e->seconds);
    reply_int(r, e->microseconds);
    reply_array(r, (int64_t)e->argc);
    for (size_t i = 0; i < e->argc; i++) {
        reply_bulk_slice(r, e->args[i]);
    }
    reply_bulk_slice(r, e->address);
    reply_bulk_slice(r, e->name);
}

static void run_get(struct call *c)
{
    int64_t count = DEFAULT_COUNT;
    if (c->argc > 3) {
        call_subcommand_syntax(c);
        return;
    }
    if (c->argc == 3 && !call_int_range(c, c->argv[2], -1, INT64_MAX,
                                        "ERR count should be greater than or equal to -1", &count)) {
        return;
    }
    pthread_mutex_lock(&slowlog.lock);
    if (count < 0 || count > slowlog.len) {
        count = slowlog.len;
    }
    reply_array(c->reply, count);
    const struct slow_entry *e = slowlog.newest;
    for (int64_t i = 0; i < count; i++) {
        reply_entry(c->reply, e);
        e = e->older;
    }
    pthread_mutex_unlock(&slowlog.lock);
}

static void run_len(struct call *c)
{
    pthread_mutex_lock(&slowlog.lock);
    reply_int(c->reply, slowlog.len);
    pthread_mutex_unlock(&slowlog.lock);
}

static void run_reset(struct call *c)
{
    pthread_mutex_lock(&slowlog.lock);
    trim(0);
    pthread_mutex_unlock(&slowlog.lock);
    reply_ok(c->reply);
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        NULL,
    };
    call_help(c, lines);
}

static const struct command subcommands[] = {
    {
        .name = "get",
        .run = run_get,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "2.2.12",
        .complexity = "O(N) where N is the number of entries returned",
        .summary = "Returns the slow log's entries.",
        .syntax = "[count]",
        .tips = "request_policy:all_nodes nondeterministic_output",
        .history = "4.0.0\tAdded client IP address, port and name to the reply.",
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns helpful text about the different subcommands.",
        .syntax = "",
    },
    {
        .name = "len",
        .run = run_len,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "2.2.12",
        .complexity = "O(1)",
        .summary = "Returns the number of entries in the slow log.",
        .syntax = "",
        .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
    },
    {
        .name = "reset",
        .run = run_reset,
        .arity = 2,
        .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "2.2.12",
        .complexity = "O(N) where N is the number of entries in the slowlog",
        .summary = "Clears all entries from the slow log.",
        .syntax = "",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {0},
};

const struct command slowlog_commands[] = {
    {
        .name = "slowlog",
        .run = call_unknown_subcommand,
        .arity = -2,
        .group = GROUP_SERVER,
        .since = "2.2.12",
        .complexity = "Depends on subcommand.",
        .summary = "A container for slow log commands.",
        .subcommands = subcommands,
    },
    {0},
};
