/*
 * CLIENT: what a connection may ask and say about itself, and do to others.
 *
 * Threads: what concerns the own connection alone is CMD_LOCAL. Everything else runs alone under the gate, where other
 * loops' clients may be looked at; what has to happen to them is done by their own loop (client_kill, client_wake).
 */
#include <stdio.h>

#include "clock.h"
#include "commands/call.h"
#include "commands/client_limits.h"
#include "commands/groups.h"
#include "commands/pause.h"
#include "types/number.h"

/* ---- filters: of LIST and KILL ---------------------------------------------------------------------- */

enum client_type { TYPE_ANY, TYPE_NORMAL, TYPE_OTHER };

/* Of connections that are none of replication and Pub/Sub: every client is a normal one. */
static bool parse_type(struct call *c, struct slice word, enum client_type *type)
{
    static const char *const others[] = {"master", "slave", "replica", "pubsub"};
    *type = slice_is(word, "normal") ? TYPE_NORMAL : TYPE_ANY;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (slice_is(word, others[i])) {
            *type = TYPE_OTHER;
        }
    }
    if (*type == TYPE_ANY) {
        reply_errorf(c->reply, "ERR Unknown client type '%.*s'", (int)word.len, word.ptr);
    }
    return *type != TYPE_ANY;
}

struct search {
    int64_t id;
    struct client *found;
};

static void visit_id(void *context, struct client *client)
{
    struct search *search = context;
    if (client->id == search->id) {
        search->found = client;
    }
}

/* The client with an id, on any loop, or NULL; under the gate alone. */
static struct client *find_id(struct server *server, int64_t id)
{
    struct search search = {id, NULL};
    client_each(server, visit_id, &search);
    return search.found;
}

/* ---- INFO and LIST ---------------------------------------------------------------------------------- */

static void format_flags(const struct client *client, char *text)
{
    static const struct {
        uint32_t flag;
        char letter;
    } letters[] = {{CLIENT_MONITOR, 'O'}, {CLIENT_BLOCKED, 'b'}};
    size_t len = 0;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if ((client->flags & letters[i].flag) != 0) {
            text[len++] = letters[i].letter;
        }
    }
    if (client->conn->local) {
        text[len++] = 'U';
    }
    if ((client->flags & CLIENT_NO_EVICT) != 0) {
        text[len++] = 'e';
    }
    if ((client->flags & CLIENT_NO_TOUCH) != 0) {
        text[len++] = 'T';
    }
    if (len == 0) {
        text[len++] = 'N';
    }
    text[len] = '\0';
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void put_text(struct reply *out, const char *key, const char *value)
{
    reply_raw(out, key, strlen(key));
    reply_raw(out, value, strlen(value));
}

static void put_number(struct reply *out, const char *key, int64_t value)
{
    char text[NUMBER_I64_MAX_CHARS];
    reply_raw(out, key, strlen(key));
    reply_raw(out, text, number_format_i64(text, value));
}

static void put_identity(struct reply *out, const struct client *client, int64_t now)
{
    char flags[8];
    format_flags(client, flags);
    put_number(out, "id=", client->id);
    put_text(out, " addr=", client->peer);
    put_text(out, " laddr=", client->local);
    put_number(out, " fd=", client->fd);
    put_text(out, " name=", or_empty(client->name));
    put_number(out, " age=", (now - client->created) / 1000);
    put_number(out, " idle=", (now - counter_get(&client->conn->last_active)) / 1000);
    put_text(out, " flags=", flags);
    put_number(out, " db=", client->db->id);
}

/* Replies and reads share their loop's buffers, so a client has none of its own (rbs, rbp, obl) unless something is left
 * over: an incomplete request, or replies that the kernel did not take. */
static void put_memory(struct reply *out, const struct client *client, size_t argv_bytes)
{
    const struct conn_input *input = client->conn->input;
    int64_t unsent = counter_get(&client->conn->unsent_memory);
    put_number(out, " qbuf=", input != NULL ? (int64_t)input->len : 0);
    put_number(out, " qbuf-free=", input != NULL ? (int64_t)(input->cap - input->len) : 0);
    put_number(out, " argv-mem=", (int64_t)argv_bytes);
    put_text(out, " multi-mem=0 rbs=0 rbp=0 obl=0", "");
    put_number(out, " oll=", unsent > 0);
    put_number(out, " omem=", unsent);
    put_number(out, " tot-mem=", (int64_t)(client_memory(client) + argv_bytes));
    put_text(out, " events=", unsent > 0 ? "rw" : "r");
}

/* One line, as CLIENT INFO and LIST give it. `self`: the client that asks, whose arguments count as its own. */
static void put_client(struct reply *out, const struct client *client, const struct call *c)
{
    char command[64] = "NULL";
    size_t argv_bytes = 0;
    for (size_t i = 0; client == c->client && i < c->argc; i++) {
        argv_bytes += c->argv[i].len;
    }
    if (client->last_command != NULL) {
        command_full_name(client->last_command, command, sizeof command);
    }
    put_identity(out, client, c->now);
    put_text(out, " sub=0 psub=0 ssub=0 multi=-1", "");
    put_memory(out, client, argv_bytes);
    put_text(out, " cmd=", command);
    put_text(out, " user=default redir=-1", "");
    put_number(out, " resp=", client->conn->resp);
    put_text(out, " lib-name=", or_empty(client->lib_name));
    put_text(out, " lib-ver=", or_empty(client->lib_version));
    REPLY_LITERAL(out, "\n");
}

