/*
 * The patterns of SORT's BY and GET: "weight_*" is the string at the key whose name is the pattern with an element in the place
 * of the first "*"; "object_*->field" a field of the hash at such a key; "#" the element itself. A pattern without "*" is
 * nothing at all.
 *
 * Threads: alone.
 */
#ifndef ORDINAL_COMMANDS_SORT_PATTERN_H
#define ORDINAL_COMMANDS_SORT_PATTERN_H

#include "commands/call.h"
#include "types/listpack.h"

struct sort_pattern {
    bool element;               /* "#" */
    bool constant;              /* no "*" */
    struct slice before, after; /* of the key's name, around the element */
    struct slice field;         /* empty: the key holds a string */
};

void sort_pattern_parse(struct slice text, struct sort_pattern *pattern);

/* What a pattern stands for. Good until a key changes. */
struct sort_found {
    enum { SORT_NOTHING, SORT_TEXT, SORT_STRING, SORT_FIELD } kind;
    struct slice text;           /* of SORT_TEXT: the element */
    const struct entry *string;  /* of SORT_STRING */
    struct listpack_value field; /* of SORT_FIELD */
};

/* Looks a pattern up for an element. False without memory: nothing is replied. */
bool sort_pattern_find(struct call *c, const struct sort_pattern *pattern, struct slice element,
                       struct sort_found *found);

/* Replies with it as a bulk string, or null. */
void sort_found_reply(struct reply *r, const struct sort_found *found);

#endif
