/*
 * What the commands about keys of any type share: a look that leaves no trace on the entry, and names of types.
 */
#ifndef ORDINAL_COMMANDS_KEY_H
#define ORDINAL_COMMANDS_KEY_H

#include "commands/call.h"

/* The entry for looking at it from outside (TTL, TYPE, EXISTS, OBJECT): counts a hit or a miss as key_read does, but is
 * no use of the value, so the access clock stays. NULL: no such key. */
struct entry *key_look(struct call *c, const struct key *key);

/* The name of a type as TYPE replies it: "string", "zset", … */
const char *key_type_name(enum entry_type type);

#endif
