/*
 * Parts of a string value: APPEND, GETRANGE, SETRANGE, STRLEN.
 */
#include "commands/call.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/value.h"

static void run_append(struct call *c)
{
    struct key key = call_key(c, 1);
    struct slice more = c->argv[2];
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    size_t old = e != NULL ? value_len(e) : 0;
    if (e == NULL) { /* a value like any other until something is appended to it */
        if (!key_set_string(c, &key, more, ENTRY_NO_DEADLINE)) {
            return;
        }
    } else {
        struct string *s = value_may_grow(c, old, more.len) ? value_edit(c, &key, e, old + more.len) : NULL;
        if (s == NULL) {
            return;
        }
        memcpy(s->bytes + old, more.ptr, more.len);
    }
    reply_int(c->reply, (int64_t)(old + more.len));
    key_changed(c, &key, 1, EVENT_STRING, "append");
}

static void run_setrange(struct call *c)
{
    struct key key = call_key(c, 1);
    struct slice value = c->argv[3];
    int64_t offset;
    bool wrong;
    if (!call_int(c, c->argv[2], &offset)) {
        return;
    }
    if (offset < 0) {
        reply_error(c->reply, "ERR offset is out of range");
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    if (value.len == 0) {
        reply_int(c->reply, e != NULL ? (int64_t)value_len(e) : 0);
        return;
    }
    if (!value_may_grow(c, (size_t)offset, value.len)) {
        return;
    }
    struct string *s = value_edit(c, &key, e, (size_t)offset + value.len);
    if (s != NULL) {
        memcpy(s->bytes + offset, value.ptr, value.len);
        reply_int(c->reply, (int64_t)s->len);
        key_changed(c, &key, 1, EVENT_STRING, "setrange");
    }
}

/* The part of a run that lies from `first` to before `end`, both counted from `at`, where the run begins. */
static struct slice part(struct slice run, size_t at, size_t first, size_t end)
{
    size_t from = first > at ? first - at : 0;
    size_t to = end > at ? end - at : 0;
    from = from < run.len ? from : run.len;
    to = to < run.len ? to : run.len;
    return (struct slice){from < to ? run.ptr + from : run.ptr, to - from};
}

static void run_getrange(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t start, end;
    uint64_t first, last;
    bool wrong;
    if (!call_int(c, c->argv[2], &start) || !call_int(c, c->argv[3], &end)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL || !value_range(start, end, value_len(e), &first, &last)) {
        reply_bulk(c->reply, "", 0);
        return;
    }
    struct entry_bytes bytes = value_bytes(e);
    reply_bulk_pair(c->reply, part(bytes.head, 0, first, last + 1),
                    part(bytes.tail, bytes.head.len, first, last + 1));
}

static void run_strlen(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL ? (int64_t)value_len(e) : 0);
    }
}

const struct command range_commands[] = {
    {
        .name = "append",
        .run = run_append,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_STRING,
        .since = "2.0.0",
        .complexity = "O(N) with N the length of what is appended, amortized: room is made ahead.",
        .summary = "Appends to the string value of a key; a missing key counts as empty.",
        .syntax = "key value",
    },
    {
        .name = "getrange",
        .run = run_getrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_STRING,
        .since = "2.4.0",
        .complexity = "O(N) with N the length of the reply.",
        .summary = "Returns a part of the string value of a key.",
        .syntax = "key start end",
    },
    {
        .name = "setrange",
        .run = run_setrange,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "2.2.0",
        .complexity = "O(N) with N the length of the argument, amortized: room is made ahead.",
        .summary = "Writes over a part of the string value of a key, which grows as needed.",
        .syntax = "key offset value",
    },
    {
        .name = "strlen",
        .run = run_strlen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_STRING,
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Returns the length of the string value of a key.",
        .syntax = "key",
    },
    {
        .name = "substr",
        .run = run_getrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(N) with N the length of the reply.",
        .summary = "Returns a part of the string value of a key.",
        .syntax = "key start end",
        .deprecated_since = "2.0.0",
        .replaced_by = "`GETRANGE`",
    },
    {0},
};
