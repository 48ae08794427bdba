/*
 * What the files of list commands share: popping, with all that belongs to it.
 */
#ifndef ORDINAL_COMMANDS_LIST_H
#define ORDINAL_COMMANDS_LIST_H

#include "commands/list_value.h"

/* Pops the element at an end and replies with it. */
void list_pop_one(struct call *c, const struct key *key, struct entry *e, enum list_end end);

/* Pops up to `count` elements (1 or more) and replies with an array of them. */
void list_pop_many(struct call *c, const struct key *key, struct entry *e, enum list_end end, uint64_t count);

/* After `removed` elements went from a list, which are noted as `event`; `emptied`: and the key with them. */
void list_removed(struct call *c, const struct key *key, uint64_t removed, const char *event, bool emptied);

#endif
