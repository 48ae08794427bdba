/*
 * A set that is loaded keeps the elements of its listpack where the settings allow it to be small: these are sound then,
 * in order, and without a member twice, but a score may have a longer spelling than this server's (Redis 7.0 writes 17
 * digits). Every other encoding becomes a large set first, which finds members that are there twice, and a small one of
 * that where the settings allow.
 */
#include "commands/zset_rdb.h"

#include <math.h>

#include "commands/zset_value.h"
#include "persist/ziplist.h"
#include "types/listpack.h"

enum rdb_type zset_rdb_type(const struct entry *e)
{
    return zset_value_is_small(e) ? RDB_TYPE_ZSET_LISTPACK : RDB_TYPE_ZSET_2;
}

/* A large set goes out from its highest member to its lowest, as Redis writes it. */
void zset_rdb_save(struct rdb_writer *writer, const struct entry *e)
{
    if (zset_value_is_small(e)) {
        small_save(writer, e);
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

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* A set that is being read. */
struct reading {
    struct zset *z;
    size_t longest; /* member */
    enum rdb_payload_status status;
};

static void begin(struct reading *reading, const struct server *server)
{
    reading->z = zset_value_new(server);
    reading->longest = 0;
    reading->status = reading->z != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
}

/* Takes in a member; one that is there already, or a score that is no number, makes the format bad. */
static void take(struct reading *reading, struct slice member, double score)
{
    enum zset_result result = isnan(score) ? ZSET_NAN : zset_put(reading->z, member, &score, ZSET_NX);
    reading->longest = member.len > reading->longest ? member.len : reading->longest;
    if (result != ZSET_ADDED) {
        reading->status = result == ZSET_NO_MEMORY ? RDB_PAYLOAD_NO_MEMORY : RDB_PAYLOAD_BAD_FORMAT;
    }
}

/* The entry of what was read, or why there is none. */
static enum rdb_payload_status end(struct reading *reading, const struct server *server,
                                   const struct entry_head *head, struct entry **e)
{
    if (reading->status != RDB_PAYLOAD_OK || zset_count(reading->z) == 0) {
        zset_free(reading->z);
        return reading->status != RDB_PAYLOAD_OK ? reading->status : RDB_PAYLOAD_BAD_FORMAT;
    }
    *e = zset_value_entry(server, head, reading->z, reading->longest);
    return *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
}

/* A score of type 3: a length and so many characters, or one of three marks. */
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

/* One member of types 3 and 5 with its score. */
static void read_member(struct rdb_reader *reader, enum rdb_type type, struct reading *reading)
{
    struct rdb_string string;
    char digits[NUMBER_I64_MAX_CHARS];
    size_t len;
    double score;
    reading->status = rdb_payload_read_string(reader, &string);
    if (reading->status != RDB_PAYLOAD_OK) {
        return;
    }
    const uint8_t *text = rdb_string_text(&string, digits, &len);
    if (type == RDB_TYPE_ZSET_2 ? rdb_read_double(reader, &score) : read_text_score(reader, &score)) {
        take(reading, (struct slice){(const char *)text, len}, score);
    } else {
        reading->status = RDB_PAYLOAD_BAD_FORMAT;
    }
    rdb_string_free(&string);
}

static enum rdb_payload_status load_members(const struct server *server, struct rdb_reader *reader,
                                            enum rdb_type type, const struct entry_head *head,
                                            struct entry **e)
{
    struct reading reading;
    size_t count;
    if (!rdb_read_count(reader, type == RDB_TYPE_ZSET_2 ? 9 : 2, &count)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    begin(&reading, server);
    for (size_t i = 0; i < count && reading.status == RDB_PAYLOAD_OK; i++) {
        read_member(reader, type, &reading);
    }
    return end(&reading, server, head, e);
}

/* A listpack that is too much for a small set, or for comparing each member with each. */
static enum rdb_payload_status load_pairs(const struct server *server, const uint8_t *lp,
                                          const struct entry_head *head, struct entry **e)
{
    struct reading reading;
    begin(&reading, server);
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE && reading.status == RDB_PAYLOAD_OK;) {
        char room[NUMBER_I64_MAX_CHARS];
        size_t score_pos = listpack_after(lp, pos);
        struct listpack_value member = listpack_read(lp, pos), score = listpack_read(lp, score_pos);
        take(&reading, listpack_text(&member, room), zset_score_of(&score));
        pos = listpack_next(lp, score_pos);
    }
    return end(&reading, server, head, e);
}

static enum rdb_payload_status load_listpack(const struct server *server, const uint8_t *bytes, size_t len,
                                             const struct entry_head *head, struct entry **e)
{
    enum { COMPARED = 256 }; /* members that are compared each with each */
    size_t longest;
    if (!zset_listpack_validate(bytes, len, &longest)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    uint64_t count = listpack_count(bytes) / ZSET_EACH;
    if (count > COMPARED || !zset_value_may_be_small(server, count, longest)) {
        return load_pairs(server, bytes, head, e);
    }
    size_t packed_len = zset_packed_bytes_of(bytes);
    struct entry *made = entry_new_room(TYPE_ZSET, head->key, packed_len, head->deadline, head->access);
    if (made == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    struct packed run = zset_packed_from(entry_small(made), bytes);
    if (!zset_packed_unique(&run)) {
        entry_free(made);
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    *e = made;
    return RDB_PAYLOAD_OK;
}

static enum rdb_payload_status load_ziplist(const struct server *server, const uint8_t *bytes, size_t len,
                                            const struct entry_head *head, struct entry **e)
{
    struct reading reading;
    struct ziplist_value member, number;
    size_t count, at = 0;
    if (!ziplist_validate(bytes, len, &count) || count % 2 != 0) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    begin(&reading, server);
    while (reading.status == RDB_PAYLOAD_OK && ziplist_next(bytes, &at, &member) &&
           ziplist_next(bytes, &at, &number)) {
        char room[NUMBER_I64_MAX_CHARS], digits[NUMBER_I64_MAX_CHARS];
        struct slice text = ziplist_text(&number, digits);
        double score;
        bool read = number_parse_double(text.ptr, text.len, &score);
        take(&reading, ziplist_text(&member, room), read ? score : (double)NAN);
    }
    return end(&reading, server, head, e);
}

/* Types 12 and 17: a string that holds a ziplist or a listpack. */
static enum rdb_payload_status load_packed(const struct server *server, struct rdb_reader *reader,
                                           enum rdb_type type, const struct entry_head *head,
                                           struct entry **e)
{
    struct rdb_string string;
    enum rdb_payload_status status = rdb_payload_read_string(reader, &string);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    status = RDB_PAYLOAD_BAD_FORMAT;
    if (!string.is_integer) {
        status = (type == RDB_TYPE_ZSET_ZIPLIST ? load_ziplist : load_listpack)(server, string.bytes,
                                                                                string.len, head, e);
    }
    rdb_string_free(&string);
    return status;
}

enum rdb_payload_status zset_rdb_load(const struct server *server, struct rdb_reader *reader,
                                      enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    bool packed = type == RDB_TYPE_ZSET_ZIPLIST || type == RDB_TYPE_ZSET_LISTPACK;
    return (packed ? load_packed : load_members)(server, reader, type, head, e);
}
