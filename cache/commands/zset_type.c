/*
 * Sorted sets as a type (type.h): what works for keys of any type does with a sorted set.
 *
 * A set that is loaded keeps the bytes of its listpack where these are what this server would have written or hold a score in a
 * longer spelling (Redis 7.0 writes 17 digits); every other encoding becomes a large set first, which finds members that are there
 * twice, and a small one of that where the settings allow.
 */
#include <math.h>

#include "commands/digest.h"
#include "commands/type.h"
#include "commands/zset_value.h"

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
        const uint8_t *lp = entry_small(e);
        size_t bytes = listpack_bytes(lp);
        struct entry *made = entry_new_room(TYPE_ZSET, head->key, bytes, head->deadline, head->access);
        if (made != NULL) {
            memcpy(entry_small(made), lp, bytes);
        }
        return made;
    }
    struct zset *z = copy_large(server, entry_object(e));
    struct entry *made =
        z != NULL ? entry_new_object(TYPE_ZSET, head->key, z, head->deadline, head->access) : NULL;
    if (made == NULL) {
        zset_free(z);
    }
    return made;
}

/* ---- RDB -------------------------------------------------------------------------------------------------- */

static enum rdb_type rdb_type(const struct entry *e)
{
    return zset_value_is_small(e) ? RDB_TYPE_ZSET_LISTPACK : RDB_TYPE_ZSET_2;
}

/* A large set goes out from its highest member to its lowest, as Redis writes it, for which reading it in that order is quickest. */
static void save(struct rdb_writer *writer, const struct entry *e)
{
    if (zset_value_is_small(e)) {
        const uint8_t *lp = entry_small(e);
        rdb_write_string(writer, lp, listpack_bytes(lp));
        return;
    }
    const struct zset *z = entry_object(e);
    uint64_t count = zset_count(z);
    rdb_write_length(writer, count);
    for (struct ztree_place at = ztree_at(&z->tree, count - 1); at.leaf != NULL; at = ztree_previous(at)) {
        struct slice member = item_field(ztree_item(at));
        rdb_write_string(writer, member.ptr, member.len);
        rdb_write_double(writer, zset_item_score(ztree_item(at)));
    }
}

