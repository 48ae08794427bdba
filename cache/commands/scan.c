/*
 * Walking through the keys: SCAN, KEYS, RANDOMKEY; and what the scans of collections have in common with it.
 *
 * SCAN locks the shards that it reads one at a time and stops nobody. KEYS runs alone, so that its reply is the keyspace of
 * one instant. None of the three shows a key past its deadline.
 */
#include "commands/scan.h"

#include "commands/groups.h"
#include "commands/key.h"
#include "commands/type.h"
#include "types/glob.h"

bool scan_matches(const struct scan *scan, struct slice element)
{
    return scan->pattern.ptr == NULL ||
           glob_match(scan->pattern.ptr, scan->pattern.len, element.ptr, element.len, false);
}

static void set_pattern(struct scan *scan, struct slice pattern)
{
    bool any = pattern.len == 1 && pattern.ptr[0] == '*';
    scan->pattern = any ? (struct slice){NULL, 0} : pattern;
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

/* Begins a scan with its cursor; replies with the error and returns false when it is none. */
static bool begin(struct call *c, struct slice cursor, struct scan *scan)
{
    *scan = (struct scan){.c = c, .count = 10};
    if (!parse_cursor(cursor, &scan->cursor)) {
        reply_error(c->reply, "ERR invalid cursor");
        return false;
    }
    return true;
}

static bool parse_count(struct call *c, struct slice arg, struct scan *scan)
{
    int64_t number;
    if (!call_int(c, arg, &number)) {
        return false;
    }
    if (number < 1) {
        call_syntax_error(c);
        return false;
    }
    scan->count = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    return true;
}

/* The options from argv[from] on; as above. TYPE is one where the command has no key. */
static bool parse_options(struct call *c, size_t from, struct scan *scan)
{
    bool of_keys = c->command->keys[0].first == 0;
    bool of_pairs = !of_keys && c->command->name[0] == 'h';
    for (size_t i = from; i < c->argc; i += 2) {
        bool argument = i + 1 < c->argc;
        if (of_pairs && slice_is(c->argv[i], "novalues")) {
            scan->no_values = true;
            i--;
            continue;
        }
        if (argument && slice_is(c->argv[i], "count")) {
            if (!parse_count(c, c->argv[i + 1], scan)) {
                return false;
            }
        } else if (argument && slice_is(c->argv[i], "match")) {
            set_pattern(scan, c->argv[i + 1]);
        } else if (argument && of_keys && slice_is(c->argv[i], "type")) {
            scan->type = c->argv[i + 1];
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

static void reply_begin(struct scan *scan)
{
    reply_array(scan->c->reply, 2);
    scan->start = scan->c->reply->len;
    scan->hole = reply_hole(scan->c->reply);
}

/* The elements were replied in their place: the text of the cursor is put in front of them. */
static void reply_end(const struct scan *scan, uint64_t cursor)
{
    struct reply *r = scan->c->reply;
    size_t at = scan->start;
    reply_fill_array(r, scan->hole, scan->replied);
    size_t elements = r->len - at;
    reply_bulkf(r, "%llu", (unsigned long long)cursor);
    size_t text = r->len - at - elements;
    char head[40];
    if (r->failed || text > sizeof head) {
        return;
    }
    memcpy(head, r->data + at + elements, text);
    memmove(r->data + at + text, r->data + at, elements);
    memcpy(r->data + at, head, text);
}

static void reply_nothing(struct call *c)
{
    reply_array(c->reply, 2);
    reply_bulk_string(c->reply, "0");
    reply_array(c->reply, 0);
}

void scan_collection(struct call *c, enum entry_type type, scan_step *step)
{
    struct key key = call_key(c, 1);
    struct scan scan;
    bool wrong;
    if (!begin(c, c->argv[2], &scan)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, type, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL) {
        reply_nothing(c);
    } else if (parse_options(c, 3, &scan)) {
        reply_begin(&scan);
        reply_end(&scan, step(&scan, e));
    }
}

/* ---- keys ----------------------------------------------------------------------------------------------- */

static bool wanted(const struct scan *scan, const struct entry *e)
{
    return !entry_is_dead(e, scan->c->now) && scan_matches(scan, entry_key(e)) &&
           (scan->type.ptr == NULL || slice_is(scan->type, type_of(e)->name));
}

/* Replies with the key of an entry that is wanted. */
static void visit(void *context, struct entry *e, uint64_t hash)
{
    struct scan *scan = context;
    (void)hash;
    if (wanted(scan, e)) {
        reply_bulk_slice(scan->c->reply, entry_key(e));
        scan->replied++;
    }
}

static void run_scan(struct call *c)
{
    struct scan scan;
    if (begin(c, c->argv[1], &scan) && parse_options(c, 2, &scan)) {
        reply_begin(&scan);
        reply_end(&scan, db_scan(c->db, scan.cursor, scan.count, visit, &scan));
    }
}

static void run_keys(struct call *c)
{
    struct scan scan = {.c = c};
    set_pattern(&scan, c->argv[1]);
    size_t hole = reply_hole(c->reply);
    db_each(c->db, visit, &scan);
    reply_fill_array(c->reply, hole, scan.replied);
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
