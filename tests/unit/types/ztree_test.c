/*
 * A ztree against a sorted array: whatever is inserted and deleted, one by one or by ranks, in order or not, with
 * few scores or many, its ranks, its ranges and both directions are the array's.
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
#include "types/ztree.h"

enum { MAX_ELEMENTS = 20000, OPERATIONS = 100000 };

static uint64_t seed = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * 0x2545F4914F6CDD1DULL >> 11) % n;
}

struct element {
    double score;
    struct dict_item *item;
};
static struct element model[MAX_ELEMENTS];
static uint32_t count;

static int compare(double score, struct slice member, const struct element *e)
{
    if (score < e->score || score > e->score) {
        return score < e->score ? -1 : 1;
    }
    struct slice other = item_field(e->item);
    size_t shorter = member.len < other.len ? member.len : other.len;
    int order = memcmp(member.ptr, other.ptr, shorter);
    return order != 0 ? order : (member.len > other.len) - (member.len < other.len);
}

/* Elements of the array before this one. */
static uint32_t model_rank(double score, struct slice member)
{
    uint32_t from = 0;
    uint32_t to = count;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (compare(score, member, &model[middle]) > 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static void model_take_out(uint32_t rank, uint32_t n)
{
    for (uint32_t i = rank; i < rank + n; i++) {
        item_free(model[i].item);
    }
    memmove(&model[rank], &model[rank + n], (count - rank - n) * sizeof model[0]);
    count -= n;
}

static double random_score(uint32_t scores)
{
    switch (random_below(200)) {
    case 0: return INFINITY;
    case 1: return -INFINITY;
    case 2: return -0.0;
    case 3: return 0.0;
    default: return ((double)random_below(scores) - scores / 2) / 4;
    }
}

static struct slice random_member(char *text, size_t room)
{
    int length = snprintf(text, room, "%lx", (unsigned long)random_below(1000000));
    return (struct slice){text, (size_t)length};
}

static void insert(struct ztree *t, double score, struct slice member)
{
    uint32_t rank = model_rank(score, member);
    if (count == MAX_ELEMENTS || (rank < count && compare(score, member, &model[rank]) == 0)) {
        return;
    }
    struct item_parts parts = {.field = member, .deadline = ITEM_NO_DEADLINE};
    struct dict_item *it = item_new(&parts);
    assert_true(ztree_insert(t, score, it));
    memmove(&model[rank + 1], &model[rank], (count - rank) * sizeof model[0]);
    model[rank] = (struct element){score, it};
    count++;
}

static void delete_one(struct ztree *t, uint32_t rank)
{
    if (rank < count) {
        assert_true(ztree_delete(t, model[rank].score, item_field(model[rank].item)));
        assert_false(ztree_delete(t, model[rank].score, item_field(model[rank].item)));
        model_take_out(rank, 1);
    }
}

static void expect_deleted(void *context, double score, const struct dict_item *it)
{
    uint32_t *rank = context;
    assert_ptr_equal(it, model[*rank].item);
    assert_true(score == model[*rank].score);
    /* The tree may not need it any more, even where it still deletes others. */
    item_free(model[*rank].item);
    model[(*rank)++].item = NULL;
}

static void delete_ranks(struct ztree *t, uint32_t rank, uint32_t n)
{
    uint32_t reached = rank;
    uint32_t expected = rank >= count ? 0 : count - rank < n ? count - rank : n;
    assert_int_equal(ztree_delete_ranks(t, rank, n, expect_deleted, &reached), expected);
    assert_int_equal(reached - rank, expected);
    if (expected > 0) {
        model_take_out(rank, expected);
    }
}

static void assert_place(struct ztree_place at, uint32_t rank)
{
    assert_int_equal(at.leaf != NULL, rank < count);
    if (at.leaf != NULL) {
        assert_ptr_equal(ztree_item(at), model[rank].item);
        assert_true(ztree_score(at) == model[rank].score);
    }
}

/* A cut has as many elements before it as the array counts. */
static void assert_cut(const struct ztree *t, const struct ztree_cut *cut)
{
    uint32_t before = 0;
    while (before < count) {
        const struct element *e = &model[before];
        double score = cut->by == ZTREE_BY_MEMBER ? e->score : cut->score;
        int order = cut->by == ZTREE_BEGIN      ? -1
                    : cut->by == ZTREE_END      ? 1
                    : cut->by == ZTREE_BY_SCORE ? (cut->score > e->score) - (cut->score < e->score)
                                                : compare(score, cut->member, e);
        if (order < 0 || (order == 0 && !cut->after)) {
            break;
        }
        before++;
    }
    assert_int_equal(ztree_rank_of(t, cut), before);
}

static void assert_random_cuts(const struct ztree *t, uint32_t scores)
{
    char text[32];
    struct ztree_cut cut = {.after = random_below(2) == 0, .score = random_score(scores)};
    cut.member = random_member(text, sizeof text);
    if (count > 0 && random_below(2) == 0) {
        const struct element *e = &model[random_below(count)];
        cut.score = e->score;
        cut.member = item_field(e->item);
    }
    for (int by = ZTREE_BY_SCORE; by <= ZTREE_END; by++) {
        cut.by = (enum ztree_cut_by)by;
        if (cut.by != ZTREE_BY_MEMBER || scores == 1) { /* lexicographic ranges are for sets of one score */
            assert_cut(t, &cut);
        }
    }
}

static void assert_as_model(const struct ztree *t)
{
    assert_int_equal(ztree_count(t), count);
    struct ztree_place at = ztree_at(t, 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_place(at, i);
        assert_place(ztree_at(t, i), i);
        assert_int_equal(ztree_rank(t, model[i].score, item_field(model[i].item)), i);
        at = ztree_next(at);
    }
    assert_null(at.leaf);
    at = count > 0 ? ztree_at(t, count - 1) : at;
    for (uint32_t i = count; i-- > 0; at = ztree_previous(at)) {
        assert_place(at, i);
    }
    assert_null(at.leaf);
    assert_null(ztree_at(t, count).leaf);
}

/* An element gets another score: mostly one beside its own, so that it often stays where it is. */
static void rescore(struct ztree *t, uint32_t rank, uint32_t scores)
{
    if (rank == count || scores == 1) {
        return;
    }
    struct element moved = model[rank];
    double score =
        random_below(4) == 0 ? random_score(scores) : moved.score + ((double)random_below(9) - 4) / 4;
    uint32_t there = model_rank(score, item_field(moved.item));
    if (there < count && there != rank && compare(score, item_field(moved.item), &model[there]) == 0) {
        return; /* here a member may be there with several scores, but not twice with one */
    }
    assert_true(ztree_rescore(t, moved.score, score, moved.item));
    memmove(&model[rank], &model[rank + 1], (count - rank - 1) * sizeof model[0]);
    count--;
    uint32_t to = model_rank(score, item_field(moved.item));
    memmove(&model[to + 1], &model[to], (count - to) * sizeof model[0]);
    model[to] = (struct element){score, moved.item};
    count++;
}

static void operate(struct ztree *t, uint32_t scores, uint64_t insertions)
{
    char text[32];
    uint64_t choice = random_below(1000);
    if (choice < insertions) {
        double score = scores == 1 ? 0.0 : random_score(scores);
        insert(t, score, random_member(text, sizeof text));
        rescore(t, (uint32_t)random_below(count + 1), scores);
    } else if (choice < 998) {
        delete_one(t, (uint32_t)random_below(count + 1));
    } else {
        delete_ranks(t, (uint32_t)random_below(count + 1), (uint32_t)random_below(count / 4 + 50));
    }
}

static void compare_with_model(uint32_t scores)
{
    struct ztree t;
    int64_t start = mem_used();
    ztree_init(&t);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        operate(&t, scores, i / (OPERATIONS / 6) % 2 == 0 ? 850 : 300);
        assert_int_equal(ztree_count(&t), count);
        if (i % 100 == 0) {
            assert_random_cuts(&t, scores);
        }
        if (i % 5000 == 0) {
            assert_as_model(&t);
        }
    }
    assert_as_model(&t);
    while (count > 0) {
        delete_one(&t, (uint32_t)random_below(count));
    }
    assert_as_model(&t);
    assert_int_equal(ztree_memory(&t), sizeof t);
    assert_int_equal(mem_used(), start);
}

static void an_array_and_a_tree_agree_with_many_scores(void **state)
{
    (void)state;
    compare_with_model(1000000);
}

static void an_array_and_a_tree_agree_with_few_scores(void **state)
{
    (void)state;
    compare_with_model(40);
}

static void an_array_and_a_tree_agree_with_one_score(void **state)
{
    (void)state;
    compare_with_model(1);
}

static void insert_number(struct ztree *t, uint32_t number)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%05u", number);
    insert(t, (double)(number / 4), (struct slice){text, (size_t)length});
}

