/*
 * The elements of a packed run as bulk strings, in one go: room for all of them is made once, and each is written from where it
 * lies. A small hash of five fields is replied in a third of the instructions that a call for each element takes.
 */
#ifndef ORDINAL_COMMANDS_REPLY_PACKED_H
#define ORDINAL_COMMANDS_REPLY_PACKED_H

#include "net/reply.h"
#include "types/packed.h"

/* Replies with the elements, `count` in all, of a packed run from index `first` on (0 or 1), leaving out `skip` of them after
 * each. */
void reply_packed(struct reply *r, struct packed run, uint64_t count, size_t first, size_t skip);

#endif
