/*
 * The sorted-set commands that name members: their scores are set and read, their ranks told, they are removed. (Ranges:
 * zset_range_command.c; pops: zset_pop.c; several sets: zset_combine.c; ZSCAN and ZRANDMEMBER: zset_walk.c.)
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/zset_value.h"

/* ---- ZADD, ZINCRBY ---------------------------------------------------------------------------------------- */

struct add {
    unsigned flags; /* enum zset_flag */
    bool count_changed;
    size_t first; /* the first score in argv */
    size_t members;
};

static unsigned add_flag(struct slice word)
{
    switch (word.len) {
    case 2:
        return slice_is(word, "nx")   ? ZSET_NX
               : slice_is(word, "xx") ? ZSET_XX
               : slice_is(word, "gt") ? ZSET_GT
               : slice_is(word, "lt") ? ZSET_LT
                                      : 0;
    case 4: return slice_is(word, "incr") ? ZSET_INCR : 0;
    default: return 0;
    }
}

static bool parse_add(struct call *c, struct add *add)
{
    size_t i = 2;
    for (; i < c->argc; i++) {
        unsigned flag = add_flag(c->argv[i]);
        bool counts = flag == 0 && slice_is(c->argv[i], "ch");
        if (flag == 0 && !counts) {
            break;
        }
        add->flags |= flag;
        add->count_changed |= counts;
    }
    add->first = i;
    add->members = (c->argc - i) / 2;
    unsigned flags = add->flags;
    unsigned exclusive = flags & (ZSET_GT | ZSET_LT | ZSET_NX);
    if (add->members == 0 || (c->argc - i) % 2 != 0) {
        call_syntax_error(c);
    } else if ((flags & ZSET_NX) && (flags & ZSET_XX)) {
        reply_error(c->reply, "ERR XX and NX options at the same time are not compatible");
    } else if ((exclusive & (exclusive - 1)) != 0) {
        reply_error(c->reply, "ERR GT, LT, and/or NX options at the same time are not compatible");
    } else if ((flags & ZSET_INCR) && add->members > 1) {
        reply_error(c->reply, "ERR INCR option supports a single increment-element pair");
    } else {
        return true;
    }
    return false;
}

static bool parse_score(struct call *c, struct slice arg, double *score)
{
    if (!number_parse_double(arg.ptr, arg.len, score)) {
        reply_error(c->reply, "ERR value is not a valid float");
        return false;
    }
    return true;
}

/* Whether all scores but the first, which is read when it is used, are numbers: none is set otherwise. */
static bool check_scores(struct call *c, const struct add *add)
{
    double score;
    for (size_t i = 1; i < add->members; i++) {
        if (!parse_score(c, c->argv[add->first + 2 * i], &score)) {
            return false;
        }
    }
    return true;
}

static void reply_added(struct call *c, const struct add *add, enum zset_result result, double score,
                        int64_t added, int64_t changed)
{
    if ((add->flags & ZSET_INCR) == 0) {
        reply_int(c->reply, add->count_changed ? added + changed : added);
    } else if (result == ZSET_REFUSED) {
        reply_null(c->reply);
    } else {
        reply_double(c->reply, score);
    }
}

static void add_members(struct call *c, const struct add *add)
{
    struct key key = call_key(c, 1);
    bool wrong;
    double score;
    int64_t added = 0, changed = 0;
    enum zset_result result = ZSET_REFUSED;
    if (!parse_score(c, c->argv[add->first], &score) || !check_scores(c, add)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    for (size_t i = 0; i < add->members; i++) {
        const struct slice *pair = &c->argv[add->first + 2 * i];
        if (i > 0) {
            number_parse_double(pair[0].ptr, pair[0].len, &score);
        }
        result = zset_value_put(c, &key, &e, pair[1], &score, add->flags);
        if (result == ZSET_NO_MEMORY) {
            break;
        }
        added += result == ZSET_ADDED;
        changed += result == ZSET_CHANGED;
    }
    if (added + changed > 0) {
        key_changed(c, &key, (uint64_t)(added + changed), EVENT_ZSET,
                    add->flags & ZSET_INCR ? "zincr" : "zadd");
    }
    if (result == ZSET_NAN) {
        reply_error(c->reply, "ERR resulting score is not a number (NaN)");
    } else if (result != ZSET_NO_MEMORY) {
        reply_added(c, add, result, score, added, changed);
    }
}

static void run_zadd(struct call *c)
{
    struct add add = {.flags = 0};
    if (parse_add(c, &add)) {
        add_members(c, &add);
    }
}

static void run_zincrby(struct call *c)
{
    struct add add = {.flags = ZSET_INCR};
    if (parse_add(c, &add)) {
        add_members(c, &add);
    }
}

/* ---- ZREM ------------------------------------------------------------------------------------------------- */

static void run_zrem(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    int64_t removed = 0;
    struct entry *e = key_write_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    for (size_t i = 2; i < c->argc && e != NULL; i++) {
        removed += zset_value_remove(c, &key, &e, c->argv[i]);
    }
    if (removed > 0) {
        key_elements_removed(c, &key, (uint64_t)removed, EVENT_ZSET, "zrem", e == NULL);
    }
    reply_int(c->reply, removed);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static void run_zcard(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL ? (int64_t)zset_value_count(e) : 0);
    }
}

