/*
 * Lists as a type (type.h). RDB: written as a quicklist of Redis 7.0 (type 18): nodes that are listpacks or, where a value is too
 * large for one, plain. Read as well: type 1 (strings one by one), 10 (one ziplist), 14 (ziplists).
 */
#include "commands/digest.h"
#include "commands/list_value.h"
#include "commands/small.h"
#include "commands/restate.h"
#include "memory.h"
#include "persist/ziplist.h"
#include "store/reaper.h"

enum { NODE_PLAIN = 1, NODE_PACKED = 2 };

static const char *encoding(const struct entry *e)
{
    return entry_form(e) == FORM_INLINE ? "listpack" : "quicklist";
}

static uint64_t length(const struct entry *e)
{
    return list_value_count(e);
}

/* ---- copies ------------------------------------------------------------------------------------------ */

static bool append_chunks(struct list *to, const struct list *from)
{
    struct list_place place = {0, 0};
    struct slice bytes;
    bool plain, good = true;
    while (good && list_read_chunk(from, &place, &bytes, &plain)) {
        good = plain ? list_push(to, LIST_TAIL, bytes) : list_append_listpack(to, (const uint8_t *)bytes.ptr);
    }
    return good;
}

static struct entry *copy_large(const struct server *server, const struct list *l,
                                const struct entry_head *head)
{
    struct list *made = list_new(server->config->list_max_listpack_size);
    struct entry *e = NULL;
    if (made != NULL && append_chunks(made, l)) {
        e = entry_new_object(TYPE_LIST, head->key, made, head->deadline, head->access);
    }
    if (e == NULL && made != NULL) {
        list_free(made);
    }
    return e;
}

static struct entry *copy(const struct server *server, const struct entry *e, const struct entry_head *head)
{
    if (entry_form(e) == FORM_OBJECT) {
        return copy_large(server, entry_object(e), head);
    }
    return small_copy(e, head);
}

/* ---- RDB --------------------------------------------------------------------------------------------- */

static enum rdb_type rdb_type(const struct entry *e)
{
    (void)e;
    return RDB_TYPE_LIST_QUICKLIST_2;
}

static void save_node(struct rdb_writer *writer, uint64_t kind, const void *bytes, size_t len)
{
    rdb_write_length(writer, kind);
    rdb_write_string(writer, bytes, len);
}

static void save_small(struct rdb_writer *writer, const struct entry *e)
{
    size_t bytes;
    struct small_list small = list_value_small(e);
    uint8_t *lp = list_value_listpack(&small, &bytes);
    if (lp == NULL) {
        rdb_writer_fail(writer);
        return;
    }
    rdb_write_length(writer, 1);
    save_node(writer, NODE_PACKED, lp, bytes);
    mem_free(lp, bytes);
}

static void save(struct rdb_writer *writer, const struct entry *e)
{
    struct list_place place = {0, 0};
    struct slice bytes;
    bool plain;
    if (entry_form(e) == FORM_INLINE) {
        save_small(writer, e);
        return;
    }
    const struct list *l = entry_object(e);
    rdb_write_length(writer, list_chunks(l));
    while (list_read_chunk(l, &place, &bytes, &plain)) {
        save_node(writer, plain ? NODE_PLAIN : NODE_PACKED, bytes.ptr, bytes.len);
    }
}

static enum rdb_payload_status status_of(bool good)
{
    return good ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
}

