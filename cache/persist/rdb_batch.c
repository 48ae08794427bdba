#include "persist/rdb_batch.h"

void rdb_batch_add(struct rdb_batch *batch, struct db *db, struct entry *e, uint64_t offset)
{
    uint64_t hash = keyspace_hash(db->keyspace, entry_key(e));
    batch->items[batch->count].entry = e;
    batch->items[batch->count].db = db;
    batch->items[batch->count].hash = hash;
    batch->items[batch->count].offset = offset;
    batch->count++;
    __builtin_prefetch(db_shard(db, hash));
}

static enum rdb_placed place(struct db *db, uint64_t hash, struct entry *e, bool replace, int64_t now)
{
    struct shard *s = db_shard(db, hash);
    if (shard_find(s, hash, entry_key(e)).line == NULL) {
        return shard_insert(s, hash, e, now) ? RDB_PLACED : RDB_NO_MEMORY;
    }
    if (!replace) {
        return RDB_THERE;
    }
    db_put(db, hash, e, now); /* in the place of another, which needs no memory */
    return RDB_PLACED;
}

enum rdb_placed rdb_batch_place(struct rdb_batch *batch, bool replace, int64_t now)
{
    enum rdb_placed placed = RDB_PLACED;
    unsigned done = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        shard_prefetch(db_shard(batch->items[i].db, batch->items[i].hash), batch->items[i].hash);
    }
    while (done < batch->count) {
        placed =
            place(batch->items[done].db, batch->items[done].hash, batch->items[done].entry, replace, now);
        if (placed != RDB_PLACED) {
            break;
        }
        done++;
    }
    batch->count -= done;
    for (unsigned i = 0; i < batch->count; i++) {
        batch->items[i] = batch->items[done + i];
    }
    return placed;
}

void rdb_batch_drop(struct rdb_batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        entry_free(batch->items[i].entry);
    }
    batch->count = 0;
}
