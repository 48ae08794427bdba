/*
 * Small hashes, sets and sorted sets: a packed run (types/packed.h) that is the value of its entry, whose length it has.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_SMALL_H
#define ORDINAL_COMMANDS_SMALL_H

#include "commands/call.h"
#include "commands/type.h"
#include "types/packed.h"

/* The run of a small collection. */
static inline struct packed small_run(const struct entry *e)
{
    return packed_open(entry_small(e), entry_value_len(e));
}

/* How many items it has. */
static inline size_t small_count(const struct entry *e, size_t each)
{
    uint8_t header = *entry_small(e);
    if (__builtin_expect(header >= PACKED_SLACK, 0)) {
        struct packed run = small_run(e);
        return packed_count(&run, each);
    }
    return header - (size_t)PACKED_NO_ITEMS;
}

/* Gives the value of *e room for `bytes`, before an edit; small_fit comes after it. False, with the error replied, when there is
 * no memory: nothing has changed then. */
static inline bool small_reserve(struct call *c, const struct key *key, struct entry **e, struct packed *run,
                                 size_t bytes)
{
    if (bytes > entry_value_len(*e)) {
        if (!key_resize(c, key, e, bytes)) {
            return false;
        }
        run->bytes = entry_small(*e);
    }
    return true;
}

/* Gives the value the length that the edited run has. Without memory for a shorter entry the longer one stays. */
static inline void small_fit(struct call *c, const struct key *key, struct entry **e, struct packed *run,
                             size_t each)
{
    if (entry_value_len(*e) != run->len) {
        struct entry *moved = db_resize(c->db, key->hash, *e, run->len, c->now);
        *e = moved != NULL ? moved : *e;
        run->bytes = entry_small(*e);
    }
    packed_settle(run, entry_value_len(*e), each);
}

/* An entry, linked nowhere, that holds a run as well as `e`, or these `bytes` of one that is settled. NULL: no memory. */
struct entry *small_copy(const struct entry *e, const struct entry_head *head);
struct entry *small_entry(enum entry_type type, const struct entry_head *head, const struct packed *run);

/* Writes the listpack of the same elements as an RDB string. */
void small_save(struct rdb_writer *writer, const struct entry *e);

#endif
