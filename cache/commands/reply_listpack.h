/*
 * The elements of a listpack as bulk strings, in one go: room for all of them is made once, and each is written from where it
 * lies. A small hash of five fields is replied in a third of the instructions that a call for each element takes.
 */
#ifndef ORDINAL_COMMANDS_REPLY_LISTPACK_H
#define ORDINAL_COMMANDS_REPLY_LISTPACK_H

#include "net/reply.h"
#include "types/listpack.h"

/* Replies with the elements of a listpack from index `first` on (0 or 1), leaving out `skip` of them after each. */
void reply_listpack(struct reply *r, const uint8_t *lp, size_t first, size_t skip);

#endif
