/*
 * A large sorted set, and a small one in a packed run, against an array that holds the score of each of 500 members:
 * whatever is added, rescored and removed, both tell the same scores, and their order is the array's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "types/zset.h"
#include "types/listpack.h"
#include "types/zset_packed.h"

enum { MEMBERS = 500, OPERATIONS = 60000, SMALL_OPERATIONS = 30000, SMALL_ROOM = 64 * 1024 };

static const char secret[192] = "a secret of any bytes";
static uint64_t seed = 88172645463325252u;
static bool there[MEMBERS];
static double score_of[MEMBERS];

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * 0x2545F4914F6CDD1DULL >> 11) % n;
}

/* Members that are words, numbers, long and empty. */
static struct slice member_of(uint32_t i, char room[400])
{
    int len = 0;
    switch (i % 4) {
    case 0: len = snprintf(room, 400, "member:%u", i); break;
    case 1: len = snprintf(room, 400, "%d", (int)(i * 77777) * (i % 8 == 1 ? 1 : -1)); break;
    case 2: len = snprintf(room, 400, "%0*u", i % 40 == 2 ? 300 : 3, i); break;
    default: len = i == 3 ? 0 : snprintf(room, 400, "\xff%u", i); break;
    }
    return (struct slice){room, (size_t)len};
}

static double random_score(void)
{
    switch (random_below(12)) {
    case 0: return INFINITY;
    case 1: return -INFINITY;
    case 2: return 0;
    case 3: return (double)random_below(1u << 30) * 1e15;
    case 4: return (double)random_below(1000) / 7;
    case 5: return -(double)random_below(1000) * 1e-300;
    default: return (double)random_below(50) - 20;
    }
}

static bool same(double a, double b)
{
    return a >= b && a <= b;
}

static int by_place(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a;
    uint32_t j = *(const uint32_t *)b;
    char left[400], right[400];
    if (!same(score_of[i], score_of[j])) {
        return score_of[i] < score_of[j] ? -1 : 1;
    }
    struct slice x = member_of(i, left);
    struct slice y = member_of(j, right);
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* The members that are there, in order; returns how many. */
static uint32_t in_order(uint32_t order[MEMBERS])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (there[i]) {
            order[n++] = i;
        }
    }
    qsort(order, n, sizeof *order, by_place);
    return n;
}

static void forget_all(void)
{
    memset(there, 0, sizeof there);
}

/* What the flags allow, said in another way than zset_decide says it. */
static enum zset_result expected(uint32_t i, double *score, unsigned flags)
{
    double now = score_of[i];
    if (!there[i]) {
        return (flags & ZSET_XX) != 0 ? ZSET_REFUSED : ZSET_ADDED;
    }
    if ((flags & ZSET_NX) != 0) {
        return ZSET_REFUSED;
    }
    double wanted = (flags & ZSET_INCR) != 0 ? now + *score : *score;
    if (isnan(wanted)) {
        return ZSET_NAN;
    }
    bool moves = (flags & ZSET_GT) != 0 ? wanted > now : (flags & ZSET_LT) != 0 ? wanted < now : true;
    *score = wanted;
    if (!moves) {
        return ZSET_REFUSED;
    }
    return same(wanted, now) ? ZSET_SAME : ZSET_CHANGED;
}

static unsigned random_flags(void)
{
    static const unsigned sets[] = {0,
                                    0,
                                    0,
                                    0,
                                    0,
                                    ZSET_NX,
                                    ZSET_XX,
                                    ZSET_GT,
                                    ZSET_LT,
                                    ZSET_INCR,
                                    ZSET_XX | ZSET_GT,
                                    ZSET_XX | ZSET_LT,
                                    ZSET_INCR | ZSET_GT};
    return sets[random_below(sizeof sets / sizeof *sets)];
}

/* ---- the large form --------------------------------------------------------------------------------------- */

static void assert_large(const struct zset *z)
{
    uint32_t order[MEMBERS];
    char room[400];
    uint32_t n = in_order(order);
    assert_int_equal(zset_count(z), n);
    assert_int_equal(ztree_count(&z->tree), n);
    for (uint32_t rank = 0; rank < n; rank++) {
        struct ztree_place at = ztree_at(&z->tree, rank);
        struct slice member = member_of(order[rank], room);
        double score;
        assert_true(slice_equal(item_field(ztree_item(at)), member));
        assert_true(same(ztree_score(at), score_of[order[rank]]));
        assert_true(zset_score(z, member, &score));
        assert_true(same(score, score_of[order[rank]]));
    }
}

static void put_large(struct zset *z)
{
    char room[400];
    uint32_t i = (uint32_t)random_below(MEMBERS);
    unsigned flags = random_flags();
    double score = random_score();
    double wanted = score;
    enum zset_result result = expected(i, &wanted, flags);
    assert_int_equal(zset_put(z, member_of(i, room), &score, flags), result);
    if (result == ZSET_ADDED || result == ZSET_CHANGED) {
        assert_true(same(score, wanted));
        there[i] = true;
        score_of[i] = wanted;
    }
}

