#include "commands/client_list.h"

#include "commands/pubsub.h"
#include "commands/text.h"
#include "commands/tracking.h"
#include "commands/transaction.h"
#include "types/number.h"

/* ---- a line ------------------------------------------------------------------------------------------- */

static void format_flags(const struct client *client, char *text)
{
    static const struct {
        uint32_t flag;
        char letter;
    } letters[] = {{CLIENT_REPLICA, 'S'},
                   {CLIENT_MONITOR, 'O'},
                   {CLIENT_SUBSCRIBED, 'P'},
                   {CLIENT_MULTI, 'x'},
                   {CLIENT_BLOCKED | CLIENT_PAUSED, 'b'},
                   {CLIENT_TRACKING, 't'}};
    size_t len = 0;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if ((client->flags & letters[i].flag) != 0) {
            text[len++] = letters[i].letter;
        }
    }
    if (atomic_load_explicit(&client->touched, memory_order_relaxed)) {
        text[len++] = 'd';
    }
    if (client->tracker != NULL && atomic_load_explicit(&client->tracker->broken, memory_order_relaxed)) {
        text[len++] = 'R';
    }
    if (client->tracker != NULL && (client->tracker->options & TRACKING_BCAST) != 0) {
        text[len++] = 'B';
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
    char flags[16]; /* as many letters as there are, and the end */
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
    put_number(out, " multi-mem=", (int64_t)(transaction_memory(client) + client->watches.memory));
    put_text(out, " rbs=0 rbp=0 obl=0", "");
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
    put_number(out, " sub=", pubsub_count_kind(client, TOPIC_CHANNEL));
    put_number(out, " psub=", pubsub_count_kind(client, TOPIC_PATTERN));
    put_number(out, " ssub=", pubsub_count_kind(client, TOPIC_SHARD));
    put_number(out, " multi=", (client->flags & CLIENT_MULTI) != 0 ? (int64_t)client->transaction.count : -1);
    put_memory(out, client, argv_bytes);
    put_text(out, " cmd=", command);
    put_number(
        out, " user=default redir=", (client->flags & CLIENT_TRACKING) != 0 ? client->tracker->redirect : -1);
    put_number(out, " resp=", client->conn->resp);
    put_text(out, " lib-name=", or_empty(client->lib_name));
    put_text(out, " lib-ver=", or_empty(client->lib_version));
    put_number(out, " watch=", (int64_t)client->watches.count);
    REPLY_LITERAL(out, "\n");
}

/* ---- the commands ------------------------------------------------------------------------------------- */

bool client_type_parse(struct call *c, struct slice word, enum client_type *type)
{
    *type = slice_is(word, "normal")                               ? CLIENT_TYPE_NORMAL
            : slice_is(word, "pubsub")                             ? CLIENT_TYPE_PUBSUB
            : slice_is(word, "slave") || slice_is(word, "replica") ? CLIENT_TYPE_REPLICA
            : slice_is(word, "master")                             ? CLIENT_TYPE_MASTER
                                                                   : CLIENT_TYPE_ANY;
    if (*type == CLIENT_TYPE_ANY) {
        reply_errorf(c->reply, "ERR Unknown client type '%.*s'", (int)word.len, word.ptr);
    }
    return *type != CLIENT_TYPE_ANY;
}

bool client_has_type(const struct client *client, enum client_type type)
{
    bool replica = (client->flags & CLIENT_REPLICA) != 0;
    bool subscribed = (client->flags & CLIENT_SUBSCRIBED) != 0 && !replica;
    return type == CLIENT_TYPE_ANY || (type == CLIENT_TYPE_REPLICA && replica) ||
           (type == CLIENT_TYPE_PUBSUB && subscribed) ||
           (type == CLIENT_TYPE_NORMAL && !subscribed && !replica);
}

void client_info_run(struct call *c)
{
    struct reply lines = {.resp = 2};
    put_client(&lines, c->client, c);
    text_reply(c, &lines);
}

struct listing {
    const struct call *c;
    struct reply lines;
    enum client_type type;
};

static void list_one(void *context, struct client *client)
{
    struct listing *listing = context;
    if (client_has_type(client, listing->type)) {
        put_client(&listing->lines, client, listing->c);
    }
}

static bool list_ids(struct call *c, struct listing *listing)
{
    int64_t id;
    for (size_t i = 3; i < c->argc; i++) {
        if (!number_parse_i64(c->argv[i].ptr, c->argv[i].len, &id)) {
            reply_error(c->reply, "ERR Invalid client ID");
            return false;
        }
        const struct client *client = client_find(c->server, id);
        if (client != NULL) {
            put_client(&listing->lines, client, c);
        }
    }
    return true;
}

void client_list_run(struct call *c)
{
    struct listing listing = {c, {.resp = 2}, CLIENT_TYPE_ANY};
    if (c->argc == 4 && slice_is(c->argv[2], "type")) {
        if (!client_type_parse(c, c->argv[3], &listing.type)) {
            return;
        }
    } else if (c->argc > 3 && slice_is(c->argv[2], "id")) {
        if (!list_ids(c, &listing)) {
            reply_free(&listing.lines);
            return;
        }
        listing.type = CLIENT_TYPE_MASTER; /* no more than these */
    } else if (c->argc != 2) {
        call_syntax_error(c);
        return;
    }
    client_each(c->server, list_one, &listing);
    text_reply(c, &listing.lines);
}
