#include "commands/hash_build.h"

#include "memory.h"
#include "types/listpack.h"

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
    mem_free(b->lp, b->room);
    if (b->hash != NULL) {
        hash_free(b->hash);
    }
    *b = (struct hash_build){.server = b->server};
}

/* ---- small ---------------------------------------------------------------------------------------------- */

static bool small_reserve(struct hash_build *b, size_t more)
{
    size_t bytes = b->lp != NULL ? listpack_bytes(b->lp) : LISTPACK_EMPTY;
    if (bytes + more <= b->room) {
        return true;
    }
    size_t room = (bytes + more) * 2;
    uint8_t *lp = mem_realloc(b->lp, b->room, room);
    if (lp == NULL) {
        return false;
    }
    if (b->lp == NULL) {
        listpack_init(lp);
    }
    b->lp = lp;
    b->room = room;
    return true;
}

static enum rdb_payload_status small_add(struct hash_build *b, struct slice field, struct slice value)
{
    struct listpack_element first = listpack_encode(field);
    struct listpack_element second = listpack_encode(value);
    if (!small_reserve(b, first.size + second.size)) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    listpack_append(b->lp, &first);
    listpack_append(b->lp, &second);
    return RDB_PAYLOAD_OK;
}

static bool fits_small(const struct hash_build *b, struct slice field, struct slice value, int64_t deadline)
{
    const struct config *config = b->server->config;
    size_t max = (size_t)config->hash_max_listpack_value;
    if (deadline != ITEM_NO_DEADLINE || field.len > max || value.len > max) {
        return false;
    }
    return b->lp == NULL || (listpack_count(b->lp) / 2 < (uint64_t)config->hash_max_listpack_entries &&
                             listpack_bytes(b->lp) + field.len + value.len < LISTPACK_MAX);
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
static enum rdb_payload_status add_all(struct hash *h, const uint8_t *lp)
{
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE && status == RDB_PAYLOAD_OK;) {
        char field[NUMBER_I64_MAX_CHARS], value[NUMBER_I64_MAX_CHARS];
        size_t next = listpack_after(lp, pos);
        struct listpack_value first = listpack_read(lp, pos);
        struct listpack_value second = listpack_read(lp, next);
        status = large_add(h, listpack_text(&first, field), listpack_text(&second, value), ITEM_NO_DEADLINE);
        pos = listpack_next(lp, next);
    }
    return status;
}

static enum rdb_payload_status grow(struct hash_build *b)
{
    b->hash = hash_new(b->server->keyspace.secret, KEYSPACE_SECRET);
    if (b->hash == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    enum rdb_payload_status status = b->lp != NULL ? add_all(b->hash, b->lp) : RDB_PAYLOAD_OK;
    mem_free(b->lp, b->room);
    b->lp = NULL;
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
static enum rdb_payload_status check_pairs(const uint8_t *lp)
{
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE;) {
        char room[NUMBER_I64_MAX_CHARS];
        struct listpack_value field = listpack_read(lp, pos);
        size_t next = listpack_next(lp, listpack_after(lp, pos));
        if (next != LISTPACK_NONE &&
            listpack_find(lp, next, listpack_text(&field, room), 1) != LISTPACK_NONE) {
            return RDB_PAYLOAD_BAD_FORMAT;
        }
        pos = next;
    }
    return RDB_PAYLOAD_OK;
}

static enum rdb_payload_status check_small(const struct hash_build *b)
{
    if (listpack_count(b->lp) / 2 <= COMPARED_IN_PAIRS) {
        return check_pairs(b->lp);
    }
    struct hash *h = hash_new(b->server->keyspace.secret, KEYSPACE_SECRET);
    if (h == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    enum rdb_payload_status status = add_all(h, b->lp);
    hash_free(h);
    return status;
}

static struct entry *entry_of_small(const struct hash_build *b, const struct entry_head *head)
{
    size_t bytes = listpack_bytes(b->lp);
    struct entry *made = entry_new_room(TYPE_HASH, head->key, bytes, head->deadline, head->access);
    if (made != NULL) {
        memcpy(entry_area(made), b->lp, bytes);
    }
    return made;
}

static enum rdb_payload_status end_small(const struct hash_build *b, const struct entry_head *head,
                                         struct entry **e)
{
    enum rdb_payload_status status = check_small(b);
    if (status == RDB_PAYLOAD_OK) {
        *e = entry_of_small(b, head);
        status = *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
    }
    return status;
}

enum rdb_payload_status hash_build_end(struct hash_build *b, const struct entry_head *head, struct entry **e)
{
    enum rdb_payload_status status = RDB_PAYLOAD_BAD_FORMAT;
    if (b->lp != NULL) {
        status = end_small(b, head, e);
    } else if (b->hash != NULL && dict_count(&b->hash->dict) > 0) {
        *e = entry_new_object(TYPE_HASH, head->key, b->hash, head->deadline, head->access);
        status = *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
        b->hash = *e != NULL ? NULL : b->hash;
    }
    hash_build_drop(b);
    return status;
}
