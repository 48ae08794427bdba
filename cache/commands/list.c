/*
 * The list commands that work on the ends and the whole: push, pop, length, ranges and indexes. (Edits in the midst:
 * list_edit.c; from one list to another: list_move.c; those that take from the first of several keys: list_first.c.)
 */
#include "commands/list.h"

#include "commands/change.h"
#include "commands/groups.h"

/* ---- push -------------------------------------------------------------------------------------------- */

static void push(struct call *c, enum list_end end, bool only_existing)
{
    struct key key = call_key(c, 1);
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_LIST, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL && only_existing) {
        reply_int(c->reply, 0);
        return;
    }
    if (!list_value_push(c, &key, &e, end, c->argv + 2, c->argc - 2)) {
        return;
    }
    reply_int(c->reply, (int64_t)list_value_count(e));
    key_changed(c, &key, c->argc - 2, EVENT_LIST, end == LIST_HEAD ? "lpush" : "rpush");
}

static void run_lpush(struct call *c)
{
    push(c, LIST_HEAD, false);
}

static void run_rpush(struct call *c)
{
    push(c, LIST_TAIL, false);
}

static void run_lpushx(struct call *c)
{
    push(c, LIST_HEAD, true);
}

static void run_rpushx(struct call *c)
{
    push(c, LIST_TAIL, true);
}

/* ---- pop --------------------------------------------------------------------------------------------- */

void list_removed(struct call *c, const struct key *key, uint64_t removed, const char *event, bool emptied)
{
    key_elements_removed(c, key, removed, EVENT_LIST, event, emptied);
}

static const char *event_of_pop(enum list_end end)
{
    return end == LIST_HEAD ? "lpop" : "rpop";
}

void list_pop_one(struct call *c, const struct key *key, struct entry *e, enum list_end end)
{
    list_removed(c, key, 1, event_of_pop(end), list_value_pop(c, key, e, end, c->reply));
}

void list_pop_many(struct call *c, const struct key *key, struct entry *e, enum list_end end, uint64_t count)
{
    struct list_cursor cursor;
    uint64_t all = list_value_count(e);
    count = count < all ? count : all;
    reply_array(c->reply, (int64_t)count);
    list_cursor_seek(&cursor, e, end == LIST_HEAD ? 0 : -1);
    list_reply_run(c->reply, &cursor, count, end == LIST_TAIL);
    bool emptied = list_value_remove_range(c, key, e, end == LIST_HEAD ? 0 : all - count, count);
    list_removed(c, key, count, event_of_pop(end), emptied);
}

static void pop(struct call *c, enum list_end end)
{
    struct key key = call_key(c, 1);
    bool wrong;
    int64_t count = 1;
    if (c->argc > 3) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->command->name);
        return;
    }
    bool counted = c->argc == 3;
    if (counted &&
        !call_int_range(c, c->argv[2], 0, INT64_MAX, "ERR value is out of range, must be positive", &count)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_LIST, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL && counted) {
        reply_null_array(c->reply);
    } else if (e == NULL) {
        reply_null(c->reply);
    } else if (count == 0) {
        reply_array(c->reply, 0);
    } else if (counted) {
        list_pop_many(c, &key, e, end, (uint64_t)count);
    } else {
        list_pop_one(c, &key, e, end);
    }
}

static void run_lpop(struct call *c)
{
    pop(c, LIST_HEAD);
}

static void run_rpop(struct call *c)
{
    pop(c, LIST_TAIL);
}

/* ---- read -------------------------------------------------------------------------------------------- */

static void run_llen(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_LIST, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL ? (int64_t)list_value_count(e) : 0);
    }
}

static void run_lrange(struct call *c)
{
    struct key key = call_key(c, 1);
    struct list_cursor cursor;
    int64_t start, end;
    uint64_t first, last;
    bool wrong;
    if (!call_int(c, c->argv[2], &start) || !call_int(c, c->argv[3], &end)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_LIST, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL || !list_range(start, end, list_value_count(e), &first, &last)) {
        reply_array(c->reply, 0);
        return;
    }
    reply_array(c->reply, (int64_t)(last - first + 1));
    list_cursor_seek(&cursor, e, (int64_t)first);
    list_reply_run(c->reply, &cursor, last - first + 1, false);
}

static void run_lindex(struct call *c)
{
    struct key key = call_key(c, 1);
    struct list_cursor cursor;
    int64_t index;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_LIST, &wrong);
    if (e == NULL) {
        if (!wrong) {
            reply_null(c->reply);
        }
        return;
    }
    if (!call_int(c, c->argv[2], &index)) {
        return;
    }
    if (list_cursor_seek(&cursor, e, index)) {
        struct listpack_value value = list_cursor_read(&cursor);
        list_reply_value(c->reply, &value);
    } else {
        reply_null(c->reply);
    }
}

#define PER_ELEMENT "O(1) for each element added, so O(N) to add N elements when called with several of them."
#define SEVERAL     "Several `element` arguments may be given."

const struct command list_commands[] = {
    {
        .name = "lindex",
        .run = run_lindex,
        .arity = 3,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity =
            "O(N), N being the number of chunks of a large list or of elements of a small one; O(1) for "
            "the first and the last element.",
        .summary = "Returns an element of a list by its index.",
        .syntax = "key index",
    },
    {
        .name = "llen",
        .run = run_llen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the length of a list.",
        .syntax = "key",
    },
    {
        .name = "lpop",
        .run = run_lpop,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of elements returned.",
        .summary = "Removes and returns the first elements of a list, and the key with the last one.",
        .syntax = "key [count]",
        .history = "6.2.0\tAdded the `count` argument.",
    },
    {
        .name = "lpush",
        .run = run_lpush,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = PER_ELEMENT,
        .summary = "Puts elements at the head of a list, which is made if there is none.",
        .syntax = "key element [element ...]",
        .history = "2.4.0\t" SEVERAL,
    },
    {
        .name = "lpushx",
        .run = run_lpushx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_LIST,
        .since = "2.2.0",
        .complexity = PER_ELEMENT,
        .summary = "Puts elements at the head of a list if the list exists.",
        .syntax = "key element [element ...]",
        .history = "4.0.0\t" SEVERAL,
    },
    {
        .name = "lrange",
        .run = run_lrange,
        .arity = 4,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity =
            "O(S+N), S being the way to the first element (as in LINDEX), N the number of elements returned.",
        .summary = "Returns a range of elements of a list.",
        .syntax = "key start stop",
    },
    {
        .name = "rpop",
        .run = run_rpop,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of elements returned.",
        .summary = "Removes and returns the last elements of a list, and the key with the last one.",
        .syntax = "key [count]",
        .history = "6.2.0\tAdded the `count` argument.",
    },
    {
        .name = "rpush",
        .run = run_rpush,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = PER_ELEMENT,
        .summary = "Puts elements at the tail of a list, which is made if there is none.",
        .syntax = "key element [element ...]",
        .history = "2.4.0\t" SEVERAL,
    },
    {
        .name = "rpushx",
        .run = run_rpushx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_LIST,
        .since = "2.2.0",
        .complexity = PER_ELEMENT,
        .summary = "Puts elements at the tail of a list if the list exists.",
        .syntax = "key element [element ...]",
        .history = "4.0.0\t" SEVERAL,
    },
    {0},
};
