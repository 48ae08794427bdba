/*
 * Large lists, compared with a plain array of values that goes through the same hundred thousand random operations, with
 * chunks of several sizes. The memory that a list tells of is compared with what the allocator counts.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "types/list.h"

static uint64_t seed = 0xd1b54a32d192ed03u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- the model: an array of strings, each made from a number ---- */

enum { MODEL_MAX = 6000, VALUE_MAX = 9000, OPERATIONS = 100000 };

static uint64_t model[MODEL_MAX + 1];
static uint64_t model_count;
static struct list *list;

/* The value of a number: an integer, a short string, seldom a long one; the same number always gives the same. */
static struct slice value_of(uint64_t id)
{
    static char room[VALUE_MAX + 32];
    size_t len;
    if (id % 4 == 0) {
        len = number_format_i64(room, (int64_t)id >> id % 63);
    } else {
        len = (size_t)snprintf(room, sizeof room, "value:%" PRIu64, id);
        size_t wanted = id % 257 == 0 ? id % VALUE_MAX : id % 13 == 0 ? id % 400 : 0;
        while (len < wanted) {
            room[len++] = (char)('a' + id % 26);
        }
    }
    return (struct slice){room, len};
}

static void model_insert(uint64_t index, uint64_t id)
{
    memmove(&model[index + 1], &model[index], (model_count - index) * sizeof(model[0]));
    model[index] = id;
    model_count++;
}

static void model_remove(uint64_t index, uint64_t count)
{
    memmove(&model[index], &model[index + count], (model_count - index - count) * sizeof(model[0]));
    model_count -= count;
}

static void expect(const struct listpack_value *value, uint64_t index)
{
    if (!listpack_value_equal(value, value_of(model[index]))) {
        fail_msg("another value at index %" PRIu64 " of %" PRIu64, index, model_count);
    }
}

static struct list_position seek(uint64_t index)
{
    struct list_position at;
    int64_t wanted = next_random() % 2 ? (int64_t)index : (int64_t)index - (int64_t)model_count;
    assert_true(list_seek(list, wanted, &at));
    assert_int_equal(list_index(list, &at), index);
    struct listpack_value value = list_read(list, &at);
    expect(&value, index);
    return at;
}

static void push_one(void)
{
    uint64_t id = next_random() >> 8;
    enum list_end end = next_random() % 2 ? LIST_HEAD : LIST_TAIL;
    assert_true(list_push(list, end, value_of(id)));
    model_insert(end == LIST_HEAD ? 0 : model_count, id);
}

static void pop_one(void)
{
    enum list_end end = next_random() % 2 ? LIST_HEAD : LIST_TAIL;
    uint64_t index = end == LIST_HEAD ? 0 : model_count - 1;
    struct list_position at;
    assert_true(list_seek(list, end == LIST_HEAD ? 0 : -1, &at));
    struct listpack_value value = list_read(list, &at);
    expect(&value, index);
    assert_true(list_pop(list, end));
    model_remove(index, 1);
}

static void insert_one(void)
{
    uint64_t id = next_random() >> 8;
    uint64_t index = next_random() % model_count;
    bool after = next_random() % 2;
    struct list_position at = seek(index);
    assert_true(list_insert(list, &at, after, value_of(id)));
    model_insert(index + after, id);
}

static void set_one(void)
{
    uint64_t id = next_random() >> 8;
    uint64_t index = next_random() % model_count;
    struct list_position at = seek(index);
    assert_true(list_set(list, &at, value_of(id)));
    model[index] = id;
}

/* As LREM does it: some of the elements on the way are removed, others passed by. */
static void remove_on_the_way(void)
{
    bool backward = next_random() % 2;
    uint64_t index = next_random() % model_count;
    struct list_position at = seek(index);
    for (uint64_t steps = 1 + next_random() % 8; steps > 0; steps--) {
        bool remove = next_random() % 4 != 0;
        bool more = remove     ? list_remove(list, &at, backward)
                    : backward ? list_prev(list, &at)
                               : list_next(list, &at);
        if (remove) {
            model_remove(index, 1);
        }
        bool expected = backward ? index > 0 : index + !remove < model_count;
        assert_int_equal(more, expected);
        if (!more) {
            return;
        }
        index = backward ? index - 1 : index + !remove;
        struct listpack_value value = list_read(list, &at);
        expect(&value, index);
    }
}

