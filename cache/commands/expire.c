/*
 * Deadlines: setting, asking for and taking them away.
 *
 * They are kept in clock.h's time, which never jumps, and turned into wall time only where a command speaks of it.
 */
#include "clock.h"
#include "commands/change.h"
#include "commands/expiry.h"
#include "commands/groups.h"
#include "commands/key.h"
#include "commands/propagate.h"

/* ---- EXPIRE and its kin ------------------------------------------------------------------------------ */

static bool parse_conditions(struct call *c, unsigned *conditions)
{
    unsigned set = 0;
    for (size_t i = 3; i < c->argc; i++) {
        struct slice word = c->argv[i];
        unsigned condition = expiry_condition(word);
        if (condition == 0) {
            reply_errorf(c->reply, "ERR Unsupported option %.*s",
                         (int)(word.len < INT32_MAX ? word.len : INT32_MAX), word.ptr);
            return false;
        }
        set |= condition;
    }
    *conditions = set;
    if ((set & EXPIRY_IF_NONE) != 0 && set != EXPIRY_IF_NONE) {
        reply_error(c->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((set & EXPIRY_IF_LATER) != 0 && (set & EXPIRY_IF_SOONER) != 0) {
        reply_error(c->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* The deadline in argv[2]; replies with the error when it is none. */
static bool parse_deadline(struct call *c, enum expiry_unit unit, bool absolute, int64_t *deadline)
{
    int64_t value;
    if (!call_int(c, c->argv[2], &value)) {
        return false;
    }
    if (!expiry_deadline(c, value, unit, absolute, deadline)) {
        expiry_invalid(c);
        return false;
    }
    return true;
}

static void expire(struct call *c, enum expiry_unit unit, bool absolute)
{
    unsigned conditions;
    int64_t deadline;
    if (!parse_conditions(c, &conditions) || !parse_deadline(c, unit, absolute, &deadline)) {
        return;
    }
    char digits[NUMBER_I64_MAX_CHARS];
    struct key key = call_key(c, 1);
    struct entry *e = key_use(c, &key);
    if (e == NULL || !expiry_conditions_hold(conditions, entry_deadline(e), deadline)) {
        reply_int(c->reply, 0);
        return;
    }
    if (deadline <= c->now) {
        key_delete(c, &key);
        propagate(c, SLICE("DEL"), key.name);
        key_changed(c, &key, 1, EVENT_GENERIC, "del");
    } else if (key_expire(c, &key, e, deadline)) {
        propagate_with(c, c->argv + 3, c->argc - 3, SLICE("PEXPIREAT"), key.name,
                       propagate_deadline(deadline, digits));
        key_changed(c, &key, 1, EVENT_GENERIC, "expire");
    } else {
        return;
    }
    reply_int(c->reply, 1);
}

static void run_expire(struct call *c)
{
    expire(c, EXPIRY_SECONDS, false);
}

static void run_pexpire(struct call *c)
{
    expire(c, EXPIRY_MILLISECONDS, false);
}

static void run_expireat(struct call *c)
{
    expire(c, EXPIRY_SECONDS, true);
}

static void run_pexpireat(struct call *c)
{
    expire(c, EXPIRY_MILLISECONDS, true);
}

static void run_persist(struct call *c)
{
    struct key key = call_key(c, 1);
    struct entry *e = key_use(c, &key);
    if (e == NULL || !entry_has_deadline(e)) {
        reply_int(c->reply, 0);
    } else if (key_expire(c, &key, e, ENTRY_NO_DEADLINE)) {
        key_changed(c, &key, 1, EVENT_GENERIC, "persist");
        reply_int(c->reply, 1);
    }
}

/* ---- TTL and its kin --------------------------------------------------------------------------------- */

/* Milliseconds in the unit that is asked for; seconds are rounded to the nearest. */
static int64_t in_unit(int64_t ms, enum expiry_unit unit)
{
    return unit == EXPIRY_MILLISECONDS ? ms : ms / 1000 + (ms % 1000 >= 500);
}

static void reply_deadline(struct call *c, enum expiry_unit unit, bool absolute)
{
    struct key key = call_key(c, 1);
    const struct entry *e = key_look(c, &key);
    if (e == NULL || !entry_has_deadline(e)) {
        reply_int(c->reply, e == NULL ? -2 : -1);
        return;
    }
    int64_t deadline = entry_deadline(e);
    reply_int(c->reply, in_unit(absolute ? clock_to_wall(deadline) : deadline - c->now, unit));
}

static void run_ttl(struct call *c)
{
    reply_deadline(c, EXPIRY_SECONDS, false);
}

static void run_pttl(struct call *c)
{
    reply_deadline(c, EXPIRY_MILLISECONDS, false);
}

static void run_expiretime(struct call *c)
{
    reply_deadline(c, EXPIRY_SECONDS, true);
}

static void run_pexpiretime(struct call *c)
{
    reply_deadline(c, EXPIRY_MILLISECONDS, true);
}

#define CONDITIONS_HISTORY "7.0.0\tThe options NX, XX, GT and LT."

const struct command expire_commands[] = {
    {
        .name = "expire",
        .run = run_expire,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Sets the expiration time of a key in seconds.",
        .syntax = "key seconds [NX | XX | GT | LT]",
        .history = CONDITIONS_HISTORY,
    },
    {
        .name = "expireat",
        .run = run_expireat,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Sets the expiration time of a key to a Unix timestamp.",
        .syntax = "key unix-time-seconds [NX | XX | GT | LT]",
        .history = CONDITIONS_HISTORY,
    },
    {
        .name = "expiretime",
        .run = run_expiretime,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GENERIC,
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Returns the expiration time of a key as a Unix timestamp.",
        .syntax = "key",
    },
    {
        .name = "persist",
        .run = run_persist,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Removes the expiration time of a key.",
        .syntax = "key",
    },
    {
        .name = "pexpire",
        .run = run_pexpire,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Sets the expiration time of a key in milliseconds.",
        .syntax = "key milliseconds [NX | XX | GT | LT]",
        .history = CONDITIONS_HISTORY,
    },
    {
        .name = "pexpireat",
        .run = run_pexpireat,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Sets the expiration time of a key to a Unix timestamp in milliseconds.",
        .syntax = "key unix-time-milliseconds [NX | XX | GT | LT]",
        .history = CONDITIONS_HISTORY,
    },
    {
        .name = "pexpiretime",
        .run = run_pexpiretime,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GENERIC,
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Returns the expiration time of a key as a Unix timestamp in milliseconds.",
        .syntax = "key",
    },
    {
        .name = "pttl",
        .run = run_pttl,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GENERIC,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Returns the time that a key has left in milliseconds.",
        .syntax = "key",
        .history = "2.8.0\tThe reply -2.",
        .tips = "nondeterministic_output",
    },
    {
        .name = "ttl",
        .run = run_ttl,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the time that a key has left in seconds.",
        .syntax = "key",
        .history = "2.8.0\tThe reply -2.",
        .tips = "nondeterministic_output",
    },
    {0},
};
