/*
 * Restating: a key as the commands that make it, for the base of an append-only file under aof-use-rdb-preamble no. Collections are
 * restated in pieces of 64 items, and deadlines follow what they are of, as Redis does it. Each type says how (type.h):
 *
 *     RPUSH key e1 … e64 │ RPUSH key e65 … │ PEXPIREAT key …
 *
 * Threads: as for the entry; in a snapshot the walker's.
 */
#ifndef ORDINAL_COMMANDS_RESTATE_H
#define ORDINAL_COMMANDS_RESTATE_H

#include "persist/command_writer.h"
#include "store/entry.h"

/* Writes an entry's commands, with its deadline. */
void restate_entry(struct rdb_writer *writer, const struct entry *e);

/* ---- for the types ---- */

/* The commands of a collection being written. */
struct restating {
    struct rdb_writer *writer;
    struct slice command, key;
    uint64_t items, room; /* still to come: of all, of the present command */
    unsigned words;       /* of an item */
};

/* Begins: `items` items of `words` words each will follow. */
struct restating restate_items(struct rdb_writer *writer, const struct entry *e, struct slice command,
                               uint64_t items, unsigned words);

/* Before the words of an item. */
void restate_item(struct restating *r);

static inline void restate_word(struct restating *r, struct slice word)
{
    command_write_word(r->writer, word);
}

#endif