static enum rdb_payload_status append_ziplist(struct list *l, struct slice bytes)
{
    const uint8_t *ziplist = (const uint8_t *)bytes.ptr;
    struct ziplist_value value;
    char room[NUMBER_I64_MAX_CHARS];
    size_t count, at = 0;
    if (!ziplist_validate(ziplist, bytes.len, &count)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    while (ziplist_next(ziplist, &at, &value)) {
        if (!list_push(l, LIST_TAIL, ziplist_text(&value, room))) {
            return RDB_PAYLOAD_NO_MEMORY;
        }
    }
    return RDB_PAYLOAD_OK;
}

static enum rdb_payload_status append_node(struct list *l, enum rdb_type type, uint64_t kind,
                                           struct slice bytes)
{
    if (type == RDB_TYPE_LIST_QUICKLIST_2 && kind == NODE_PLAIN && bytes.len == 0) {
        return RDB_PAYLOAD_BAD_FORMAT; /* only what is too large for a listpack stands alone */
    }
    if (type == RDB_TYPE_LIST || (type == RDB_TYPE_LIST_QUICKLIST_2 && kind == NODE_PLAIN)) {
        return status_of(list_push(l, LIST_TAIL, bytes));
    }
    if (type != RDB_TYPE_LIST_QUICKLIST_2) {
        return append_ziplist(l, bytes);
    }
    const uint8_t *lp = (const uint8_t *)bytes.ptr;
    if (!listpack_validate(lp, bytes.len, NULL, NULL)) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    return status_of(list_append_listpack(l, lp));
}

/* One node: a string that is an element, a ziplist or a listpack. What was read has to be released. */
struct node {
    uint64_t kind;
    struct rdb_string string;
    struct slice bytes;
    char digits[NUMBER_I64_MAX_CHARS];
};

static enum rdb_payload_status read_node(struct rdb_reader *reader, enum rdb_type type, struct node *node)
{
    size_t len;
    node->kind = NODE_PLAIN;
    if (type == RDB_TYPE_LIST_QUICKLIST_2 &&
        (!rdb_read_length(reader, &node->kind) || (node->kind != NODE_PLAIN && node->kind != NODE_PACKED))) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    enum rdb_payload_status status = rdb_payload_read_string(reader, &node->string);
    if (status == RDB_PAYLOAD_OK) {
        const uint8_t *text = rdb_string_text(&node->string, node->digits, &len);
        node->bytes = (struct slice){(const char *)text, len};
    }
    return status;
}

/* The only node of a small list, as most are, becomes its entry with nothing made between; NULL where that cannot be. */
static struct entry *small_from_node(const struct server *server, enum rdb_type type, const struct node *node,
                                     const struct entry_head *head)
{
    const uint8_t *lp = (const uint8_t *)node->bytes.ptr;
    if (type != RDB_TYPE_LIST_QUICKLIST_2 || node->kind != NODE_PACKED ||
        !listpack_validate(lp, node->bytes.len, NULL, NULL)) {
        return NULL;
    }
    return list_value_entry_of(server->config, lp, head->key, head->deadline, head->access);
}

static bool read_node_count(struct rdb_reader *reader, enum rdb_type type, size_t *nodes)
{
    size_t least = type == RDB_TYPE_LIST_QUICKLIST_2 ? 2 : 1;
    *nodes = 1;
    return type == RDB_TYPE_LIST_ZIPLIST || rdb_read_count(reader, least, nodes);
}

/* Appends nodes, the first of which has been read, as long as all is sound. */
static enum rdb_payload_status append_nodes(struct list *l, struct rdb_reader *reader, enum rdb_type type,
                                            size_t nodes, const struct node *first)
{
    enum rdb_payload_status status = append_node(l, type, first->kind, first->bytes);
    for (size_t i = 1; i < nodes && status == RDB_PAYLOAD_OK; i++) {
        struct node node;
        status = read_node(reader, type, &node);
        if (status == RDB_PAYLOAD_OK) {
            status = append_node(l, type, node.kind, node.bytes);
            rdb_string_free(&node.string);
        }
    }
    return status == RDB_PAYLOAD_OK && list_count(l) == 0 ? RDB_PAYLOAD_BAD_FORMAT : status;
}

static enum rdb_payload_status load_nodes(const struct server *server, struct rdb_reader *reader,
                                          enum rdb_type type, size_t nodes, const struct node *first,
                                          const struct entry_head *head, struct entry **e)
{
    struct list *l = list_new(server->config->list_max_listpack_size);
    if (l == NULL) {
        return RDB_PAYLOAD_NO_MEMORY;
    }
    enum rdb_payload_status status = append_nodes(l, reader, type, nodes, first);
    if (status != RDB_PAYLOAD_OK) {
        list_free(l);
        return status;
    }
    *e = list_value_entry(server->config, l, head->key, head->deadline, head->access);
    return status_of(*e != NULL);
}

static enum rdb_payload_status load(const struct server *server, struct rdb_reader *reader,
                                    enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    size_t nodes;
    struct node first;
    if (!read_node_count(reader, type, &nodes) || nodes == 0) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    enum rdb_payload_status status = read_node(reader, type, &first);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    *e = nodes == 1 ? small_from_node(server, type, &first, head) : NULL;
    if (*e == NULL) {
        status = load_nodes(server, reader, type, nodes, &first, head, e);
    }
    rdb_string_free(&first.string);
    return status;
}

/* ---- the rest ---------------------------------------------------------------------------------------- */

static void digest(struct digest *digest, const struct entry *e)
{
    struct list_cursor cursor;
    char room[NUMBER_I64_MAX_CHARS];
    for (bool more = list_cursor_seek(&cursor, e, 0); more; more = list_cursor_next(&cursor)) {
        struct listpack_value value = list_cursor_read(&cursor);
        struct slice text = listpack_text(&value, room);
        digest_append(digest, text.ptr, text.len);
    }
}

static void restate(struct rdb_writer *writer, const struct entry *e)
{
    struct list_cursor cursor;
    char room[NUMBER_I64_MAX_CHARS];
    struct restating r = restate_items(writer, e, SLICE("RPUSH"), list_value_count(e), 1);
    for (bool more = list_cursor_seek(&cursor, e, 0); more; more = list_cursor_next(&cursor)) {
        struct listpack_value value = list_cursor_read(&cursor);
        restate_item(&r);
        restate_word(&r, listpack_text(&value, room));
    }
}

static void free_object(void *object)
{
    enum { PIECE = 32 }; /* chunks */
    while (!list_free_step(object, PIECE)) {
        reaper_rest();
    }
}

static size_t memory(const void *object)
{
    return list_memory(object);
}

const struct type type_list = {
    .name = "list",
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