static void remove_some_ranks(struct zset *z)
{
    uint32_t order[MEMBERS];
    uint32_t n = in_order(order);
    uint32_t from = (uint32_t)random_below(n + 1);
    uint32_t count = (uint32_t)random_below(12);
    uint32_t end = from + count < n ? from + count : n;
    assert_int_equal(zset_remove_ranks(z, from, count), end - from);
    for (uint32_t rank = from; rank < end; rank++) {
        there[order[rank]] = false;
    }
}

static void a_large_set_is_the_array(void **state)
{
    (void)state;
    int64_t start = mem_used();
    struct zset *z = zset_new(secret, sizeof secret);
    char room[400];
    forget_all();
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint32_t member = (uint32_t)random_below(MEMBERS);
        switch (random_below(10)) {
        case 0:
        case 1:
            assert_int_equal(zset_remove(z, member_of(member, room)), there[member]);
            there[member] = false;
            break;
        case 2:
            if (random_below(20) == 0) {
                remove_some_ranks(z);
            }
            break;
        default: put_large(z);
        }
        if (i % 500 == 0) {
            assert_large(z);
        }
    }
    assert_large(z);
    assert_int_equal(mem_used() - start, zset_memory(z));
    zset_free(z);
    assert_int_equal(mem_used(), start);
}

static void a_gathered_set_is_in_order_when_it_is_done(void **state)
{
    (void)state;
    struct zset *z = zset_new(secret, sizeof secret);
    char room[400];
    forget_all();
    for (uint32_t turn = 0; turn < 2 * MEMBERS; turn++) {
        uint32_t i = (uint32_t)random_below(MEMBERS);
        double score = random_score();
        bool added;
        struct dict_item *it = zset_gather(z, member_of(i, room), score, &added);
        assert_int_equal(added, !there[i]);
        if (!added) {
            assert_true(same(zset_item_score(it), score_of[i]));
            zset_item_set_score(it, score);
        }
        there[i] = true;
        score_of[i] = score;
    }
    assert_true(zset_order(z));
    assert_large(z);
    zset_free(z);
}

/* 0 and -0 are one score: the one that came first stays. */
static void minus_zero_is_zero(void **state)
{
    (void)state;
    struct zset *z = zset_new(secret, sizeof secret);
    double score = -0.0;
    assert_int_equal(zset_put(z, SLICE("a"), &score, 0), ZSET_ADDED);
    score = 0;
    assert_int_equal(zset_put(z, SLICE("a"), &score, 0), ZSET_SAME);
    assert_true(zset_score(z, SLICE("a"), &score));
    assert_true(signbit(score) != 0);
    zset_free(z);
}

static void a_sum_that_is_no_number_changes_nothing(void **state)
{
    (void)state;
    struct zset *z = zset_new(secret, sizeof secret);
    double score = INFINITY;
    assert_int_equal(zset_put(z, SLICE("a"), &score, 0), ZSET_ADDED);
    score = -INFINITY;
    assert_int_equal(zset_put(z, SLICE("a"), &score, ZSET_INCR), ZSET_NAN);
    assert_true(zset_score(z, SLICE("a"), &score));
    assert_true(score > 0 && isinf(score));
    zset_free(z);
}

/* ---- the small form --------------------------------------------------------------------------------------- */

static void assert_small(const struct packed *run)
{
    uint32_t order[MEMBERS];
    char room[400], digits[NUMBER_I64_MAX_CHARS];
    uint32_t n = in_order(order);
    assert_int_equal(zset_packed_count(run), n);
    assert_true(zset_packed_unique(run));
    size_t pos = PACKED_FIRST;
    for (uint32_t rank = 0; rank < n; rank++, pos = zset_packed_next(run, pos)) {
        struct slice member = member_of(order[rank], room);
        double score = score_of[order[rank]];
        struct listpack_value value = packed_read(run, pos);
        assert_true(slice_equal(listpack_text(&value, digits), member));
        assert_true(same(zset_packed_score(run, pos), score));
        assert_int_equal(zset_packed_at(run, rank), pos);
        assert_int_equal(zset_packed_find(run, member, &score), pos);
        struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .score = score, .member = member};
        uint64_t before;
        assert_int_equal(zset_packed_cut(run, &cut, &before), pos);
        assert_int_equal(before, rank);
    }
    assert_int_equal(pos, run->len);
    assert_int_equal(zset_packed_at(run, n), run->len);
}

