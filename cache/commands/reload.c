#include "commands/reload.h"

#include "commands/value.h"
#include "memory.h"
#include "persist/rdb_payload.h"

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

/* The value that a payload holds, as a new entry with the old one's key, deadline and access clock; or NULL. */
static struct entry *restore(const struct rdb_writer *writer, const struct entry *old)
{
    struct rdb_reader reader;
    struct rdb_string string;
    uint8_t type;
    if (rdb_payload_open(&reader, writer->bytes, writer->len, SIZE_MAX, &type) != RDB_PAYLOAD_OK ||
        type != RDB_TYPE_STRING || rdb_payload_read_string(&reader, &string) != RDB_PAYLOAD_OK) {
        return NULL;
    }
    struct entry *e = value_from_rdb(entry_key(old), &string, entry_deadline(old), entry_access(old));
    rdb_string_free(&string);
    return e;
}

static bool reload_entry(struct call *c, struct db *db, struct rdb_writer *writer, const struct found *found)
{
    struct entry *old = found->entry;
    if (entry_deadline(old) <= c->now) {
        db_remove(db, found->hash, entry_key(old), c->now, &c->worker->store);
        return true;
    }
    struct value_run value;
    if (!value_hold(old, &value)) {
        return false;
    }
    rdb_writer_clear(writer);
    bool written = rdb_payload_write_string(writer, value.bytes.ptr, value.bytes.len);
    value_release(&value);
    struct entry *made = written ? restore(writer, old) : NULL;
    return made != NULL && db_put(db, found->hash, made, c->now);
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
