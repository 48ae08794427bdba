/*
 * String values, whatever form they have: inside the entry, split, or as a string that grows.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_VALUE_H
#define ORDINAL_COMMANDS_VALUE_H

#include "commands/call.h"
#include "types/string.h"

/* Length of a string value. */
size_t value_len(const struct entry *e);

/* Its bytes in one or two runs, good until the entry changes. */
struct entry_bytes value_bytes(const struct entry *e);

/* Its bytes in one run: those of the entry itself, or a copy in the worker's scratch buffer, which is good until the next
 * value_flat of this worker that needs the buffer. {NULL, 0} when there is no memory. */
struct slice value_flat(struct worker *w, const struct entry *e);

/* Replies with the value as a bulk string. */
void value_reply(struct reply *r, const struct entry *e);

/* Whether the value is an integer as INCR takes it. */
bool value_int(const struct entry *e, int64_t *value);

/* The functions by which the store frees objects of every type. */
extern const struct entry_ops value_ops;

#endif
