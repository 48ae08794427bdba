#include "commands/hash_rdb.h"

#include "clock.h"
#include "commands/hash_build.h"
#include "commands/hash_value.h"
#include "persist/ziplist.h"
#include "persist/zipmap.h"
#include "types/listpack.h"

/* ---- writing -------------------------------------------------------------------------------------------- */

enum rdb_type hash_rdb_type(const struct entry *e)
{
    if (hash_value_is_small(e)) {
        return RDB_TYPE_HASH_LISTPACK;
    }
    const struct hash *h = entry_object(e);
    return hash_due(h) != ITEM_NO_DEADLINE ? RDB_TYPE_HASH_METADATA : RDB_TYPE_HASH;
}

/* What a type 24 says of an item's deadline; `first`: the earliest of the hash. */
static uint64_t deadline_code(const struct dict_item *it, int64_t first)
{
    return item_is_timed(it) ? (uint64_t)(item_deadline(it) - first) + 1 : 0;
}

static int64_t wall_deadline(int64_t deadline)
{
    int64_t wall = clock_to_wall(deadline);
    return wall > 0 ? wall : 0;
}

void hash_rdb_save(struct rdb_writer *writer, const struct entry *e)
{
    if (hash_value_is_small(e)) {
        small_save(writer, e);
        return;
    }
    const struct hash *h = entry_object(e);
    int64_t first = hash_due(h);
    bool timed = first != ITEM_NO_DEADLINE;
    struct dict_iterator at = {0};
    const struct dict_item *it;
    if (timed) {
        rdb_write_u64(writer, (uint64_t)wall_deadline(first));
    }
    rdb_write_length(writer, dict_count(&h->dict));
    while ((it = dict_next(&h->dict, &at)) != NULL) {
        struct item_parts parts = item_parts(it);
        if (timed) {
            rdb_write_length(writer, deadline_code(it, first));
        }
        rdb_write_string(writer, parts.field.ptr, parts.field.len);
        rdb_write_string(writer, parts.value.ptr, parts.value.len);
    }
}

#define VALKEY_NO_DEADLINE UINT64_MAX

/* ---- reading -------------------------------------------------------------------------------------------- */

static enum rdb_payload_status failure(const struct rdb_reader *reader)
{
    return reader->no_memory ? RDB_PAYLOAD_NO_MEMORY : RDB_PAYLOAD_BAD_FORMAT;
}

/* A field and a value. */
struct pair {
    struct rdb_string field, value;
};

static enum rdb_payload_status read_strings(struct rdb_reader *reader, struct pair *pair)
{
    *pair = (struct pair){{0}, {0}};
    bool good = rdb_read_string(reader, &pair->field) && rdb_read_string(reader, &pair->value);
    return good ? RDB_PAYLOAD_OK : failure(reader);
}

static void free_strings(struct pair *pair)
{
    rdb_string_free(&pair->field);
    rdb_string_free(&pair->value);
}

static enum rdb_payload_status add_strings(struct hash_build *b, const struct pair *pair, int64_t deadline)
{
    char field_digits[NUMBER_I64_MAX_CHARS], value_digits[NUMBER_I64_MAX_CHARS];
    struct slice field, value;
    field.ptr = (const char *)rdb_string_text(&pair->field, field_digits, &field.len);
    value.ptr = (const char *)rdb_string_text(&pair->value, value_digits, &value.len);
    return hash_build_add(b, field, value, deadline);
}

/* Reads a field and a value. */
static enum rdb_payload_status read_pair(struct rdb_reader *reader, struct hash_build *b, int64_t deadline)
{
    struct pair pair;
    enum rdb_payload_status status = read_strings(reader, &pair);
    if (status == RDB_PAYLOAD_OK) {
        status = add_strings(b, &pair, deadline);
    }
    free_strings(&pair);
    return status;
}

