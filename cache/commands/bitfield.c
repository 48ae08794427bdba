/*
 * BITFIELD: several operations on integers inside a string value, in one command. The arguments are read twice: once to
 * see that all of them are right and how far they write, and once more while the operations run.
 */
#include "types/bitfield.h"

#include "commands/call.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "commands/value.h"

enum field_kind { FIELD_GET, FIELD_SET, FIELD_INCRBY };

struct field_op {
    enum field_kind kind;
    struct bitfield_type type;
    uint64_t offset;
    int64_t value; /* to set, or to add */
    enum bitfield_overflow overflow;
};

/* Where in the arguments the reading is, and what the last OVERFLOW said. */
struct field_reader {
    size_t at;
    enum bitfield_overflow overflow;
};

static bool check(struct call *c, enum bitfield_status status)
{
    if (status != BITFIELD_OK) {
        reply_errorf(c->reply, "ERR %s", bitfield_error(status));
    }
    return status == BITFIELD_OK;
}

/* The kind that a word names, given how many arguments follow it. */
static bool parse_kind(struct slice word, size_t left, enum field_kind *kind)
{
    if (slice_is(word, "get") && left >= 2) {
        *kind = FIELD_GET;
    } else if (slice_is(word, "set") && left >= 3) {
        *kind = FIELD_SET;
    } else if (slice_is(word, "incrby") && left >= 3) {
        *kind = FIELD_INCRBY;
    } else {
        return false;
    }
    return true;
}

/* Reads the operation at argv[r->at]. */
static bool read_op(struct call *c, struct field_reader *r, struct field_op *op)
{
    const struct slice *args = c->argv + r->at;
    uint64_t max_bytes = (uint64_t)c->server->config->proto_max_bulk_len;
    op->overflow = r->overflow;
    op->value = 0;
    if (!parse_kind(args[0], c->argc - r->at - 1, &op->kind)) {
        call_syntax_error(c);
        return false;
    }
    if (!check(c, bitfield_parse_type(args[1].ptr, args[1].len, &op->type)) ||
        !check(c, bitfield_parse_offset(args[2].ptr, args[2].len, &op->type, max_bytes, &op->offset))) {
        return false;
    }
    r->at += op->kind == FIELD_GET ? 3 : 4;
    return op->kind == FIELD_GET || call_int(c, args[3], &op->value);
}

/* The next operation. False at the end, or (*failed) after an error, which is replied. */
static bool next_op(struct call *c, struct field_reader *r, struct field_op *op, bool *failed)
{
    *failed = false;
    while (r->at + 1 < c->argc && slice_is(c->argv[r->at], "overflow")) {
        struct slice word = c->argv[r->at + 1];
        if (!check(c, bitfield_parse_overflow(word.ptr, word.len, &r->overflow))) {
            *failed = true;
            return false;
        }
        r->at += 2;
    }
    if (r->at >= c->argc) {
        return false;
    }
    *failed = !read_op(c, r, op);
    return !*failed;
}

/* Goes over all operations: how many there are, and how many bytes they write to (0: none writes). */
static bool survey(struct call *c, int64_t *count, size_t *written)
{
    struct field_reader r = {2, BITFIELD_WRAP};
    struct field_op op;
    bool failed;
    *count = 0;
    *written = 0;
    while (next_op(c, &r, &op, &failed)) {
        size_t bytes = op.kind == FIELD_GET ? 0 : bitfield_bytes(op.type, op.offset);
        *written = bytes > *written ? bytes : *written;
        *count += 1;
    }
    return !failed;
}

/* A field of a value in two runs. */
static int64_t field_value(struct entry_bytes bytes, const struct field_op *op)
{
    enum { TOUCHED = 9 }; /* bytes that one field can lie in */
    char touched[TOUCHED];
    if (bytes.tail.len == 0) {
        return bitfield_get((const uint8_t *)bytes.head.ptr, bytes.head.len, op->type, op->offset);
    }
    size_t len = value_copy(bytes, (size_t)(op->offset / 8), touched, TOUCHED);
    return bitfield_get((const uint8_t *)touched, len, op->type, op->offset % 8);
}

