#include "commands/client_kill.h"

#include "commands/client_list.h"

struct kill {
    struct call *c;
    struct slice address, local_address; /* ptr NULL: any */
    int64_t id;                          /* 0: any */
    enum client_type type;
    bool user; /* of a user: a master's link has none */
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
        (kill->id != 0 && kill->id != client->id) || !client_has_type(client, kill->type) ||
        (self && kill->skip_me)) {
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
        return client_type_parse(c, value, &kill->type);
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
        kill->user = true;
    } else if (slice_is(option, "skipme") && (slice_is(value, "yes") || slice_is(value, "no"))) {
        kill->skip_me = slice_is(value, "yes");
    } else {
        call_syntax_error(c);
        return false;
    }
    return true;
}

/* The connection to the master is none of the clients, but goes as if it were one. */
static void kill_master(struct kill *kill)
{
    struct server *server = kill->c->server;
    bool fits = kill->type == CLIENT_TYPE_ANY || kill->type == CLIENT_TYPE_MASTER;
    if (fits && kill->id == 0 && kill->local_address.ptr == NULL && !kill->user &&
        server->above.cut_master != NULL && server->above.cut_master(server, kill->address)) {
        kill->killed++;
    }
}

void client_kill_run(struct call *c)
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
    kill_master(&kill);
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
