#include "commands/reload.h"

#include "commands/dump.h"
#include "memory.h"

struct found {
    struct entry *entry;
    uint64_t hash;
};

/* The entries of a database; they are put in place anew only when all are known, since a visit must change nothing. */
struct found_list {
    struct found *items;
    size_t count, cap;
};

static void collect(void *context, struct entry *e, uint64_t hash)
{
    struct found_list *list = context;
    if (list->count < list->cap) {
        list->items[list->count++] = (struct found){e, hash};
    }
}

static bool reload_entry(struct call *c, struct db *db, struct rdb_writer *writer, const struct found *found)
{
    struct entry *old = found->entry;
    if (entry_deadline(old) <= c->now) {
        db_remove(db, found->hash, entry_key(old), c->now, &c->worker->store);
        return true;
    }
    struct entry_head head = {entry_key(old), entry_deadline(old), entry_access(old)};
    struct entry *made;
    rdb_writer_clear(writer);
    return dump_write(writer, old) &&
           dump_read(c->server, (struct slice){(const char *)writer->bytes, writer->len}, &head, &made) ==
               RDB_PAYLOAD_OK &&
           db_put(db, found->hash, made, c->now);
}

static bool reload_db(struct call *c, struct db *db, struct rdb_writer *writer)
{
    struct found_list list = {.cap = db_size(db)};
    if (list.cap == 0) {
        return true;
    }
    list.items = mem_alloc(list.cap * sizeof *list.items);
    if (list.items == NULL) {
        return false;
    }
    db_each(db, collect, &list);
    bool good = true;
    for (size_t i = 0; i < list.count && good; i++) {
        good = reload_entry(c, db, writer, &list.items[i]);
    }
    mem_free(list.items, list.cap * sizeof *list.items);
    return good;
}

bool reload_all(struct call *c)
{
    struct keyspace *ks = &c->server->keyspace;
    struct rdb_writer writer;
    bool good = true;
    rdb_writer_init(&writer, c->server->config->rdbcompression);
    for (int i = 0; i < ks->count && good; i++) {
        good = reload_db(c, &ks->dbs[i], &writer);
    }
    rdb_writer_free(&writer);
    return good;
}
