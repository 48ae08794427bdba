/*
 * Requests about collections, transactions and channels, for the wild phase.
 */
#ifndef ORDINAL_STRESS_VALUES_H
#define ORDINAL_STRESS_VALUES_H

#include "client.h"

/* Adds one request about a list, hash, set, sorted set or HyperLogLog, or a message to a channel. */
void ask_about_values(struct client *c);

/* Adds a transaction: MULTI, some requests, EXEC or DISCARD; at times after WATCH. Up to TRANSACTION_MOST requests. */
enum { TRANSACTION_MOST = 12 };
void ask_transaction(struct client *c);

/* Subscribes, reads what is published for a moment, and leaves, often without a farewell. */
void subscribe(struct client *c);

#endif
