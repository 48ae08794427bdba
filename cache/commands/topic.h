/*
 * Topics: what may be subscribed to (channels, patterns and shard channels, each in a table of its own), and who is. A
 * topic's subscribers stand in an audience for each loop that has any, as an array of their connections: what is published
 * goes to an audience as a whole, and each loop walks its own without looking anything up.
 *
 *   topics: name → topic → audience of loop 0: conn, conn, conn
 *                        → audience of loop 2: conn
 *           (subscriber, topic) → subscription, which knows its place in the audience
 *
 * A topic lives while it has subscribers, an audience while it has members: its address is good as long.
 *
 * Threads: changed under the gate alone, and an audience by its own loop only; read by any loop inside the gate, so PUBLISH takes
 * no lock. (To subscribe is rare beside publishing, and costs the other loops the end of their current command.)
 */
#ifndef ORDINAL_COMMANDS_TOPIC_H
#define ORDINAL_COMMANDS_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "store/keyspace.h"
#include "types/chain.h"

struct conn;

enum topic_kind { TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD, TOPIC_KINDS };

struct audience {
    struct audience *next; /* of the same topic */
    int loop;
    uint32_t count, cap;
    struct member {
        struct conn *conn;
        struct subscription *subscription;
    } * members;
};

struct topic {
    struct chain_link link;
    struct topic *next, *previous; /* of the same kind */
    enum topic_kind kind;
    uint64_t subscribers;
    struct audience *audiences;
    size_t len;
    char name[];
};

struct subscription {
    struct chain_link link;
    struct subscriber *subscriber;
    struct topic *topic;
    struct audience *audience;
    uint32_t index;                       /* of its place among the audience's members */
    struct subscription *next, *previous; /* of the same subscriber and kind, oldest first */
};

/* Someone who subscribes. Zeroed but for conn and loop at first. */
struct subscriber {
    struct conn *conn;
    int loop;
    int64_t count[TOPIC_KINDS];
    struct subscription *first[TOPIC_KINDS], *last[TOPIC_KINDS];
};

struct topics {
    const struct keyspace *keyspace; /* whose secret hashes the names */
    struct chain named[TOPIC_KINDS];
    struct topic *first[TOPIC_KINDS], *last[TOPIC_KINDS];
    struct chain subscriptions;
};

enum topic_subscribed { TOPIC_SUBSCRIBED, TOPIC_SUBSCRIBED_BEFORE, TOPIC_NO_MEMORY };

void topics_init(struct topics *topics, const struct keyspace *keyspace);

/* Frees the tables; nobody may be subscribed any more. */
void topics_free(struct topics *topics);

/* The topic of a name, or NULL when nobody is subscribed to it. */
struct topic *topic_find(const struct topics *topics, enum topic_kind kind, struct slice name);

static inline struct slice topic_name(const struct topic *topic)
{
    return (struct slice){topic->name, topic->len};
}

/* How many topics of a kind have subscribers. */
static inline uint64_t topic_count(const struct topics *topics, enum topic_kind kind)
{
    return topics->named[kind].count;
}

enum topic_subscribed topic_subscribe(struct topics *topics, struct subscriber *subscriber,
                                      enum topic_kind kind, struct slice name);

/* False when it was not subscribed. `name` may be the topic's own. */
bool topic_unsubscribe(struct topics *topics, struct subscriber *subscriber, enum topic_kind kind,
                       struct slice name);

/* Subscriptions of all kinds. */
static inline int64_t subscriber_total(const struct subscriber *subscriber)
{
    return subscriber->count[TOPIC_CHANNEL] + subscriber->count[TOPIC_PATTERN] +
           subscriber->count[TOPIC_SHARD];
}

/* Bytes that its subscriptions take. */
size_t subscriber_memory(const struct subscriber *subscriber);

#endif
