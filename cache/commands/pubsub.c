#include "commands/pubsub.h"

#include "commands/client.h"
#include "commands/outbox.h"
#include "memory.h"
#include "types/glob.h"
#include "types/number.h"

struct pubsub {
    struct topics topics;
    uint64_t clients; /* with any subscription */
};

void pubsub_init(struct server *server)
{
    server->pubsub = mem_must(sizeof *server->pubsub);
    server->pubsub->clients = 0;
    topics_init(&server->pubsub->topics, &server->keyspace);
}

void pubsub_free(struct server *server)
{
    topics_free(&server->pubsub->topics);
    mem_free(server->pubsub, sizeof *server->pubsub);
}

/* ---- publishing --------------------------------------------------------------------------------------- */

enum { BULK_HEAD_MAX = NUMBER_I64_MAX_CHARS + 5 }; /* "$", the length, two line ends */

static char *put(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_bulk(char *at, struct slice s)
{
    *at++ = '$';
    at += number_format_i64(at, (int64_t)s.len);
    at = put(at, "\r\n", 2);
    at = put(at, s.ptr, s.len);
    return put(at, "\r\n", 2);
}

static size_t bulk_size(struct slice s)
{
    size_t digits = 1;
    for (size_t rest = s.len; rest >= 10; rest /= 10) {
        digits++;
    }
    return digits + s.len + 5;
}

/* A message: an array in RESP2, a push in RESP3, of `head` ("3\r\n$7\r\nmessage\r\n"), the pattern if there is one, channel
 * and message. */
static struct push *make_message(struct slice head, const struct slice *pattern, struct slice channel,
                                 struct slice message)
{
    size_t size =
        head.len + (pattern != NULL ? bulk_size(*pattern) : 0) + bulk_size(channel) + bulk_size(message);
    struct push *push = push_new(SLICE("*"), SLICE(">"), size);
    if (push != NULL) {
        char *at = put(push_body(push), head.ptr, head.len);
        at = pattern != NULL ? put_bulk(at, *pattern) : at;
        at = put_bulk(at, channel);
        put_bulk(at, message);
    }
    return push;
}

/* Sends a push, which is given up, to all audiences of a topic. Returns how many members they have. */
static int64_t send_to(struct worker *w, struct push *push, const struct topic *topic)
{
    int64_t receivers = 0;
    if (push == NULL) {
        return 0;
    }
    for (struct audience *audience = topic->audiences; audience != NULL; audience = audience->next) {
        if (outbox_add(w, push, audience)) {
            receivers += audience->count;
        }
    }
    push_drop(push);
    return receivers;
}

int64_t pubsub_publish(struct worker *w, struct slice channel, struct slice message)
{
    const struct topics *topics = &w->server->pubsub->topics;
    const struct topic *topic = topic_find(topics, TOPIC_CHANNEL, channel);
    int64_t receivers = 0;
    if (topic != NULL) {
        struct push *push = make_message(SLICE("3\r\n$7\r\nmessage\r\n"), NULL, channel, message);
        receivers += send_to(w, push, topic);
    }
    for (topic = topics->first[TOPIC_PATTERN]; topic != NULL; topic = topic->next) {
        struct slice pattern = topic_name(topic);
        if (glob_match(pattern.ptr, pattern.len, channel.ptr, channel.len, false)) {
            struct push *push = make_message(SLICE("4\r\n$8\r\npmessage\r\n"), &pattern, channel, message);
            receivers += send_to(w, push, topic);
        }
    }
    return receivers;
}

int64_t pubsub_publish_shard(struct worker *w, struct slice channel, struct slice message)
{
    const struct topic *topic = topic_find(&w->server->pubsub->topics, TOPIC_SHARD, channel);
    if (topic == NULL) {
        return 0;
    }
    return send_to(w, make_message(SLICE("3\r\n$8\r\nsmessage\r\n"), NULL, channel, message), topic);
}

/* ---- subscribing -------------------------------------------------------------------------------------- */

/* Frees what a client no longer needs once its last subscription has ended. */
static void end_subscriber(struct client *client)
{
    struct subscriber *subscriber = client->subscriber;
    if (subscriber_total(subscriber) > 0) {
        return;
    }
    client->subscriber = NULL;
    client->flags &= ~(uint32_t)CLIENT_SUBSCRIBED;
    client->worker->server->pubsub->clients--;
    mem_free(subscriber, sizeof *subscriber);
    client_choose_limit(client);
}

static bool begin_subscriber(struct client *client)
{
    if (client->subscriber != NULL) {
        return true;
    }
    struct subscriber *subscriber = mem_alloc(sizeof *subscriber);
    if (subscriber == NULL) {
        return false;
    }
    *subscriber = (struct subscriber){.conn = client->conn, .loop = client->worker->loop->index};
    client->subscriber = subscriber;
    client->flags |= CLIENT_SUBSCRIBED;
    client->worker->server->pubsub->clients++;
    client_choose_limit(client);
    return true;
}

bool pubsub_subscribe(struct call *c, enum topic_kind kind, struct slice name, bool *failed)
{
    enum topic_subscribed done = TOPIC_NO_MEMORY;
    if (begin_subscriber(c->client)) {
        done = topic_subscribe(&c->server->pubsub->topics, c->client->subscriber, kind, name);
        end_subscriber(c->client);
    }
    *failed = done == TOPIC_NO_MEMORY;
    return done == TOPIC_SUBSCRIBED;
}

bool pubsub_unsubscribe(struct client *client, enum topic_kind kind, struct slice name)
{
    if (client->subscriber == NULL ||
        !topic_unsubscribe(&client->worker->server->pubsub->topics, client->subscriber, kind, name)) {
        return false;
    }
    end_subscriber(client);
    return true;
}

static void unsubscribe_all(struct client *client)
{
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        while (client->subscriber != NULL && client->subscriber->first[kind] != NULL) {
            pubsub_unsubscribe(client, (enum topic_kind)kind,
                               topic_name(client->subscriber->first[kind]->topic));
        }
    }
}

void pubsub_forget(struct client *client)
{
    struct worker *w = client->worker;
    if (client->subscriber != NULL) {
        gate_alone(&w->server->gate, w->loop->index);
        outbox_catch_up(w);
        unsubscribe_all(client);
        gate_together(&w->server->gate, w->loop->index);
    }
}

/* ---- what is told of it ------------------------------------------------------------------------------- */

int64_t pubsub_count_kind(const struct client *client, enum topic_kind kind)
{
    return client->subscriber != NULL ? client->subscriber->count[kind] : 0;
}

int64_t pubsub_count(const struct client *client)
{
    return client->subscriber != NULL ? subscriber_total(client->subscriber) : 0;
}

size_t pubsub_memory(const struct client *client)
{
    return client->subscriber != NULL
               ? mem_class(sizeof *client->subscriber) + subscriber_memory(client->subscriber)
               : 0;
}

const struct topics *pubsub_topics(const struct server *server)
{
    return &server->pubsub->topics;
}

uint64_t pubsub_channels(struct server *server)
{
    return topic_count(&server->pubsub->topics, TOPIC_CHANNEL);
}

uint64_t pubsub_patterns(struct server *server)
{
    return topic_count(&server->pubsub->topics, TOPIC_PATTERN);
}

uint64_t pubsub_shard_channels(struct server *server)
{
    return topic_count(&server->pubsub->topics, TOPIC_SHARD);
}

uint64_t pubsub_clients(struct server *server)
{
    return server->pubsub->clients;
}
