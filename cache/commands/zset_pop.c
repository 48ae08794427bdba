/*
 * Pops from sorted sets: the lowest or the highest members of one set, or of the first of several that has any, waited for by
 * those whose names begin with B (block.h).
 */
#include "commands/block.h"
#include "commands/change.h"
#include "commands/first.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "commands/zset_range.h"

/* What to take of a set, and how the reply shows it. */
struct pop {
    bool highest, with_key, pairs;
    uint64_t count;
};

/* Logs a pop from the first of several sets: as that from this one. */
static void propagate_pop(struct call *c, const struct key *key, const struct pop *pop, uint64_t count)
{
    char digits[NUMBER_I64_MAX_CHARS];
    struct slice name = pop->highest ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN");
    if (pop->pairs) {
        propagate(c, name, key->name, propagate_number((int64_t)count, digits));
    } else {
        propagate(c, name, key->name);
    }
}

/* Pops from a set that has members, and replies with them. */
static void pop_members(struct call *c, const struct key *key, struct entry *e, const struct pop *pop)
{
    uint64_t all = zset_value_count(e);
    uint64_t count = pop->count < all ? pop->count : all;
    struct zset_span span = {pop->highest ? all - count : 0, count};
    if (pop->with_key && pop->pairs) {
        reply_array(c->reply, 2);
        reply_bulk_slice(c->reply, key->name);
    } else if (pop->with_key) {
        reply_array(c->reply, (int64_t)count * 2 + 1);
        reply_bulk_slice(c->reply, key->name);
    }
    if (pop->with_key && !pop->pairs) {
        zset_span_reply_members(c->reply, e, span, pop->highest, ZSET_REPLY_FLAT);
    } else {
        zset_span_reply(c->reply, e, span, pop->highest, pop->pairs ? ZSET_REPLY_PAIRS : ZSET_REPLY_FLAT);
    }
    zset_value_remove_ranks(c, key, &e, span.rank, count);
    if (pop->with_key) {
        propagate_pop(c, key, pop, count);
    }
    key_elements_removed(c, key, count, EVENT_ZSET, pop->highest ? "zpopmax" : "zpopmin", e == NULL);
}

/* ---- one set ---------------------------------------------------------------------------------------------- */

static void pop_key(struct call *c, bool highest)
{
    struct key key = call_key(c, 1);
    struct pop pop = {.highest = highest, .count = 1, .pairs = c->argc > 2 && c->reply->resp > 2};
    int64_t count;
    bool wrong;
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 3) {
        if (!call_int_range(c, c->argv[2], 0, INT64_MAX, "ERR value is out of range, must be positive",
                            &count)) {
            return;
        }
        pop.count = (uint64_t)count;
    }
    struct entry *e = key_write_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL || pop.count == 0) {
        reply_array(c->reply, 0);
        return;
    }
    pop_members(c, &key, e, &pop);
}

static void run_zpopmin(struct call *c)
{
    pop_key(c, false);
}

static void run_zpopmax(struct call *c)
{
    pop_key(c, true);
}

/* ---- the first of several --------------------------------------------------------------------------------- */

/* Pops from the first of several sets. True when a reply was made: members, or an error for a key of another type before it. */
static bool pop_first(struct call *c, const struct first *f, bool pairs)
{
    const struct pop pop = {.highest = f->far, .with_key = true, .pairs = pairs, .count = f->count};
    struct key key;
    bool wrong;
    struct entry *e = first_entry(c, f, TYPE_ZSET, &key, &wrong);
    if (e != NULL) {
        pop_members(c, &key, e, &pop);
    }
    return e != NULL || wrong;
}

static void pop_waiting(struct call *c, bool highest)
{
    const struct first f = {.first = 1, .keys = c->argc - 2, .far = highest, .count = 1};
    int64_t timeout;
    if (block_timeout(c, c->argv[c->argc - 1], &timeout) && !pop_first(c, &f, false)) {
        block_on_keys(c, f.first, f.keys, TYPE_ZSET, timeout, BLOCK_NULL_ARRAY);
    }
}

