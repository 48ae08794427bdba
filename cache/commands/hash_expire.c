/*
 * Deadlines of fields: setting, asking for and taking them away. Each command replies with an array that says of each field
 * what became of it. (HSETEX, HGETEX, HGETDEL: hash_expiring.c.)
 */
#include "clock.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/hash_fields.h"
#include "commands/hash_value.h"
#include "commands/propagate.h"

enum outcome {
    NO_FIELD = -2,
    NO_DEADLINE = -1,
    NOT_MET = 0, /* NX, XX, GT or LT */
    DONE = 1,
    GONE = 2 /* the deadline has passed already, and the field was deleted */
};

/* For a key that is not there. */
static void reply_no_fields(struct call *c, size_t first)
{
    reply_array(c->reply, (int64_t)(c->argc - first));
    for (size_t i = first; i < c->argc; i++) {
        reply_int(c->reply, NO_FIELD);
    }
}

/* ---- HEXPIRE and its kin -------------------------------------------------------------------------------- */

/* What a command of this kind is about. */
struct expiring {
    struct key key;
    struct entry *e;
    int64_t deadline;
    unsigned conditions;
    uint64_t changed, deleted;
};

/* Does what is asked for with one field. False, with an error replied, when there is no memory. */
static bool expire_field(struct call *c, struct expiring *x, struct slice field)
{
    struct listpack_value value;
    enum outcome outcome = DONE;
    if (!hash_value_get(x->e, field, c->now, &value)) {
        outcome = NO_FIELD;
    } else if (!expiry_conditions_hold(x->conditions, hash_value_deadline(x->e, field), x->deadline)) {
        outcome = NOT_MET;
    } else if (x->deadline <= c->now) {
        outcome = GONE;
        hash_value_remove(x->e, field, c->now);
        propagate(c, SLICE("HDEL"), x->key.name, field);
        x->deleted++;
    } else if (hash_value_expire(c, &x->key, &x->e, field, x->deadline)) {
        x->changed++;
    } else {
        return false;
    }
    reply_int(c->reply, outcome);
    return true;
}

/* After the last field: tells of what has changed. All fields got the same deadline, so none is logged here when some have gone. */
static void settle(struct call *c, const struct expiring *x)
{
    char digits[NUMBER_I64_MAX_CHARS];
    if (x->changed > 0) {
        propagate_with(c, c->argv + 3, c->argc - 3, SLICE("HPEXPIREAT"), x->key.name,
                       propagate_deadline(x->deadline, digits));
    }
    hash_value_timed(c, &x->key, x->e);
    if (x->changed + x->deleted == 0) {
        return;
    }
    bool emptied = x->deleted > 0 && hash_value_trim(c, &x->key, x->e);
    key_elements_removed(c, &x->key, x->changed + x->deleted, EVENT_HASH, x->deleted > 0 ? "hdel" : "hexpire",
                         emptied);
}

static void expire_fields(struct call *c, struct expiring *x, size_t first)
{
    size_t start = c->reply->len;
    reply_array(c->reply, (int64_t)(c->argc - first));
    propagate_begin(c->worker);
    for (size_t i = first; i < c->argc; i++) {
        if (!expire_field(c, x, c->argv[i])) { /* the error takes the place of the array */
            c->reply->len = start;
            call_out_of_memory(c);
            break;
        }
    }
    settle(c, x);
    propagate_end(c->worker);
}

static void expire(struct call *c, enum expiry_unit unit, bool absolute)
{
    struct expiring x = {.key = call_key(c, 1)};
    size_t first;
    bool wrong;
    x.e = key_write_type(c, &x.key, TYPE_HASH, &wrong);
    if (wrong || !hash_fields_deadline(c, c->argv[2], unit, absolute, &x.deadline)) {
        return;
    }
    x.conditions = expiry_condition(c->argv[3]);
    if (!hash_fields_parse(c, x.conditions != 0 ? 4 : 3, "ERR Parameter `numFields` should be greater than 0",
                           &first)) {
        return;
    }
    if (x.e == NULL) {
        reply_no_fields(c, first);
    } else {
        expire_fields(c, &x, first);
    }
}

static void run_hexpire(struct call *c)
{
    expire(c, EXPIRY_SECONDS, false);
}

static void run_hpexpire(struct call *c)
{
    expire(c, EXPIRY_MILLISECONDS, false);
}

static void run_hexpireat(struct call *c)
{
    expire(c, EXPIRY_SECONDS, true);
}

static void run_hpexpireat(struct call *c)
{
    expire(c, EXPIRY_MILLISECONDS, true);
}

/* ---- HTTL and its kin ----------------------------------------------------------------------------------- */

