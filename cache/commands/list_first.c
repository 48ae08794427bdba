/*
 * Pops from the first of several lists that has something: LMPOP, and the forms that wait, BLMPOP, BLPOP and BRPOP.
 */
#include "commands/block.h"
#include "commands/first.h"
#include "commands/groups.h"
#include "commands/list.h"
#include "commands/propagate.h"

/* ---- BLPOP, BRPOP ------------------------------------------------------------------------------------ */

static void pop_or_wait(struct call *c, enum list_end end)
{
    struct key key;
    int64_t timeout;
    bool wrong;
    const struct first f = {.first = 1, .keys = c->argc - 2, .far = end == LIST_TAIL, .count = 1};
    if (!block_timeout(c, c->argv[c->argc - 1], &timeout)) {
        return;
    }
    struct entry *e = first_entry(c, &f, TYPE_LIST, &key, &wrong);
    if (e != NULL) {
        reply_array(c->reply, 2);
        reply_bulk_slice(c->reply, key.name);
        list_pop_one(c, &key, e, end);
        propagate(c, end == LIST_HEAD ? SLICE("LPOP") : SLICE("RPOP"), key.name);
    } else if (!wrong) {
        block_on_keys(c, f.first, f.keys, TYPE_LIST, timeout, BLOCK_NULL_ARRAY);
    }
}

static void run_blpop(struct call *c)
{
    pop_or_wait(c, LIST_HEAD);
}

static void run_brpop(struct call *c)
{
    pop_or_wait(c, LIST_TAIL);
}

/* ---- LMPOP, BLMPOP ----------------------------------------------------------------------------------- */

/* False, and nothing is replied, when there is nothing to take. */
static bool try_mpop(struct call *c, const struct first *f)
{
    char digits[NUMBER_I64_MAX_CHARS];
    struct key key;
    bool wrong;
    struct entry *e = first_entry(c, f, TYPE_LIST, &key, &wrong);
    if (e != NULL) {
        uint64_t all = list_value_count(e);
        uint64_t count = f->count < all ? f->count : all;
        reply_array(c->reply, 2);
        reply_bulk_slice(c->reply, key.name);
        list_pop_many(c, &key, e, f->far ? LIST_TAIL : LIST_HEAD, count);
        propagate(c, f->far ? SLICE("RPOP") : SLICE("LPOP"), key.name,
                  propagate_number((int64_t)count, digits));
    }
    return e != NULL || wrong;
}

static void run_lmpop(struct call *c)
{
    struct first f;
    if (first_parse(c, 1, "left", "right", &f) && !try_mpop(c, &f)) {
        reply_null_array(c->reply);
    }
}

static void run_blmpop(struct call *c)
{
    struct first f;
    int64_t timeout;
    if (first_parse(c, 2, "left", "right", &f) && block_timeout(c, c->argv[1], &timeout) &&
        !try_mpop(c, &f)) {
        block_on_keys(c, f.first, f.keys, TYPE_LIST, timeout, BLOCK_NULL_ARRAY);
    }
}

#define SECONDS "6.0.0\t`timeout` may have decimals."

const struct command list_first_commands[] = {
    {
        .name = "blmpop",
        .run = run_blmpop,
        .arity = -5,
        .flags = CMD_WRITE | CMD_BLOCKING | CMD_MOVABLE_KEYS,
        .keys = {{2, 0, 1, KEY_COUNTED | KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "7.0.0",
        .complexity = "O(N+M), N being the number of keys and M the number of elements returned.",
        .summary = "Pops elements from the first of several lists that has any; waits until one has.",
        .syntax = "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    },
    {
        .name = "blpop",
        .run = run_blpop,
        .arity = -3,
        .flags = CMD_WRITE | CMD_BLOCKING,
        .keys = {{1, -2, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of keys.",
        .summary =
            "Removes and returns the first element of the first of several lists that has any; waits until one has.",
        .syntax = "key [key ...] timeout",
        .history = SECONDS,
    },
    {
        .name = "brpop",
        .run = run_brpop,
        .arity = -3,
        .flags = CMD_WRITE | CMD_BLOCKING,
        .keys = {{1, -2, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "2.0.0",
        .complexity = "O(N), N being the number of keys.",
        .summary =
            "Removes and returns the last element of the first of several lists that has any; waits until one has.",
        .syntax = "key [key ...] timeout",
        .history = SECONDS,
    },
    {
        .name = "lmpop",
        .run = run_lmpop,
        .arity = -4,
        .flags = CMD_WRITE | CMD_MOVABLE_KEYS,
        .keys = {{1, 0, 1, KEY_COUNTED | KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_LIST,
        .since = "7.0.0",
        .complexity = "O(N+M), N being the number of keys and M the number of elements returned.",
        .summary = "Pops elements from the first of several lists that has any.",
        .syntax = "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    },
    {0},
};
