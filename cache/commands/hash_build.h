/*
 * Building a hash from fields that come one by one, as RDB holds them: small as long as the settings allow it, then large.
 * Fields come in the order of the source and stay in it while the hash is small.
 *
 * Threads: none of its own.
 */
#ifndef ORDINAL_COMMANDS_HASH_BUILD_H
#define ORDINAL_COMMANDS_HASH_BUILD_H

#include "commands/type.h"
#include "types/hash.h"
#include "types/packed.h"

struct hash_build {
    const struct server *server;
    struct packed run; /* while small, from the first field on: in `room` bytes */
    size_t room;
    uint64_t fields;   /* of it */
    struct hash *hash; /* once large, else NULL */
};

/* Begins a hash of about `count` fields. */
void hash_build_begin(struct hash_build *b, const struct server *server, uint64_t count);

/* Adds a field; its deadline is one of the clock's, or ITEM_NO_DEADLINE. BAD_FORMAT for a field that was added before (of a
 * small hash: told by hash_build_end), NO_MEMORY; else OK. */
enum rdb_payload_status hash_build_add(struct hash_build *b, struct slice field, struct slice value,
                                       int64_t deadline);

/* The entry. BAD_FORMAT without fields, or when a field was there twice. What was built is gone in any case. */
enum rdb_payload_status hash_build_end(struct hash_build *b, const struct entry_head *head, struct entry **e);

/* Gives up. */
void hash_build_drop(struct hash_build *b);

#endif
