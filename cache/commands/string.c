/*
 * The string commands that set, get and remove a whole value. (Numbers: increment.c; parts of a value: range.c; several
 * keys: mset.c; LCS: lcs.c.)
 */
#include "commands/call.h"
#include "commands/change.h"
#include "commands/expiry.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "commands/value.h"

/* ---- SET and its kin -------------------------------------------------------------------------------- */

struct set_options {
    bool only_new, only_existing, get, keep_ttl;
    struct expiry_words expiry;
};

static bool parse_set_options(struct call *c, struct set_options *options)
{
    *options = (struct set_options){0};
    for (size_t i = 3; i < c->argc; i++) {
        struct slice word = c->argv[i];
        if (!options->keep_ttl && expiry_take(c, &i, &options->expiry)) {
            continue;
        }
        if (slice_is(word, "nx") && !options->only_existing) {
            options->only_new = true;
        } else if (slice_is(word, "xx") && !options->only_new) {
            options->only_existing = true;
        } else if (slice_is(word, "get")) {
            options->get = true;
        } else if (slice_is(word, "keepttl") && options->expiry.at == 0) {
            options->keep_ttl = true;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* A deadline that has passed already (EXAT): the key is gone at once. */
static void store_late(struct call *c, const struct key *key)
{
    if (key_delete(c, key)) {
        propagate(c, SLICE("DEL"), key->name);
    } else {
        propagate_nothing(c);
        key_event(c, key, EVENT_NEW, "new");
    }
    c->worker->store.expired++;
}

/* Stores argv[index], with a deadline if `timed`. False, and the error is replied, when there is no memory. */
static bool store(struct call *c, const struct key *key, size_t index, int64_t deadline, bool timed)
{
    bool late = deadline <= c->now;
    if (__builtin_expect(late, 0)) {
        store_late(c, key);
    } else if (!key_set_string(c, key, c->argv[index], deadline)) {
        return false;
    } else if (timed) {
        propagate_set(c, key, index, deadline);
    }
    key_changed(c, key, 1, EVENT_STRING, "set");
    if (timed) {
        key_event(c, key, EVENT_GENERIC, "expire");
    }
    if (__builtin_expect(late, 0)) {
        key_event(c, key, EVENT_EXPIRED, "expired");
    }
    return true;
}

/* Replies with a value, or null without an entry. */
static void reply_entry(struct reply *r, const struct entry *e)
{
    if (e != NULL) {
        value_reply(r, e);
    } else {
        reply_null(r);
    }
}

/* SET with options that look at the old value. */
static void set_conditionally(struct call *c, const struct key *key, const struct set_options *options,
                              int64_t deadline)
{
    size_t before = c->reply->len;
    bool wrong = false;
    const struct entry *old = options->get ? key_read_type(c, key, TYPE_STRING, &wrong) : key_use(c, key);
    if (wrong) {
        return;
    }
    if (options->get) {
        reply_entry(c->reply, old);
    }
    if ((options->only_new && old != NULL) || (options->only_existing && old == NULL)) {
        if (!options->get) {
            reply_null(c->reply);
        }
        return;
    }
    if (options->keep_ttl && old != NULL) {
        deadline = entry_deadline(old);
    }
    bool timed = options->expiry.at != 0;
    if (store(c, key, 2, deadline, timed)) {
        if (!options->get) {
            reply_ok(c->reply);
        } else if (options->keep_ttl) {
            propagate(c, SLICE("SET"), key->name, c->argv[2], SLICE("KEEPTTL"));
        } else if (!timed) {
            propagate(c, SLICE("SET"), key->name, c->argv[2]);
        }
    } else if (options->get) { /* the error takes the place of the old value */
        c->reply->len = before;
        call_out_of_memory(c);
    }
}

static void run_set(struct call *c)
{
    struct set_options options;
    int64_t deadline = ENTRY_NO_DEADLINE;
    struct key key = call_key(c, 1);
    if (!parse_set_options(c, &options) || !expiry_resolve(c, &options.expiry, &deadline)) {
        return;
    }
    if (options.only_new || options.only_existing || options.get || options.keep_ttl) {
        set_conditionally(c, &key, &options, deadline);
    } else if (store(c, &key, 2, deadline, options.expiry.at != 0)) {
        reply_ok(c->reply);
    }
}

static void set_expiring(struct call *c, enum expiry_unit unit)
{
    int64_t deadline;
    struct key key = call_key(c, 1);
    if (expiry_option(c, c->argv[2], unit, false, &deadline) && store(c, &key, 3, deadline, true)) {
        reply_ok(c->reply);
    }
}

static void run_setex(struct call *c)
{
    set_expiring(c, EXPIRY_SECONDS);
}

static void run_psetex(struct call *c)
{
    set_expiring(c, EXPIRY_MILLISECONDS);
}

static void run_setnx(struct call *c)
{
    struct key key = call_key(c, 1);
    if (key_use(c, &key) != NULL) {
        reply_int(c->reply, 0);
    } else if (store(c, &key, 2, ENTRY_NO_DEADLINE, false)) {
        reply_int(c->reply, 1);
    }
}

/* ---- GET and its kin -------------------------------------------------------------------------------- */

static void run_get(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (!wrong) {
        reply_entry(c->reply, e);
    }
}

static void run_getset(struct call *c)
{
    static const struct set_options options = {.get = true};
    struct key key = call_key(c, 1);
    set_conditionally(c, &key, &options, ENTRY_NO_DEADLINE);
}

static void run_getdel(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    reply_entry(c->reply, e);
    if (e != NULL) {
        key_delete(c, &key);
        propagate(c, SLICE("DEL"), key.name);
        key_changed(c, &key, 1, EVENT_GENERIC, "del");
    }
}

static bool parse_getex_options(struct call *c, struct expiry_words *expiry, bool *persist)
{
    *expiry = (struct expiry_words){0};
    *persist = false;
    for (size_t i = 2; i < c->argc; i++) {
        if (!*persist && expiry_take(c, &i, expiry)) {
            continue;
        }
        if (!slice_is(c->argv[i], "persist") || expiry->at != 0) {
            call_syntax_error(c);
            return false;
        }
        *persist = true;
    }
    return true;
}

/* GETEX of a key with a new deadline, which may be none. */
static void get_expiring(struct call *c, const struct key *key, struct entry *e, int64_t deadline)
{
    char digits[NUMBER_I64_MAX_CHARS];
    if (deadline <= c->now) {
        value_reply(c->reply, e);
        key_delete(c, key);
        propagate(c, SLICE("DEL"), key->name);
        key_changed(c, key, 1, EVENT_GENERIC, "del");
    } else if (key_expire(c, key, e, deadline)) {
        value_reply(c->reply, key_peek(c, key)); /* it may have moved */
        if (deadline == ENTRY_NO_DEADLINE) {
            propagate(c, SLICE("PERSIST"), key->name);
        } else {
            propagate(c, SLICE("PEXPIREAT"), key->name, propagate_deadline(deadline, digits));
        }
        key_changed(c, key, 1, EVENT_GENERIC, deadline == ENTRY_NO_DEADLINE ? "persist" : "expire");
    }
}

static void run_getex(struct call *c)
{
    struct key key = call_key(c, 1);
    struct expiry_words expiry;
    int64_t deadline = ENTRY_NO_DEADLINE;
    bool persist, wrong;
    if (!parse_getex_options(c, &expiry, &persist)) {
        return;
    }
    struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (wrong || (e != NULL && !expiry_resolve(c, &expiry, &deadline))) {
        return;
    }
    if (e != NULL && (expiry.at != 0 || (persist && entry_has_deadline(e)))) {
        get_expiring(c, &key, e, deadline);
    } else {
        reply_entry(c->reply, e);
    }
}

const struct command string_commands[] = {
    {
        .name = "get",
        .run = run_get,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the string value of a key.",
        .syntax = "key",
    },
    {
        .name = "getdel",
        .run = run_getdel,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_STRING,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns the string value of a key and deletes the key.",
        .syntax = "key",
    },
    {
        .name = "getex",
        .run = run_getex,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns the string value of a key and sets or removes its deadline.",
        .syntax = "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                  "PXAT unix-time-milliseconds | PERSIST]",
    },
    {
        .name = "getset",
        .run = run_getset,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Sets the string value of a key and returns the one before.",
        .syntax = "key value",
        .deprecated_since = "6.2.0",
        .replaced_by = "`SET` with the `!GET` argument",
    },
    {
        .name = "psetex",
        .run = run_psetex,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Sets the string value of a key and its time to live in milliseconds.",
        .syntax = "key milliseconds value",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with the `PX` argument",
    },
    {
        .name = "set",
        .run = run_set,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Sets the string value of a key, whatever its type was.",
        .syntax = "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                  "PXAT unix-time-milliseconds | KEEPTTL]",
        .history = "2.6.12\tAdded the `EX`, `PX`, `NX` and `XX` options.\n"
                   "6.0.0\tAdded the `KEEPTTL` option.\n"
                   "6.2.0\tAdded the `GET`, `EXAT` and `PXAT` option.\n"
                   "7.0.0\tAllowed the `NX` and `GET` options to be used together.",
    },
    {
        .name = "setex",
        .run = run_setex,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Sets the string value of a key and its time to live in seconds.",
        .syntax = "key seconds value",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with the `EX` argument",
    },
    {
        .name = "setnx",
        .run = run_setnx,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_OW | KEY_INSERT}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Sets the string value of a key that does not exist.",
        .syntax = "key value",
        .deprecated_since = "2.6.12",
        .replaced_by = "`SET` with the `NX` argument",
    },
    {0},
};
