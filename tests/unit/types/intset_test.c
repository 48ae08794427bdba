/*
 * Intsets. The bytes expected are what redis-server 7.0.15 gave in DUMP for the same members; the edits are compared with
 * a plain array that goes through the same hundred thousand random operations.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "types/intset.h"

static uint64_t seed = 0x2545f4914f6cdd1du;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void the_bytes_are_those_of_redis(void **state)
{
    (void)state;
    static const uint8_t four[] = {4,    0,    0, 0, 3, 0, 0,    0,    0xfb, 0xff,
                                   0xff, 0xff, 1, 0, 0, 0, 0x70, 0x11, 1,    0};
    static const uint8_t eight[] = {8,    0,    0,    0,    5,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0xc0,
                                    0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0,
                                    0x70, 0x11, 1,    0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 1, 0, 0};
    uint8_t set[64];
    intset_init(set);
    assert_true(intset_add(set, 1));
    assert_true(intset_add(set, -5));
    assert_true(intset_add(set, 70000));
    assert_int_equal(intset_bytes(set), sizeof four);
    assert_memory_equal(set, four, sizeof four);
    assert_true(intset_add(set, (int64_t)1 << 40));
    assert_true(intset_add(set, -((int64_t)1 << 62)));
    assert_int_equal(intset_bytes(set), sizeof eight);
    assert_memory_equal(set, eight, sizeof eight);
}

/* ---- the model: a sorted array ---- */

enum { MODEL_MAX = 400, OPERATIONS = 100000 };

static int64_t model[MODEL_MAX];
static uint32_t model_count;

static bool model_find(int64_t member, uint32_t *index)
{
    *index = 0;
    while (*index < model_count && model[*index] < member) {
        ++*index;
    }
    return *index < model_count && model[*index] == member;
}

static uint8_t *add_one(uint8_t *set, int64_t member)
{
    uint32_t index;
    bool known = model_find(member, &index);
    size_t bytes = intset_bytes_with(set, member);
    set = realloc(set, bytes);
    assert_int_equal(intset_add(set, member), !known);
    if (!known) {
        assert_int_equal(intset_bytes(set), bytes);
        memmove(&model[index + 1], &model[index], (model_count - index) * sizeof(model[0]));
        model[index] = member;
        model_count++;
    }
    return set;
}

static uint8_t *remove_one(uint8_t *set, int64_t member)
{
    uint32_t index;
    if (model_find(member, &index)) {
        intset_remove_range(set, index, 1);
        memmove(&model[index], &model[index + 1], (model_count - index - 1) * sizeof(model[0]));
        model_count--;
    }
    return realloc(set, intset_bytes(set));
}

static void compare(const uint8_t *set, int64_t member)
{
    uint32_t index;
    uint32_t expected;
    assert_int_equal(intset_find(set, member, &index), model_find(member, &expected));
    assert_int_equal(index, expected);
    assert_int_equal(intset_count(set), model_count);
    for (uint32_t i = 0; i < model_count; i++) {
        assert_true(intset_get(set, i) == model[i]);
    }
    assert_true(intset_validate(set, intset_bytes(set)));
    if (model_count > 0) {
        assert_true(intset_find(set, intset_random(set, next_random()), NULL));
    }
}

/* Members around the bounds of the widths, and close together, so that they repeat. */
static int64_t random_member(unsigned widest)
{
    static const int64_t bounds[] = {0, INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN};
    if (widest == 8 && next_random() % 50 == 0) {
        return next_random() % 2 ? INT64_MAX - (int64_t)(next_random() % 3)
                                 : INT64_MIN + (int64_t)(next_random() % 3);
    }
    int64_t bound = bounds[next_random() % (widest == 2 ? 1 : widest == 4 ? 3 : 5)];
    return bound + (int64_t)(next_random() % 300) - 150;
}

static void random_edits_agree_with_an_array(void **state)
{
    (void)state;
    static const unsigned widths[] = {2, 4, 8};
    for (int round = 0; round < 20; round++) {
        uint8_t *set = malloc(INTSET_HEADER);
        intset_init(set);
        model_count = 0;
        for (int i = 0; i < OPERATIONS / 20; i++) {
            int64_t member = random_member(widths[(i / 1000) % 3]);
            bool grow = model_count < MODEL_MAX && next_random() % 100 < 55;
            set = grow ? add_one(set, member) : remove_one(set, member);
            compare(set, random_member(8));
        }
        assert_int_equal(intset_width(set), 8);
        free(set);
    }
}

static void random_members_are_drawn_evenly(void **state)
{
    (void)state;
    uint8_t set[64];
    unsigned drawn[10] = {0};
    intset_init(set);
    for (int64_t i = 0; i < 10; i++) {
        intset_add(set, i);
    }
    for (int i = 0; i < 100000; i++) {
        drawn[intset_random(set, next_random())]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(drawn[i], 9500, 10500);
    }
    assert_int_equal(intset_random(set, 0), 0);
    assert_int_equal(intset_random(set, UINT64_MAX), 9);
}

static void a_range_is_removed(void **state)
{
    (void)state;
    uint8_t set[64];
    intset_init(set);
    for (int64_t i = 0; i < 10; i++) {
        intset_add(set, i);
    }
    intset_remove_range(set, 2, 7);
    assert_int_equal(intset_count(set), 3);
    assert_int_equal(intset_get(set, 1), 1);
    assert_int_equal(intset_get(set, 2), 9);
}

static void unsound_runs_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
    } bad[] = {
        {{2, 0, 0, 0, 0, 0, 0}, 7},                       /* cut short */
        {{3, 0, 0, 0, 0, 0, 0, 0}, 8},                    /* no such width */
        {{0, 0, 0, 0, 0, 0, 0, 0}, 8},                    /* none at all */
        {{2, 0, 0, 0, 1, 0, 0, 0}, 8},                    /* a member too few */
        {{2, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 10},             /* one too many */
        {{2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0}, 12},       /* the same twice */
        {{2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0xFF, 0xFF}, 12}, /* 1 before -1 */
        {{8, 0, 0, 0, 0, 0, 0, 0x20}, 8},                 /* 2^29 members of 8 bytes */
        {{8, 0, 0, 0, 0, 0, 0, 0x80}, 8},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t *set = malloc(bad[i].len);
        memcpy(set, bad[i].bytes, bad[i].len);
        if (intset_validate(set, bad[i].len)) {
            fail_msg("case %zu passed", i);
        }
        free(set);
    }
    uint8_t empty[INTSET_HEADER];
    intset_init(empty);
    assert_true(intset_validate(empty, sizeof empty));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_redis),    cmocka_unit_test(random_edits_agree_with_an_array),
        cmocka_unit_test(random_members_are_drawn_evenly), cmocka_unit_test(a_range_is_removed),
        cmocka_unit_test(unsound_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