static void reply_score(struct call *c, const struct entry *e, struct slice member)
{
    double score;
    if (e != NULL && zset_value_score(e, member, &score)) {
        reply_double(c->reply, score);
    } else {
        reply_null(c->reply);
    }
}

static void run_zscore(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (!wrong) {
        reply_score(c, e, c->argv[2]);
    }
}

static void run_zmscore(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        reply_score(c, e, c->argv[i]);
    }
}

/* ZRANK, or (reverse) ZREVRANK. */
static void reply_rank(struct call *c, bool reverse)
{
    struct key key = call_key(c, 1);
    bool wrong;
    double score;
    bool with_score = c->argc > 3;
    if (c->argc > 4) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->command->name);
        return;
    }
    if (with_score && !slice_is(c->argv[3], "withscore")) {
        call_syntax_error(c);
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    int64_t rank = e != NULL ? zset_value_rank(e, c->argv[2], &score) : -1;
    if (rank < 0) {
        (with_score ? reply_null_array : reply_null)(c->reply);
        return;
    }
    if (with_score) {
        reply_array(c->reply, 2);
    }
    reply_int(c->reply, reverse ? (int64_t)zset_value_count(e) - 1 - rank : rank);
    if (with_score) {
        reply_double(c->reply, score);
    }
}

static void run_zrank(struct call *c)
{
    reply_rank(c, false);
}

static void run_zrevrank(struct call *c)
{
    reply_rank(c, true);
}

/* clang-format off */
#define READS_ONE_KEY .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}}, .group = GROUP_SORTED_SET
/* clang-format on */

const struct command zset_commands[] = {
    {
        .name = "zadd",
        .run = run_zadd,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_SORTED_SET,
        .since = "1.2.0",
        .complexity = "O(log(N)) for each member, N being the number of members in the sorted set.",
        .summary = "Adds members to a sorted set, or gives those that are there other scores.",
        .syntax = "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
        .history = "2.4.0\tSeveral members may be given.\n"
                   "3.0.2\tThe options `XX`, `NX`, `CH` and `INCR`.\n"
                   "6.2.0\tThe options `GT` and `LT`.",
    },
    {
        .name = "zcard",
        .run = run_zcard,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_SORTED_SET,
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Returns the number of members in a sorted set.",
        .syntax = "key",
    },
    {
        .name = "zincrby",
        .run = run_zincrby,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_SORTED_SET,
        .since = "1.2.0",
        .complexity = "O(log(N)), N being the number of members in the sorted set.",
        .summary = "Adds to the score of a member in a sorted set, which is made if it is not there.",
        .syntax = "key increment member",
    },
    {
        .name = "zmscore",
        .run = run_zmscore,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        READS_ONE_KEY,
        .since = "6.2.0",
        .complexity = "O(N), N being the number of members asked for.",
        .summary = "Returns the scores of members in a sorted set.",
        .syntax = "key member [member ...]",
    },
    {
        .name = "zrank",
        .run = run_zrank,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        READS_ONE_KEY,
        .since = "2.0.0",
        .complexity = "O(log(N))",
        .summary = "Returns the rank of a member in a sorted set, from the lowest score on.",
        .syntax = "key member [WITHSCORE]",
        .history = "7.2.0\tThe option `WITHSCORE`.",
    },
    {
        .name = "zrem",
        .run = run_zrem,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_SORTED_SET,
        .since = "1.2.0",
        .complexity = "O(M*log(N)), N being the number of members in the sorted set and M of those removed.",
        .summary = "Removes members from a sorted set.",
        .syntax = "key member [member ...]",
        .history = "2.4.0\tSeveral members may be given.",
    },
    {
        .name = "zrevrank",
        .run = run_zrevrank,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        READS_ONE_KEY,
        .since = "2.0.0",
        .complexity = "O(log(N))",
        .summary = "Returns the rank of a member in a sorted set, from the highest score on.",
        .syntax = "key member [WITHSCORE]",
        .history = "7.2.0\tThe option `WITHSCORE`.",
    },
    {
        .name = "zscore",
        .run = run_zscore,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        READS_ONE_KEY,
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Returns the score of a member in a sorted set.",
        .syntax = "key member",
    },
    {0},
};
