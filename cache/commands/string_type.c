/*
 * Strings as a type (type.h): what works for keys of any type does with a string.
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands/digest.h"
#include "commands/restate.h"
#include "commands/type.h"
#include "commands/value.h"
#include "types/number.h"

enum { EMBSTR_MAX = 44 }; /* the longest string that Redis keeps beside its object's header */

/* A string that was changed in place is an object here and "raw" there, whatever its bytes are. */
static const char *encoding(const struct entry *e)
{
    int64_t number;
    if (entry_form(e) == FORM_OBJECT) {
        return "raw";
    }
    if (value_int(e, &number)) {
        return "int";
    }
    return value_len(e) <= EMBSTR_MAX ? "embstr" : "raw";
}

static uint64_t length(const struct entry *e)
{
    return value_len(e);
}

/* A string that was changed in place, copied as one that can be. */
static struct entry *object_copy(const struct entry *e, const struct entry_head *head)
{
    struct slice bytes = value_bytes(e).head;
    struct string *s = string_new(bytes, bytes.len);
    struct entry *copy =
        s != NULL ? entry_new_object(TYPE_STRING, head->key, s, head->deadline, head->access) : NULL;
    if (copy == NULL && s != NULL) {
        string_free(s);
    }
    return copy;
}

static struct entry *copy(const struct server *server, const struct entry *e, const struct entry_head *head)
{
    struct value_run value;
    (void)server;
    if (entry_form(e) == FORM_OBJECT) {
        return object_copy(e, head);
    }
    if (!value_hold(e, &value)) {
        return NULL;
    }
    struct entry *made = entry_new_bytes(TYPE_STRING, head->key, value.bytes, head->deadline, head->access);
    value_release(&value);
    return made;
}

static enum rdb_type rdb_type(const struct entry *e)
{
    (void)e;
    return RDB_TYPE_STRING;
}

static void save(struct rdb_writer *writer, const struct entry *e)
{
    struct value_run value;
    struct entry_bytes runs = value_bytes(e);
    if (runs.tail.len > 0 &&
        rdb_write_string_runs(writer, runs.head.ptr, runs.head.len, runs.tail.ptr, runs.tail.len)) {
        return;
    }
    if (!value_hold(e, &value)) {
        rdb_writer_fail(writer);
        return;
    }
    rdb_write_string(writer, value.bytes.ptr, value.bytes.len);
    value_release(&value);
}

static void restate(struct rdb_writer *writer, const struct entry *e)
{
    struct value_run value;
    struct entry_bytes runs = value_bytes(e);
    bool apart = runs.tail.len > 0;
    if (!apart && !value_hold(e, &value)) {
        rdb_writer_fail(writer);
        return;
    }
    command_write_begin(writer, 3);
    command_write_word(writer, SLICE("SET"));
    command_write_word(writer, entry_key(e));
    if (apart) {
        command_write_runs(writer, runs.head, runs.tail);
    } else {
        command_write_word(writer, value.bytes);
        value_release(&value);
    }
}

static enum rdb_payload_status load(const struct server *server, struct rdb_reader *reader,
                                    enum rdb_type type, const struct entry_head *head, struct entry **e)
{
    struct rdb_string string;
    char digits[NUMBER_I64_MAX_CHARS];
    size_t len;
    (void)server;
    (void)type;
    enum rdb_payload_status status = rdb_payload_read_string(reader, &string);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    const uint8_t *text = rdb_string_text(&string, digits, &len);
    *e = entry_new_bytes(TYPE_STRING, head->key, (struct slice){(const char *)text, len}, head->deadline,
                         head->access);
    rdb_string_free(&string);
    return *e != NULL ? RDB_PAYLOAD_OK : RDB_PAYLOAD_NO_MEMORY;
}

static void digest(struct digest *digest, const struct entry *e)
{
    struct value_run run;
    if (!value_hold(e, &run)) {
        fprintf(stderr, "ordinal: out of memory in a digest\n");
        abort();
    }
    digest_append(digest, run.bytes.ptr, run.bytes.len);
    value_release(&run);
}

static void free_object(void *object)
{
    string_free(object);
}

static size_t memory(const void *object)
{
    return string_memory(object);
}

const struct type type_string = {
    .name = "string",
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
