/*
 * INCR and its kin: string values as numbers. The new number nearly always fits where the old one lay, and is written
 * there: no allocation, no second look-up.
 */
#include <math.h>

#include "commands/call.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "commands/value.h"
#include "types/number.h"

/* Stores a number's text: over `e`, or in a new key when that is NULL. */
static bool store(struct call *c, const struct key *key, struct entry *e, struct slice text,
                  const char *event)
{
    bool stored =
        e != NULL ? value_replace(c, key, e, text) : key_set_string(c, key, text, ENTRY_NO_DEADLINE);
    if (stored) {
        key_changed(c, key, 1, EVENT_STRING, event);
    }
    return stored;
}

static void increment(struct call *c, int64_t by)
{
    struct key key = call_key(c, 1);
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_STRING, &wrong);
    int64_t value = 0;
    char text[NUMBER_I64_MAX_CHARS];
    if (wrong) {
        return;
    }
    if (e != NULL && !value_int(e, &value)) {
        reply_error(c->reply, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    size_t len = number_format_i64(text, value);
    if (store(c, &key, e, (struct slice){text, len}, "incrby")) {
        reply_int(c->reply, value);
    }
}

static void run_incr(struct call *c)
{
    increment(c, 1);
}

static void run_decr(struct call *c)
{
    increment(c, -1);
}

static void run_incrby(struct call *c)
{
    int64_t by;
    if (call_int(c, c->argv[2], &by)) {
        increment(c, by);
    }
}

static void run_decrby(struct call *c)
{
    int64_t by;
    if (!call_int(c, c->argv[2], &by)) {
        return;
    }
    if (by == INT64_MIN) { /* there is no number to add */
        reply_error(c->reply, "ERR decrement would overflow");
        return;
    }
    increment(c, -by);
}

static bool value_long_double(const struct entry *e, long double *value)
{
    char text[NUMBER_LONG_DOUBLE_MAX_CHARS];
    if (value_len(e) >= sizeof text) {
        return false;
    }
    size_t len = value_copy(value_bytes(e), 0, text, sizeof text);
    return number_parse_long_double(text, len, value);
}

static void run_incrbyfloat(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_STRING, &wrong);
    long double value = 0;
    long double by;
    char text[NUMBER_LONG_DOUBLE_MAX_CHARS];
    if (wrong) {
        return;
    }
    if ((e != NULL && !value_long_double(e, &value)) ||
        !number_parse_long_double(c->argv[2].ptr, c->argv[2].len, &by)) {
        reply_error(c->reply, "ERR value is not a valid float");
        return;
    }
    value += by;
    if (isnan(value) || isinf(value)) {
        reply_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    size_t len = number_format_long_double_human(text, value);
    struct slice sum = {text, len};
    if (store(c, &key, e, sum, "incrbyfloat")) {
        propagate(c, SLICE("SET"), key.name, sum, SLICE("KEEPTTL"));
        reply_bulk_slice(c->reply, sum);
    }
}

const struct command increment_commands[] = {
    {
        .name = "decr",
        .run = run_decr,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Takes one from the integer value of a key; a missing key counts as 0.",
        .syntax = "key",
    },
    {
        .name = "decrby",
        .run = run_decrby,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Takes a number from the integer value of a key; a missing key counts as 0.",
        .syntax = "key decrement",
    },
    {
        .name = "incr",
        .run = run_incr,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Adds one to the integer value of a key; a missing key counts as 0.",
        .syntax = "key",
    },
    {
        .name = "incrby",
        .run = run_incrby,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Adds a number to the integer value of a key; a missing key counts as 0.",
        .syntax = "key increment",
    },
    {
        .name = "incrbyfloat",
        .run = run_incrbyfloat,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Adds a number to the floating-point value of a key; a missing key counts as 0.",
        .syntax = "key increment",
    },
    {0},
};
