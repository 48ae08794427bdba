#include "types/zset_listpack.h"

#include <math.h>

/* Whole numbers up to 2^62 are integers in a listpack; others are text. */
static bool whole(double score, int64_t *number)
{
    if (!(fabs(score) <= 0x1p62)) {
        return false;
    }
    *number = (int64_t)score;
    return (double)*number >= score && (double)*number <= score;
}

void zset_pair_encode(struct zset_pair *pair, struct slice member, double score)
{
    int64_t number;
    pair->member = listpack_encode(member);
    if (whole(score, &number)) {
        pair->score = listpack_encode_int(number);
        return;
    }
    size_t len = number_format_double(pair->digits, score);
    pair->score = listpack_encode((struct slice){pair->digits, len});
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* A score that is no number reads as NaN: only zset_listpack_validate may meet one. */
static double score_of(const struct listpack_value *value)
{
    double score;
    if (value->is_int) {
        return (double)value->number;
    }
    return number_parse_double(value->bytes.ptr, value->bytes.len, &score) ? score : (double)NAN;
}

static double score_at(const uint8_t *lp, size_t pos)
{
    struct listpack_value value = listpack_read(lp, pos);
    return score_of(&value);
}

double zset_listpack_score(const uint8_t *lp, size_t pos)
{
    return score_at(lp, listpack_after(lp, pos));
}

size_t zset_listpack_find(const uint8_t *lp, struct slice member, double *score)
{
    size_t pos = listpack_find(lp, LISTPACK_HEADER, member, 1);
    if (pos != LISTPACK_NONE) {
        *score = zset_listpack_score(lp, pos);
    }
    return pos;
}

static int compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool member_before(const uint8_t *lp, size_t pos, const struct ztree_cut *cut)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = listpack_read(lp, pos);
    int order = compare(listpack_text(&value, room), cut->member);
    return order < 0 || (order == 0 && cut->after);
}

/* Whether a member whose score stands at score_pos lies before a cut. */
static bool pair_before(const uint8_t *lp, size_t pos, size_t score_pos, const struct ztree_cut *cut)
{
    if (cut->by == ZTREE_BY_SCORE || cut->by == ZTREE_BY_BOTH) {
        double score = score_at(lp, score_pos);
        if (score < cut->score || score > cut->score) {
            return score < cut->score;
        }
        if (cut->by == ZTREE_BY_SCORE) {
            return cut->after;
        }
    } else if (cut->by != ZTREE_BY_MEMBER) {
        return cut->by == ZTREE_END;
    }
    return member_before(lp, pos, cut);
}

bool zset_listpack_before(const uint8_t *lp, size_t pos, const struct ztree_cut *cut)
{
    return pair_before(lp, pos, listpack_after(lp, pos), cut);
}

size_t zset_listpack_cut(const uint8_t *lp, const struct ztree_cut *cut, uint64_t *rank)
{
    size_t pos = LISTPACK_HEADER;
    size_t end = listpack_end(lp);
    *rank = 0;
    while (pos < end) {
        size_t score_pos = listpack_after(lp, pos);
        if (!pair_before(lp, pos, score_pos, cut)) {
            break;
        }
        pos = listpack_after(lp, score_pos);
        *rank += 1;
    }
    return pos;
}

size_t zset_listpack_at(const uint8_t *lp, uint64_t rank)
{
    return rank < INT32_MAX ? listpack_seek(lp, (int64_t)rank * 2) : LISTPACK_NONE;
}

size_t zset_listpack_next(const uint8_t *lp, size_t pos)
{
    return listpack_next(lp, listpack_after(lp, pos));
}

size_t zset_listpack_previous(const uint8_t *lp, size_t pos)
{
    size_t score_pos = listpack_prev(lp, pos);
    return score_pos != LISTPACK_NONE ? listpack_prev(lp, score_pos) : LISTPACK_NONE;
}

/* ---- edits ------------------------------------------------------------------------------------------------ */

