/*
 * What the commands about deadlines of fields have in common: the words "FIELDS numfields field …", and deadlines, which other
 * than those of keys must lie between 0 and 2^46 - 1 milliseconds of wall time (source: Redis manual, HEXPIRE and HSETEX).
 */
#ifndef ORDINAL_COMMANDS_HASH_FIELDS_H
#define ORDINAL_COMMANDS_HASH_FIELDS_H

#include "commands/expiry.h"
#include "store/entry.h"

/* Reads "FIELDS numfields field …", which must stand at argv[at] and run to the end: the fields are those from argv[*first] on.
 * `bad_number` is the error for a number that is none. Replies with the error and returns false. */
bool hash_fields_parse(struct call *c, size_t at, const char *bad_number, size_t *first);
#define HASH_FIELDS_NUMBER "ERR Number of fields must be a positive integer"

/* The deadline that an argument stands for; it may have passed. As above. */
bool hash_fields_deadline(struct call *c, struct slice arg, enum expiry_unit unit, bool absolute,
                          int64_t *deadline);

/* Logs the deadline of a field that is there, if it has one: HPEXPIREAT (propagate.h). */
void hash_fields_propagate_deadline(struct call *c, const struct key *key, const struct entry *e,
                                    struct slice field);

/* Logs that a field has lost its deadline, as HSET of the value it has: redis-server, when it loads HPERSIST from its append-only
 * file, takes a field whose deadline has passed by then for gone (tried on 8.0.6). */
void hash_fields_propagate_persist(struct call *c, const struct key *key, const struct entry *e,
                                   struct slice field);

/* Whether argv[at] is EX, PX, EXAT or PXAT, which a number has to follow. */
bool hash_fields_expiry_word(const struct call *c, size_t at, enum expiry_unit *unit, bool *absolute);

#endif