static void run_bzpopmin(struct call *c)
{
    pop_waiting(c, false);
}

static void run_bzpopmax(struct call *c)
{
    pop_waiting(c, true);
}

static void run_zmpop(struct call *c)
{
    struct first f;
    if (first_parse(c, 1, "min", "max", &f) && !pop_first(c, &f, true)) {
        reply_null_array(c->reply);
    }
}

static void run_bzmpop(struct call *c)
{
    struct first f;
    int64_t timeout;
    if (first_parse(c, 2, "min", "max", &f) && block_timeout(c, c->argv[1], &timeout) &&
        !pop_first(c, &f, true)) {
        block_on_keys(c, f.first, f.keys, TYPE_ZSET, timeout, BLOCK_NULL_ARRAY);
    }
}

#define POP_KEY (KEY_RW | KEY_ACCESS | KEY_DELETE)
#define COUNTED "O(log(N)*M), N being the number of members in the sorted set and M of those popped."
#define SEVERAL \
    "O(K) + O(M*log(N)), K being the number of keys, N of members in the sorted set and M of those popped."
#define TIMED_OUT "6.0.0\t`timeout` is a double instead of an integer."

const struct command zset_pop_commands[] = {
    {
        .name = "bzmpop",
        .run = run_bzmpop,
        .arity = -5,
        .flags = CMD_WRITE | CMD_BLOCKING | CMD_MOVABLE_KEYS,
        .keys = {{2, 0, 1, POP_KEY | KEY_COUNTED}},
        .group = GROUP_SORTED_SET,
        .since = "7.0.0",
        .complexity = SEVERAL,
        .summary = "Pops members of the first of several sorted sets that has any, or waits until one has.",
        .syntax = "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
    },
    {
        .name = "bzpopmax",
        .run = run_bzpopmax,
        .arity = -3,
        .flags = CMD_WRITE | CMD_BLOCKING | CMD_FAST,
        .keys = {{1, -2, 1, POP_KEY}},
        .group = GROUP_SORTED_SET,
        .since = "5.0.0",
        .complexity = "O(log(N)), N being the number of members in the sorted set.",
        .summary =
            "Pops the highest member of the first of several sorted sets that has any, or waits until one has.",
        .syntax = "key [key ...] timeout",
        .history = TIMED_OUT,
    },
    {
        .name = "bzpopmin",
        .run = run_bzpopmin,
        .arity = -3,
        .flags = CMD_WRITE | CMD_BLOCKING | CMD_FAST,
        .keys = {{1, -2, 1, POP_KEY}},
        .group = GROUP_SORTED_SET,
        .since = "5.0.0",
        .complexity = "O(log(N)), N being the number of members in the sorted set.",
        .summary =
            "Pops the lowest member of the first of several sorted sets that has any, or waits until one has.",
        .syntax = "key [key ...] timeout",
        .history = TIMED_OUT,
    },
    {
        .name = "zmpop",
        .run = run_zmpop,
        .arity = -4,
        .flags = CMD_WRITE | CMD_MOVABLE_KEYS,
        .keys = {{1, 0, 1, POP_KEY | KEY_COUNTED}},
        .group = GROUP_SORTED_SET,
        .since = "7.0.0",
        .complexity = SEVERAL,
        .summary = "Pops members of the first of several sorted sets that has any.",
        .syntax = "numkeys key [key ...] <MIN | MAX> [COUNT count]",
    },
    {
        .name = "zpopmax",
        .run = run_zpopmax,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, POP_KEY}},
        .group = GROUP_SORTED_SET,
        .since = "5.0.0",
        .complexity = COUNTED,
        .summary = "Removes the highest members of a sorted set and returns them with their scores.",
        .syntax = "key [count]",
    },
    {
        .name = "zpopmin",
        .run = run_zpopmin,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, POP_KEY}},
        .group = GROUP_SORTED_SET,
        .since = "5.0.0",
        .complexity = COUNTED,
        .summary = "Removes the lowest members of a sorted set and returns them with their scores.",
        .syntax = "key [count]",
    },
    {0},
};
