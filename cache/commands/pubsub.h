/*
 * Publish and subscribe: channels, patterns and shard channels, whichever loops the clients are on. What a client publishes
 * reaches each subscriber in the order in which it was published.
 *
 * A message is written once into a block that all its receivers' loops share (net/push.h); each loop sends what came for its own
 * clients in one write for a turn (outbox.h). A subscriber that does not read is cut at the limit of the buffer class `pubsub`,
 * against which a shared block counts in full. A client that publishes to itself gets the message after the reply, as since
 * Redis 7.2.
 *
 * Threads: publishing on any loop, inside the gate, without a lock: subscriptions change under the gate alone (topic.h).
 */
#ifndef ORDINAL_COMMANDS_PUBSUB_H
#define ORDINAL_COMMANDS_PUBSUB_H

#include "commands/call.h"
#include "commands/topic.h"

/* The tables, at start; and away with them, when all connections are gone. */
void pubsub_init(struct server *server);
void pubsub_free(struct server *server);

/* Publishes; returns how many clients it is sent to (patterns that fit counted as Redis counts them). For calls, and for where there
 * is none (a key's event that a sweep comes upon). */
int64_t pubsub_publish(struct worker *w, struct slice channel, struct slice message);
int64_t pubsub_publish_shard(struct worker *w, struct slice channel, struct slice message);

/* Subscribes the call's client, or ends a subscription. Under the gate alone, after outbox_catch_up. False: it was so
 * before; *failed is set when there was no memory. */
bool pubsub_subscribe(struct call *c, enum topic_kind kind, struct slice name, bool *failed);
bool pubsub_unsubscribe(struct client *client, enum topic_kind kind, struct slice name);

/* Subscriptions of a client: of a kind, and of all. While there are any, a RESP2 client may only run (P|S)SUBSCRIBE,
 * (P|S)UNSUBSCRIBE, PING, QUIT and RESET. */
int64_t pubsub_count_kind(const struct client *client, enum topic_kind kind);
int64_t pubsub_count(const struct client *client);

/* Ends all subscriptions of a client without a reply (RESET, connection gone): inside the gate, not alone. */
void pubsub_forget(struct client *client);

/* Memory of a client's subscriptions. */
size_t pubsub_memory(const struct client *client);

/* The tables, for PUBSUB. Inside the gate. */
const struct topics *pubsub_topics(const struct server *server);

/* For INFO: channels and patterns with subscribers, and clients with any subscription. Inside the gate. */
uint64_t pubsub_channels(struct server *server);
uint64_t pubsub_patterns(struct server *server);
uint64_t pubsub_shard_channels(struct server *server);
uint64_t pubsub_clients(struct server *server);

#endif
