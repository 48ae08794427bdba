#include "types/zset_packed.h"

#include <math.h>

#include "types/listpack.h"

/* Whole numbers up to 2^62 are integers in the run; others are text. */
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
    pair->member = element_encode(member);
    if (whole(score, &number)) {
        pair->score = element_encode_int(number);
        return;
    }
    size_t len = number_format_double(pair->digits, score);
    pair->score = element_encode((struct slice){pair->digits, len});
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* A score that is no number reads as NaN: only zset_listpack_validate may meet one. */
double zset_score_of(const struct listpack_value *value)
{
    double score;
    if (value->is_int) {
        return (double)value->number;
    }
    return number_parse_double(value->bytes.ptr, value->bytes.len, &score) ? score : (double)NAN;
}

static double score_at(const struct packed *run, size_t pos)
{
    struct listpack_value value = packed_read(run, pos);
    return zset_score_of(&value);
}

double zset_packed_score(const struct packed *run, size_t pos)
{
    return score_at(run, packed_after(run, pos));
}

size_t zset_packed_find(const struct packed *run, struct slice member, double *score)
{
    size_t pos = packed_find(run, PACKED_FIRST, member, ZSET_EACH);
    if (pos != PACKED_NONE) {
        *score = zset_packed_score(run, pos);
    }
    return pos;
}

static int compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool member_before(const struct packed *run, size_t pos, const struct ztree_cut *cut)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = packed_read(run, pos);
    int order = compare(listpack_text(&value, room), cut->member);
    return order < 0 || (order == 0 && cut->after);
}

/* Whether a member whose score stands at score_pos lies before a cut. */
static bool pair_before(const struct packed *run, size_t pos, size_t score_pos, const struct ztree_cut *cut)
{
    if (cut->by == ZTREE_BY_SCORE || cut->by == ZTREE_BY_BOTH) {
        double score = score_at(run, score_pos);
        if (score < cut->score || score > cut->score) {
            return score < cut->score;
        }
        if (cut->by == ZTREE_BY_SCORE) {
            return cut->after;
        }
    } else if (cut->by != ZTREE_BY_MEMBER) {
        return cut->by == ZTREE_END;
    }
    return member_before(run, pos, cut);
}

bool zset_packed_before(const struct packed *run, size_t pos, const struct ztree_cut *cut)
{
    return pair_before(run, pos, packed_after(run, pos), cut);
}

size_t zset_packed_cut(const struct packed *run, const struct ztree_cut *cut, uint64_t *rank)
{
    size_t pos = PACKED_FIRST;
    *rank = 0;
    while (pos < run->len) {
        size_t score_pos = packed_after(run, pos);
        if (!pair_before(run, pos, score_pos, cut)) {
            break;
        }
        pos = packed_after(run, score_pos);
        *rank += 1;
    }
    return pos;
}

size_t zset_packed_at(const struct packed *run, uint64_t rank)
{
    return rank < run->len ? packed_skip(run, PACKED_FIRST, (size_t)rank * ZSET_EACH) : run->len;
}

/* ---- edits ------------------------------------------------------------------------------------------------ */

void zset_packed_insert(struct packed *run, size_t pos, const struct zset_pair *pair)
{
    packed_insert_pair(run, pos, &pair->member, &pair->score);
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

/* The member before the one at pos; PACKED_NONE before the first. */
static size_t previous(const struct packed *run, size_t pos)
{
    size_t last = PACKED_NONE;
    for (size_t at = PACKED_FIRST; at < pos; at = zset_packed_next(run, at)) {
        last = at;
    }
    return last;
}

/* Of the members before pos, which are in order: the first that does not lie before the cut, or pos. Most often none does, which
 * the last of them tells. */
static size_t first_after(const struct packed *run, size_t pos, const struct ztree_cut *cut)
{
    size_t last = previous(run, pos);
    if (last == PACKED_NONE || zset_packed_before(run, last, cut)) {
        return pos;
    }
    size_t at = PACKED_FIRST;
    while (at < last && zset_packed_before(run, at, cut)) {
        at = zset_packed_next(run, at);
    }
    return at;
}

void zset_packed_settle(struct packed *run, size_t pos)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = packed_read(run, pos);
    struct ztree_cut cut = {
        .by = ZTREE_BY_BOTH, .score = zset_packed_score(run, pos), .member = listpack_text(&value, room)};
    size_t first = first_after(run, pos, &cut);
    size_t after = zset_packed_next(run, pos);
    size_t last = after; /* behind those after it that are less */
    while (first == pos && last < run->len && zset_packed_before(run, last, &cut)) {
        last = zset_packed_next(run, last);
    }
    if (first != pos) {
        exchange(run->bytes + first, pos - first, after - pos);
    } else if (last != after) {
        exchange(run->bytes + pos, after - pos, last - after);
    }
}

void zset_packed_delete(struct packed *run, size_t pos, uint64_t count)
{
    size_t to = pos;
    uint64_t members = 0;
    for (; members < count && to < run->len; members++) {
        to = zset_packed_next(run, to);
    }
    packed_remove(run, pos, to, members);
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
    return check_pair(order, zset_score_of(value));
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

bool zset_packed_unique(const struct packed *run)
{
    for (size_t pos = PACKED_FIRST; pos < run->len;) {
        char room[NUMBER_I64_MAX_CHARS];
        struct listpack_value value = packed_read(run, pos);
        pos = zset_packed_next(run, pos);
        if (packed_find(run, pos, listpack_text(&value, room), ZSET_EACH) != PACKED_NONE) {
            return false;
        }
    }
    return true;
}

/* The element at pos, in the one spelling that it has in a packed run. */
static struct element element_at(const uint8_t *lp, size_t pos, char *room)
{
    struct listpack_value value = listpack_read(lp, pos);
    return element_encode(listpack_text(&value, room));
}

size_t zset_packed_bytes_of(const uint8_t *lp)
{
    char room[NUMBER_I64_MAX_CHARS];
    size_t bytes = PACKED_EMPTY;
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE; pos = listpack_next(lp, pos)) {
        bytes += element_at(lp, pos, room).size;
    }
    return bytes;
}

struct packed zset_packed_from(uint8_t *bytes, const uint8_t *lp)
{
    struct packed run = packed_init(bytes);
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE;) {
        char member_room[NUMBER_I64_MAX_CHARS], score_room[NUMBER_I64_MAX_CHARS];
        size_t score_pos = listpack_after(lp, pos);
        struct element member = element_at(lp, pos, member_room);
        struct element score = element_at(lp, score_pos, score_room);
        packed_insert_pair(&run, run.len, &member, &score);
        pos = listpack_next(lp, score_pos);
    }
    return run;
}