/* Replies with lines that were written to a buffer of their own. */
static void reply_lines(struct call *c, struct reply *lines)
{
    if (lines->failed) {
        call_out_of_memory(c);
    } else {
        reply_verbatim(c->reply, "txt", lines->len > 0 ? (struct slice){lines->data, lines->len} : SLICE(""));
    }
    reply_free(lines);
}

static void run_info(struct call *c)
{
    struct reply lines = {.resp = 2};
    put_client(&lines, c->client, c);
    reply_lines(c, &lines);
}

struct listing {
    const struct call *c;
    struct reply lines;
};

static void list_one(void *context, struct client *client)
{
    struct listing *listing = context;
    put_client(&listing->lines, client, listing->c);
}

static bool list_ids(struct call *c, struct listing *listing)
{
    int64_t id;
    for (size_t i = 3; i < c->argc; i++) {
        if (!number_parse_i64(c->argv[i].ptr, c->argv[i].len, &id)) {
            reply_error(c->reply, "ERR Invalid client ID");
            return false;
        }
        const struct client *client = find_id(c->server, id);
        if (client != NULL) {
            put_client(&listing->lines, client, c);
        }
    }
    return true;
}

static void run_list(struct call *c)
{
    struct listing listing = {c, {.resp = 2}};
    enum client_type type = TYPE_ANY;
    if (c->argc == 4 && slice_is(c->argv[2], "type")) {
        if (!parse_type(c, c->argv[3], &type)) {
            return;
        }
    } else if (c->argc > 3 && slice_is(c->argv[2], "id")) {
        if (!list_ids(c, &listing)) {
            reply_free(&listing.lines);
            return;
        }
        type = TYPE_OTHER; /* no more than these */
    } else if (c->argc != 2) {
        call_syntax_error(c);
        return;
    }
    if (type != TYPE_OTHER) {
        client_each(c->server, list_one, &listing);
    }
    reply_lines(c, &listing.lines);
}

/* ---- KILL ------------------------------------------------------------------------------------------- */

struct kill {
    struct call *c;
    struct slice address, local_address; /* ptr NULL: any */
    int64_t id;                          /* 0: any */
    enum client_type type;
    bool skip_me;
    bool me; /* the caller is one of them */
    int64_t killed;
};

static bool is_text(struct slice wanted, const char *text)
{
    return wanted.ptr == NULL || slice_equal(wanted, (struct slice){text, strlen(text)});
}

static void kill_one(void *context, struct client *client)
{
    struct kill *kill = context;
    bool self = client == kill->c->client;
    if (!is_text(kill->address, client->peer) || !is_text(kill->local_address, client->local) ||
        (kill->id != 0 && kill->id != client->id) || kill->type == TYPE_OTHER || (self && kill->skip_me)) {
        return;
    }
    kill->killed++;
    if (self) {
        kill->me = true;
    } else {
        client_kill(kill->c->worker, client);
    }
}

static bool parse_kill_option(struct call *c, struct slice option, struct slice value, struct kill *kill)
{
    if (slice_is(option, "id")) {
        return call_int_range(c, value, 1, INT64_MAX, "ERR client-id should be greater than 0", &kill->id);
    }
    if (slice_is(option, "type")) {
        return parse_type(c, value, &kill->type);
    }
    if (slice_is(option, "addr")) {
        kill->address = value;
    } else if (slice_is(option, "laddr")) {
        kill->local_address = value;
    } else if (slice_is(option, "user")) {
        if (!slice_equal(value, SLICE("default"))) {
            reply_errorf(c->reply, "ERR No such user '%.*s'", (int)value.len, value.ptr);
            return false;
        }
    } else if (slice_is(option, "skipme") && (slice_is(value, "yes") || slice_is(value, "no"))) {
        kill->skip_me = slice_is(value, "yes");
    } else {
        call_syntax_error(c);
        return false;
    }
    return true;
}

static void run_kill(struct call *c)
{
    bool old_form = c->argc == 3;
    struct kill kill = {.c = c, .skip_me = !old_form};
    if (old_form) {
        kill.address = c->argv[2];
    } else if (c->argc % 2 != 0) {
        call_syntax_error(c);
        return;
    }
    for (size_t i = 2; !old_form && i < c->argc; i += 2) {
        if (!parse_kill_option(c, c->argv[i], c->argv[i + 1], &kill)) {
            return;
        }
    }
    client_each(c->server, kill_one, &kill);
    if (!old_form) {
        reply_int(c->reply, kill.killed);
    } else if (kill.killed > 0) {
        reply_ok(c->reply);
    } else {
        reply_error(c->reply, "ERR No such client");
    }
    if (kill.me) {
        c->client->flags |= CLIENT_KILLED;
        conn_close_after_write(c->client->conn);
    }
}

/* ---- PAUSE, UNPAUSE, UNBLOCK ------------------------------------------------------------------------ */

static void run_pause(struct call *c)
{
    int64_t timeout;
    bool all = c->argc == 3 || slice_is(c->argv[3], "all");
    if (c->argc > 4) {
        call_syntax_error(c);
    } else if (c->argc == 4 && !all && !slice_is(c->argv[3], "write")) {
        reply_error(c->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    } else if (!call_int_range(c, c->argv[2], INT64_MIN, INT64_MAX,
                               "ERR timeout is not an integer or out of range", &timeout)) {
        return;
    } else if (timeout < 0) {
        reply_error(c->reply, "ERR timeout is negative");
    } else {
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
        struct client *client = find_id(c->server, id);
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
        .run = run_info,
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
        .run = run_kill,
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
        .run = run_list,
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
