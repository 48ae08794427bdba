/*
 * The list commands that look for an element or change the midst of a list: LSET, LINSERT, LREM, LTRIM, LPOS.
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/list.h"

/* ---- LSET, LINSERT ----------------------------------------------------------------------------------- */

static void run_lset(struct call *c)
{
    struct key key = call_key(c, 1);
    struct list_cursor cursor;
    int64_t index;
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_LIST, &wrong);
    if (e == NULL) {
        if (!wrong) {
            reply_error(c->reply, "ERR no such key");
        }
        return;
    }
    if (!call_int(c, c->argv[2], &index)) {
        return;
    }
    if (!list_cursor_seek(&cursor, e, index)) {
        reply_error(c->reply, "ERR index out of range");
        return;
    }
    uint64_t place = index < 0 ? list_value_count(e) + (uint64_t)index : (uint64_t)index;
    if (list_value_set(c, &key, e, &cursor, place, c->argv[3])) {
        reply_ok(c->reply);
        key_changed(c, &key, 1, EVENT_LIST, "lset");
    }
}

/* The first element that equals `pivot`; *index counts on from the one that the cursor stands at. */
static bool find_from(struct list_cursor *cursor, struct slice pivot, uint64_t *index)
{
    do {
        struct listpack_value value = list_cursor_read(cursor);
        if (listpack_value_equal(&value, pivot)) {
            return true;
        }
        ++*index;
    } while (list_cursor_next(cursor));
    return false;
}

static void run_linsert(struct call *c)
{
    struct key key = call_key(c, 1);
    struct list_cursor cursor;
    uint64_t index = 0;
    bool wrong;
    bool after = slice_is(c->argv[2], "after");
    if (!after && !slice_is(c->argv[2], "before")) {
        call_syntax_error(c);
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_LIST, &wrong);
    if (e == NULL) {
        if (!wrong) {
            reply_int(c->reply, 0);
        }
        return;
    }
    uint64_t count = list_value_count(e);
    list_cursor_seek(&cursor, e, 0);
    if (!find_from(&cursor, c->argv[3], &index)) {
        reply_int(c->reply, -1);
    } else if (list_value_insert(c, &key, e, &cursor, index, after, c->argv[4])) {
        reply_int(c->reply, (int64_t)count + 1);
        key_changed(c, &key, 1, EVENT_LIST, "linsert");
    }
}

/* ---- LREM, LTRIM ------------------------------------------------------------------------------------- */

static void run_lrem(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t count;
    uint64_t removed;
    bool wrong;
    if (!call_int(c, c->argv[2], &count)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_LIST, &wrong);
    if (e == NULL) {
        if (!wrong) {
            reply_int(c->reply, 0);
        }
        return;
    }
    uint64_t max = count == 0 ? UINT64_MAX : count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    bool emptied = list_value_remove_equal(c, &key, e, c->argv[3], max, count < 0, &removed);
    reply_int(c->reply, (int64_t)removed);
    if (removed > 0) {
        list_removed(c, &key, removed, "lrem", emptied);
    }
}

/* Removes all but the elements from `first` to `last`. */
static bool trim(struct call *c, const struct key *key, struct entry *e, uint64_t first, uint64_t last)
{
    uint64_t behind = list_value_count(e) - last - 1;
    if (behind > 0) {
        list_value_remove_range(c, key, e, last + 1, behind);
        e = key_peek(c, key); /* it may be a small one now */
    }
    return first > 0 && list_value_remove_range(c, key, e, 0, first);
}

static void run_ltrim(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t start, end;
    uint64_t first, last;
    bool wrong, emptied;
    if (!call_int(c, c->argv[2], &start) || !call_int(c, c->argv[3], &end)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_LIST, &wrong);
    if (wrong) {
        return;
    }
    reply_ok(c->reply);
    if (e == NULL) {
        return;
    }
    uint64_t removed = list_value_count(e);
    if (list_range(start, end, removed, &first, &last)) {
        removed -= last - first + 1;
        emptied = trim(c, &key, e, first, last);
    } else {
        emptied = list_value_remove_range(c, &key, e, 0, removed);
    }
    list_removed(c, &key, removed, "ltrim", emptied);
}