static void put_small(struct packed *run, uint32_t i, double score)
{
    char room[400];
    struct zset_pair pair;
    double old;
    struct slice member = member_of(i, room);
    size_t pos = zset_packed_find(run, member, &old);
    assert_int_equal(pos != PACKED_NONE, there[i]);
    zset_pair_encode(&pair, member, score);
    if (there[i]) {
        packed_replace(run, packed_after(run, pos), &pair.score);
        zset_packed_settle(run, pos);
    } else {
        struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .score = score, .member = member};
        uint64_t rank;
        zset_packed_insert(run, zset_packed_cut(run, &cut, &rank), &pair);
    }
    there[i] = true;
    score_of[i] = score;
}

static void a_small_set_is_the_array(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(SMALL_ROOM);
    struct packed run = packed_init(bytes);
    forget_all();
    for (uint32_t turn = 0; turn < SMALL_OPERATIONS; turn++) {
        char room[400];
        double score;
        uint32_t i = (uint32_t)random_below(turn % 2000 < 1000 ? 12 : 90);
        if (there[i] && random_below(4) == 0) {
            zset_packed_delete(&run, zset_packed_find(&run, member_of(i, room), &score), 1);
            there[i] = false;
        } else {
            put_small(&run, i, random_score());
        }
        if (turn % 20 == 0) {
            assert_small(&run);
        }
    }
    free(bytes);
}

/* The bytes that redis-server 7.2 has for ZADD k 0.1 a 3 b 1e30 c inf d. */
static void scores_are_written_as_redis_writes_them(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x26\0\0\0\x08\0\x81"
                                   "a\x02\x83"
                                   "0.1\x04\x81"
                                   "b\x02\x03\x01\x81"
                                   "c\x02\x85"
                                   "1e+30\x06\x81"
                                   "d\x02\x83"
                                   "inf\x04\xff";
    uint8_t lp[128], room[128], again[128];
    struct zset_pair pair;
    struct packed run = packed_init(room);
    const struct {
        const char *member;
        double score;
    } members[] = {{"a", 0.1}, {"b", 3}, {"c", 1e30}, {"d", INFINITY}};
    for (size_t i = 0; i < 4; i++) {
        zset_pair_encode(&pair, (struct slice){members[i].member, 1}, members[i].score);
        zset_packed_insert(&run, run.len, &pair);
    }
    assert_int_equal(packed_listpack_bytes(&run), sizeof bytes - 1);
    packed_to_listpack(&run, lp);
    assert_memory_equal(lp, bytes, sizeof bytes - 1);
    assert_int_equal(zset_packed_bytes_of(lp), run.len);
    assert_int_equal(zset_packed_from(again, lp).len, run.len);
    assert_memory_equal(again, room, run.len);
}

/* A listpack of these elements, one behind the other. */
static void write_elements(uint8_t *lp, const char *const *elements)
{
    listpack_init(lp);
    for (; *elements != NULL; elements++) {
        struct listpack_element e = listpack_encode((struct slice){*elements, strlen(*elements)});
        listpack_append(lp, &e);
    }
}

static bool unique(const uint8_t *lp)
{
    uint8_t bytes[128];
    struct packed run = zset_packed_from(bytes, lp);
    return zset_packed_unique(&run);
}

static void what_is_no_sorted_set_is_refused(void **state)
{
    (void)state;
    static const char *const refused[][8] = {
        {NULL},                          /* empty */
        {"a", NULL},                     /* no score */
        {"a", "1", "b", NULL},           /* … of the last member */
        {"a", "x", NULL},                /* no number */
        {"a", "nan", NULL},              /* … */
        {"a", "", NULL},                 /* … */
        {"a", "2", "b", "1", NULL},      /* out of order */
        {"b", "1", "a", "1", NULL},      /* … among equal scores */
        {"a", "1", "a", "1", NULL},      /* twice */
        {"a", "inf", "b", "-inf", NULL}, /* out of order */
    };
    uint8_t lp[128];
    size_t longest;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        write_elements(lp, refused[i]);
        assert_false(zset_listpack_validate(lp, listpack_bytes(lp), &longest));
    }
    write_elements(lp, (const char *const[]){"a", "1", "bb", "1", "c", "2.50", NULL});
    assert_true(zset_listpack_validate(lp, listpack_bytes(lp), &longest));
    assert_int_equal(longest, 2);
    assert_true(unique(lp));
    write_elements(lp, (const char *const[]){"7", "1", "b", "2", "7", "3", NULL}); /* twice, apart */
    assert_true(zset_listpack_validate(lp, listpack_bytes(lp), &longest));
    assert_false(unique(lp));
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_set_is_the_array),
        cmocka_unit_test(a_gathered_set_is_in_order_when_it_is_done),
        cmocka_unit_test(minus_zero_is_zero),
        cmocka_unit_test(a_sum_that_is_no_number_changes_nothing),
        cmocka_unit_test(a_small_set_is_the_array),
        cmocka_unit_test(scores_are_written_as_redis_writes_them),
        cmocka_unit_test(what_is_no_sorted_set_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
