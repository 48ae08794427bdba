/*
 * OBJECT: a value seen from outside. Looking at it is no use of it.
 */
#include "commands/groups.h"
#include "commands/key.h"
#include "commands/type.h"

/* The entry of argv[2]; replies with null when there is none. */
static struct entry *object_named(struct call *c)
{
    struct key key = call_key(c, 2);
    struct entry *e = key_look_silently(c, &key);
    if (e == NULL) {
        reply_null(c->reply);
    }
    return e;
}

#define SWITCHING                                                                                          \
    "Please note that when switching between policies at runtime LRU and LFU data will take some time to " \
    "adjust."

static void run_encoding(struct call *c)
{
    const struct entry *e = object_named(c);
    if (e != NULL) {
        reply_bulk_string(c->reply, type_of(e)->encoding(e));
    }
}

static void run_freq(struct call *c)
{
    const struct entry *e = object_named(c);
    if (e == NULL) {
        return;
    }
    if (!c->server->access.lfu) {
        reply_error(c->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. " SWITCHING);
        return;
    }
    reply_int(c->reply, access_frequency(&c->server->access, e, c->now));
}

static void run_idletime(struct call *c)
{
    const struct entry *e = object_named(c);
    if (e == NULL) {
        return;
    }
    if (c->server->access.lfu) {
        reply_error(c->reply, "ERR An LFU maxmemory policy is selected, idle time not tracked. " SWITCHING);
        return;
    }
    reply_int(c->reply, access_idle_seconds(e, c->now));
}

/* A value belongs to one key: nothing is shared. */
static void run_refcount(struct call *c)
{
    if (object_named(c) != NULL) {
        reply_int(c->reply, 1);
    }
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return the name of the encoding that Redis gives a value like that of <key>.",
        "FREQ <key>",
        "    Return how often <key> is used, as a logarithmic counter from 0 to 255. Needs",
        "    one of the LFU policies of maxmemory-policy.",
        "IDLETIME <key>",
        "    Return the seconds since the last use of <key>. Needs a maxmemory-policy",
        "    that is none of the LFU ones.",
        "REFCOUNT <key>",
        "    Return the number of references to the value of <key>, which is always 1.",
        NULL,
    };
    call_help(c, lines);
}

static const struct command subcommands[] = {
    {
        .name = "encoding",
        .run = run_encoding,
        .arity = 3,
        .flags = CMD_READONLY,
        .keys = {{2, 2, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "2.2.3",
        .complexity = "O(1)",
        .summary = "Returns the name of the encoding of a value.",
        .syntax = "key",
        .tips = "nondeterministic_output",
    },
    {
        .name = "freq",
        .run = run_freq,
        .arity = 3,
        .flags = CMD_READONLY,
        .keys = {{2, 2, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Returns the logarithmic counter of a value's uses.",
        .syntax = "key",
        .tips = "nondeterministic_output",
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_GENERIC,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Describes the subcommands.",
        .syntax = "",
    },
    {
        .name = "idletime",
        .run = run_idletime,
        .arity = 3,
        .flags = CMD_READONLY,
        .keys = {{2, 2, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "2.2.3",
        .complexity = "O(1)",
        .summary = "Returns the seconds since the last use of a value.",
        .syntax = "key",
        .tips = "nondeterministic_output",
    },
    {
        .name = "refcount",
        .run = run_refcount,
        .arity = 3,
        .flags = CMD_READONLY,
        .keys = {{2, 2, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "2.2.3",
        .complexity = "O(1)",
        .summary = "Returns the number of references to a value.",
        .syntax = "key",
        .tips = "nondeterministic_output",
    },
    {0},
};

const struct command object_commands[] = {
    {
        .name = "object",
        .arity = -2,
        .group = GROUP_GENERIC,
        .since = "2.2.3",
        .complexity = "Depends on the subcommand.",
        .summary = "A container for commands that tell of a value.",
        .syntax = "",
        .subcommands = subcommands,
    },
    {0},
};