static int64_t outcome_deadline(struct call *c, const struct entry *e, struct slice field,
                                enum expiry_unit unit, bool absolute)
{
    struct listpack_value value;
    if (!hash_value_get(e, field, c->now, &value)) {
        return NO_FIELD;
    }
    int64_t deadline = hash_value_deadline(e, field);
    if (deadline == ENTRY_NO_DEADLINE) {
        return NO_DEADLINE;
    }
    int64_t ms = absolute ? clock_to_wall(deadline) : deadline - c->now;
    return unit == EXPIRY_SECONDS ? (ms + 999) / 1000 : ms;
}

static void reply_deadlines(struct call *c, enum expiry_unit unit, bool absolute)
{
    struct key key = call_key(c, 1);
    size_t first;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (wrong || !hash_fields_parse(c, 2, HASH_FIELDS_NUMBER, &first)) {
        return;
    }
    if (e == NULL) {
        reply_no_fields(c, first);
        return;
    }
    reply_array(c->reply, (int64_t)(c->argc - first));
    for (size_t i = first; i < c->argc; i++) {
        reply_int(c->reply, outcome_deadline(c, e, c->argv[i], unit, absolute));
    }
}

static void run_httl(struct call *c)
{
    reply_deadlines(c, EXPIRY_SECONDS, false);
}

static void run_hpttl(struct call *c)
{
    reply_deadlines(c, EXPIRY_MILLISECONDS, false);
}

static void run_hexpiretime(struct call *c)
{
    reply_deadlines(c, EXPIRY_SECONDS, true);
}

static void run_hpexpiretime(struct call *c)
{
    reply_deadlines(c, EXPIRY_MILLISECONDS, true);
}

/* ---- HPERSIST ------------------------------------------------------------------------------------------- */

/* Takes the deadlines of fields away, which shortens items and needs no memory beyond them. */
static uint64_t persist_fields(struct call *c, const struct key *key, struct entry *e, size_t first)
{
    uint64_t changed = 0;
    size_t start = c->reply->len;
    reply_array(c->reply, (int64_t)(c->argc - first));
    for (size_t i = first; i < c->argc; i++) {
        int64_t outcome = outcome_deadline(c, e, c->argv[i], EXPIRY_MILLISECONDS, true);
        if (outcome >= 0) {
            if (!hash_value_expire(c, key, &e, c->argv[i], ITEM_NO_DEADLINE)) {
                c->reply->len = start;
                call_out_of_memory(c);
                break;
            }
            hash_fields_propagate_persist(c, key, e, c->argv[i]);
            outcome = DONE;
            changed++;
        }
        reply_int(c->reply, outcome);
    }
    hash_value_timed(c, key, e);
    return changed;
}

static void run_hpersist(struct call *c)
{
    struct key key = call_key(c, 1);
    size_t first;
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong || !hash_fields_parse(c, 2, HASH_FIELDS_NUMBER, &first)) {
        return;
    }
    if (e == NULL) {
        reply_no_fields(c, first);
        return;
    }
    propagate_begin(c->worker);
    uint64_t changed = persist_fields(c, &key, e, first);
    propagate_end(c->worker);
    if (changed > 0) {
        key_changed(c, &key, changed, EVENT_HASH, "hpersist");
    }
}

#define FOR_EACH_FIELD "O(N), N being the number of fields that are given."

const struct command hash_expire_commands[] = {
    {
        .name = "hexpire",
        .run = run_hexpire,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Sets the time that fields of a hash have left, in seconds.",
        .syntax = "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    },
    {
        .name = "hexpireat",
        .run = run_hexpireat,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Sets the expiration time of fields of a hash to a Unix timestamp in seconds.",
        .syntax = "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    },
    {
        .name = "hexpiretime",
        .run = run_hexpiretime,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Returns the expiration time of fields of a hash as a Unix timestamp in seconds.",
        .syntax = "key FIELDS numfields field [field ...]",
    },
    {
        .name = "hpersist",
        .run = run_hpersist,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Removes the expiration time of fields of a hash.",
        .syntax = "key FIELDS numfields field [field ...]",
    },
    {
        .name = "hpexpire",
        .run = run_hpexpire,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Sets the time that fields of a hash have left, in milliseconds.",
        .syntax = "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    },
    {
        .name = "hpexpireat",
        .run = run_hpexpireat,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Sets the expiration time of fields of a hash to a Unix timestamp in milliseconds.",
        .syntax = "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    },
    {
        .name = "hpexpiretime",
        .run = run_hpexpiretime,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Returns the expiration time of fields of a hash as a Unix timestamp in milliseconds.",
        .syntax = "key FIELDS numfields field [field ...]",
    },
    {
        .name = "hpttl",
        .run = run_hpttl,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Returns the time that fields of a hash have left, in milliseconds.",
        .syntax = "key FIELDS numfields field [field ...]",
        .tips = "nondeterministic_output",
    },
    {
        .name = "httl",
        .run = run_httl,
        .arity = -5,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "7.4.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Returns the time that fields of a hash have left, in seconds.",
        .syntax = "key FIELDS numfields field [field ...]",
        .tips = "nondeterministic_output",
    },
    {0},
};
