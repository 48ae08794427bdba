/*
 * Walking through the keys: SCAN, KEYS, RANDOMKEY.
 *
 * SCAN locks the shards that it reads one at a time and stops nobody. KEYS runs alone, so that its reply is the keyspace of
 * one instant. None of the three shows a key past its deadline.
 */
#include "commands/groups.h"
#include "commands/key.h"
#include "commands/type.h"
#include "types/glob.h"

/* Which keys are wanted, and how many were found. */
struct search {
    struct call *c;
    struct slice pattern; /* ptr NULL: any */
    struct slice type;    /* ptr NULL: any */
    int64_t found;
};

static bool wanted(const struct search *search, const struct entry *e)
{
    struct slice key = entry_key(e);
    if (entry_deadline(e) <= search->c->now) {
        return false;
    }
    if (search->pattern.ptr != NULL &&
        !glob_match(search->pattern.ptr, search->pattern.len, key.ptr, key.len, false)) {
        return false;
    }
    return search->type.ptr == NULL || slice_is(search->type, type_of(e)->name);
}

/* Replies with the key of an entry that is wanted. */
static void visit(void *context, struct entry *e, uint64_t hash)
{
    struct search *search = context;
    (void)hash;
    if (wanted(search, e)) {
        reply_bulk_slice(search->c->reply, entry_key(e));
        search->found++;
    }
}

static void search_pattern(struct search *search, struct slice pattern)
{
    bool any = pattern.len == 1 && pattern.ptr[0] == '*';
    search->pattern = any ? (struct slice){NULL, 0} : pattern;
}

/* As strtoul in base 10 reads it, which is what Redis takes: a sign may stand before it, no digits at all are 0, and a zero
 * byte ends it. Not a blank, nor anything behind the digits. */
static bool parse_cursor(struct slice text, uint64_t *cursor)
{
    size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    size_t digits = i;
    uint64_t value = 0;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    bool sign_alone = digits == 1 && i == 1;
    *cursor = digits == 1 && text.ptr[0] == '-' ? 0 - value : value;
    return !sign_alone && (i == text.len || text.ptr[i] == '\0');
}

static bool parse_scan_options(struct call *c, struct search *search, uint32_t *count)
{
    int64_t number = 10;
    for (size_t i = 2; i < c->argc; i += 2) {
        bool argument = i + 1 < c->argc;
        if (argument && slice_is(c->argv[i], "count")) {
            if (!call_int(c, c->argv[i + 1], &number)) {
                return false;
            }
            if (number < 1) {
                call_syntax_error(c);
                return false;
            }
        } else if (argument && slice_is(c->argv[i], "match")) {
            search_pattern(search, c->argv[i + 1]);
        } else if (argument && slice_is(c->argv[i], "type")) {
            search->type = c->argv[i + 1];
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    *count = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    return true;
}

/* The next cursor stands before the keys, and is known after them: the keys are replied in their place and the text of the
 * cursor is put in front of them. */
static void reply_cursor_before(struct reply *r, size_t at, uint64_t cursor)
{
    size_t keys = r->len - at;
    reply_bulkf(r, "%llu", (unsigned long long)cursor);
    size_t text = r->len - at - keys;
    char head[40];
    if (r->failed || text > sizeof head) {
        return;
    }
    memcpy(head, r->data + at + keys, text);
    memmove(r->data + at + text, r->data + at, keys);
    memcpy(r->data + at, head, text);
}

static void run_scan(struct call *c)
{
    struct search search = {.c = c};
    uint64_t cursor;
    uint32_t count;
    if (!parse_cursor(c->argv[1], &cursor)) {
        reply_error(c->reply, "ERR invalid cursor");
        return;
    }
    if (!parse_scan_options(c, &search, &count)) {
        return;
    }
    reply_array(c->reply, 2);
    size_t start = c->reply->len;
    size_t hole = reply_hole(c->reply);
    cursor = db_scan(c->db, cursor, count, visit, &search);
    reply_fill_array(c->reply, hole, search.found);
    reply_cursor_before(c->reply, start, cursor);
}

static void run_keys(struct call *c)
{
    struct search search = {.c = c};
    search_pattern(&search, c->argv[1]);
    size_t hole = reply_hole(c->reply);
    db_each(c->db, visit, &search);
    reply_fill_array(c->reply, hole, search.found);
}

static void run_randomkey(struct call *c)
{
    const struct entry *e = db_random(c->db, worker_random(c->worker), c->now);
    if (e != NULL) {
        reply_bulk_slice(c->reply, entry_key(e));
    } else {
        reply_null(c->reply);
    }
}

const struct command scan_commands[] = {
    {
        .name = "keys",
        .run = run_keys,
        .arity = 2,
        .flags = CMD_READONLY,
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of keys in the database.",
        .summary = "Returns all key names that match a pattern.",
        .syntax = "pattern",
        .tips = "request_policy:all_shards nondeterministic_output_order",
        .categories = "dangerous",
    },
    {
        .name = "randomkey",
        .run = run_randomkey,
        .arity = 1,
        .flags = CMD_READONLY,
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns a random key name from the database.",
        .syntax = "",
        .tips = "request_policy:all_shards nondeterministic_output",
    },
    {
        .name = "scan",
        .run = run_scan,
        .arity = -2,
        .flags = CMD_READONLY | CMD_LOCAL,
        .group = GROUP_GENERIC,
        .since = "2.8.0",
        .complexity =
            "O(1) for every call; O(N) for an iteration from cursor 0 back to 0, N being the number "
            "of keys in the database.",
        .summary = "Iterates over the key names in the database.",
        .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        .history = "6.0.0\tThe option TYPE.",
        .tips = "nondeterministic_output request_policy:special",
    },
    {0},
};