static void run_reads(struct call *c, struct entry_bytes bytes)
{
    struct field_reader r = {2, BITFIELD_WRAP};
    struct field_op op;
    bool failed;
    while (next_op(c, &r, &op, &failed)) {
        reply_int(c->reply, field_value(bytes, &op));
    }
}

/* Runs one operation on a string that is long enough, and replies. Returns whether it counts as a change: it wrote
 * another value, or any value at all where the string has `grown` for it. */
static bool run_op(struct reply *r, struct string *s, const struct field_op *op, bool grown)
{
    uint8_t *bytes = (uint8_t *)s->bytes;
    int64_t old = bitfield_get(bytes, s->len, op->type, op->offset);
    int64_t new = old;
    if (op->kind == FIELD_GET) {
        reply_int(r, old);
        return false;
    }
    bool fits = op->kind == FIELD_SET ? bitfield_fit(op->type, op->overflow, op->value, &new)
                                      : bitfield_add(op->type, op->overflow, old, op->value, &new);
    if (!fits) {
        reply_null(r);
        return false;
    }
    bitfield_put(bytes, op->type, op->offset, new);
    reply_int(r, op->kind == FIELD_SET ? old : new);
    return grown || new != old;
}

static void run_writes(struct call *c, const struct key *key, struct string *s, int64_t count, bool grown)
{
    struct field_reader r = {2, BITFIELD_WRAP};
    struct field_op op;
    bool failed;
    uint64_t changes = 0;
    reply_array(c->reply, count);
    while (next_op(c, &r, &op, &failed)) {
        changes += run_op(c->reply, s, &op, grown);
    }
    if (changes > 0) {
        key_changed(c, key, changes, EVENT_STRING, "setbit");
    } else if (grown) { /* for writes that OVERFLOW FAIL refused */
        propagate_as_it_came(c);
    }
}

static void write_fields(struct call *c, const struct key *key, int64_t count, size_t written)
{
    bool wrong;
    struct entry *e = key_write_type(c, key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    size_t old_len = e != NULL ? value_len(e) : 0;
    struct string *s = value_edit(c, key, e, written);
    if (s != NULL) {
        run_writes(c, key, s, count, s->len != old_len);
    }
}

static void read_fields(struct call *c, const struct key *key, int64_t count)
{
    bool wrong;
    const struct entry *e = key_read_type(c, key, TYPE_STRING, &wrong);
    if (!wrong) {
        reply_array(c->reply, count);
        run_reads(c, e != NULL ? value_bytes(e) : (struct entry_bytes){{NULL, 0}, {NULL, 0}});
    }
}

static void run_bitfield(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t count;
    size_t written;
    if (!survey(c, &count, &written)) {
        return;
    }
    if (written > 0) {
        write_fields(c, &key, count, written);
    } else {
        read_fields(c, &key, count);
    }
}

static void run_bitfield_ro(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t count;
    size_t written;
    if (!survey(c, &count, &written)) {
        return;
    }
    if (written > 0) {
        reply_error(c->reply, "ERR BITFIELD_RO only supports the GET subcommand");
    } else {
        read_fields(c, &key, count);
    }
}

const struct command bitfield_commands[] = {
    {
        .name = "bitfield",
        .run = run_bitfield,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE}},
        .group = GROUP_BITMAP,
        .since = "3.2.0",
        .complexity = "O(1) for each subcommand",
        .summary = "Reads, sets and increments integers of any width inside a string.",
        .syntax = "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | "
                  "INCRBY encoding offset increment> [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
                  "<SET encoding offset value | INCRBY encoding offset increment> ...]]",
    },
    {
        .name = "bitfield_ro",
        .run = run_bitfield_ro,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_BITMAP,
        .since = "6.0.0",
        .complexity = "O(1) for each subcommand",
        .summary = "Reads integers of any width inside a string.",
        .syntax = "key [GET encoding offset [GET encoding offset ...]]",
    },
    {0},
};