static enum rdb_payload_status read_pairs(struct rdb_reader *reader, struct hash_build *b)
{
    size_t count;
    if (!rdb_read_count(reader, 2, &count)) {
        return failure(reader);
    }
    hash_build_begin(b, b->server, count);
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    for (size_t i = 0; i < count && status == RDB_PAYLOAD_OK; i++) {
        status = read_pair(reader, b, ITEM_NO_DEADLINE);
    }
    return status;
}

/* A deadline in wall time, on the clock; false when no hash can have it. */
static bool deadline_of_wall(uint64_t wall, int64_t *deadline)
{
    if (wall > HASH_MAX_DEADLINE - 1) {
        return false;
    }
    int64_t at = clock_from_wall((int64_t)wall);
    *deadline = at < 0 ? 0 : at < HASH_MAX_DEADLINE ? at : HASH_MAX_DEADLINE;
    return true;
}

/* Type 24. */
static enum rdb_payload_status read_timed_pairs(struct rdb_reader *reader, struct hash_build *b)
{
    uint64_t first, code;
    size_t count;
    if (!rdb_read_u64(reader, &first) || !rdb_read_count(reader, 3, &count)) {
        return failure(reader);
    }
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    for (size_t i = 0; i < count && status == RDB_PAYLOAD_OK; i++) {
        int64_t deadline = ITEM_NO_DEADLINE;
        if (!rdb_read_length(reader, &code)) {
            status = failure(reader);
        } else if (code > 0 && (first > HASH_MAX_DEADLINE || code > HASH_MAX_DEADLINE ||
                                !deadline_of_wall(first + code - 1, &deadline))) {
            status = RDB_PAYLOAD_BAD_FORMAT;
        } else {
            status = read_pair(reader, b, deadline);
        }
    }
    return status;
}

/* The deadline of a field of type 22. */
static enum rdb_payload_status read_deadline(struct rdb_reader *reader, int64_t *deadline)
{
    uint64_t wall;
    *deadline = ITEM_NO_DEADLINE;
    if (!rdb_read_u64(reader, &wall)) {
        return failure(reader);
    }
    return wall == VALKEY_NO_DEADLINE || deadline_of_wall(wall, deadline) ? RDB_PAYLOAD_OK
                                                                          : RDB_PAYLOAD_BAD_FORMAT;
}

/* Type 22: the deadline comes behind the value. */
static enum rdb_payload_status read_deadline_pairs(struct rdb_reader *reader, struct hash_build *b)
{
    size_t count;
    if (!rdb_read_count(reader, 10, &count)) {
        return failure(reader);
    }
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    for (size_t i = 0; i < count && status == RDB_PAYLOAD_OK; i++) {
        struct pair pair;
        int64_t deadline;
        status = read_strings(reader, &pair);
        if (status == RDB_PAYLOAD_OK) {
            status = read_deadline(reader, &deadline);
        }
        if (status == RDB_PAYLOAD_OK) {
            status = add_strings(b, &pair, deadline);
        }
        free_strings(&pair);
    }
    return status;
}

/* A listpack of field, value, … or field, value, deadline, …: what validation hands over, element by element. */
struct tuples {
    struct hash_build *b;
    size_t size; /* of a tuple: 2 or 3 */
    size_t has;  /* elements of the next tuple */
    struct listpack_value element[3];
    enum rdb_payload_status status;
};

static enum rdb_payload_status add_tuple(struct tuples *t)
{
    char field[NUMBER_I64_MAX_CHARS], value[NUMBER_I64_MAX_CHARS];
    int64_t deadline = ITEM_NO_DEADLINE;
    if (t->size == 3) {
        const struct listpack_value *last = &t->element[2];
        if (!last->is_int || last->number < 0 ||
            (last->number > 0 && !deadline_of_wall((uint64_t)last->number, &deadline))) {
            return RDB_PAYLOAD_BAD_FORMAT;
        }
    }
    return hash_build_add(t->b, listpack_text(&t->element[0], field), listpack_text(&t->element[1], value),
                          deadline);
}