/* A score of RDB type 3: a length and so many characters, or one of three marks. */
static bool read_text_score(struct rdb_reader *reader, double *score)
{
    enum { NOT_A_NUMBER = 253, INFINITE = 254, MINUS_INFINITE = 255 };
    uint8_t len;
    const uint8_t *text;
    if (!rdb_read_u8(reader, &len) || len == NOT_A_NUMBER) {
        return false;
    }
    if (len >= INFINITE) {
        *score = len == MINUS_INFINITE ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    return rdb_read_bytes(reader, len, &text) && number_parse_double((const char *)text, len, score);
}

/* One member of types 3 and 5 with its score into the set. */
static enum rdb_payload_status read_member(struct rdb_reader *reader, enum rdb_type type, struct zset *z,
                                           size_t *longest)
{
    struct rdb_string string;
    char digits[NUMBER_I64_MAX_CHARS];
    size_t len;
    double score;
    enum rdb_payload_status status = rdb_payload_read_string(reader, &string);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    const uint8_t *text = rdb_string_text(&string, digits, &len);
    *longest = len > *longest ? len : *longest;
    bool read = type == RDB_TYPE_ZSET_2 ? rdb_read_double(reader, &score) : read_text_score(reader, &score);
    enum zset_result result = read && !isnan(score)
                                  ? zset_put(z, (struct slice){(const char *)text, len}, &score, ZSET_NX)
                                  : ZSET_REFUSED;
    rdb_string_free(&string);
    return result == ZSET_ADDED       ? RDB_PAYLOAD_OK
           : result == ZSET_NO_MEMORY ? RDB_PAYLOAD_NO_MEMORY
                                      : RDB_PAYLOAD_BAD_FORMAT;
}

static enum rdb_payload_status load_members(const struct server *server, struct rdb_reader *reader,
                                            enum rdb_type type, const struct entry_head *head,
                                            struct entry **e)
{
    size_t count, longest = 0;
    if (!rdb_read_count(reader, type == RDB_TYPE_ZSET_2 ? 9 : 2, &count) || count == 0) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    struct zset *z = zset_value_new(server);
    enum rdb_payload_status status = z != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
    for (size_t i = 0; i < count && status == RDB_PAYLOAD_OK; i++) {
        status = read_member(reader, type, z, &longest);
    }
    if (status != RDB_PAYLOAD_OK) {
        zset_free(z);
        return status;
    }
    *e = zset_value_entry(server, head, z, longest);
    return *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
}

/* A large set of a listpack's pairs, in any order; NULL with *status when a score is none, or a member is there twice. */
static struct zset *set_of_pairs(const struct server *server, const uint8_t *lp,
                                 enum rdb_payload_status *status)
{
    struct zset *z = zset_value_new(server);
    enum zset_result result = z != NULL ? ZSET_ADDED : ZSET_NO_MEMORY;
    char room[NUMBER_I64_MAX_CHARS];
    for (size_t pos = listpack_first(lp); result == ZSET_ADDED && pos != LISTPACK_NONE;
         pos = zset_listpack_next(lp, pos)) {
        struct listpack_value value = listpack_read(lp, pos);
        double score = zset_listpack_score(lp, pos);
        result = isnan(score) ? ZSET_NAN : zset_put(z, listpack_text(&value, room), &score, ZSET_NX);
    }
    *status = result == ZSET_ADDED       ? RDB_PAYLOAD_OK
              : result == ZSET_NO_MEMORY ? RDB_PAYLOAD_NO_MEMORY
                                         : RDB_PAYLOAD_BAD_FORMAT;
    if (result != ZSET_ADDED) {
        zset_free(z);
        z = NULL;
    }
    return z;
}

/* The entry of a listpack that was validated. */
static enum rdb_payload_status entry_of_pairs(const struct server *server, const uint8_t *lp, size_t longest,
                                              const struct entry_head *head, struct entry **e)
{
    enum { COMPARED = 256 }; /* members that are compared each with each */
    bool small = zset_value_may_be_small(server, zset_listpack_count(lp), longest);
    if (!small || zset_listpack_count(lp) > COMPARED) {
        enum rdb_payload_status status;
        struct zset *z = set_of_pairs(server, lp, &status);
        if (z == NULL) {
            return status;
        }
        *e = zset_value_entry(server, head, z, longest);
        return *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
    }
    if (!zset_listpack_unique(lp)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    size_t bytes = listpack_bytes(lp);
    *e = entry_new_room(TYPE_ZSET, head->key, bytes, head->deadline, head->access);
    if (*e == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    memcpy(entry_small(*e), lp, bytes);
    return RDB_PAYLOAD_OK;
}

static enum rdb_payload_status load_listpack(const struct server *server, struct rdb_reader *reader,
                                             const struct entry_head *head, struct entry **e)
{
    struct rdb_string string;
    size_t longest;
    enum rdb_payload_status status = rdb_payload_read_string(reader, &string);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    status = RDB_PAYLOAD_BAD_FORMAT;
    if (!string.is_integer && zset_listpack_validate(string.bytes, string.len, &longest)) {
        status = entry_of_pairs(server, string.bytes, longest, head, e);
    }
    rdb_string_free(&string);
    return status;
}

static enum rdb_payload_status load(const struct server *server, struct rdb_reader *reader,
                                    enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    switch (type) {
    case RDB_TYPE_ZSET_LISTPACK: return load_listpack(server, reader, head, e);
    default: return load_members(server, reader, type, head, e);
    }
}

/* ---- the rest --------------------------------------------------------------------------------------------- */

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

static void free_object(void *object)
{
    zset_free(object);
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
    .rdb_type = rdb_type,
    .save = save,
    .load = load,
    .digest = digest,
    .free = free_object,
    .memory = memory,
};
