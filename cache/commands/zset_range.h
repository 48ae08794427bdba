/*
 * Ranges of sorted sets: by rank, by score, and by member where all scores are the same. Whatever a command names them
 * by, what it works on is a span of ranks, which a large set finds in two walks down its tree.
 */
#ifndef ORDINAL_COMMANDS_ZSET_RANGE_H
#define ORDINAL_COMMANDS_ZSET_RANGE_H

#include "commands/zset_value.h"

enum zset_range_by { ZSET_BY_RANK, ZSET_BY_SCORE, ZSET_BY_LEX };

struct zset_range {
    enum zset_range_by by;
    int64_t start, stop;       /* ranks; negative ones count from the end */
    struct ztree_cut min, max; /* cuts before the first and after the last member */
};

/* `count` members from a rank on. */
struct zset_span {
    uint64_t rank, count;
};

/* Reads two arguments: "-3" "inf", "(1.5", "[abc" "+". They must outlive the range. Replies with Redis's error and
 * returns false when they are none. */
bool zset_range_parse(struct call *c, enum zset_range_by by, struct slice min, struct slice max,
                      struct zset_range *range);

/* A sorted set's members in a range. `reverse` counts ranks from the highest member (the span's rank is from the lowest
 * all the same). Where a range by member meets different scores, it is what Redis finds in a small set, walking from
 * this end. */
struct zset_span zset_range_span(const struct entry *e, const struct zset_range *range, bool reverse);

/* LIMIT: leaves out `offset` members of a span (a negative one leaves none), seen from its high end if `reverse`, and
 * keeps up to `limit` (negative: all). */
struct zset_span zset_span_limit(struct zset_span span, int64_t offset, int64_t limit, bool reverse);

/* Replies with the array of a span's members, the highest first if `reverse`. */
void zset_span_reply(struct reply *r, const struct entry *e, struct zset_span span, bool reverse,
                     enum zset_reply_form form);

/* Its elements alone, of a span that is not empty. */
void zset_span_reply_members(struct reply *r, const struct entry *e, struct zset_span span, bool reverse,
                             enum zset_reply_form form);

#endif
