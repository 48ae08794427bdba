#include "commands/zset_range.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "memory.h"

/* ---- bounds ----------------------------------------------------------------------------------------------- */

/* As strtod reads all of a text: blanks before it and no digits at all (0) are taken, a zero byte ends it, and what is too
 * large is infinite. False for anything else, and for NaN. */
static bool read_double(struct slice text, double *value)
{
    char small[128];
    if (number_parse_double(text.ptr, text.len, value)) {
        return true;
    }
    char *copy = text.len < sizeof small ? small : mem_alloc(text.len + 1);
    if (copy == NULL) {
        return false;
    }
    char *end;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *value = strtod(copy, &end);
    bool whole = *end == '\0';
    if (copy != small) {
        mem_free(copy, text.len + 1);
    }
    return whole && !isnan(*value);
}

/* A bound by score, "(5" without 5 itself; `max`: the upper one. */
static bool score_cut(struct slice text, bool max, struct ztree_cut *cut)
{
    bool without = text.len > 0 && text.ptr[0] == '(';
    if (without) {
        text.ptr++;
        text.len--;
    }
    *cut = (struct ztree_cut){.by = ZTREE_BY_SCORE, .after = max != without};
    return read_double(text, &cut->score);
}

/* A bound by member: "-", "+", "[a", or "(a" without a itself. */
static bool member_cut(struct slice text, bool max, struct ztree_cut *cut)
{
    char first = text.len > 0 ? text.ptr[0] : '\0';
    bool ends = text.len == 1 || (text.len > 1 && text.ptr[1] == '\0');
    *cut = (struct ztree_cut){.by = ZTREE_BY_MEMBER, .after = max != (first == '(')};
    if (first == '-' || first == '+') {
        cut->by = first == '-' ? ZTREE_BEGIN : ZTREE_END;
        return ends;
    }
    if (first != '(' && first != '[') {
        return false;
    }
    cut->member = (struct slice){text.ptr + 1, text.len - 1};
    return true;
}

bool zset_range_parse(struct call *c, enum zset_range_by by, struct slice min, struct slice max,
                      struct zset_range *range)
{
    range->by = by;
    switch (by) {
    case ZSET_BY_RANK: return call_int(c, min, &range->start) && call_int(c, max, &range->stop);
    case ZSET_BY_SCORE:
        if (!score_cut(min, false, &range->min) || !score_cut(max, true, &range->max)) {
            reply_error(c->reply, "ERR min or max is not a float");
            return false;
        }
        return true;
    case ZSET_BY_LEX:
        if (!member_cut(min, false, &range->min) || !member_cut(max, true, &range->max)) {
            reply_error(c->reply, "ERR min or max not valid string range item");
            return false;
        }
        return true;
    }
    return false;
}

/* ---- spans ------------------------------------------------------------------------------------------------ */

static struct zset_span span_of_ranks(int64_t count, int64_t start, int64_t stop, bool reverse)
{
    start += start < 0 ? count : 0;
    stop += stop < 0 ? count : 0;
    start = start < 0 ? 0 : start;
    stop = stop >= count ? count - 1 : stop;
    if (start > stop) {
        return (struct zset_span){0, 0};
    }
    int64_t first = reverse ? count - 1 - stop : start;
    return (struct zset_span){(uint64_t)first, (uint64_t)(stop - start + 1)};
}

