/*
 * WATCH: which clients want to know whether a key changes before their EXEC, and whether it did.
 *
 * A table of watched keys, each with its watchers. It has locks of its own, one for each of its stripes, so that loops whose
 * writes look up different keys do not meet; whoever changes a key marks the key's watchers, and a watcher that is marked
 * already is not looked at again.
 *
 * Threads: all calls inside the gate. A client watches a key with the key's shard locked, and whoever changes the key holds
 * the same lock or is alone: so either the change comes before the watch, or it is seen. A client's own list is
 * its loop's; its mark (client->touched) is atomic.
 */
#ifndef ORDINAL_COMMANDS_WATCH_H
#define ORDINAL_COMMANDS_WATCH_H

#include "commands/call.h"

struct watch;
struct watch_table;

/* The server's table. Ends the process when there is no memory. */
struct watch_table *watch_table_new(void);

/* Lets the client watch a key of its database, once. A key past its deadline must have been removed before. False when there
 * is no memory. The key's shard locked, or alone. */
bool watch_add(struct client *client, const struct key *key);

/* Ends all watches of a client, and takes its mark away. */
void watch_forget(struct client *client);

/* Whether all keys that the client watches lie in one shard of its database, that of `hash`; said only of few. */
bool watch_in_shard(const struct client *client, uint64_t hash);

/* Marks a client one of whose watched keys has passed its deadline since. Their shards locked, or alone. */
void watch_expire(struct client *client, int64_t now);

/* A key has changed, or has come or gone. The key's shard locked, or alone. */
void watch_touch(struct server *server, const struct db *db, uint64_t hash, struct slice key);

/* All keys of a database are about to go, or, where `with` is not NULL, to be exchanged with that one's: every watched key that
 * is there, or will be, counts as changed. Alone. */
void watch_touch_all(struct worker *w, struct db *db, struct db *with, int64_t now);

/* For INFO: clients that watch, and keys that are watched. */
uint64_t watch_clients(const struct server *server);
uint64_t watch_keys(const struct server *server);

#endif
