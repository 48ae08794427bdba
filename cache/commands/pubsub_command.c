/*
 * The Pub/Sub commands. Those that change who is subscribed run alone (topic.h says why), publishing and asking do not.
 *
 * What (un)subscribing replies is a message of its own for each name, a push in RESP3, and is sent although the client has
 * turned replies off. What was published before goes out before it: after UNSUBSCRIBE's reply no message of the channel comes.
 */
#include "commands/call.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "commands/outbox.h"
#include "commands/pubsub.h"
#include "types/glob.h"

/* ---- subscribing -------------------------------------------------------------------------------------- */

/* Where the confirmations of one command go: the reply, or, when that is going to be dropped, a buffer that is queued. */
struct confirmations {
    struct call *c;
    enum topic_kind kind;
    struct reply *out;
    struct reply silenced;
};

static void begin(struct confirmations *all, struct call *c, enum topic_kind kind)
{
    all->c = c;
    all->kind = kind;
    all->silenced = (struct reply){.resp = c->reply->resp};
    outbox_catch_up(c->worker);
    if ((c->client->flags & CLIENT_REPLY_MASK) != 0) {
        all->out = &all->silenced;
        return;
    }
    all->out = c->reply;
    if (!c->may_not_block) { /* in a transaction's reply they have no place */
        conn_queue_reply(c->client->conn);
    }
}

/* `ending`: subscriptions that still stand, but are about to end. */
static void confirm(const struct confirmations *all, const char *what, const struct slice *name,
                    int64_t ending)
{
    const struct client *client = all->c->client;
    int64_t count = pubsub_count_kind(client, TOPIC_SHARD);
    if (all->kind != TOPIC_SHARD) {
        count = pubsub_count(client) - count;
    }
    reply_push(all->out, 3);
    reply_bulk_string(all->out, what);
    if (name != NULL) {
        reply_bulk_slice(all->out, *name);
    } else {
        reply_null(all->out);
    }
    reply_int(all->out, count - ending);
}

static void end(struct confirmations *all)
{
    if (all->silenced.failed) {
        conn_close(all->c->client->conn);
    } else if (all->silenced.len > 0) {
        conn_queue_bytes(all->c->client->conn, all->silenced.data, all->silenced.len);
    }
    reply_free(&all->silenced);
}

static void subscribe(struct call *c, enum topic_kind kind, const char *what)
{
    struct confirmations all;
    begin(&all, c, kind);
    for (size_t i = 1; i < c->argc; i++) {
        bool failed;
        pubsub_subscribe(c, kind, c->argv[i], &failed);
        if (failed) {
            call_out_of_memory(c);
            break;
        }
        confirm(&all, what, &c->argv[i], 0);
    }
    end(&all);
}

static void unsubscribe(struct call *c, enum topic_kind kind, const char *what)
{
    struct confirmations all;
    begin(&all, c, kind);
    for (size_t i = 1; i < c->argc; i++) {
        pubsub_unsubscribe(c->client, kind, c->argv[i]);
        confirm(&all, what, &c->argv[i], 0);
    }
    if (c->argc == 1 && pubsub_count_kind(c->client, kind) == 0) {
        confirm(&all, what, NULL, 0);
    }
    while (c->argc == 1 && pubsub_count_kind(c->client, kind) > 0) {
        struct slice name = topic_name(c->client->subscriber->first[kind]->topic);
        confirm(&all, what, &name, 1); /* before the name may go */
        pubsub_unsubscribe(c->client, kind, name);
    }
    end(&all);
}

static void run_subscribe(struct call *c)
{
    subscribe(c, TOPIC_CHANNEL, "subscribe");
}

static void run_unsubscribe(struct call *c)
{
    unsubscribe(c, TOPIC_CHANNEL, "unsubscribe");
}

static void run_psubscribe(struct call *c)
{
    subscribe(c, TOPIC_PATTERN, "psubscribe");
}

static void run_punsubscribe(struct call *c)
{
    unsubscribe(c, TOPIC_PATTERN, "punsubscribe");
}

