/*
 * The hash commands that set, get and remove fields. (Numbers: hash_increment.c; HSCAN and HRANDFIELD: hash_walk.c; fields
 * with deadlines: hash_expire.c and hash_expiring.c.)
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/hash_value.h"
#include "commands/reply_packed.h"

/* ---- setting -------------------------------------------------------------------------------------------- */

/* HSET and HMSET: field, value, … from argv[2] on. False when an error was replied. */
static bool set(struct call *c, uint64_t *created)
{
    struct key key = call_key(c, 1);
    size_t count = (c->argc - 2) / 2;
    bool wrong;
    if (c->argc % 2 != 0) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->command->name);
        return false;
    }
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return false;
    }
    bool all = hash_value_set(c, &key, &e, &c->argv[2], count, created);
    key_changed(c, &key, count, EVENT_HASH, all ? "hset" : NULL); /* without memory some may be set */
    return all;
}

static void run_hset(struct call *c)
{
    uint64_t created;
    if (set(c, &created)) {
        reply_int(c->reply, (int64_t)created);
    }
}

static void run_hmset(struct call *c)
{
    uint64_t created;
    if (set(c, &created)) {
        reply_ok(c->reply);
    }
}

static void run_hsetnx(struct call *c)
{
    struct key key = call_key(c, 1);
    struct listpack_value value;
    uint64_t created;
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    if (e != NULL && hash_value_get(e, c->argv[2], c->now, &value)) {
        reply_int(c->reply, 0);
    } else if (hash_value_set(c, &key, &e, &c->argv[2], 1, &created)) {
        key_changed(c, &key, 1, EVENT_HASH, "hset");
        reply_int(c->reply, 1);
    }
}

/* ---- getting -------------------------------------------------------------------------------------------- */

/* The value of the field argv[index] of a hash, or (e NULL) of none. */
static bool get(const struct call *c, const struct entry *e, size_t index, struct listpack_value *value)
{
    return e != NULL && hash_value_get(e, c->argv[index], c->now, value);
}

static void reply_field(struct call *c, const struct entry *e, size_t index)
{
    struct listpack_value value;
    if (get(c, e, index, &value)) {
        hash_value_reply(c->reply, &value);
    } else {
        reply_null(c->reply);
    }
}

static void run_hget(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (!wrong) {
        reply_field(c, e, 2);
    }
}

static void run_hmget(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        reply_field(c, e, i);
    }
}

static void run_hexists(struct call *c)
{
    struct key key = call_key(c, 1);
    struct listpack_value value;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (!wrong) {
        reply_int(c->reply, get(c, e, 2, &value));
    }
}

static void run_hstrlen(struct call *c)
{
    struct key key = call_key(c, 1);
    struct listpack_value value;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    bool found = get(c, e, 2, &value);
    reply_int(c->reply, !found         ? 0
                        : value.is_int ? (int64_t)number_i64_chars(value.number)
                                       : (int64_t)value.bytes.len);
}

static void run_hlen(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL ? (int64_t)hash_value_count(e, c->now) : 0);
    }
}

/* HGETALL, HKEYS, HVALS. */
static void reply_all(struct call *c, bool fields, bool values)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    int64_t count = e != NULL ? (int64_t)hash_value_count(e, c->now) : 0;
    if (fields && values) {
        reply_map(c->reply, count);
    } else {
        reply_array(c->reply, count);
    }
    if (e == NULL) {
        return;
    }
    if (hash_value_is_small(e)) {
        reply_packed(c->reply, small_run(e), (uint64_t)count * HASH_EACH, !fields, !(fields && values));
        return;
    }
    struct hash_iterator at = hash_value_iterate(e, c->now);
    struct hash_pair pair;
    while (hash_value_next(&at, &pair)) {
        if (fields) {
            hash_value_reply(c->reply, &pair.field);
        }
        if (values) {
            hash_value_reply(c->reply, &pair.value);
        }
    }
}

static void run_hgetall(struct call *c)
{
    reply_all(c, true, true);
}

static void run_hkeys(struct call *c)
{
    reply_all(c, true, false);
}

static void run_hvals(struct call *c)
{
    reply_all(c, false, true);
}

/* ---- removing ------------------------------------------------------------------------------------------- */

static void run_hdel(struct call *c)
{
    struct key key = call_key(c, 1);
    uint64_t removed = 0;
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    for (size_t i = 2; e != NULL && i < c->argc; i++) {
        removed += hash_value_remove(e, c->argv[i], c->now);
    }
    if (removed > 0) {
        bool emptied = hash_value_trim(c, &key, e);
        key_elements_removed(c, &key, removed, EVENT_HASH, "hdel", emptied);
    }
    reply_int(c->reply, (int64_t)removed);
}

#define ORDER_VARIES "nondeterministic_output_order"

const struct command hash_commands[] = {
    {
        .name = "hdel",
        .run = run_hdel,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of fields to be removed.",
        .summary = "Deletes one or more fields of a hash, and the hash when none is left.",
        .syntax = "key field [field ...]",
        .history = "2.4.0\tSeveral fields may be given.",
    },
    {
        .name = "hexists",
        .run = run_hexists,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Determines whether a field exists in a hash.",
        .syntax = "key field",
    },
    {
        .name = "hget",
        .run = run_hget,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Returns the value of a field in a hash.",
        .syntax = "key field",
    },
    {
        .name = "hgetall",
        .run = run_hgetall,
        .arity = 2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of fields of the hash.",
        .summary = "Returns all fields and values of a hash.",
        .syntax = "key",
        .tips = ORDER_VARIES,
    },
    {
        .name = "hkeys",
        .run = run_hkeys,
        .arity = 2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of fields of the hash.",
        .summary = "Returns all fields of a hash.",
        .syntax = "key",
        .tips = ORDER_VARIES,
    },
    {
        .name = "hlen",
        .run = run_hlen,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(1); O(log N) with N fields that have deadlines, some of which have just passed.",
        .summary = "Returns the number of fields of a hash.",
        .syntax = "key",
    },
    {
        .name = "hmget",
        .run = run_hmget,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of fields that are asked for.",
        .summary = "Returns the values of the given fields of a hash.",
        .syntax = "key field [field ...]",
    },
    {
        .name = "hmset",
        .run = run_hmset,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of fields that are set.",
        .summary = "Sets the values of one or more fields of a hash.",
        .syntax = "key field value [field value ...]",
        .deprecated_since = "4.0.0",
        .replaced_by = "`HSET` with multiple field-value pairs",
    },
    {
        .name = "hset",
        .run = run_hset,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(1) for each field that is set.",
        .summary = "Sets the values of one or more fields of a hash, and returns how many fields are new.",
        .syntax = "key field value [field value ...]",
        .history = "4.0.0\tSeveral fields and values may be given.",
    },
    {
        .name = "hsetnx",
        .run = run_hsetnx,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Sets the value of a field of a hash that does not exist.",
        .syntax = "key field value",
    },
    {
        .name = "hstrlen",
        .run = run_hstrlen,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_HASH,
        .since = "3.2.0",
        .complexity = "O(1)",
        .summary = "Returns the length of the value of a field.",
        .syntax = "key field",
    },
    {
        .name = "hvals",
        .run = run_hvals,
        .arity = 2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of fields of the hash.",
        .summary = "Returns all values of a hash.",
        .syntax = "key",
        .tips = ORDER_VARIES,
    },
    {0},
};
