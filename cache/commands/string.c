/*
 * The string commands.
 */
#include "commands/call.h"
#include "commands/expiry.h"
#include "commands/groups.h"
#include "commands/value.h"

/* ---- SET and its kin -------------------------------------------------------------------------------- */

struct set_options {
    bool only_new, only_existing, get, keep_ttl, timed;
    int64_t deadline;
};

/* One of EX, PX, EXAT, PXAT with its argument. Returns false when `word` is none of them. */
static bool is_expiry_word(struct slice word, enum expiry_unit *unit, bool *absolute)
{
    if (word.len != 2 && word.len != 4) {
        return false;
    }
    *absolute = word.len == 4;
    *unit = (word.ptr[0] | 0x20) == 'p' ? EXPIRY_MILLISECONDS : EXPIRY_SECONDS;
    return slice_is(word, *absolute ? (*unit == EXPIRY_SECONDS ? "exat" : "pxat")
                                    : (*unit == EXPIRY_SECONDS ? "ex" : "px"));
}

static bool parse_set_options(struct call *c, struct set_options *options)
{
    size_t expiry = 0;
    enum expiry_unit unit = EXPIRY_SECONDS;
    bool absolute = false;
    *options = (struct set_options){.deadline = ENTRY_NO_DEADLINE};
    for (size_t i = 3; i < c->argc; i++) {
        struct slice word = c->argv[i];
        if (is_expiry_word(word, &unit, &absolute) && i + 1 < c->argc && expiry == 0 && !options->keep_ttl) {
            expiry = ++i;
        } else if (slice_is(word, "nx") && !options->only_existing) {
            options->only_new = true;
        } else if (slice_is(word, "xx") && !options->only_new) {
            options->only_existing = true;
        } else if (slice_is(word, "get")) {
            options->get = true;
        } else if (slice_is(word, "keepttl") && expiry == 0) {
            options->keep_ttl = true;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    if (expiry > 0) {
        return expiry_option(c, c->argv[expiry], unit, absolute, &options->deadline);
    }
    return true;
}

static void set_plain(struct call *c, const struct key *key, int64_t deadline)
{
    if (deadline <= c->now) { /* EXAT in the past */
        key_delete(c, key);
        reply_ok(c->reply);
        call_changed(c, 1);
    } else if (key_set_string(c, key, c->argv[2], deadline)) {
        reply_ok(c->reply);
        call_changed(c, 1);
    }
}

static void run_set(struct call *c)
{
    struct set_options options;
    struct key key = call_key(c, 1);
    if (!parse_set_options(c, &options)) {
        return;
    }
    if (!options.only_new && !options.only_existing && !options.get && !options.keep_ttl) {
        set_plain(c, &key, options.deadline);
        return;
    }
    bool wrong = false;
    struct entry *old = options.get ? key_read_type(c, &key, TYPE_STRING, &wrong) : key_write(c, &key);
    if (wrong) {
        return;
    }
    if (options.get && old != NULL) {
        value_reply(c->reply, old);
    } else if (options.get) {
        reply_null(c->reply);
    }
    if ((options.only_new && old != NULL) || (options.only_existing && old == NULL)) {
        if (!options.get) {
            reply_null(c->reply);
        }
        return;
    }
    int64_t deadline = options.keep_ttl && old != NULL ? entry_deadline(old) : options.deadline;
    size_t before = c->reply->len;
    set_plain(c, &key, deadline);
    if (options.get) {
        c->reply->len = before;
    }
}

static void run_get(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (e != NULL) {
        value_reply(c->reply, e);
    } else if (!wrong) {
        reply_null(c->reply);
    }
}

static void run_getdel(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (e != NULL) {
        value_reply(c->reply, e);
        key_delete(c, &key);
        call_changed(c, 1);
    } else if (!wrong) {
        reply_null(c->reply);
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
        .summary = "Returns the string value of a key after deleting the key.",
        .syntax = "key",
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
        .summary =
            "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        .syntax = "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                  "PXAT unix-time-milliseconds | KEEPTTL]",
    },
    {0},
};
