/*
 * The first of several keys that holds something: what LMPOP and ZMPOP, BLPOP and BZPOPMIN, and all their kin have in common.
 */
#ifndef ORDINAL_COMMANDS_FIRST_H
#define ORDINAL_COMMANDS_FIRST_H

#include "commands/call.h"

/* What is taken, and of which keys: argv[first] … argv[first + keys - 1]. */
struct first {
    size_t first, keys;
    bool far;       /* the second of the two words: from the tail, the highest */
    uint64_t count; /* 1 where there is no COUNT */
};

/* Reads "numkeys key [key ...] near | far [COUNT count]" from argv[at] on, up to the end; False, with the error replied, where
 * that is not what stands there. */
bool first_parse(struct call *c, size_t at, const char *near, const char *far, struct first *f);

/* The entry of the first key that is there, which becomes *key. NULL: there is none or (*wrong, and replied) an earlier one is of
 * another type. */
struct entry *first_entry(struct call *c, const struct first *f, enum entry_type type, struct key *key,
                          bool *wrong);

#endif
