/*
 * Hashes as a type (type.h): what works for keys of any type does with a hash. (RDB: hash_rdb.c.)
 */
#include "clock.h"
#include "commands/digest.h"
#include "commands/hash_rdb.h"
#include "commands/hash_value.h"
#include "commands/propagate.h"
#include "commands/type.h"
#include "commands/restate.h"
#include "store/reaper.h"

static const char *encoding(const struct entry *e)
{
    return hash_value_is_small(e) ? "listpack" : "hashtable";
}

/* Fields past their deadline are counted until they are swept. */
static uint64_t length(const struct entry *e)
{
    return hash_value_count(e, INT64_MIN);
}

/* A hash with the same fields, values and deadlines. */
static struct hash *copy_hash(const struct server *server, const struct hash *from)
{
    struct hash *h = hash_new(server->keyspace.secret, KEYSPACE_SECRET);
    struct dict_iterator at = {0};
    const struct dict_item *it;
    while (h != NULL && (it = dict_next(&from->dict, &at)) != NULL) {
        struct item_parts parts = item_parts(it);
        bool created;
        if (hash_put(h, parts.field, parts.value, parts.deadline, INT64_MIN, &created) == NULL) {
            hash_free(h);
            h = NULL;
        }
    }
    return h;
}

static struct entry *copy(const struct server *server, const struct entry *e, const struct entry_head *head)
{
    if (hash_value_is_small(e)) {
        return small_copy(e, head);
    }
    struct hash *h = copy_hash(server, entry_object(e));
    struct entry *made =
        h != NULL ? entry_new_object(TYPE_HASH, head->key, h, head->deadline, head->access) : NULL;
    if (made == NULL && h != NULL) {
        hash_free(h);
    }
    return made;
}

/* A field's digest joins the others whatever their order; Redis's word for a deadline is part of it. */
static void digest(struct digest *digest, const struct entry *e)
{
    struct hash_iterator at = hash_value_iterate(e, clock_now());
    struct hash_pair pair;
    while (hash_value_next(&at, &pair)) {
        char field[NUMBER_I64_MAX_CHARS], value[NUMBER_I64_MAX_CHARS];
        struct slice text = listpack_text(&pair.field, field);
        struct digest one = {{0}};
        digest_append(&one, text.ptr, text.len);
        if (hash_value_deadline(e, text) != ENTRY_NO_DEADLINE) {
            digest_append(&one, "!!hexpire!!", 11);
        }
        text = listpack_text(&pair.value, value);
        digest_append(&one, text.ptr, text.len);
        digest_blend(digest, one.bytes, sizeof one.bytes);
    }
}

/* Deadlines follow when all fields are there: HSET takes them away. */
static void restate_deadlines(struct rdb_writer *writer, const struct entry *e)
{
    const struct hash *h = entry_object(e);
    struct dict_iterator at = {0};
    const struct dict_item *it;
    while ((it = dict_next(&h->dict, &at)) != NULL) {
        if (item_is_timed(it)) {
            command_write_begin(writer, 6);
            command_write_word(writer, SLICE("HPEXPIREAT"));
            command_write_word(writer, entry_key(e));
            command_write_int(writer, clock_to_wall_kept(item_deadline(it)));
            command_write_word(writer, SLICE("FIELDS"));
            command_write_int(writer, 1);
            command_write_word(writer, item_field(it));
        }
    }
}

static void restate(struct rdb_writer *writer, const struct entry *e)
{
    struct hash_iterator at = hash_value_iterate(e, ENTRY_NOTHING_DUE);
    struct hash_pair pair;
    char digits[NUMBER_I64_MAX_CHARS];
    struct restating r =
        restate_items(writer, e, SLICE("HSET"), hash_value_count(e, ENTRY_NOTHING_DUE), HASH_EACH);
    while (hash_value_next(&at, &pair)) {
        restate_item(&r);
        restate_word(&r, listpack_text(&pair.field, digits));
        restate_word(&r, listpack_text(&pair.value, digits));
    }
    if (hash_rdb_type(e) == RDB_TYPE_HASH_METADATA) {
        restate_deadlines(writer, e);
    }
}

static void free_object(void *object)
{
    enum { PIECE = 256 };
    struct hash *h = object;
    while (!ztree_free_some(&h->order, PIECE) || !dict_free_some(&h->dict, PIECE)) {
        reaper_rest();
    }
    hash_free(h);
}

static size_t memory(const void *object)
{
    return hash_memory(object);
}

static int64_t parts_due(const void *object)
{
    return hash_due(object);
}

static bool sweep_parts(void *object, int64_t now, uint64_t budget, uint64_t *dropped)
{
    struct hash *h = object;
    if (hash_count(h, now) == 0) {
        *dropped = dict_count(&h->dict);
        return false;
    }
    *dropped = hash_sweep(h, now, budget, propagate_field_gone);
    return true;
}

const struct type type_hash = {
    .name = "hash",
    .encoding = encoding,
    .length = length,
    .copy = copy,
    .rdb_type = hash_rdb_type,
    .save = hash_rdb_save,
    .restate = restate,
    .load = hash_rdb_load,
    .digest = digest,
    .free = free_object,
    .memory = memory,
    .parts_due = parts_due,
    .sweep_parts = sweep_parts,
};