/* ---- LPOS -------------------------------------------------------------------------------------------- */

struct pos_options {
    int64_t rank, count, max;
    bool counted;
};

static bool parse_pos_options(struct call *c, struct pos_options *options)
{
    *options = (struct pos_options){.rank = 1};
    for (size_t i = 3; i < c->argc; i += 2) {
        struct slice word = c->argv[i];
        if (i + 1 >= c->argc) {
            call_syntax_error(c);
            return false;
        }
        struct slice value = c->argv[i + 1];
        bool good = true;
        if (slice_is(word, "rank")) {
            if (!call_signed_count(c, value, &options->rank)) {
                return false;
            }
            if (options->rank == 0) {
                reply_error(c->reply,
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                            "second ... or use negative to start from the end of the list");
                return false;
            }
        } else if (slice_is(word, "count")) {
            options->counted = true;
            good = call_int_range(c, value, 0, INT64_MAX, "ERR COUNT can't be negative", &options->count);
        } else if (slice_is(word, "maxlen")) {
            good = call_int_range(c, value, 0, INT64_MAX, "ERR MAXLEN can't be negative", &options->max);
        } else {
            call_syntax_error(c);
            return false;
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* Replies with the indexes of matches, one after another, as options say; returns how many. */
static int64_t reply_matches(struct call *c, const struct entry *e, const struct pos_options *options)
{
    struct list_cursor cursor;
    bool backwards = options->rank < 0;
    int64_t skip = (backwards ? -options->rank : options->rank) - 1;
    int64_t most = options->counted ? options->count : 1;
    int64_t all = (int64_t)list_value_count(e);
    int64_t matches = 0;
    bool more = list_cursor_seek(&cursor, e, backwards ? -1 : 0);
    for (int64_t i = 0; more && (options->max == 0 || i < options->max); i++) {
        struct listpack_value value = list_cursor_read(&cursor);
        if (listpack_value_equal(&value, c->argv[2]) && skip-- <= 0) {
            reply_int(c->reply, backwards ? all - 1 - i : i);
            if (++matches == most) {
                break;
            }
        }
        more = backwards ? list_cursor_prev(&cursor) : list_cursor_next(&cursor);
    }
    return matches;
}

static void run_lpos(struct call *c)
{
    struct key key = call_key(c, 1);
    struct pos_options options;
    bool wrong;
    if (!parse_pos_options(c, &options)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_LIST, &wrong);
    if (wrong) {
        return;
    }
    size_t hole = options.counted ? reply_hole(c->reply) : 0;
    int64_t matches = e != NULL ? reply_matches(c, e, &options) : 0;
    if (options.counted) {
        reply_fill_array(c->reply, hole, matches);
    } else if (matches == 0) {
        reply_null(c->reply);
    }
}

const struct command list_edit_commands[] = {
    {
        .name = "linsert",
        .run = run_linsert,
        .arity = 5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_LIST,
        .since = "2.2.0",
        .complexity = "O(N), N being the number of elements that are passed before the pivot is found.",
        .summary = "Inserts an element before or after another element of a list.",
        .syntax = "key <BEFORE | AFTER> pivot element",
    },
    {
        .name = "lpos",
        .run = run_lpos,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_LIST,
        .since = "6.0.6",
        .complexity = "O(N), N being the number of elements that are compared: with MAXLEN, at most so many.",
        .summary = "Returns the index of elements of a list that match.",
        .syntax = "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    },
    {
        .name = "lrem",
        .run = run_lrem,
        .arity = 4,
        .flags = CMD_WRITE,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = "O(N+M), N being the length of the list and M the number of elements removed.",
        .summary = "Removes elements of a list that match, and the key with the last one.",
        .syntax = "key count element",
    },
    {
        .name = "lset",
        .run = run_lset,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = "O(N), N being the way to the element, as in LINDEX.",
        .summary = "Sets the value of an element of a list by its index.",
        .syntax = "key index element",
    },
    {
        .name = "ltrim",
        .run = run_ltrim,
        .arity = 4,
        .flags = CMD_WRITE,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of chunks removed, which another thread frees.",
        .summary = "Removes all elements of a list that lie outside a range, and the key when none is left.",
        .syntax = "key start stop",
    },
    {0},
};
