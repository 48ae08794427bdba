/*
 * CLIENT: what a connection may ask and say about itself, and do to others. (INFO and LIST: client_list.c; KILL:
 * client_kill.c.)
 *
 * Threads: what concerns the own connection alone is CMD_LOCAL. Everything else runs alone under the gate, where other
 * loops' clients may be looked at; what has to happen to them is done by their own loop (client_kill, client_wake).
 */
#include "commands/call.h"
#include "commands/client_kill.h"
#include "commands/client_list.h"
#include "commands/groups.h"
#include "commands/pause.h"
#include "commands/tracking_command.h"

/* ---- PAUSE, UNPAUSE, UNBLOCK ------------------------------------------------------------------------ */

static void run_pause(struct call *c)
{
    int64_t timeout;
    bool all = c->argc == 3 || slice_is(c->argv[3], "all");
    if (c->argc > 4) {
        call_syntax_error(c);
    } else if (c->argc == 4 && !all && !slice_is(c->argv[3], "write")) {
        reply_error(c->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    } else if (call_timeout(c, c->argv[2], &timeout)) {
        pause_begin(c->server, timeout, all);
        reply_ok(c->reply);
    }
}

static void run_unpause(struct call *c)
{
    pause_end(c->server);
    reply_ok(c->reply);
}

static void run_unblock(struct call *c)
{
    int64_t id;
    bool error = c->argc == 4 && slice_is(c->argv[3], "error");
    if (c->argc > 4) {
        call_subcommand_syntax(c);
    } else if (c->argc == 4 && !error && !slice_is(c->argv[3], "timeout")) {
        reply_error(c->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    } else if (call_int(c, c->argv[2], &id)) {
        struct client *client = client_find(c->server, id);
        reply_int(c->reply, client != NULL && client_wake(client, error));
    }
}

/* ---- the connection itself -------------------------------------------------------------------------- */

static void run_id(struct call *c)
{
    reply_int(c->reply, c->client->id);
}

static void run_getname(struct call *c)
{
    if (c->client->name == NULL) {
        reply_null(c->reply);
    } else {
        reply_bulk_string(c->reply, c->client->name);
    }
}

static void set_text(struct call *c, char **text, struct slice value)
{
    if (client_set_text(text, value)) {
        reply_ok(c->reply);
    } else {
        call_out_of_memory(c);
    }
}

static void run_setname(struct call *c)
{
    if (client_name_is_valid(c->argv[2])) {
        set_text(c, &c->client->name, c->argv[2]);
    } else {
        reply_error(c->reply, CLIENT_NAME_ERROR);
    }
}

static void run_setinfo(struct call *c)
{
    struct slice option = c->argv[2];
    bool name = slice_is(option, "lib-name");
    if (!name && !slice_is(option, "lib-ver")) {
        reply_errorf(c->reply, "ERR Unrecognized option '%.*s'", (int)option.len, option.ptr);
    } else if (!client_name_is_valid(c->argv[3])) {
        reply_errorf(c->reply, "ERR %s cannot contain spaces, newlines or special characters.",
                     name ? "lib-name" : "lib-ver");
    } else {
        set_text(c, name ? &c->client->lib_name : &c->client->lib_version, c->argv[3]);
    }
}

static void run_reply(struct call *c)
{
    uint32_t *flags = &c->client->flags;
    if (slice_is(c->argv[2], "on")) {
        *flags &= ~(uint32_t)CLIENT_REPLY_MASK;
        reply_ok(c->reply);
    } else if (slice_is(c->argv[2], "off")) {
        *flags |= CLIENT_REPLY_OFF;
    } else if (!slice_is(c->argv[2], "skip")) {
        call_syntax_error(c);
    } else if ((*flags & CLIENT_REPLY_OFF) == 0) {
        *flags |= CLIENT_REPLY_SKIP_NEXT;
    }
}

/* ON and OFF of a flag of the connection. */
static void set_flag(struct call *c, uint32_t flag)
{
    if (slice_is(c->argv[2], "on")) {
        c->client->flags |= flag;
    } else if (slice_is(c->argv[2], "off")) {
        c->client->flags &= ~flag;
    } else {
        call_syntax_error(c);
        return;
    }
    reply_ok(c->reply);
}

static void run_no_evict(struct call *c)
{
    set_flag(c, CLIENT_NO_EVICT);
}

static void run_no_touch(struct call *c)
{
    set_flag(c, CLIENT_NO_TOUCH);
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Let the keys of the next command be tracked (in OPTIN mode), or not (in OPTOUT mode).",
        "GETREDIR",
        "    Show the id of the connection to which tracking is redirected.",
        "GETNAME",
        "    Show the name of this connection.",
        "ID",
        "    Show the id of this connection.",
        "INFO",
        "    Describe this connection.",
        "KILL <ip:port>",
        "    Close the connection that comes from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close the connections to which all options apply:",
        "    * ADDR (<ip:port>|<unixsocket>:0): their own address",
        "    * LADDR (<ip:port>|<unixsocket>:0): the server's address that they use",
        "    * ID <client-id>",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * USER <username>: who they are authenticated as",
        "    * SKIPME (YES|NO): spare this connection (default: yes)",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID <client-id> [<client-id> ...]]",
        "    Describe all connections, those of a type, or those with these ids.",
        "NO-EVICT (ON|OFF)",
        "    Spare this connection when clients take more than maxmemory-clients.",
        "NO-TOUCH (ON|OFF)",
        "    Let this connection's commands leave the access clock of keys alone.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold back writes, or all commands, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Turn the replies to this connection on or off, or drop the next one.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tell which library this connection's client uses.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Tell this connection which of the keys that it has read are changed.",
        "TRACKINGINFO",
        "    Show how this connection tracks keys.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    End the blocking command of a connection, as by time-out or with an error.",
        "UNPAUSE",
        "    End a pause.",
        NULL,
    };
    call_help(c, lines);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

enum {
    OWN = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_LOCAL,
    OTHERS = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
};

static const struct command subcommands[] = {
    {
        .name = "caching",
        .run = client_caching_run,
        .arity = 3,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "6.0.0",
        .complexity = "O(1)",
        .summary = "Instructs the server whether to track the keys in the next request.",
        .syntax = "<YES | NO>",
    },
    {
        .name = "getname",
        .run = run_getname,
        .arity = 2,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "2.6.9",
        .complexity = "O(1)",
        .summary = "Returns the name of the connection.",
    },
    {
        .name = "getredir",
        .run = client_getredir_run,
        .arity = 2,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "6.0.0",
        .complexity = "O(1)",
        .summary = "Returns the client ID to which the connection's tracking notifications are redirected.",
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_CONNECTION,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns helpful text about the different subcommands.",
    },
    {
        .name = "id",
        .run = run_id,
        .arity = 2,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns the unique client ID of the connection.",
    },
    {
        .name = "info",
        .run = client_info_run,
        .arity = 2,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns information about the connection.",
        .tips = "nondeterministic_output",
    },
    {
        .name = "kill",
        .run = client_kill_run,
        .arity = -3,
        .flags = OTHERS,
        .group = GROUP_CONNECTION,
        .since = "2.4.0",
        .complexity = "O(N) where N is the number of client connections",
        .summary = "Terminates open connections.",
        .syntax =
            "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | "
            "[ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no]> ...>",
        .history =
            "2.8.12\tAdded new filter format.\n"
            "2.8.12\t`ID` option.\n"
            "3.2.0\tAdded `master` type in for `TYPE` option.\n"
            "5.0.0\tReplaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.\n"
            "6.2.0\t`LADDR` option.",
    },
    {
        .name = "list",
        .run = client_list_run,
        .arity = -2,
        .flags = OTHERS,
        .group = GROUP_CONNECTION,
        .since = "2.4.0",
        .complexity = "O(N) where N is the number of client connections",
        .summary = "Lists open connections.",
        .syntax = "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
        .tips = "nondeterministic_output",
        .history =
            "2.8.12\tAdded unique client `id` field.\n"
            "5.0.0\tAdded optional `TYPE` filter.\n"
            "6.0.0\tAdded `user` field.\n"
            "6.2.0\tAdded `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.\n"
            "7.0.0\tAdded `resp`, `multi-mem`, `rbs` and `rbp` fields.\n"
            "7.0.3\tAdded `ssub` field.\n"
            "7.2.0\tAdded `lib-name` and `lib-ver` fields.",
    },
    {
        .name = "no-evict",
        .run = run_no_evict,
        .arity = 3,
        .flags = CMD_ADMIN | OWN,
        .group = GROUP_CONNECTION,
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Sets the client eviction mode of the connection.",
        .syntax = "<ON | OFF>",
    },
    {
        .name = "no-touch",
        .run = run_no_touch,
        .arity = 3,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        .syntax = "<ON | OFF>",
    },
    {
        .name = "pause",
        .run = run_pause,
        .arity = -3,
        .flags = OTHERS,
        .group = GROUP_CONNECTION,
        .since = "2.9.50",
        .complexity = "O(1)",
        .summary = "Suspends commands processing.",
        .syntax = "timeout [WRITE | ALL]",
        .history = "6.2.0\t`CLIENT PAUSE WRITE` mode added along with the `mode` option.",
    },
    {
        .name = "reply",
        .run = run_reply,
        .arity = 3,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "3.2.0",
        .complexity = "O(1)",
        .summary = "Instructs the server whether to reply to commands.",
        .syntax = "<ON | OFF | SKIP>",
    },
    {
        .name = "setinfo",
        .run = run_setinfo,
        .arity = 4,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Sets information specific to the client or connection.",
        .syntax = "<LIB-NAME libname | LIB-VER libver>",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {
        .name = "setname",
        .run = run_setname,
        .arity = 3,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "2.6.9",
        .complexity = "O(1)",
        .summary = "Sets the connection name.",
        .syntax = "connection-name",
    },
    {
        .name = "tracking",
        .run = client_tracking_run,
        .arity = -3,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
        .group = GROUP_CONNECTION,
        .since = "6.0.0",
        .complexity = "O(1). Some options may introduce additional complexity.",
        .summary = "Controls server-assisted client-side caching for the connection.",
        .syntax =
            "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] "
            "[NOLOOP]",
    },
    {
        .name = "trackinginfo",
        .run = client_trackinginfo_run,
        .arity = 2,
        .flags = OWN,
        .group = GROUP_CONNECTION,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns information about server-assisted client-side caching for the connection.",
    },
    {
        .name = "unblock",
        .run = run_unblock,
        .arity = -3,
        .flags = OTHERS,
        .group = GROUP_CONNECTION,
        .since = "5.0.0",
        .complexity = "O(log N) where N is the number of client connections",
        .summary = "Unblocks a client blocked by a blocking command from a different connection.",
        .syntax = "client-id [TIMEOUT | ERROR]",
    },
    {
        .name = "unpause",
        .run = run_unpause,
        .arity = 2,
        .flags = OTHERS,
        .group = GROUP_CONNECTION,
        .since = "6.2.0",
        .complexity = "O(N) Where N is the number of paused clients",
        .summary = "Resumes processing commands from paused clients.",
    },
    {0},
};

const struct command client_commands[] = {
    {
        .name = "client",
        .run = call_unknown_subcommand,
        .arity = -2,
        .group = GROUP_CONNECTION,
        .since = "2.4.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for client connection commands.",
        .subcommands = subcommands,
    },
    {0},
};