static void run_ssubscribe(struct call *c)
{
    if (c->may_not_block) { /* Redis keeps the other two inside MULTI only for those who are used to it */
        reply_error(c->reply, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return;
    }
    subscribe(c, TOPIC_SHARD, "ssubscribe");
}

static void run_sunsubscribe(struct call *c)
{
    unsubscribe(c, TOPIC_SHARD, "sunsubscribe");
}

/* ---- publishing --------------------------------------------------------------------------------------- */

/* Subscribers of replicas hear it too. Nothing of it belongs into an append-only file, but there is one stream for all. */
static void tell_replicas(struct call *c)
{
    if (c->server->history.backlog) {
        propagate_as_it_came(c);
        propagate_ran(c); /* dispatch does not where no key is locked */
    }
}

static void run_publish(struct call *c)
{
    reply_int(c->reply, pubsub_publish(c->worker, c->argv[1], c->argv[2]));
    tell_replicas(c);
}

static void run_spublish(struct call *c)
{
    reply_int(c->reply, pubsub_publish_shard(c->worker, c->argv[1], c->argv[2]));
    tell_replicas(c);
}

/* ---- PUBSUB ------------------------------------------------------------------------------------------- */

static void list_topics(struct call *c, enum topic_kind kind)
{
    if (c->argc > 3) {
        call_subcommand_syntax(c);
        return;
    }
    size_t hole = reply_hole(c->reply);
    int64_t count = 0;
    for (const struct topic *topic = pubsub_topics(c->server)->first[kind]; topic != NULL;
         topic = topic->next) {
        if (c->argc == 2 || glob_match(c->argv[2].ptr, c->argv[2].len, topic->name, topic->len, false)) {
            reply_bulk_slice(c->reply, topic_name(topic));
            count++;
        }
    }
    reply_fill_array(c->reply, hole, count);
}

static void count_subscribers(struct call *c, enum topic_kind kind)
{
    reply_array(c->reply, (int64_t)(c->argc - 2) * 2);
    for (size_t i = 2; i < c->argc; i++) {
        const struct topic *topic = topic_find(pubsub_topics(c->server), kind, c->argv[i]);
        reply_bulk_slice(c->reply, c->argv[i]);
        reply_int(c->reply, topic != NULL ? (int64_t)topic->subscribers : 0);
    }
}

static void run_channels(struct call *c)
{
    list_topics(c, TOPIC_CHANNEL);
}

static void run_shardchannels(struct call *c)
{
    list_topics(c, TOPIC_SHARD);
}

static void run_numsub(struct call *c)
{
    count_subscribers(c, TOPIC_CHANNEL);
}

static void run_shardnumsub(struct call *c)
{
    count_subscribers(c, TOPIC_SHARD);
}

static void run_numpat(struct call *c)
{
    reply_int(c->reply, (int64_t)pubsub_patterns(c->server));
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    List the channels that have subscribers, or those of them that fit <pattern>.",
        "NUMPAT",
        "    Tell how many patterns have subscribers.",
        "NUMSUB [<channel> ...]",
        "    Tell how many clients are subscribed to each of these channels, patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels that have subscribers, or those of them that fit <pattern>.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Tell how many clients are subscribed to each of these shard channels.",
        NULL,
    };
    call_help(c, lines);
}

/* ---- rows --------------------------------------------------------------------------------------------- */

enum {
    ASKING = CMD_PUBSUB | CMD_LOADING | CMD_STALE | CMD_LOCAL,
    PUBLISHING = CMD_FAST | CMD_MAY_REPLICATE | ASKING,
    SUBSCRIBING = CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_ALONE,
};

