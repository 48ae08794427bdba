/*
 * HINCRBY and HINCRBYFLOAT: values of fields as numbers. A field keeps its deadline; one that is not there counts as 0.
 */
#include <math.h>

#include "commands/change.h"
#include "commands/groups.h"
#include "commands/hash_fields.h"
#include "commands/hash_value.h"
#include "commands/propagate.h"

/* Stores the new value's text. */
static bool store(struct call *c, const struct key *key, struct entry *e, struct slice text,
                  const char *event)
{
    if (!hash_value_update(c, key, &e, c->argv[2], text)) {
        return false;
    }
    key_changed(c, key, 1, EVENT_HASH, event);
    return true;
}

/* The field's value as an integer; replies with the error when it is none. */
static bool old_int(struct call *c, const struct entry *e, int64_t *number)
{
    struct listpack_value value;
    *number = 0;
    if (e == NULL || !hash_value_get(e, c->argv[2], c->now, &value)) {
        return true;
    }
    if (value.is_int) {
        *number = value.number;
    } else if (!number_parse_i64(value.bytes.ptr, value.bytes.len, number)) {
        reply_error(c->reply, "ERR hash value is not an integer");
        return false;
    }
    return true;
}

static void run_hincrby(struct call *c)
{
    struct key key = call_key(c, 1);
    char text[NUMBER_I64_MAX_CHARS];
    int64_t by, number;
    bool wrong;
    if (!call_int(c, c->argv[3], &by)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong || !old_int(c, e, &number)) {
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct slice value = {text, number_format_i64(text, number)};
    if (store(c, &key, e, value, "hincrby")) {
        reply_int(c->reply, number);
    }
}

/* The field's value as a float; as above. */
static bool old_float(struct call *c, const struct entry *e, long double *number)
{
    struct listpack_value value;
    *number = 0;
    if (e == NULL || !hash_value_get(e, c->argv[2], c->now, &value)) {
        return true;
    }
    if (value.is_int) {
        *number = (long double)value.number;
    } else if (!number_parse_long_double(value.bytes.ptr, value.bytes.len, number)) {
        reply_error(c->reply, "ERR hash value is not a float");
        return false;
    }
    return true;
}

/* The sum, not the increment, which another machine may add up to something else. HSET takes the field's deadline away. */
static void propagate_sum(struct call *c, const struct key *key, struct slice sum)
{
    if (propagate_is_on(c)) {
        propagate_begin(c->worker);
        propagate(c, SLICE("HSET"), key->name, c->argv[2], sum);
        hash_fields_propagate_deadline(c, key, key_peek(c, key), c->argv[2]);
        propagate_end(c->worker);
    }
}

static void run_hincrbyfloat(struct call *c)
{
    struct key key = call_key(c, 1);
    char text[NUMBER_LONG_DOUBLE_MAX_CHARS];
    long double by, number;
    bool wrong;
    if (!number_parse_long_double(c->argv[3].ptr, c->argv[3].len, &by)) {
        reply_error(c->reply, "ERR value is not a valid float");
        return;
    }
    if (isinf(by)) {
        reply_error(c->reply, "ERR value is NaN or Infinity");
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong || !old_float(c, e, &number)) {
        return;
    }
    number += by;
    if (isnan(number) || isinf(number)) {
        reply_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct slice value = {text, number_format_long_double_human(text, number)};
    if (store(c, &key, e, value, "hincrbyfloat")) {
        propagate_sum(c, &key, value);
        reply_bulk_slice(c->reply, value);
    }
}

const struct command hash_increment_commands[] = {
    {
        .name = "hincrby",
        .run = run_hincrby,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Adds a number to the integer value of a field; a missing field counts as 0.",
        .syntax = "key field increment",
    },
    {
        .name = "hincrbyfloat",
        .run = run_hincrbyfloat,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Adds a number to the floating-point value of a field; a missing field counts as 0.",
        .syntax = "key field increment",
    },
    {0},
};
