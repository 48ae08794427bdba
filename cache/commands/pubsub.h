/*
 * Publish and subscribe: channels, patterns and shard channels, whichever loops the clients are on. What a client publishes
 * reaches each subscriber in the order in which it was published.
 *
 * A message is copied once into a block that all its receivers' loops share; each loop sends what came for its own clients in one
 * write for a turn (DESIGN: mailboxes). A subscriber that does not read is cut at its class's buffer limit.
 *
 * Threads: publishing and subscribing on any loop, inside the gate (the tables have locks of their own).
 */
#ifndef ORDINAL_COMMANDS_PUBSUB_H
#define ORDINAL_COMMANDS_PUBSUB_H

#include "commands/call.h"

/* Publishes; returns how many clients it is sent to (patterns that fit counted as Redis counts them). */
int64_t pubsub_publish(struct call *c, struct slice channel, struct slice message);
int64_t pubsub_publish_shard(struct call *c, struct slice channel, struct slice message);

/* Subscriptions of a client of all kinds. While there are any, a RESP2 client may only run (P|S)SUBSCRIBE, (P|S)UNSUBSCRIBE,
 * PING, QUIT and RESET. */
int64_t pubsub_count(const struct client *client);

/* Ends all subscriptions of a client without a reply (RESET, connection gone). */
void pubsub_forget(struct client *client);

/* For INFO: channels and patterns with subscribers. */
uint64_t pubsub_channels(struct server *server);
uint64_t pubsub_patterns(struct server *server);
uint64_t pubsub_shard_channels(struct server *server);

#endif
