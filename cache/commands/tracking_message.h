/*
 * Invalidation messages: how trackers are told of keys that have changed.
 *
 * What clients in BCAST mode are told is collected by the worker that changed the keys, each once and in the order of
 * their bytes, until its loop is about to poll.
 *
 * Threads: a worker's own, inside the gate.
 */
#ifndef ORDINAL_COMMANDS_TRACKING_MESSAGE_H
#define ORDINAL_COMMANDS_TRACKING_MESSAGE_H

#include "commands/tracking.h"
#include "commands/tracking_prefix.h"
#include "commands/tracking_table.h"

/* Gives each worker the list that it collects in. */
void tracking_message_init(struct server *server);
void tracking_message_free(struct server *server);

/* Tells all who may have a key, which was taken out of the table, but not `by` where that one is in NOLOOP mode. */
void tracking_send_key(struct worker *w, const struct client *by, const struct tracked_key *key);

/* Tells one tracker that all keys are gone. */
void tracking_send_flush(struct worker *w, struct tracker *tracker);

/* Notes a key for the clients in BCAST mode; whether any is noted; and tells them. */
void tracking_broadcast_key(struct worker *w, const struct client *by, struct slice name);
bool tracking_broadcast_pending(const struct worker *w);
void tracking_broadcast(struct worker *w, const struct prefixes *prefixes);

#endif
