/*
 * The set commands that add, remove and look at members of a set. (Members at random: set_random.c; several sets:
 * set_algebra.c.)
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/scan.h"
#include "commands/set_value.h"

/* After members were removed: the emptied set goes. */
static void removed(struct call *c, const struct key *key, const struct set_edit *s, uint64_t count)
{
    bool emptied = set_count(s->e) == 0;
    if (emptied) {
        key_delete(c, key);
    }
    key_elements_removed(c, key, count, EVENT_SET, "srem", emptied);
}

static void run_sadd(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    struct set_edit s = set_edit_key(c, &key, key_write_type(c, &key, TYPE_SET, &wrong));
    if (wrong || !set_expect(&s, c->argc - 2)) {
        return;
    }
    int64_t added = 0;
    enum set_result result = SET_SAME;
    for (size_t i = 2; i < c->argc && result != SET_NO_MEMORY; i++) {
        result = set_add(&s, c->argv[i]);
        added += result == SET_CHANGED;
    }
    if (added > 0) {
        key_changed(c, &key, (uint64_t)added, EVENT_SET, "sadd");
    }
    if (result != SET_NO_MEMORY) {
        reply_int(c->reply, added);
    }
}

static void run_srem(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    struct set_edit s = set_edit_key(c, &key, key_write_type(c, &key, TYPE_SET, &wrong));
    int64_t count = 0;
    if (wrong) {
        return;
    }
    for (size_t i = 2; s.e != NULL && i < c->argc && set_count(s.e) > 0; i++) {
        count += set_remove(&s, c->argv[i]);
    }
    if (count > 0) {
        removed(c, &key, &s, (uint64_t)count);
    }
    reply_int(c->reply, count);
}

static void run_sismember(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_SET, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL && set_has(e, c->argv[2]));
    }
}

static void run_smismember(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_SET, &wrong);
    if (wrong) {
        return;
    }
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        reply_int(c->reply, e != NULL && set_has(e, c->argv[i]));
    }
}

static void run_scard(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_SET, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL ? (int64_t)set_count(e) : 0);
    }
}

static void run_smembers(struct call *c)
{
    struct key key = call_key(c, 1);
    struct set_iterator it;
    struct slice member;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_SET, &wrong);
    if (wrong) {
        return;
    }
    reply_set(c->reply, e != NULL ? (int64_t)set_count(e) : 0);
    if (e != NULL) {
        for (set_begin(&it, e); set_next(&it, &member);) {
            reply_bulk_slice(c->reply, member);
        }
    }
}

/* ---- SMOVE --------------------------------------------------------------------------------------------- */

/* Moves a member that the source has. It is added first: should there be no memory, nothing has changed. */
static void move_member(struct call *c, const struct key *from, const struct key *to, struct entry *target)
{
    struct set_edit into = set_edit_key(c, to, target);
    enum set_result result = set_add(&into, c->argv[3]);
    if (result == SET_NO_MEMORY) {
        return;
    }
    struct set_edit source = set_edit_key(c, from, key_peek(c, from));
    set_remove(&source, c->argv[3]);
    removed(c, from, &source, 1);
    if (result == SET_CHANGED) {
        key_changed(c, to, 1, EVENT_SET, "sadd");
    }
    reply_int(c->reply, 1);
}

static void run_smove(struct call *c)
{
    struct key from = call_key(c, 1);
    struct key to = call_key(c, 2);
    bool wrong;
    const struct entry *target = key_write(c, &to);
    const struct entry *source = key_write_type(c, &from, TYPE_SET, &wrong);
    if (wrong) {
        return;
    }
    if (source != NULL && target != NULL && entry_type(target) != TYPE_SET) {
        call_wrong_type(c);
        return;
    }
    if (source == NULL || !set_has(source, c->argv[3])) {
        reply_int(c->reply, 0);
    } else if (slice_equal(from.name, to.name)) {
        reply_int(c->reply, 1);
    } else {
        move_member(c, &from, &to, key_peek(c, &to));
    }
}

/* ---- SSCAN --------------------------------------------------------------------------------------------- */

static void reply_member(struct scan *scan, struct slice member)
{
    if (scan_matches(scan, member)) {
        reply_bulk_slice(scan->c->reply, member);
        scan->replied++;
    }
}

static void visit(void *context, struct dict_item *it)
{
    reply_member(context, item_field(it));
}

/* A step through a table; a small set is replied whole. */
static uint64_t scan_members(struct scan *scan, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    if (set_form(e) == SET_TABLE) {
        return dict_scan(entry_object(e), scan->cursor, scan->count, visit, scan);
    }
    for (set_begin(&it, e); set_next(&it, &member);) {
        reply_member(scan, member);
    }
    return 0;
}

static void run_sscan(struct call *c)
{
    scan_collection(c, TYPE_SET, scan_members);
}

const struct command set_commands[] = {
    {
        .name = "sadd",
        .run = run_sadd,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(1) for each member added, so O(N) to add N members in one call.",
        .summary = "Adds one or more members to a set, which is created when it doesn't exist.",
        .syntax = "key member [member ...]",
        .history = "2.4.0\tAccepts several members.",
    },
    {
        .name = "scard",
        .run = run_scard,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the number of members of a set.",
        .syntax = "key",
    },
    {
        .name = "sismember",
        .run = run_sismember,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Determines whether a member belongs to a set.",
        .syntax = "key member",
    },
    {
        .name = "smembers",
        .run = run_smembers,
        .arity = 2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of members of the set.",
        .summary = "Returns all members of a set.",
        .syntax = "key",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "smismember",
        .run = run_smismember,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "6.2.0",
        .complexity = "O(N), N being the number of members asked for.",
        .summary = "Determines for each of several members whether it belongs to a set.",
        .syntax = "key member [member ...]",
    },
    {
        .name = "smove",
        .run = run_smove,
        .arity = 4,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}, {2, 2, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Moves a member from one set to another.",
        .syntax = "source destination member",
    },
    {
        .name = "srem",
        .run = run_srem,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of members to be removed.",
        .summary = "Removes one or more members from a set, and the set when none is left.",
        .syntax = "key member [member ...]",
        .history = "2.4.0\tAccepts several members.",
    },
    {
        .name = "sscan",
        .run = run_sscan,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "2.8.0",
        .complexity =
            "O(1) for every call; O(N) for an iteration from cursor 0 back to 0, N being the number "
            "of members of the set.",
        .summary = "Iterates over the members of a set.",
        .syntax = "key cursor [MATCH pattern] [COUNT count]",
        .tips = "nondeterministic_output",
    },
    {0},
};