static int compare_members(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Whether nothing at all can lie between two cuts by member. */
static bool lex_is_empty(const struct zset_range *range)
{
    if (range->min.by != ZTREE_BY_MEMBER || range->max.by != ZTREE_BY_MEMBER) {
        return range->min.by == ZTREE_END || range->max.by == ZTREE_BEGIN;
    }
    int order = compare_members(range->min.member, range->max.member);
    return order > 0 || (order == 0 && (range->min.after || !range->max.after));
}

static bool above_min(const struct zset_place *place, const struct zset_range *range)
{
    return !zset_packed_before(&place->run, place->pos, &range->min);
}

static bool below_max(const struct zset_place *place, const struct zset_range *range)
{
    return zset_packed_before(&place->run, place->pos, &range->max);
}

/* The members of a small set from its lower end on: all from the first above the minimum up to one that is not below
 * the maximum. */
static struct zset_span lex_forward(const struct entry *e, const struct zset_range *range)
{
    struct zset_span span = {0, 0};
    struct zset_place place = zset_value_at(e, 0);
    for (; zset_place_is(&place) && !above_min(&place, range); zset_place_next(&place)) {
        span.rank++;
    }
    for (; zset_place_is(&place) && below_max(&place, range); zset_place_next(&place)) {
        span.count++;
    }
    return span;
}

/* From its upper end on: all from the last below the maximum down to one that is not above the minimum. On the way up that is
 * the end of what lies above the minimum without a gap, at the last member below the maximum. */
static struct zset_span lex_backward(const struct entry *e, const struct zset_range *range)
{
    struct zset_span span = {0, 0};
    struct zset_place place = zset_value_at(e, 0);
    uint64_t above = 0;
    for (uint64_t rank = 0; zset_place_is(&place); zset_place_next(&place), rank++) {
        above = above_min(&place, range) ? above + 1 : 0;
        if (below_max(&place, range)) {
            span = (struct zset_span){rank + 1 - above, above};
        }
    }
    return span;
}

static struct zset_span span_of_lex(const struct entry *e, const struct zset_range *range, bool reverse)
{
    struct zset_place first = zset_value_at(e, 0);
    struct zset_place last = zset_value_at(e, zset_value_count(e) - 1);
    if (lex_is_empty(range) || !above_min(&last, range) || !below_max(&first, range)) {
        return (struct zset_span){0, 0};
    }
    return reverse ? lex_backward(e, range) : lex_forward(e, range);
}

struct zset_span zset_range_span(const struct entry *e, const struct zset_range *range, bool reverse)
{
    if (range->by == ZSET_BY_RANK) {
        return span_of_ranks((int64_t)zset_value_count(e), range->start, range->stop, reverse);
    }
    if (range->by == ZSET_BY_LEX && zset_value_is_small(e)) {
        return span_of_lex(e, range, reverse);
    }
    uint64_t from = zset_value_rank_of(e, &range->min);
    uint64_t to = zset_value_rank_of(e, &range->max);
    return (struct zset_span){from, to > from ? to - from : 0};
}

struct zset_span zset_span_limit(struct zset_span span, int64_t offset, int64_t limit, bool reverse)
{
    if (offset < 0 || (uint64_t)offset >= span.count) {
        return (struct zset_span){0, 0};
    }
    uint64_t left = span.count - (uint64_t)offset;
    uint64_t kept = limit >= 0 && (uint64_t)limit < left ? (uint64_t)limit : left;
    uint64_t rank = reverse ? span.rank + left - kept : span.rank + (uint64_t)offset;
    return (struct zset_span){rank, kept};
}

/* ---- replies ---------------------------------------------------------------------------------------------- */

void zset_span_reply_members(struct reply *r, const struct entry *e, struct zset_span span, bool reverse,
                             enum zset_reply_form form)
{
    struct zset_walk walk;
    zset_walk_begin(&walk, e, reverse ? span.rank + span.count - 1 : span.rank, span.count, reverse);
    for (; zset_walk_is(&walk); zset_walk_next(&walk)) {
        zset_place_reply(r, &walk.place, form);
    }
}

void zset_span_reply(struct reply *r, const struct entry *e, struct zset_span span, bool reverse,
                     enum zset_reply_form form)
{
    reply_array(r, (int64_t)span.count * (form == ZSET_REPLY_FLAT ? 2 : 1));
    if (span.count > 0) {
        zset_span_reply_members(r, e, span, reverse, form);
    }
}
