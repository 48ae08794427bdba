/*
 * The connection commands: who the client is, which protocol it speaks, which database it uses. They touch nothing but
 * their own connection. (CLIENT: client_command.c.)
 */
#include "commands/call.h"
#include "commands/groups.h"
#include "commands/monitor.h"
#include "commands/pubsub.h"
#include "commands/tracking.h"
#include "commands/transaction.h"

static const char wrong_pass[] = "WRONGPASS invalid username-password pair or user is disabled.";

/* ---- AUTH and HELLO --------------------------------------------------------------------------------- */

static bool has_password(const struct call *c)
{
    return c->server->config->requirepass[0] != '\0';
}

/* Whether user and password are right. The one user without a password takes any. */
static bool credentials_fit(const struct call *c, struct slice user, struct slice password)
{
    bool known = slice_equal(user, SLICE("default"));
    return known &&
           (!has_password(c) || config_password_matches(c->server->config, password.ptr, password.len));
}

static void refuse(struct client *client)
{
    reply_error(&client->worker->loop->reply, wrong_pass);
}

/* Lets the client in, or refuses it: at once when there is no password to be guessed. */
static bool authenticate(struct call *c, struct slice user, struct slice password)
{
    if (credentials_fit(c, user, password)) {
        auth_succeeded(c->client);
        client_set_authenticated(c->client, true);
        return true;
    }
    if (has_password(c)) {
        auth_failed(c->client, refuse, !c->may_not_block);
    } else {
        reply_error(c->reply, wrong_pass);
    }
    return false;
}

static void run_auth(struct call *c)
{
    if (c->argc > 3) {
        call_syntax_error(c);
    } else if (c->argc == 2 && !has_password(c)) {
        reply_error(c->reply,
                    "ERR AUTH <password> called without any password configured for the default user. Are "
                    "you sure your configuration is correct?");
    } else if (authenticate(c, c->argc == 3 ? c->argv[1] : SLICE("default"), c->argv[c->argc - 1])) {
        reply_ok(c->reply);
    }
}

struct hello_options {
    int64_t protocol; /* 0: as it is */
    const struct slice *user, *password, *name;
};

