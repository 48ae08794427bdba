/*
 * The commands that read a range of a sorted set: ZRANGE and its older forms, ZRANGESTORE, and the two that only count.
 */
#include "commands/groups.h"
#include "commands/zset_range.h"

/* What is asked of a range, once its words are read. */
struct query {
    struct zset_range range;
    bool reverse, with_scores;
    bool limited;
    int64_t offset, limit;
};

/* What a command's name leaves to its options. */
enum { CHOOSES_RANGE = 1, CHOOSES_DIRECTION = 2, STORES = 4 };

/* Takes the option at argv[*i]; false when it is none. */
static bool take_option(struct call *c, size_t *i, unsigned may, struct query *q, bool *error)
{
    struct slice word = c->argv[*i];
    if ((may & STORES) == 0 && slice_is(word, "withscores")) {
        q->with_scores = true;
    } else if (slice_is(word, "limit") && *i + 2 < c->argc) {
        q->limited = true;
        *error = !call_int(c, c->argv[*i + 1], &q->offset) || !call_int(c, c->argv[*i + 2], &q->limit);
        *i += 2;
    } else if ((may & CHOOSES_DIRECTION) && !q->reverse && slice_is(word, "rev")) {
        q->reverse = true;
    } else if ((may & CHOOSES_RANGE) && q->range.by == ZSET_BY_RANK && slice_is(word, "byscore")) {
        q->range.by = ZSET_BY_SCORE;
    } else if ((may & CHOOSES_RANGE) && q->range.by == ZSET_BY_RANK && slice_is(word, "bylex")) {
        q->range.by = ZSET_BY_LEX;
    } else {
        return false;
    }
    return true;
}

/* Reads everything behind the key at argv[key]. The bounds stand the other way round where the range is walked in reverse, but
 * for ranks, which are counted from the end where it begins. */