static void remove_range(void)
{
    uint64_t index = next_random() % (model_count + 1);
    uint64_t count = next_random() % 256 == 0 ? next_random() % 5000 : next_random() % 20;
    uint64_t there = model_count - index < count ? model_count - index : count;
    struct list *removed = next_random() % 2 ? list_new(-2) : NULL;
    assert_int_equal(list_remove_range(list, index, count, removed), there);
    model_remove(index, there);
    if (removed != NULL) {
        assert_true(list_count(removed) <= there);
        list_free(removed);
    }
}

static void compare_all(int64_t used_before)
{
    assert_int_equal(list_count(list), model_count);
    assert_int_equal((int64_t)list_memory(list), mem_used() - used_before);
    struct list_position at;
    bool more = list_seek(list, 0, &at);
    for (uint64_t i = 0; i < model_count; i++, more = list_next(list, &at)) {
        assert_true(more);
        struct listpack_value value = list_read(list, &at);
        expect(&value, i);
    }
    assert_false(more);
    more = list_seek(list, -1, &at);
    for (uint64_t i = model_count; i-- > 0; more = list_prev(list, &at)) {
        assert_true(more);
        struct listpack_value value = list_read(list, &at);
        expect(&value, i);
    }
    assert_false(more);
}

static void operate(unsigned growth)
{
    unsigned what = (unsigned)(next_random() % 100);
    bool full = model_count >= MODEL_MAX;
    if (model_count == 0 || (what < growth && !full)) {
        push_one();
    } else if (what < growth + 15 && !full) {
        insert_one();
    } else if (what < growth + 25) {
        set_one();
    } else if (what < 80) {
        pop_one();
    } else if (what < 97) {
        remove_on_the_way();
    } else {
        remove_range();
    }
}

static void random_edits_agree_with_an_array(void **state)
{
    (void)state;
    static const int sizes[] = {-1, -2, -5, 1, 3, 100};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
    for (int round = 0; round < SIZES; round++) {
        int64_t used = mem_used();
        list = list_new(sizes[round]);
        model_count = 0;
        for (int i = 0; i < OPERATIONS / SIZES + 1; i++) {
            operate(i / 3000 % 2 == 0 ? 60 : 20);
            if (i % 250 == 0) {
                compare_all(used);
            }
        }
        compare_all(used);
        list_free(list);
        assert_int_equal(mem_used(), used);
    }
}

/* ---- chunks ---- */

static void chunks_are_sound_listpacks_of_bounded_size(void **state)
{
    (void)state;
    struct list *l = list_new(-2);
    struct list *copy = list_new(-2);
    char large[9000];
    memset(large, 'x', sizeof large);
    for (uint64_t i = 0; i < 30000; i++) {
        assert_true(list_push(l, i % 3 ? LIST_TAIL : LIST_HEAD, value_of(i * 2 + 1)));
    }
    assert_true(list_push(l, LIST_TAIL, (struct slice){large, sizeof large}));
    struct list_place place = {0, 0};
    struct slice bytes;
    bool plain;
    uint64_t chunks = 0;
    uint64_t plains = 0;
    for (; list_read_chunk(l, &place, &bytes, &plain); chunks++) {
        if (plain) {
            plains++;
            assert_true(list_push(copy, LIST_TAIL, bytes));
            continue;
        }
        assert_true(bytes.len <= 8192);
        assert_true(listpack_validate((const uint8_t *)bytes.ptr, bytes.len, NULL, NULL));
        assert_true(list_append_listpack(copy, (const uint8_t *)bytes.ptr));
    }
    assert_true(plains > 0);
    assert_int_equal(chunks, list_chunks(l));
    assert_int_equal(list_count(copy), list_count(l));
    struct list_position a;
    struct list_position b;
    list_seek(l, 0, &a);
    list_seek(copy, 0, &b);
    bool more = true;
    while (more) {
        struct listpack_value left = list_read(l, &a);
        struct listpack_value right = list_read(copy, &b);
        char room[NUMBER_I64_MAX_CHARS];
        assert_true(listpack_value_equal(&left, listpack_text(&right, room)));
        more = list_next(l, &a);
        assert_int_equal(list_next(copy, &b), more);
    }
    list_free(l);
    list_free(copy);
}

