/*
 * Keyspace notifications: what happens to keys is published, to a channel for the key and to one for the event
 *
 *   __keyspace@<db>__:<key>     message: the event
 *   __keyevent@<db>__:<event>   message: the key
 *
 * as far as the setting notify-keyspace-events asks for channels and classes of events. Source: Redis manual, "Keyspace
 * notifications".
 *
 * Threads: inside the gate.
 */
#ifndef ORDINAL_COMMANDS_NOTIFY_H
#define ORDINAL_COMMANDS_NOTIFY_H

#include "commands/change.h"

/* Follows the setting, from now on: server->listening has LISTENING_EVENTS while it asks for anything. */
void notify_follow_settings(struct server *server);

/* Publishes an event of a key, from a command or from where there is none (expiry, eviction). */
void notify_key(struct worker *w, const struct db *db, struct slice key, enum event_class class,
                const char *event);

#endif
