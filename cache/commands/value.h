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

/* Its bytes in one run, good until the entry changes: its own where they lie in one run, else a copy. False when there is no
 * memory. What was held has to be released, before or after the entry has changed. */
struct value_run {
    struct slice bytes;
    char *copy; /* or NULL */
};
bool value_hold(const struct entry *e, struct value_run *run);
void value_release(struct value_run *run);

/* Copies bytes from offset `from` on, `max` of them or as many as there are. Returns how many. */
size_t value_copy(struct entry_bytes bytes, size_t from, char *to, size_t max);

/* start and end as GETRANGE and BITCOUNT take them (inclusive, negative: from the end) as offsets within `total` units.
 * False when nothing lies between them. */
bool value_range(int64_t start, int64_t end, uint64_t total, uint64_t *first, uint64_t *last);

/* Replies with the value as a bulk string. */
void value_reply(struct reply *r, const struct entry *e);

/* Whether the value is an integer as INCR takes it. */
bool value_int(const struct entry *e, int64_t *value);

/*
 * Changing: `e` is the entry of `key`, a string; both calls keep its deadline and its access clock, and reply with an error
 * when there is no memory.
 *
 * value_replace gives it other bytes (which must not be its own); in place where they fit, which INCR's nearly always do.
 * value_edit gives what is changed in place: a string of at least `len` bytes, zero bytes behind what was there. `e` may
 * be NULL: the key is then made. NULL when there is no memory.
 * value_may_grow checks a length of at + more against proto-max-bulk-len and replies with Redis's error beyond it.
 */
bool value_replace(struct call *c, const struct key *key, struct entry *e, struct slice value);
struct string *value_edit(struct call *c, const struct key *key, struct entry *e, size_t len);
bool value_may_grow(struct call *c, size_t at, size_t more);

#endif
