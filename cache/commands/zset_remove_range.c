/*
 * The commands that remove a range of a sorted set. A whole set goes to the reaper, and so does one of which most is removed, while
 * a set of what stays takes its place. Otherwise a large set gives up its members one by one, some microseconds each, as in Redis.
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/zset_range.h"

static void remove_range(struct call *c, enum zset_range_by by, const char *event)
{
    struct key key = call_key(c, 1);
    struct zset_range range;
    bool wrong;
    uint64_t removed = 0;
    if (!zset_range_parse(c, by, c->argv[2], c->argv[3], &range)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    if (e != NULL) {
        struct zset_span span = zset_range_span(e, &range, false);
        removed = zset_value_remove_ranks(c, &key, &e, span.rank, span.count);
    }
    if (removed > 0) {
        key_elements_removed(c, &key, removed, EVENT_ZSET, event, e == NULL);
    }
    reply_int(c->reply, (int64_t)removed);
}

static void run_zremrangebyrank(struct call *c)
{
    remove_range(c, ZSET_BY_RANK, "zremrangebyrank");
}

static void run_zremrangebyscore(struct call *c)
{
    remove_range(c, ZSET_BY_SCORE, "zremrangebyscore");
}

static void run_zremrangebylex(struct call *c)
{
    remove_range(c, ZSET_BY_LEX, "zremrangebylex");
}

#define COMPLEXITY "O(log(N)+M), N being the number of members in the sorted set and M of those removed."

const struct command zset_remove_range_commands[] = {
    {
        .name = "zremrangebylex",
        .run = run_zremrangebylex,
        .arity = 4,
        .flags = CMD_WRITE,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_SORTED_SET,
        .since = "2.8.9",
        .complexity = COMPLEXITY,
        .summary = "Removes members in a lexicographical range.",
        .syntax = "key min max",
    },
    {
        .name = "zremrangebyrank",
        .run = run_zremrangebyrank,
        .arity = 4,
        .flags = CMD_WRITE,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_SORTED_SET,
        .since = "2.0.0",
        .complexity = COMPLEXITY,
        .summary = "Removes members in a range of ranks.",
        .syntax = "key start stop",
    },
    {
        .name = "zremrangebyscore",
        .run = run_zremrangebyscore,
        .arity = 4,
        .flags = CMD_WRITE,
        .keys = {{1, 1, 1, KEY_RW | KEY_DELETE}},
        .group = GROUP_SORTED_SET,
        .since = "1.2.0",
        .complexity = COMPLEXITY,
        .summary = "Removes members in a range of scores.",
        .syntax = "key min max",
    },
    {0},
};