static bool take_element(const struct listpack_value *value, void *context)
{
    struct tuples *t = context;
    t->element[t->has++] = *value;
    if (t->has == t->size) {
        t->has = 0;
        t->status = add_tuple(t);
    }
    return t->status == RDB_PAYLOAD_OK;
}

static enum rdb_payload_status read_listpack(struct slice bytes, struct hash_build *b, size_t size)
{
    struct tuples t = {.b = b, .size = size};
    bool sound = listpack_validate((const uint8_t *)bytes.ptr, bytes.len, take_element, &t);
    if (t.status != RDB_PAYLOAD_OK) {
        return t.status;
    }
    return sound && t.has == 0 ? RDB_PAYLOAD_OK : RDB_PAYLOAD_BAD_FORMAT;
}

static enum rdb_payload_status read_ziplist(struct slice bytes, struct hash_build *b)
{
    struct ziplist_value field, value;
    size_t count, at = 0;
    const uint8_t *zl = (const uint8_t *)bytes.ptr;
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    if (!ziplist_validate(zl, bytes.len, &count) || count % 2 != 0) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    while (status == RDB_PAYLOAD_OK && ziplist_next(zl, &at, &field) && ziplist_next(zl, &at, &value)) {
        char field_digits[NUMBER_I64_MAX_CHARS], value_digits[NUMBER_I64_MAX_CHARS];
        status = hash_build_add(b, ziplist_text(&field, field_digits), ziplist_text(&value, value_digits),
                                ITEM_NO_DEADLINE);
    }
    return status;
}

static enum rdb_payload_status read_zipmap(struct slice bytes, struct hash_build *b)
{
    struct zipmap_pair pair;
    size_t at = 0;
    const uint8_t *zm = (const uint8_t *)bytes.ptr;
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    if (!zipmap_validate(zm, bytes.len)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    while (status == RDB_PAYLOAD_OK && zipmap_next(zm, &at, &pair)) {
        status = hash_build_add(b, pair.field, pair.value, ITEM_NO_DEADLINE);
    }
    return status;
}

/* A value that is one string, but for the earliest deadline before it. */
static enum rdb_payload_status read_packed(struct rdb_reader *reader, enum rdb_type type,
                                           struct hash_build *b)
{
    struct rdb_string string = {0};
    char digits[NUMBER_I64_MAX_CHARS];
    struct slice bytes;
    uint64_t earliest; /* the deadlines themselves tell it */
    enum rdb_payload_status status;
    if ((type == RDB_TYPE_HASH_LISTPACK_EX && !rdb_read_u64(reader, &earliest)) ||
        !rdb_read_string(reader, &string)) {
        return failure(reader);
    }
    bytes.ptr = (const char *)rdb_string_text(&string, digits, &bytes.len);
    switch (type) {
    case RDB_TYPE_HASH_ZIPMAP: status = read_zipmap(bytes, b); break;
    case RDB_TYPE_HASH_ZIPLIST: status = read_ziplist(bytes, b); break;
    default: status = read_listpack(bytes, b, type == RDB_TYPE_HASH_LISTPACK_EX ? 3 : 2); break;
    }
    rdb_string_free(&string);
    return status;
}

static enum rdb_payload_status read_fields(struct rdb_reader *reader, enum rdb_type type,
                                           struct hash_build *b)
{
    switch (type) {
    case RDB_TYPE_HASH: return read_pairs(reader, b);
    case RDB_TYPE_HASH_METADATA: return read_timed_pairs(reader, b);
    case RDB_TYPE_HASH_2: return read_deadline_pairs(reader, b);
    default: return read_packed(reader, type, b);
    }
}

enum rdb_payload_status hash_rdb_load(const struct server *server, struct rdb_reader *reader,
                                      enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    struct hash_build b;
    hash_build_begin(&b, server, 0);
    enum rdb_payload_status status = read_fields(reader, type, &b);
    if (status != RDB_PAYLOAD_OK) {
        hash_build_drop(&b);
        return status;
    }
    return hash_build_end(&b, head, e);
}
