/*
 * Pops from the first of several lists that has something: LMPOP, and the forms that wait, BLMPOP, BLPOP and BRPOP.
 */
#include "commands/block.h"
#include "commands/groups.h"
#include "commands/list.h"
#include "commands/propagate.h"

bool list_end_parse(struct call *c, struct slice word, enum list_end *end)
{
    *end = slice_is(word, "left") ? LIST_HEAD : LIST_TAIL;
    if (*end == LIST_TAIL && !slice_is(word, "right")) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

/* The first of keys argv[first] … that is there, and its entry, with *wrong set where that is no list (and replied). */
static struct entry *first_list(struct call *c, size_t first, size_t count, struct key *key, bool *wrong)
{
    struct entry *e = NULL;
    *wrong = false;
    for (size_t i = first; i < first + count && e == NULL && !*wrong; i++) {
        *key = call_key(c, i);
        e = key_write_type(c, key, TYPE_LIST, wrong);
    }
    return e;
}

/* ---- BLPOP, BRPOP ------------------------------------------------------------------------------------ */

static void pop_or_wait(struct call *c, enum list_end end)
{
    struct key key;
    int64_t timeout;
    bool wrong;
    size_t keys = c->argc - 2;
    if (!block_timeout(c, c->argv[c->argc - 1], &timeout)) {
        return;
    }
    struct entry *e = first_list(c, 1, keys, &key, &wrong);
    if (e != NULL) {
        reply_array(c->reply, 2);
        reply_bulk_slice(c->reply, key.name);
        list_pop_one(c, &key, e, end);
        propagate(c, end == LIST_HEAD ? SLICE("LPOP") : SLICE("RPOP"), key.name);
    } else if (!wrong) {
        block_on_keys(c, 1, keys, TYPE_LIST, timeout, BLOCK_NULL_ARRAY);
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

struct mpop {
    size_t first, keys;
    enum list_end end;
    int64_t count;
};

/* Reads "numkeys key [key ...] LEFT | RIGHT [COUNT count]" from argv[at] on. */
static bool parse_mpop(struct call *c, size_t at, struct mpop *mpop)
{
    int64_t keys;
    if (!call_int_range(c, c->argv[at], 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys)) {
        return false;
    }
    if ((uint64_t)keys >= c->argc - at - 1) {
        call_syntax_error(c);
        return false;
    }
    *mpop = (struct mpop){.first = at + 1, .keys = (size_t)keys, .count = 0};
    at += (size_t)keys + 1;
    if (!list_end_parse(c, c->argv[at], &mpop->end)) {
        return false;
    }
    for (at++; at < c->argc; at += 2) {
        if (mpop->count != 0 || !slice_is(c->argv[at], "count") || at + 1 == c->argc) {
            call_syntax_error(c);
            return false;
        }
        if (!call_int_range(c, c->argv[at + 1], 1, INT64_MAX, "ERR count should be greater than 0",
                            &mpop->count)) {
            return false;
        }
    }
    mpop->count = mpop->count == 0 ? 1 : mpop->count;
    return true;
}

/* False, and nothing is replied, when there is nothing to take. */
static bool try_mpop(struct call *c, const struct mpop *mpop)
{
    char digits[NUMBER_I64_MAX_CHARS];
    struct key key;
    bool wrong;
    struct entry *e = first_list(c, mpop->first, mpop->keys, &key, &wrong);
    if (e != NULL) {
        int64_t all = (int64_t)list_value_count(e);
        int64_t count = mpop->count < all ? mpop->count : all;
        reply_array(c->reply, 2);
        reply_bulk_slice(c->reply, key.name);
        list_pop_many(c, &key, e, mpop->end, (uint64_t)count);
        propagate(c, mpop->end == LIST_HEAD ? SLICE("LPOP") : SLICE("RPOP"), key.name,
                  propagate_number(count, digits));
    }
    return e != NULL || wrong;
}

static void run_lmpop(struct call *c)
{
    struct mpop mpop;
    if (parse_mpop(c, 1, &mpop) && !try_mpop(c, &mpop)) {
        reply_null_array(c->reply);
    }
}

static void run_blmpop(struct call *c)
{
    struct mpop mpop;
    int64_t timeout;
    if (parse_mpop(c, 2, &mpop) && block_timeout(c, c->argv[1], &timeout) && !try_mpop(c, &mpop)) {
        block_on_keys(c, mpop.first, mpop.keys, TYPE_LIST, timeout, BLOCK_NULL_ARRAY);
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
