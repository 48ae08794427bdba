/*
 * Sets as a type (type.h): what works for keys of any type does with a set.
 *
 * A table is written as RDB type 2 and an intset as type 11. A packed run is written as type 2 as well: Redis knows listpacks of
 * sets (type 20) from 7.2 on only. Read is a set of each of the three, member by member, so that no payload makes a set that
 * could not have been made by SADD.
 */
#include "commands/digest.h"
#include "commands/set_value.h"
#include "commands/restate.h"
#include "memory.h"
#include "store/reaper.h"
#include "types/listpack.h"

static const char *encoding(const struct entry *e)
{
    switch (set_form(e)) {
    case SET_INTSET: return "intset";
    case SET_PACKED: return "listpack";
    default: return "hashtable";
    }
}

static uint64_t length(const struct entry *e)
{
    return set_count(e);
}

/* ---- copies -------------------------------------------------------------------------------------------- */

static void free_object(void *object)
{
    enum { PIECE = 256 };
    struct dict *table = object;
    while (!dict_free_some(table, PIECE)) {
        reaper_rest();
    }
    mem_free(table, sizeof *table);
}

static struct dict *table_copy(const struct server *server, const struct dict *table)
{
    struct dict_iterator at = {0};
    struct dict *copy = mem_alloc(sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    dict_init(copy, server->keyspace.secret, KEYSPACE_SECRET);
    for (const struct dict_item *item; (item = dict_next(table, &at)) != NULL;) {
        struct item_parts parts = {.field = item_field(item), .deadline = ITEM_NO_DEADLINE};
        bool added;
        if (dict_add(copy, &parts, &added) == NULL) {
            free_object(copy);
            return NULL;
        }
    }
    return copy;
}

static struct entry *copy(const struct server *server, const struct entry *e, const struct entry_head *head)
{
    if (set_form(e) != SET_TABLE) {
        return small_copy(e, head);
    }
    struct dict *table = table_copy(server, entry_object(e));
    if (table == NULL) {
        return NULL;
    }
    struct entry *made = entry_new_object(TYPE_SET, head->key, table, head->deadline, head->access);
    if (made == NULL) {
        free_object(table);
    }
    return made;
}

/* ---- RDB ----------------------------------------------------------------------------------------------- */

static enum rdb_type rdb_type(const struct entry *e)
{
    return set_form(e) == SET_INTSET ? RDB_TYPE_SET_INTSET : RDB_TYPE_SET;
}

static void save(struct rdb_writer *writer, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    if (set_form(e) == SET_INTSET) {
        rdb_write_string(writer, entry_small(e), intset_bytes(entry_small(e)));
        return;
    }
    rdb_write_length(writer, set_count(e));
    for (set_begin(&it, e); set_next(&it, &member);) {
        rdb_write_string(writer, member.ptr, member.len);
    }
}

/* Adds a member that must be new. */
static enum rdb_payload_status add_new(struct set_edit *s, struct slice member)
{
    switch (set_add(s, member)) {
    case SET_CHANGED: return RDB_PAYLOAD_OK;
    case SET_SAME: return RDB_PAYLOAD_BAD_FORMAT;
    default: return RDB_PAYLOAD_NO_MEMORY;
    }
}

static enum rdb_payload_status load_members(struct set_edit *s, struct rdb_reader *reader)
{
    size_t count;
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    if (!rdb_read_count(reader, 1, &count)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    for (size_t i = 0; i < count && status == RDB_PAYLOAD_OK; i++) {
        struct rdb_string string;
        char digits[NUMBER_I64_MAX_CHARS];
        size_t len;
        status = rdb_payload_read_string(reader, &string);
        if (status == RDB_PAYLOAD_OK) {
            const uint8_t *text = rdb_string_text(&string, digits, &len);
            status = add_new(s, (struct slice){(const char *)text, len});
            rdb_string_free(&string);
        }
    }
    return status;
}

/* Of an intset whose order is checked: it is a member once. */
static enum rdb_payload_status add_intset(struct set_edit *s, const uint8_t *run)
{
    char digits[NUMBER_I64_MAX_CHARS];
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    for (uint32_t i = 0; i < intset_count(run) && status == RDB_PAYLOAD_OK; i++) {
        size_t len = number_format_i64(digits, intset_get(run, i));
        status = add_new(s, (struct slice){digits, len});
    }
    return status;
}

static enum rdb_payload_status add_listpack(struct set_edit *s, const uint8_t *run)
{
    char digits[NUMBER_I64_MAX_CHARS];
    enum rdb_payload_status status = RDB_PAYLOAD_OK;
    s->listpack = true;
    for (size_t pos = listpack_first(run); pos != LISTPACK_NONE && status == RDB_PAYLOAD_OK;
         pos = listpack_next(run, pos)) {
        struct listpack_value value = listpack_read(run, pos);
        status = add_new(s, listpack_text(&value, digits));
    }
    return status;
}

/* An intset or a listpack in a string. */
static enum rdb_payload_status load_run(struct set_edit *s, struct rdb_reader *reader, bool intset)
{
    struct rdb_string string;
    enum rdb_payload_status status = rdb_payload_read_string(reader, &string);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    if (string.is_integer) {
        status = RDB_PAYLOAD_BAD_FORMAT; /* a few bytes: no run is that short */
    } else if (intset) {
        bool sound = intset_validate(string.bytes, string.len);
        status = sound ? add_intset(s, string.bytes) : RDB_PAYLOAD_BAD_FORMAT;
    } else {
        bool sound = listpack_validate(string.bytes, string.len, NULL, NULL);
        status = sound ? add_listpack(s, string.bytes) : RDB_PAYLOAD_BAD_FORMAT;
    }
    rdb_string_free(&string);
    return status;
}

static enum rdb_payload_status load(const struct server *server, struct rdb_reader *reader,
                                    enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    struct set_edit s = set_edit_new(server, head);
    enum rdb_payload_status status =
        type == RDB_TYPE_SET ? load_members(&s, reader) : load_run(&s, reader, type == RDB_TYPE_SET_INTSET);
    if (status == RDB_PAYLOAD_OK && s.e == NULL) {
        status = RDB_PAYLOAD_BAD_FORMAT;
    }
    if (status != RDB_PAYLOAD_OK && s.e != NULL) {
        entry_free(s.e);
    }
    *e = s.e;
    return status;
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static void digest(struct digest *digest, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    for (set_begin(&it, e); set_next(&it, &member);) {
        digest_blend(digest, member.ptr, member.len);
    }
}

static void restate(struct rdb_writer *writer, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    struct restating r = restate_items(writer, e, SLICE("SADD"), set_count(e), 1);
    for (set_begin(&it, e); set_next(&it, &member);) {
        restate_item(&r);
        restate_word(&r, member);
    }
}

static size_t memory(const void *object)
{
    return mem_class(sizeof(struct dict)) - sizeof(struct dict) + dict_memory(object);
}

const struct type type_set = {
    .name = "set",
    .encoding = encoding,
    .length = length,
    .copy = copy,
    .rdb_type = rdb_type,
    .save = save,
    .restate = restate,
    .load = load,
    .digest = digest,
    .free = free_object,
    .memory = memory,
};
