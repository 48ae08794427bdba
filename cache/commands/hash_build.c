#include "commands/hash_build.h"

#include "commands/hash_value.h"
#include "memory.h"

enum {
    COMPARED_IN_PAIRS = 64
}; /* fields of a small hash up to which each is looked for among those before it */

void hash_build_begin(struct hash_build *b, const struct server *server, uint64_t count)
{
    *b = (struct hash_build){.server = server};
    if (count > (uint64_t)server->config->hash_max_listpack_entries) {
        b->hash = hash_new(server->keyspace.secret, KEYSPACE_SECRET);
    }
}

void hash_build_drop(struct hash_build *b)
{
    mem_free(b->run.bytes, b->room);
    if (b->hash != NULL) {
        hash_free(b->hash);
    }
    *b = (struct hash_build){.server = b->server};
}

/* ---- small ---------------------------------------------------------------------------------------------- */

static bool build_reserve(struct hash_build *b, size_t more)
{
    size_t bytes = b->run.bytes != NULL ? b->run.len : PACKED_EMPTY;
    if (bytes + more <= b->room) {
        return true;
    }
    size_t room = (bytes + more) * 2;
    uint8_t *moved = mem_realloc(b->run.bytes, b->room, room);
    if (moved == NULL) {
        return false;
    }
    if (b->run.bytes == NULL) {
        b->run = packed_init(moved);
    }
    b->run.bytes = moved;
    b->room = room;
    return true;
}

static enum rdb_payload_status small_add(struct hash_build *b, struct slice field, struct slice value)
{
    struct element first = element_encode(field);
    struct element second = element_encode(value);
    if (!build_reserve(b, first.size + second.size)) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    packed_insert_pair(&b->run, b->run.len, &first, &second);
    b->fields++;
    return RDB_PAYLOAD_OK;
}

static bool fits_small(const struct hash_build *b, struct slice field, struct slice value, int64_t deadline)
{
    const struct config *config = b->server->config;
    size_t max = (size_t)config->hash_max_listpack_value;
    if (deadline != ITEM_NO_DEADLINE || field.len > max || value.len > max) {
        return false;
    }
    return b->run.bytes == NULL || (b->fields < (uint64_t)config->hash_max_listpack_entries &&
                                    b->run.len + field.len + value.len < PACKED_MAX);
}

/* ---- large ---------------------------------------------------------------------------------------------- */

static enum rdb_payload_status large_add(struct hash *h, struct slice field, struct slice value,
                                         int64_t deadline)
{
    bool created;
    if (hash_put(h, field, value, deadline, INT64_MIN, &created) == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    return created ? RDB_PAYLOAD_OK : RDB_PAYLOAD_BAD_FORMAT;
}

/* All fields of a small hash, in a large one. */
static enum rdb_payload_status add_all(struct hash *h, const struct packed *run)
{
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    for (size_t pos = PACKED_FIRST; pos < run->len && status == RDB_PAYLOAD_OK;) {
        char field[NUMBER_I64_MAX_CHARS], value[NUMBER_I64_MAX_CHARS];
        size_t next = packed_after(run, pos);
        struct listpack_value first = packed_read(run, pos);
        struct listpack_value second = packed_read(run, next);
        status = large_add(h, listpack_text(&first, field), listpack_text(&second, value), ITEM_NO_DEADLINE);
        pos = packed_after(run, next);
    }
    return status;
}

static enum rdb_payload_status grow(struct hash_build *b)
{
    b->hash = hash_new(b->server->keyspace.secret, KEYSPACE_SECRET);
    if (b->hash == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    enum rdb_payload_status status = b->run.bytes != NULL ? add_all(b->hash, &b->run) : RDB_PAYLOAD_OK;
    mem_free(b->run.bytes, b->room);
    b->run.bytes = NULL;
    b->room = 0;
    return status;
}

enum rdb_payload_status hash_build_add(struct hash_build *b, struct slice field, struct slice value,
                                       int64_t deadline)
{
    if (b->hash == NULL && fits_small(b, field, value, deadline)) {
        return small_add(b, field, value);
    }
    if (b->hash == NULL) {
        enum rdb_payload_status status = grow(b);
        if (status != RDB_PAYLOAD_OK) {
            return status;
        }
    }
    return large_add(b->hash, field, value, deadline);
}

/* ---- the entry ------------------------------------------------------------------------------------------ */

/* Whether no field stands in a small hash twice. */
static enum rdb_payload_status check_pairs(const struct packed *run)
{
    for (size_t pos = PACKED_FIRST; pos < run->len;) {
        char room[NUMBER_I64_MAX_CHARS];
        struct listpack_value field = packed_read(run, pos);
        pos = packed_skip(run, pos, HASH_EACH);
        if (packed_find(run, pos, listpack_text(&field, room), HASH_EACH) != PACKED_NONE) {
            return RDB_PAYLOAD_BAD_FORMAT;
        }
    }
    return RDB_PAYLOAD_OK;
}

static enum rdb_payload_status check_small(const struct hash_build *b)
{
    if (b->fields <= COMPARED_IN_PAIRS) {
        return check_pairs(&b->run);
    }
    struct hash *h = hash_new(b->server->keyspace.secret, KEYSPACE_SECRET);
    if (h == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    enum rdb_payload_status status = add_all(h, &b->run);
    hash_free(h);
    return status;
}

static enum rdb_payload_status end_small(const struct hash_build *b, const struct entry_head *head,
                                         struct entry **e)
{
    enum rdb_payload_status status = check_small(b);
    if (status == RDB_PAYLOAD_OK) {
        *e = small_entry(TYPE_HASH, head, &b->run);
        status = *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
    }
    return status;
}

enum rdb_payload_status hash_build_end(struct hash_build *b, const struct entry_head *head, struct entry **e)
{
    enum rdb_payload_status status = RDB_PAYLOAD_BAD_FORMAT;
    if (b->run.bytes != NULL) {
        status = end_small(b, head, e);
    } else if (b->hash != NULL && dict_count(&b->hash->dict) > 0) {
        *e = entry_new_object(TYPE_HASH, head->key, b->hash, head->deadline, head->access);
        status = *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
        b->hash = *e != NULL ? NULL : b->hash;
    }
    hash_build_drop(b);
    return status;
}
