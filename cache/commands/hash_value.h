/*
 * Hash values, whatever form they have: a packed run of field, value, field, value, … in the entry, or a hash (types/hash.h).
 * A hash any of whose fields has, or once had, a deadline is of the second kind.
 *
 * Whatever takes `now` sees fields past their deadline as gone.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_HASH_VALUE_H
#define ORDINAL_COMMANDS_HASH_VALUE_H

#include "commands/call.h"
#include "commands/small.h"
#include "types/hash.h"

enum { HASH_EACH = 2 }; /* elements of an item of a small hash */

static inline bool hash_value_is_small(const struct entry *e)
{
    return entry_form(e) == FORM_INLINE;
}

/* ---- reading ---- */

/* Fields. */
uint64_t hash_value_count(const struct entry *e, int64_t now);

/* The value of a field; false when there is no such field. Good until the hash changes. */
bool hash_value_get(const struct entry *e, struct slice field, int64_t now, struct listpack_value *value);

/* The deadline of a field that is there: ENTRY_NO_DEADLINE when it has none. */
int64_t hash_value_deadline(const struct entry *e, struct slice field);

/* Goes through all fields of a hash that does not change meanwhile, in the order in which it holds them. */
struct hash_iterator {
    struct packed run; /* of a small hash, else without bytes … */
    size_t pos;
    const struct hash *hash;
    struct dict_iterator at;
    int64_t now;
};
struct hash_pair {
    struct listpack_value field, value;
};
struct hash_iterator hash_value_iterate(const struct entry *e, int64_t now);
bool hash_value_next(struct hash_iterator *it, struct hash_pair *pair);

/* An item of a large hash as a pair. */
struct hash_pair hash_value_pair(const struct dict_item *it);

/* Replies with a value as a bulk string. */
void hash_value_reply(struct reply *r, const struct listpack_value *value);

/* ---- changing: `key` holds *e, which follows the entry when it moves ---- */

/* Sets the `count` fields of field, value, … at `pairs`, and counts in *created those that were not there. Deadlines of fields
 * that are set go. *e may be NULL: the key is then made. False, with the error replied, when there is no memory; of a large
 * hash the fields before the one that failed are set by then. */
bool hash_value_set(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                    size_t count, uint64_t *created);

/* Sets one field to a value, and keeps its deadline. As above. */
bool hash_value_update(struct call *c, const struct key *key, struct entry **e, struct slice field,
                       struct slice value);

/* Sets fields as hash_value_set does, and gives each a deadline, which must lie ahead. */
bool hash_value_set_timed(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                          size_t count, int64_t deadline);

/* Gives a field, which must be there, a deadline that lies ahead, or takes it away (ITEM_NO_DEADLINE). As above. When a command
 * has done so with all its fields it calls hash_value_timed, so that the store looks at the hash in time. */
bool hash_value_expire(struct call *c, const struct key *key, struct entry **e, struct slice field,
                       int64_t deadline);
void hash_value_timed(struct call *c, const struct key *key, struct entry *e);

/* Removes a field; false when there was none. The entry may be left without any: see hash_value_trim. */
bool hash_value_remove(struct entry *e, struct slice field, int64_t now);

/* After removals: gives back memory that a small hash needs no more, and deletes the key of an empty hash, which is then
 * true. */
bool hash_value_trim(struct call *c, const struct key *key, struct entry *e);

#endif
