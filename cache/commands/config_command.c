/*
 * CONFIG: the settings over the wire. config.h does the work; what runs here has the gate alone, as changed settings ask.
 */
#include "commands/aof.h"
#include "commands/call.h"
#include "commands/dispatch.h"
#include "commands/groups.h"
#include "commands/refusing.h"
#include "commands/tracking.h"
#include "memory.h"

struct config_reply {
    struct reply *reply;
    int64_t count;
};

static void reply_setting(void *context, const char *name, const char *value, size_t size)
{
    struct config_reply *found = context;
    reply_bulk_string(found->reply, name);
    reply_bulk(found->reply, value, size);
    found->count++;
}

static void run_get(struct call *c)
{
    struct config_reply found = {c->reply, 0};
    size_t hole = reply_hole(c->reply);
    config_get(c->server->config, c->argv + 2, c->argc - 2, reply_setting, &found);
    reply_fill_map(c->reply, hole, found.count);
}

/* Bytes for an error that quotes any of the names. */
static size_t error_size(const struct call *c)
{
    size_t longest = 0;
    for (size_t i = 2; i < c->argc; i += 2) {
        longest = c->argv[i].len > longest ? c->argv[i].len : longest;
    }
    return CONFIG_ERR_SIZE + longest;
}

static void run_set(struct call *c)
{
    const struct slice *pairs = c->argv + 2;
    size_t count = (c->argc - 2) / 2;
    if (c->argc % 2 != 0) {
        call_syntax_error(c);
        return;
    }
    if (refusing_is_loading(c->server) && config_needs_loaded(pairs, count)) {
        refusing_reply_loading(c);
        return;
    }
    size_t size = error_size(c);
    char *error = mem_alloc(size);
    if (error == NULL) {
        call_out_of_memory(c);
    } else if (config_set(c->server->config, pairs, count, client_is_local(c->client), error, size)) {
        if (!c->may_not_block) {                    /* nothing goes in the middle of a transaction */
            dispatch_make_room(c->worker->loop, 0); /* a lowered limit shows at once, and the cron goes on */
        }
        tracking_limit_keys(c->worker);
        aof_reply_set(c);
    } else {
        reply_error(c->reply, error);
    }
    mem_free(error, size);
}

static void run_rewrite(struct call *c)
{
    char error[CONFIG_ERR_SIZE];
    if (config_rewrite(c->server->config, error, sizeof error)) {
        reply_ok(c->reply);
    } else {
        reply_error(c->reply, error);
    }
}

static void run_resetstat(struct call *c)
{
    stats_reset(c->server);
    reply_ok(c->reply);
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL,
    };
    call_help(c, lines);
}

enum { CONFIG_FLAGS = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE };

static const struct command subcommands[] = {
    {
        .name = "get",
        .run = run_get,
        .arity = -3,
        .flags = CONFIG_FLAGS,
        .group = GROUP_SERVER,
        .since = "2.0.0",
        .complexity = "O(N) when N is the number of configuration parameters provided",
        .summary = "Returns the effective values of configuration parameters.",
        .syntax = "parameter [parameter ...]",
        .history = "7.0.0\tAdded the ability to pass multiple pattern parameters in one call",
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns helpful text about the different subcommands.",
        .syntax = "",
    },
    {
        .name = "resetstat",
        .run = run_resetstat,
        .arity = 2,
        .flags = CONFIG_FLAGS,
        .group = GROUP_SERVER,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Resets the server's statistics.",
        .syntax = "",
    },
    {
        .name = "rewrite",
        .run = run_rewrite,
        .arity = 2,
        .flags = CONFIG_FLAGS,
        .group = GROUP_SERVER,
        .since = "2.8.0",
        .complexity = "O(1)",
        .summary = "Persists the effective configuration to file.",
        .syntax = "",
    },
    {
        .name = "set",
        .run = run_set,
        .arity = -4,
        .flags = CONFIG_FLAGS,
        .group = GROUP_SERVER,
        .since = "2.0.0",
        .complexity = "O(N) when N is the number of configuration parameters provided",
        .summary = "Sets configuration parameters in-flight.",
        .syntax = "parameter value [parameter value ...]",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
        .history = "7.0.0\tAdded the ability to set multiple parameters in one call.",
    },
    {0},
};

const struct command config_commands[] = {
    {
        .name = "config",
        .run = call_unknown_subcommand,
        .arity = -2,
        .group = GROUP_SERVER,
        .since = "2.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for server configuration commands.",
        .subcommands = subcommands,
    },
    {0},
};
