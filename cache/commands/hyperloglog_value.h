/*
 * A HyperLogLog as the value of a key: a string (types/hyperloglog.h) in whatever form its entry has, and the change of one.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_HYPERLOGLOG_VALUE_H
#define ORDINAL_COMMANDS_HYPERLOGLOG_VALUE_H

#include "commands/call.h"
#include "types/hyperloglog.h"
#include "types/string.h"

/* Whether the entry is one; replies with Redis's error if not. */
bool hll_entry_check(struct call *c, const struct entry *e);

/* The first bytes of its value, header included, which may be written; the whole value where it lies in one run. */
uint8_t *hll_entry_head(const struct entry *e);

/* Redis's error for a value that has the header of one and is none. */
void hll_reply_corrupt(struct call *c);

/* Raises `registers` to those of the entry's value. False, with the error replied, when that is corrupt or no memory is left. */
bool hll_entry_merge(struct call *c, const struct entry *e, uint8_t *registers);

/*
 * A change of the HyperLogLog at a key: hll_edit_begin takes all memory that at most `changes` raises can need, so that
 * none runs out halfway, and hll_edit_end gives back what was not used. Between the two nothing else may touch the key.
 * e       the key's entry, which has passed hll_entry_check, or NULL: an empty one is made
 * dense   whether it may turn dense whatever its length: a rank is above HLL_SPARSE_MAX_RANK, or it is wanted so
 * False, with the error replied and nothing changed, when there is no memory.
 */
struct hll_edit {
    struct call *c;
    const struct key *key;
    struct string *s;     /* the value */
    struct string *dense; /* what it can turn into, or NULL */
    size_t max_sparse;
};
bool hll_edit_begin(struct call *c, const struct key *key, struct entry *e, size_t changes, bool dense,
                    struct hll_edit *edit);
void hll_edit_end(struct hll_edit *edit);

/* Raises one register: HLL_SAME, HLL_CHANGED or HLL_CORRUPT. */
enum hll_status hll_edit_raise(struct hll_edit *edit, struct hll_hit hit);

/* Turns it dense, which hll_edit_begin must have been told of; false: corrupt. */
bool hll_edit_to_dense(struct hll_edit *edit);

static inline uint8_t *hll_edit_bytes(const struct hll_edit *edit)
{
    return (uint8_t *)edit->s->bytes;
}

#endif