/* As queues and leaderboards do: in at one end, out at the other. */
static void elements_may_come_and_go_in_order(void **state)
{
    (void)state;
    struct ztree t;
    ztree_init(&t);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 10000; i++) {
            insert_number(&t, round % 2 == 0 ? i : 10000 - i);
        }
        assert_as_model(&t);
        assert_true(t.bytes <= 20 * (size_t)count);
        for (uint32_t i = 0; count > 0; i++) {
            delete_one(&t, round < 2 ? 0 : count - 1);
            if (i % 1999 == 0) {
                assert_as_model(&t);
            }
        }
        assert_int_equal(t.bytes, 0);
    }
}

static void an_item_that_moved_is_found_at_its_new_place(void **state)
{
    (void)state;
    struct ztree t;
    ztree_init(&t);
    for (uint32_t i = 0; i < 3000; i++) {
        insert_number(&t, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct item_parts parts = item_parts(model[i].item);
        struct dict_item *moved = item_new(&parts);
        assert_true(ztree_move(&t, model[i].score, model[i].item, moved));
        item_free(model[i].item); /* a sanitizer sees who still reads it */
        model[i].item = moved;
    }
    assert_as_model(&t);
    delete_ranks(&t, 0, count);
    assert_null(t.root);
}

static void it_is_freed_in_steps_without_its_items(void **state)
{
    (void)state;
    struct ztree t;
    int64_t start = mem_used();
    ztree_init(&t);
    for (uint32_t i = 0; i < MAX_ELEMENTS; i++) {
        insert_number(&t, (i * 7919) % MAX_ELEMENTS);
    }
    assert_int_equal(count, MAX_ELEMENTS);
    model_take_out(0, count);
    int64_t left = mem_used();
    while (!ztree_free_some(&t, 10)) {
        assert_true(left - mem_used() > 0 && left - mem_used() <= 10 * 1024);
        left = mem_used();
    }
    assert_int_equal(mem_used(), start);
    insert_number(&t, 1); /* and may be used again */
    assert_as_model(&t);
    model_take_out(0, 1);
    ztree_clear(&t);
    assert_int_equal(mem_used(), start);
}

static void an_element_costs_20_bytes(void **state)
{
    (void)state;
    struct ztree t;
    char text[32];
    double bytes_per_element = 0;
    ztree_init(&t);
    while (count < MAX_ELEMENTS) {
        insert(&t, random_score(1000000), random_member(text, sizeof text));
        if (count > 2000) {
            assert_true(t.bytes <= 21 * (size_t)count); /* where many leaves happen to have just split */
            bytes_per_element += (double)t.bytes / count / (MAX_ELEMENTS - 2000);
        }
    }
    assert_true(bytes_per_element < 20);
    delete_ranks(&t, 0, count);
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_and_a_tree_agree_with_many_scores),
        cmocka_unit_test(an_array_and_a_tree_agree_with_few_scores),
        cmocka_unit_test(an_array_and_a_tree_agree_with_one_score),
        cmocka_unit_test(elements_may_come_and_go_in_order),
        cmocka_unit_test(an_item_that_moved_is_found_at_its_new_place),
        cmocka_unit_test(it_is_freed_in_steps_without_its_items),
        cmocka_unit_test(an_element_costs_20_bytes),
    };
    return cmocka_run_group_tests_name("ztree", tests, NULL, NULL);
}