static bool parse_query(struct call *c, size_t key, unsigned may, struct query *q)
{
    for (size_t i = key + 3; i < c->argc; i++) {
        bool error = false;
        if (!take_option(c, &i, may, q, &error)) {
            call_syntax_error(c);
            return false;
        }
        if (error) {
            return false;
        }
    }
    if (q->limited && q->limit != -1 && q->range.by == ZSET_BY_RANK) {
        reply_error(c->reply,
                    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        return false;
    }
    if (q->with_scores && q->range.by == ZSET_BY_LEX) {
        reply_error(c->reply, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    bool turned = q->reverse && q->range.by != ZSET_BY_RANK;
    struct slice min = c->argv[key + (turned ? 2 : 1)];
    struct slice max = c->argv[key + (turned ? 1 : 2)];
    return zset_range_parse(c, q->range.by, min, max, &q->range);
}

static struct zset_span query_span(const struct entry *e, const struct query *q)
{
    struct zset_span span = zset_range_span(e, &q->range, q->reverse);
    if (q->limited && q->range.by != ZSET_BY_RANK) {
        span = zset_span_limit(span, q->offset, q->limit, q->reverse);
    }
    return span;
}

/* ---- replies ---------------------------------------------------------------------------------------------- */

static void read_range(struct call *c, unsigned may, enum zset_range_by by, bool reverse)
{
    struct query q = {.range = {.by = by}, .reverse = reverse};
    struct key key = call_key(c, 1);
    bool wrong;
    if (!parse_query(c, 1, may, &q)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (e != NULL) {
        zset_span_reply(c->reply, e, query_span(e, &q), q.reverse, zset_reply_form(c->reply, q.with_scores));
    } else if (!wrong) {
        reply_array(c->reply, 0);
    }
}

static void run_zrange(struct call *c)
{
    read_range(c, CHOOSES_RANGE | CHOOSES_DIRECTION, ZSET_BY_RANK, false);
}

static void run_zrevrange(struct call *c)
{
    read_range(c, 0, ZSET_BY_RANK, true);
}

static void run_zrangebyscore(struct call *c)
{
    read_range(c, 0, ZSET_BY_SCORE, false);
}

static void run_zrevrangebyscore(struct call *c)
{
    read_range(c, 0, ZSET_BY_SCORE, true);
}

static void run_zrangebylex(struct call *c)
{
    read_range(c, 0, ZSET_BY_LEX, false);
}

static void run_zrevrangebylex(struct call *c)
{
    read_range(c, 0, ZSET_BY_LEX, true);
}

/* ---- ZRANGESTORE ------------------------------------------------------------------------------------------ */

/* A set of the members in a span; NULL when there is no memory. */
static struct zset *set_of_span(const struct server *server, const struct entry *e, struct zset_span span,
                                size_t *longest)
{
    struct zset *z = zset_value_new(server);
    struct zset_place place = {.pos = 0};
    if (span.count > 0) {
        place = zset_value_at(e, span.rank);
    }
    for (uint64_t left = span.count; z != NULL && left > 0; left--) {
        char room[NUMBER_I64_MAX_CHARS];
        struct slice member = zset_place_member(&place, room);
        double score = zset_place_score(&place);
        *longest = member.len > *longest ? member.len : *longest;
        if (zset_put(z, member, &score, 0) == ZSET_NO_MEMORY) {
            zset_free(z);
            z = NULL;
        }
        zset_place_next(&place);
    }
    return z;
}

static void run_zrangestore(struct call *c)
{
    struct query q = {.range = {.by = ZSET_BY_RANK}};
    struct key to = call_key(c, 1);
    struct key from = call_key(c, 2);
    bool wrong;
    size_t longest = 0;
    if (!parse_query(c, 2, CHOOSES_RANGE | CHOOSES_DIRECTION | STORES, &q)) {
        return;
    }
    const struct entry *e = key_read_type(c, &from, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    struct zset_span span = e != NULL ? query_span(e, &q) : (struct zset_span){0, 0};
    zset_value_store(c, &to, set_of_span(c->server, e, span, &longest), longest, 1, "zrangestore");
}

/* ---- ZCOUNT, ZLEXCOUNT ------------------------------------------------------------------------------------ */

static void count_range(struct call *c, enum zset_range_by by)
{
    struct key key = call_key(c, 1);
    struct zset_range range;
    bool wrong;
    if (!zset_range_parse(c, by, c->argv[2], c->argv[3], &range)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (!wrong) {
        reply_int(c->reply, e != NULL ? (int64_t)zset_range_span(e, &range, false).count : 0);
    }
}

static void run_zcount(struct call *c)
{
    count_range(c, ZSET_BY_SCORE);
}

static void run_zlexcount(struct call *c)
{
    count_range(c, ZSET_BY_LEX);
}

/* clang-format off */
#define READS_ONE_KEY .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}}, .group = GROUP_SORTED_SET
/* clang-format on */

#define RANGE_COMPLEXITY \
    "O(log(N)+M), N being the number of members in the sorted set and M of those returned."
#define COUNT_COMPLEXITY "O(log(N)), N being the number of members in the sorted set."

const struct command zset_range_commands[] = {
    {
        .name = "zcount",
        .run = run_zcount,
        .arity = 4,
        .flags = CMD_READONLY | CMD_FAST,
        READS_ONE_KEY,
        .since = "2.0.0",
        .complexity = COUNT_COMPLEXITY,
        .summary = "Returns the number of members with scores in a range.",
        .syntax = "key min max",
    },
    {
        .name = "zlexcount",
        .run = run_zlexcount,
        .arity = 4,
        .flags = CMD_READONLY | CMD_FAST,
        READS_ONE_KEY,
        .since = "2.8.9",
        .complexity = COUNT_COMPLEXITY,
        .summary = "Returns the number of members in a lexicographical range.",
        .syntax = "key min max",
    },
    {
        .name = "zrange",
        .run = run_zrange,
        .arity = -4,
        .flags = CMD_READONLY,
        READS_ONE_KEY,
        .since = "1.2.0",
        .complexity = RANGE_COMPLEXITY,
        .summary = "Returns members in a range of ranks, scores or members.",
        .syntax = "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
        .history = "6.2.0\tThe options `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.",
    },
    {
        .name = "zrangebylex",
        .run = run_zrangebylex,
        .arity = -4,
        .flags = CMD_READONLY,
        READS_ONE_KEY,
        .since = "2.8.9",
        .complexity = RANGE_COMPLEXITY,
        .summary = "Returns members in a lexicographical range.",
        .syntax = "key min max [LIMIT offset count]",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `BYLEX` argument",
    },
    {
        .name = "zrangebyscore",
        .run = run_zrangebyscore,
        .arity = -4,
        .flags = CMD_READONLY,
        READS_ONE_KEY,
        .since = "1.0.5",
        .complexity = RANGE_COMPLEXITY,
        .summary = "Returns members in a range of scores.",
        .syntax = "key min max [WITHSCORES] [LIMIT offset count]",
        .history = "2.0.0\tThe option `WITHSCORES`.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `BYSCORE` argument",
    },
    {
        .name = "zrangestore",
        .run = run_zrangestore,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}, {2, 2, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SORTED_SET,
        .since = "6.2.0",
        .complexity = "O(log(N)+M), N being the number of members in the sorted set and M of those stored.",
        .summary = "Stores members in a range under another key.",
        .syntax = "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    },
    {
        .name = "zrevrange",
        .run = run_zrevrange,
        .arity = -4,
        .flags = CMD_READONLY,
        READS_ONE_KEY,
        .since = "1.2.0",
        .complexity = RANGE_COMPLEXITY,
        .summary = "Returns members in a range of ranks, counted from the highest score.",
        .syntax = "key start stop [WITHSCORES]",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `REV` argument",
    },
    {
        .name = "zrevrangebylex",
        .run = run_zrevrangebylex,
        .arity = -4,
        .flags = CMD_READONLY,
        READS_ONE_KEY,
        .since = "2.8.9",
        .complexity = RANGE_COMPLEXITY,
        .summary = "Returns members in a lexicographical range, the highest first.",
        .syntax = "key max min [LIMIT offset count]",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `REV` and `BYLEX` arguments",
    },
    {
        .name = "zrevrangebyscore",
        .run = run_zrevrangebyscore,
        .arity = -4,
        .flags = CMD_READONLY,
        READS_ONE_KEY,
        .since = "2.2.0",
        .complexity = RANGE_COMPLEXITY,
        .summary = "Returns members in a range of scores, the highest first.",
        .syntax = "key max min [WITHSCORES] [LIMIT offset count]",
        .history = "2.1.6\t`min` and `max` may be left out of the range.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `REV` and `BYSCORE` arguments",
    },
    {0},
};
