#include "commands/hash_rdb.h"

#include "commands/hash_build.h"
#include "commands/hash_value.h"

/* ---- writing -------------------------------------------------------------------------------------------- */

enum rdb_type hash_rdb_type(const struct entry *e)
{
    return hash_value_is_small(e) ? RDB_TYPE_HASH_LISTPACK : RDB_TYPE_HASH;
}

void hash_rdb_save(struct rdb_writer *writer, const struct entry *e)
{
    if (hash_value_is_small(e)) {
        rdb_write_string(writer, entry_small(e), listpack_bytes(entry_small(e)));
        return;
    }
    const struct hash *h = entry_object(e);
    struct dict_iterator at = {0};
    const struct dict_item *it;
    rdb_write_length(writer, dict_count(&h->dict));
    while ((it = dict_next(&h->dict, &at)) != NULL) {
        struct item_parts parts = item_parts(it);
        rdb_write_string(writer, parts.field.ptr, parts.field.len);
        rdb_write_string(writer, parts.value.ptr, parts.value.len);
    }
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static enum rdb_payload_status failure(const struct rdb_reader *reader)
{
    return reader->no_memory ? RDB_PAYLOAD_NO_MEMORY : RDB_PAYLOAD_BAD_FORMAT;
}

/* Reads a field and a value. */
static enum rdb_payload_status read_pair(struct rdb_reader *reader, struct hash_build *b, int64_t deadline)
{
    struct rdb_string field = {0}, value = {0};
    char field_digits[NUMBER_I64_MAX_CHARS], value_digits[NUMBER_I64_MAX_CHARS];
    enum rdb_payload_status status;
    if (rdb_read_string(reader, &field) && rdb_read_string(reader, &value)) {
        struct slice f, v;
        f.ptr = (const char *)rdb_string_text(&field, field_digits, &f.len);
        v.ptr = (const char *)rdb_string_text(&value, value_digits, &v.len);
        status = hash_build_add(b, f, v, deadline);
    } else {
        status = failure(reader);
    }
    rdb_string_free(&field);
    rdb_string_free(&value);
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

/* A listpack of field, value, …: what validation hands over, element by element. */
struct pairs {
    struct hash_build *b;
    struct listpack_value field;
    bool has_field;
    enum rdb_payload_status status;
};

static bool take_element(const struct listpack_value *value, void *context)
{
    struct pairs *pairs = context;
    if (!pairs->has_field) {
        pairs->field = *value;
        pairs->has_field = true;
        return true;
    }
    char field_digits[NUMBER_I64_MAX_CHARS], value_digits[NUMBER_I64_MAX_CHARS];
    pairs->has_field = false;
    pairs->status = hash_build_add(pairs->b, listpack_text(&pairs->field, field_digits),
                                   listpack_text(value, value_digits), ITEM_NO_DEADLINE);
    return pairs->status == RDB_PAYLOAD_OK;
}

static enum rdb_payload_status read_listpack(struct slice bytes, struct hash_build *b)
{
    struct pairs pairs = {.b = b};
    bool sound = listpack_validate((const uint8_t *)bytes.ptr, bytes.len, take_element, &pairs);
    if (pairs.status != RDB_PAYLOAD_OK) {
        return pairs.status;
    }
    return sound && !pairs.has_field ? RDB_PAYLOAD_OK : RDB_PAYLOAD_BAD_FORMAT;
}

/* A value that is one string. */
static enum rdb_payload_status read_packed(struct rdb_reader *reader, struct hash_build *b)
{
    struct rdb_string string = {0};
    char digits[NUMBER_I64_MAX_CHARS];
    struct slice bytes;
    if (!rdb_read_string(reader, &string)) {
        return failure(reader);
    }
    bytes.ptr = (const char *)rdb_string_text(&string, digits, &bytes.len);
    enum rdb_payload_status status = read_listpack(bytes, b);
    rdb_string_free(&string);
    return status;
}

enum rdb_payload_status hash_rdb_load(const struct server *server, struct rdb_reader *reader,
                                      enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    struct hash_build b;
    hash_build_begin(&b, server, 0);
    enum rdb_payload_status status = type == RDB_TYPE_HASH ? read_pairs(reader, &b) : read_packed(reader, &b);
    if (status != RDB_PAYLOAD_OK) {
        hash_build_drop(&b);
        return status;
    }
    return hash_build_end(&b, head, e);
}