static bool parse_hello(struct call *c, struct hello_options *options)
{
    *options = (struct hello_options){0};
    if (c->argc > 1 &&
        !call_int_range(c, c->argv[1], INT64_MIN, INT64_MAX,
                        "ERR Protocol version is not an integer or out of range", &options->protocol)) {
        return false;
    }
    if (c->argc > 1 && options->protocol != 2 && options->protocol != 3) {
        reply_error(c->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    for (size_t i = 2; i < c->argc; i++) {
        if (slice_is(c->argv[i], "auth") && i + 2 < c->argc) {
            options->user = &c->argv[i + 1];
            options->password = &c->argv[i + 2];
            i += 2;
        } else if (slice_is(c->argv[i], "setname") && i + 1 < c->argc) {
            options->name = &c->argv[++i];
            if (!client_name_is_valid(*options->name)) {
                reply_error(c->reply, CLIENT_NAME_ERROR);
                return false;
            }
        } else {
            reply_errorf(c->reply, "ERR Syntax error in HELLO option '%.*s'", (int)c->argv[i].len,
                         c->argv[i].ptr);
            return false;
        }
    }
    return true;
}

static void set_protocol(struct call *c, int protocol)
{
    c->client->conn->resp = (uint8_t)protocol;
    c->reply->resp = protocol;
}

static void reply_hello(struct call *c)
{
    reply_map(c->reply, 7);
    reply_bulk_string(c->reply, "server");
    reply_bulk_string(c->reply, "redis"); /* clients ask for this name */
    reply_bulk_string(c->reply, "version");
    reply_bulk_string(c->reply, REDIS_VERSION);
    reply_bulk_string(c->reply, "proto");
    reply_int(c->reply, c->client->conn->resp);
    reply_bulk_string(c->reply, "id");
    reply_int(c->reply, c->client->id);
    reply_bulk_string(c->reply, "mode");
    reply_bulk_string(c->reply, "standalone");
    reply_bulk_string(c->reply, "role");
    reply_bulk_string(c->reply, server_is_replica(c->server) ? "replica" : "master");
    reply_bulk_string(c->reply, "modules");
    reply_array(c->reply, 0);
}

static void run_hello(struct call *c)
{
    struct hello_options options;
    if (!parse_hello(c, &options) ||
        (options.user != NULL && !authenticate(c, *options.user, *options.password))) {
        return;
    }
    if (!c->client->authenticated) {
        reply_error(c->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
                    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
                    "RESP protocol version at the same time");
        return;
    }
    if (options.name != NULL && !client_set_text(&c->client->name, *options.name)) {
        call_out_of_memory(c);
        return;
    }
    if (options.protocol != 0) {
        set_protocol(c, (int)options.protocol);
    }
    reply_hello(c);
}

/* ---- the rest --------------------------------------------------------------------------------------- */

static void run_ping(struct call *c)
{
    if (c->argc > 2) {
        reply_error(c->reply, "ERR wrong number of arguments for 'ping' command");
    } else if ((c->client->flags & CLIENT_SUBSCRIBED) != 0 && c->reply->resp == 2) {
        reply_array(c->reply, 2); /* in the form of a message */
        reply_bulk_string(c->reply, "pong");
        reply_bulk_slice(c->reply, c->argc == 2 ? c->argv[1] : SLICE(""));
    } else if (c->argc == 2) {
        reply_bulk_slice(c->reply, c->argv[1]);
    } else {
        REPLY_LITERAL(c->reply, "+PONG\r\n");
    }
}

static void run_echo(struct call *c)
{
    reply_bulk_slice(c->reply, c->argv[1]);
}

static void run_select(struct call *c)
{
    struct db *db = call_db(c, c->argv[1]);
    if (db != NULL) {
        c->client->db = db;
        reply_ok(c->reply);
    }
}

static void run_quit(struct call *c)
{
    reply_ok(c->reply);
    conn_close_after_write(c->client->conn);
}

/* The names of the client's library stay: they tell of the program, not of what it did on this connection. */
static void run_reset(struct call *c)
{
    struct client *client = c->client;
    if ((client->flags & CLIENT_MONITOR) != 0) {
        monitor_forget(client);
    }
    transaction_discard(client);
    pubsub_forget(client);
    tracking_reset(client);
    client->flags &=
        ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_NO_EVICT | CLIENT_NO_TOUCH);
    client->db = &c->server->keyspace.dbs[0];
    client_set_text(&client->name, SLICE(""));
    set_protocol(c, 2);
    client_set_authenticated(client, !has_password(c));
    reply_status(c->reply, "RESET");
}

enum {
    ALWAYS = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_LOCAL
};

const struct command connection_commands[] = {
    {
        .name = "auth",
        .run = run_auth,
        .arity = -2,
        .flags = ALWAYS,
        .group = GROUP_CONNECTION,
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of passwords defined for the user",
        .summary = "Authenticates the connection.",
        .syntax = "[username] password",
        .history = "6.0.0\tAdded ACL style (username and password).",
    },
    {
        .name = "echo",
        .run = run_echo,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST | CMD_LOCAL,
        .group = GROUP_CONNECTION,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the given string.",
        .syntax = "message",
    },
    {
        .name = "hello",
        .run = run_hello,
        .arity = -1,
        .flags = ALWAYS,
        .group = GROUP_CONNECTION,
        .since = "6.0.0",
        .complexity = "O(1)",
        .summary = "Says which protocol the client speaks; may authenticate and name it as well.",
        .syntax = "[protover [AUTH username password] [SETNAME clientname]]",
        .history =
            "6.2.0\t`protover` made optional; when called without arguments the command reports the current "
            "connection's context.",
    },
    {
        .name = "ping",
        .run = run_ping,
        .arity = -1,
        .flags = CMD_FAST | CMD_LOCAL,
        .group = GROUP_CONNECTION,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns PONG, or the given string: shows that the server answers.",
        .syntax = "[message]",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "quit",
        .run = run_quit,
        .arity = -1,
        .flags = ALWAYS | CMD_NOT_QUEUED,
        .group = GROUP_CONNECTION,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Closes the connection.",
        .deprecated_since = "7.2.0",
        .replaced_by = "just closing the connection",
    },
    {
        .name = "reset",
        .run = run_reset,
        .arity = 1,
        .flags = ALWAYS | CMD_NOT_QUEUED,
        .group = GROUP_CONNECTION,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Makes the connection as it was when it was new.",
    },
    {
        .name = "select",
        .run = run_select,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST | CMD_LOCAL,
        .group = GROUP_CONNECTION,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Changes the selected database.",
        .syntax = "index",
    },
    {0},
};
