/*
 * Entries on their way into the keyspace, a batch at a time: all are hashed and their lines fetched before the first is linked,
 * so that the cache misses of a batch overlap.
 *
 * Threads: its owner's alone; rdb_batch_place touches the keyspace, so the caller keeps others away from it.
 */
#ifndef ORDINAL_PERSIST_RDB_BATCH_H
#define ORDINAL_PERSIST_RDB_BATCH_H

#include "store/keyspace.h"

enum { RDB_BATCH = 32 };

struct rdb_batch {
    unsigned count;
    struct {
        struct entry *entry;
        struct db *db;
        uint64_t hash;
        uint64_t offset; /* where its record begins */
    } items[RDB_BATCH];
};

enum rdb_placed { RDB_PLACED, RDB_THERE /* the key is there already */, RDB_NO_MEMORY };

/* Takes the entry over. The batch must not be full; the database must have its shards (db_reserve). */
void rdb_batch_add(struct rdb_batch *batch, struct db *db, struct entry *e, uint64_t offset);

/* Links the entries of the batch; with `replace`, in the place of those that have their keys. When one cannot be linked, it and
 * those after it stay in the batch, it as the first. */
enum rdb_placed rdb_batch_place(struct rdb_batch *batch, bool replace, int64_t now);

/* Frees what was not placed. */
void rdb_batch_drop(struct rdb_batch *batch);

#endif
