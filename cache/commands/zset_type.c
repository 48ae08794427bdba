/*
 * Sorted sets as a type (type.h): what works for keys of any type does with a sorted set. (RDB: zset_rdb.c.)
 */
#include "commands/digest.h"
#include "commands/type.h"
#include "commands/zset_rdb.h"
#include "commands/zset_value.h"
#include "commands/restate.h"
#include "store/reaper.h"

static const char *encoding(const struct entry *e)
{
    return zset_value_is_small(e) ? "listpack" : "skiplist";
}

static struct zset *copy_large(const struct server *server, const struct zset *from)
{
    struct zset *z = zset_value_new(server);
    for (struct ztree_place at = ztree_at(&from->tree, 0); z != NULL && at.leaf != NULL;
         at = ztree_next(at)) {
        double score = zset_item_score(ztree_item(at));
        if (zset_put(z, item_field(ztree_item(at)), &score, 0) == ZSET_NO_MEMORY) {
            zset_free(z);
            z = NULL;
        }
    }
    return z;
}

static struct entry *copy(const struct server *server, const struct entry *e, const struct entry_head *head)
{
    if (zset_value_is_small(e)) {
        return small_copy(e, head);
    }
    struct zset *z = copy_large(server, entry_object(e));
    struct entry *made =
        z != NULL ? entry_new_object(TYPE_ZSET, head->key, z, head->deadline, head->access) : NULL;
    if (made == NULL) {
        zset_free(z);
    }
    return made;
}

static void digest(struct digest *digest, const struct entry *e)
{
    char room[NUMBER_I64_MAX_CHARS], text[NUMBER_DOUBLE_MAX_CHARS + 1];
    for (struct zset_place at = zset_value_at(e, 0); zset_place_is(&at); zset_place_next(&at)) {
        struct digest one = {{0}};
        struct slice member = zset_place_member(&at, room);
        digest_append(&one, member.ptr, member.len);
        digest_append(&one, text, number_format_double_17g(text, zset_place_score(&at)));
        digest_blend(digest, one.bytes, sizeof one.bytes);
    }
}

static void restate(struct rdb_writer *writer, const struct entry *e)
{
    char room[NUMBER_I64_MAX_CHARS], text[NUMBER_DOUBLE_MAX_CHARS + 1];
    struct restating r = restate_items(writer, e, SLICE("ZADD"), zset_value_count(e), 2);
    for (struct zset_place at = zset_value_at(e, 0); zset_place_is(&at); zset_place_next(&at)) {
        restate_item(&r);
        restate_word(&r, (struct slice){text, number_format_double(text, zset_place_score(&at))});
        restate_word(&r, zset_place_member(&at, room));
    }
}

static void free_object(void *object)
{
    enum { PIECE = 256 };
    struct zset *z = object;
    while (!ztree_free_some(&z->tree, PIECE) || !dict_free_some(&z->dict, PIECE)) {
        reaper_rest();
    }
    zset_free(z);
}

static size_t memory(const void *object)
{
    return zset_memory(object);
}

const struct type type_zset = {
    .name = "zset",
    .encoding = encoding,
    .length = zset_value_count,
    .copy = copy,
    .rdb_type = zset_rdb_type,
    .save = zset_rdb_save,
    .restate = restate,
    .load = zset_rdb_load,
    .digest = digest,
    .free = free_object,
    .memory = memory,
};
