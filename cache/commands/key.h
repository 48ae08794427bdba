/*
 * What the commands about keys of any type share: a look that leaves no trace on the entry.
 */
#ifndef ORDINAL_COMMANDS_KEY_H
#define ORDINAL_COMMANDS_KEY_H

#include "commands/call.h"

/* The entry for looking at it from outside (TTL, TYPE, EXISTS, OBJECT): counts a hit or a miss as key_read does, but is
 * no use of the value, so the access clock stays. NULL: no such key. */
struct entry *key_look(struct call *c, const struct key *key);

/* The same without the event "keymiss" (OBJECT). */
struct entry *key_look_silently(struct call *c, const struct key *key);

#endif