void zset_listpack_insert(uint8_t *lp, size_t pos, const struct zset_pair *pair)
{
    listpack_insert_pair(lp, pos, &pair->member, &pair->score);
}

static void reverse(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t byte = at[i];
        at[i] = at[len - 1 - i];
        at[len - 1 - i] = byte;
    }
}

/* Exchanges two neighbouring runs of bytes, of `left` and `right` bytes: the shorter one waits elsewhere, or, where it is long,
 * both are turned round. */
static void exchange(uint8_t *at, size_t left, size_t right)
{
    uint8_t room[256];
    if (right <= sizeof room) {
        memcpy(room, at + left, right);
        memmove(at + right, at, left);
        memcpy(at, room, right);
    } else if (left <= sizeof room) {
        memcpy(room, at, left);
        memmove(at, at + left, right);
        memcpy(at + right, room, left);
    } else {
        reverse(at, left);
        reverse(at + left, right);
        reverse(at, left + right);
    }
}

void zset_listpack_settle(uint8_t *lp, size_t pos)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = listpack_read(lp, pos);
    struct ztree_cut cut = {
        .by = ZTREE_BY_BOTH, .score = zset_listpack_score(lp, pos), .member = listpack_text(&value, room)};
    size_t first = pos; /* of those before it that are greater */
    for (size_t at = zset_listpack_previous(lp, pos);
         at != LISTPACK_NONE && !zset_listpack_before(lp, at, &cut); at = zset_listpack_previous(lp, at)) {
        first = at;
    }
    size_t after = listpack_after(lp, listpack_after(lp, pos));
    size_t last = after; /* behind those after it that are less */
    while (first == pos && last != listpack_end(lp) && zset_listpack_before(lp, last, &cut)) {
        last = listpack_after(lp, listpack_after(lp, last));
    }
    if (first != pos) {
        exchange(lp + first, pos - first, after - pos);
    } else if (last != after) {
        exchange(lp + pos, after - pos, last - after);
    }
}

void zset_listpack_delete(uint8_t *lp, size_t pos, uint64_t count)
{
    listpack_delete(lp, pos, count * 2);
}

/* ---- bytes from outside ----------------------------------------------------------------------------------- */

/* What the check of an element knows of those before it. */
struct order {
    bool is_score, any;
    struct listpack_value member;
    struct slice last_member;
    char room[NUMBER_I64_MAX_CHARS]; /* of last_member */
    double last_score;
    size_t longest;
};

static bool check_pair(struct order *order, double score)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct slice member = listpack_text(&order->member, room);
    bool sorted = !order->any || order->last_score < score ||
                  (order->last_score <= score && compare(order->last_member, member) < 0);
    order->any = true;
    order->last_score = score;
    order->last_member = listpack_text(&order->member, order->room);
    order->longest = member.len > order->longest ? member.len : order->longest;
    return sorted && !isnan(score);
}

static bool check_element(const struct listpack_value *value, void *context)
{
    struct order *order = context;
    order->is_score = !order->is_score;
    if (order->is_score) { /* the next one will be */
        order->member = *value;
        return true;
    }
    return check_pair(order, score_of(value));
}

bool zset_listpack_validate(const uint8_t *bytes, size_t len, size_t *longest)
{
    struct order order = {.any = false};
    if (!listpack_validate(bytes, len, check_element, &order) || !order.any || order.is_score) {
        return false;
    }
    *longest = order.longest;
    return true;
}

bool zset_listpack_unique(const uint8_t *lp)
{
    for (size_t pos = LISTPACK_HEADER; pos != LISTPACK_NONE;) {
        char room[NUMBER_I64_MAX_CHARS];
        struct listpack_value value = listpack_read(lp, pos);
        pos = zset_listpack_next(lp, pos);
        if (listpack_find(lp, pos, listpack_text(&value, room), 1) != LISTPACK_NONE) {
            return false;
        }
    }
    return true;
}
