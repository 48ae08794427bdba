/*
 * The types of values, and what every type must be able to do, whatever commands it has: be freed and measured, name its
 * encoding, be copied, written as RDB and read back, digested. What works for keys of any type (COPY, DUMP, OBJECT, MEMORY,
 * DEBUG, the reaper, snapshots) goes through this table and knows no type.
 *
 * A value of a collection is small (its bytes lie in the entry: FORM_INLINE) or large (FORM_OBJECT, a structure of `types/`).
 *
 * Threads: as for the entry; free runs on the reaper's thread too.
 */
#ifndef ORDINAL_COMMANDS_TYPE_H
#define ORDINAL_COMMANDS_TYPE_H

#include "commands/server.h"
#include "persist/rdb_payload.h"

struct digest;

struct type {
    const char *name; /* as TYPE replies it */

    /* As OBJECT ENCODING replies it. */
    const char *(*encoding)(const struct entry *e);

    /* Elements; of a string: bytes. */
    uint64_t (*length)(const struct entry *e);

    /* A copy of the value under another head, not linked anywhere; NULL when there is no memory. */
    struct entry *(*copy)(const struct server *server, const struct entry *e, const struct entry_head *head);

    /* The RDB type by which the value is written, and the value itself without it. What memory is short of, the writer
     * remembers. The formats are those that Redis 7.0 reads. */
    enum rdb_type (*rdb_type)(const struct entry *e);
    void (*save)(struct rdb_writer *writer, const struct entry *e);

    /* Writes the value as the commands that make it (restate.h), without the key's deadline. */
    void (*restate)(struct rdb_writer *writer, const struct entry *e);

    /* Reads a value of one of the RDB types that type_of_rdb gives to this type, from bytes that anyone may have made up:
     * encodings are checked to the last byte. The entry is not linked anywhere, small or large as the settings say.
     * RDB_PAYLOAD_OK with *e set; or BAD_FORMAT, NO_MEMORY. A collection without elements is BAD_FORMAT. */
    enum rdb_payload_status (*load)(const struct server *server, struct rdb_reader *reader,
                                    enum rdb_type rdb_type, const struct entry_head *head, struct entry **e);

    /* Adds the value to a digest as Redis does (digest.h). */
    void (*digest)(struct digest *digest, const struct entry *e);

    /* Of the object of a large value: frees it; its bytes, as size classes. */
    void (*free)(void *object);
    size_t (*memory)(const void *object);

    /* Of a type whose parts may have deadlines of their own (entry_ops), else NULL. */
    int64_t (*parts_due)(const void *object);
    bool (*sweep_parts)(void *object, int64_t now, uint64_t budget, uint64_t *dropped);
};

/* The types; one file each. */
extern const struct type type_list;
extern const struct type type_string;
extern const struct type type_hash;
extern const struct type type_set;
extern const struct type type_zset;

/* The type of an entry's value. */
const struct type *type_of(const struct entry *e);

/* The type whose `load` reads an RDB type, or NULL when none does. */
const struct type *type_of_rdb(enum rdb_type rdb_type);

/* The functions by which the store frees objects of every type. */
extern const struct entry_ops type_entry_ops;

#endif