static void many_elements_take_little_more_than_their_bytes(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    int64_t used = mem_used();
    struct list *l = list_new(-2);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_true(list_push(l, i % 2 ? LIST_HEAD : LIST_TAIL, SLICE("0123456789")));
        uint64_t index = next_random() % list_count(l);
        struct list_position at;
        assert_true(list_seek(l, (int64_t)index, &at));
        assert_int_equal(list_index(l, &at), index);
    }
    assert_true(list_memory(l) < MANY * 12 * 105 / 100); /* 12 bytes each as an element */
    struct list *removed = list_new(-2);
    assert_int_equal(list_remove_range(l, 10, MANY - 20, removed), MANY - 20);
    assert_int_equal(list_count(l), 20);
    assert_true(list_count(removed) > MANY / 2);
    assert_int_equal((int64_t)(list_memory(l) + list_memory(removed)), mem_used() - used);
    uint64_t steps = 1;
    while (!list_free_step(removed, 16)) {
        steps++;
    }
    assert_true(steps > 10);
    list_free(l);
    assert_int_equal(mem_used(), used);
}

static void a_listpack_larger_than_a_chunk_is_taken_apart(void **state)
{
    (void)state;
    static uint8_t lp[40000];
    struct list *l = list_new(-1);
    listpack_init(lp);
    assert_true(list_append_listpack(l, lp));
    assert_int_equal(list_chunks(l), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct listpack_element e = listpack_encode(value_of(8 * i + 1 - (i % 2)));
        if (listpack_bytes(lp) + e.size < sizeof lp && e.size < 30) {
            listpack_append(lp, &e);
        }
    }
    assert_true(list_append_listpack(l, lp));
    assert_int_equal(list_count(l), listpack_count(lp));
    assert_true(list_chunks(l) > 1);
    struct list_position at;
    assert_true(list_seek(l, 0, &at));
    for (size_t pos = listpack_first(lp); pos != LISTPACK_NONE; pos = listpack_next(lp, pos)) {
        struct listpack_value value = list_read(l, &at);
        char room[NUMBER_I64_MAX_CHARS];
        struct listpack_value expected = listpack_read(lp, pos);
        assert_true(listpack_value_equal(&expected, listpack_text(&value, room)));
        assert_int_equal(list_next(l, &at), listpack_next(lp, pos) != LISTPACK_NONE);
    }
    list_free(l);
}

static void an_empty_list_has_no_ends(void **state)
{
    (void)state;
    struct list *l = list_new(-2);
    struct list_position at;
    assert_true(list_push(l, LIST_HEAD, SLICE("")));
    assert_true(list_pop(l, LIST_TAIL));
    assert_false(list_pop(l, LIST_HEAD));
    assert_false(list_seek(l, 0, &at));
    assert_false(list_seek(l, -1, &at));
    assert_int_equal(list_remove_range(l, 0, 5, NULL), 0);
    list_free(l);
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_agree_with_an_array),
        cmocka_unit_test(chunks_are_sound_listpacks_of_bounded_size),
        cmocka_unit_test(many_elements_take_little_more_than_their_bytes),
        cmocka_unit_test(a_listpack_larger_than_a_chunk_is_taken_apart),
        cmocka_unit_test(an_empty_list_has_no_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