static const struct command subcommands[] = {
    {
        .name = "channels",
        .run = run_channels,
        .arity = -2,
        .flags = ASKING,
        .group = GROUP_PUBSUB,
        .since = "2.8.0",
        .complexity =
            "O(N) where N is the number of active channels, and assuming constant time pattern matching "
            "(relatively short channels and patterns)",
        .summary = "Returns the active channels.",
        .syntax = "[pattern]",
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_PUBSUB,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns helpful text about the different subcommands.",
    },
    {
        .name = "numpat",
        .run = run_numpat,
        .arity = 2,
        .flags = ASKING,
        .group = GROUP_PUBSUB,
        .since = "2.8.0",
        .complexity = "O(1)",
        .summary = "Returns a count of unique pattern subscriptions.",
    },
    {
        .name = "numsub",
        .run = run_numsub,
        .arity = -2,
        .flags = ASKING,
        .group = GROUP_PUBSUB,
        .since = "2.8.0",
        .complexity = "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        .summary = "Returns a count of subscribers to channels.",
        .syntax = "[channel [channel ...]]",
    },
    {
        .name = "shardchannels",
        .run = run_shardchannels,
        .arity = -2,
        .flags = ASKING,
        .group = GROUP_PUBSUB,
        .since = "7.0.0",
        .complexity =
            "O(N) where N is the number of active shard channels, and assuming constant time pattern "
            "matching (relatively short shard channels).",
        .summary = "Returns the active shard channels.",
        .syntax = "[pattern]",
    },
    {
        .name = "shardnumsub",
        .run = run_shardnumsub,
        .arity = -2,
        .flags = ASKING,
        .group = GROUP_PUBSUB,
        .since = "7.0.0",
        .complexity =
            "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        .summary = "Returns a count of subscribers to shard channels.",
        .syntax = "[shardchannel [shardchannel ...]]",
    },
    {0},
};

const struct command pubsub_commands[] = {
    {
        .name = "psubscribe",
        .run = run_psubscribe,
        .arity = -2,
        .flags = SUBSCRIBING,
        .group = GROUP_PUBSUB,
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of patterns the client is already subscribed to.",
        .summary = "Listens for messages published to channels that match one or more patterns.",
        .syntax = "pattern [pattern ...]",
    },
    {
        .name = "publish",
        .run = run_publish,
        .arity = 3,
        .flags = PUBLISHING,
        .group = GROUP_PUBSUB,
        .since = "2.0.0",
        .complexity =
            "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of "
            "subscribed patterns (by any client).",
        .summary = "Posts a message to a channel.",
        .syntax = "channel message",
    },
    {
        .name = "pubsub",
        .run = call_unknown_subcommand,
        .arity = -2,
        .group = GROUP_PUBSUB,
        .since = "2.8.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for Pub/Sub commands.",
        .subcommands = subcommands,
    },
    {
        .name = "punsubscribe",
        .run = run_punsubscribe,
        .arity = -1,
        .flags = SUBSCRIBING,
        .group = GROUP_PUBSUB,
        .since = "2.0.0",
        .complexity =
            "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of "
            "total patterns subscribed in the system (by any client).",
        .summary = "Stops listening to messages published to channels that match one or more patterns.",
        .syntax = "[pattern [pattern ...]]",
    },
    {
        .name = "spublish",
        .run = run_spublish,
        .arity = 3,
        .flags = PUBLISHING,
        .keys = {{1, 1, 1, KEY_NOT_KEY}},
        .group = GROUP_PUBSUB,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        .summary = "Posts a message to a shard channel.",
        .syntax = "shardchannel message",
    },
    {
        .name = "ssubscribe",
        .run = run_ssubscribe,
        .arity = -2,
        .flags = SUBSCRIBING,
        .keys = {{1, -1, 1, KEY_NOT_KEY}},
        .group = GROUP_PUBSUB,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of shard channels to subscribe to.",
        .summary = "Listens for messages published to shard channels.",
        .syntax = "shardchannel [shardchannel ...]",
    },
    {
        .name = "subscribe",
        .run = run_subscribe,
        .arity = -2,
        .flags = SUBSCRIBING,
        .group = GROUP_PUBSUB,
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of channels to subscribe to.",
        .summary = "Listens for messages published to channels.",
        .syntax = "channel [channel ...]",
    },
    {
        .name = "sunsubscribe",
        .run = run_sunsubscribe,
        .arity = -1,
        .flags = SUBSCRIBING,
        .keys = {{1, -1, 1, KEY_NOT_KEY}},
        .group = GROUP_PUBSUB,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of clients already subscribed to a shard channel.",
        .summary = "Stops listening to messages posted to shard channels.",
        .syntax = "[shardchannel [shardchannel ...]]",
    },
    {
        .name = "unsubscribe",
        .run = run_unsubscribe,
        .arity = -1,
        .flags = SUBSCRIBING,
        .group = GROUP_PUBSUB,
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of clients already subscribed to a channel.",
        .summary = "Stops listening to messages posted to channels.",
        .syntax = "[channel [channel ...]]",
    },
    {0},
};
