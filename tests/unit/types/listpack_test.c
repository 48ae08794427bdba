/*
 * Listpacks. The bytes expected are what redis-server 7.0.15 gave in DUMP for the same elements; the edits are compared
 * with a plain array of strings that goes through the same hundred thousand random operations.
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

#include "types/listpack.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct slice text(const char *s)
{
    return (struct slice){s, strlen(s)};
}

static bool equals(const uint8_t *lp, size_t pos, struct slice bytes)
{
    struct listpack_value value = listpack_read(lp, pos);
    return listpack_value_equal(&value, bytes);
}

static void append(uint8_t *lp, const char *s)
{
    struct listpack_element e = listpack_encode(text(s));
    listpack_append(lp, &e);
}

static void every_encoding_has_the_bytes_of_redis(void **state)
{
    (void)state;
    static const struct {
        const char *value, *hex;
    } cases[] = {
        {"0", "090000000100"
              "0001ff"},
        {"127", "0900000001007f01ff"},
        {"128", "0a0000000100c08002ff"},
        {"-1", "0a0000000100dfff02ff"},
        {"4095", "0a0000000100cfff02ff"},
        {"4096", "0b0000000100f1001003ff"},
        {"-4096", "0a0000000100d00002ff"},
        {"-4097", "0b0000000100f1ffef03ff"},
        {"32767", "0b0000000100f1ff7f03ff"},
        {"-32768", "0b0000000100f1008003ff"},
        {"32768", "0c0000000100f200800004ff"},
        {"8388607", "0c0000000100f2ffff7f04ff"},
        {"-8388608", "0c0000000100f200008004ff"},
        {"8388608", "0d0000000100f30000800005ff"},
        {"2147483647", "0d0000000100f3ffffff7f05ff"},
        {"-2147483649", "110000000100f4ffffff7fffffffff09ff"},
        {"9223372036854775807", "110000000100f4ffffffffffffff7f09ff"},
        {"-9223372036854775808", "110000000100f4000000000000008009ff"},
        {"01", "0b000000010082303103ff"},
        {"-0", "0b0000000100822d3003ff"},
        {"", "0900000001008001ff"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t lp[64];
        char hex[130] = "";
        listpack_init(lp);
        append(lp, cases[i].value);
        for (size_t k = 0; k < listpack_bytes(lp); k++) {
            snprintf(hex + 2 * k, 3, "%02x", lp[k]);
        }
        assert_string_equal(hex, cases[i].hex);
        assert_true(equals(lp, listpack_first(lp), text(cases[i].value)));
        struct listpack_value value = listpack_read(lp, LISTPACK_HEADER);
        char room[NUMBER_I64_MAX_CHARS];
        assert_true(slice_equal(listpack_text(&value, room), text(cases[i].value)));
    }
}

/* Lengths around the bounds of encodings and backlens, and the last bytes that Redis wrote for them. */
static void long_strings_have_the_bytes_of_redis(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        size_t bytes;
        uint8_t head, backlen[4];
        size_t backlen_len;
    } cases[] = {
        {63, 72, 0xBF, {0x40}, 1},
        {64, 74, 0xE0, {0x42}, 1},
        {125, 135, 0xE0, {0x7F}, 1},
        {126, 137, 0xE0, {0x01, 0x80}, 2},
        {4095, 4106, 0xEF, {0x20, 0x81}, 2},
        {4096, 4110, 0xF0, {0x20, 0x85}, 2},
        {16377, 16391, 0xF0, {0x7F, 0xFE}, 2},
        {16378, 16393, 0xF0, {0x00, 0xFF, 0xFF}, 3},
        {16379, 16394, 0xF0, {0x01, 0x80, 0x80}, 3},
        {2097145, 2097160, 0xF0, {0x7F, 0xFF, 0xFE}, 3},
        {2097146, 2097162, 0xF0, {0x00, 0xFF, 0xFF, 0xFF}, 4},
    };
    uint8_t *lp = malloc(3u << 20);
    char *bytes = malloc(3u << 20);
    memset(bytes, 'a', 3u << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        listpack_init(lp);
        struct listpack_element e = listpack_encode((struct slice){bytes, cases[i].len});
        listpack_append(lp, &e);
        size_t n = cases[i].backlen_len;
        assert_int_equal(listpack_bytes(lp), cases[i].bytes);
        assert_int_equal(lp[LISTPACK_HEADER], cases[i].head);
        assert_memory_equal(lp + listpack_bytes(lp) - 1 - n, cases[i].backlen, n);
        assert_int_equal(listpack_last(lp), LISTPACK_HEADER);
        assert_int_equal(listpack_read(lp, LISTPACK_HEADER).bytes.len, cases[i].len);
        assert_true(listpack_validate(lp, listpack_bytes(lp), NULL, NULL));
    }
    free(bytes);
    free(lp);
}

/* ---- the model: an array of strings ---- */

enum {
    MODEL_MAX = 300,
    VALUE_MAX = 200,
    ROOM = MODEL_MAX * (VALUE_MAX + 8) + LISTPACK_EMPTY,
    OPERATIONS = 100000
};

static struct {
    char bytes[VALUE_MAX];
    size_t len;
} model[MODEL_MAX];
static size_t model_count;
static uint8_t *lp; /* its size is exactly what it must be, for the sanitizer to watch */

static struct slice random_value(char *room)
{
    size_t len = 0;
    switch (next_random() % 4) {
    case 0: len = number_format_i64(room, (int64_t)next_random() >> next_random() % 64); break;
    case 1: len = number_format_u64(room, next_random() % 50); break;
    default:
        len = next_random() % (next_random() % 8 == 0 ? VALUE_MAX : 20);
        for (size_t i = 0; i < len; i++) {
            room[i] = (char)next_random();
        }
    }
    return (struct slice){room, len};
}

static void model_insert(size_t index, struct slice value)
{
    memmove(&model[index + 1], &model[index], (model_count - index) * sizeof(model[0]));
    memcpy(model[index].bytes, value.ptr, value.len);
    model[index].len = value.len;
    model_count++;
}

static void model_delete(size_t index, size_t count)
{
    memmove(&model[index], &model[index + count], (model_count - index - count) * sizeof(model[0]));
    model_count -= count;
}

static void resize(size_t bytes)
{
    lp = realloc(lp, bytes);
    assert_non_null(lp);
}

static size_t position_of(size_t index)
{
    int64_t wanted = next_random() % 2 ? (int64_t)index : (int64_t)index - (int64_t)model_count;
    return index == model_count ? listpack_end(lp) : listpack_seek(lp, wanted);
}

static void insert_one(void)
{
    char room[VALUE_MAX];
    struct slice value = random_value(room);
    struct listpack_element e = listpack_encode(value);
    size_t index = next_random() % (model_count + 1);
    resize(listpack_bytes(lp) + e.size);
    if (index == model_count) {
        listpack_append(lp, &e);
    } else if (index == 0 || next_random() % 2) {
        listpack_insert(lp, position_of(index), &e);
    } else {
        listpack_insert(lp, listpack_after(lp, position_of(index - 1)), &e);
    }
    model_insert(index, value);
}

static void replace_one(void)
{
    char room[VALUE_MAX];
    struct slice value = random_value(room);
    struct listpack_element e = listpack_encode(value);
    size_t index = next_random() % model_count;
    size_t pos = position_of(index);
    size_t bytes = listpack_bytes(lp) - listpack_element_bytes(lp, pos) + e.size;
    if (bytes > listpack_bytes(lp)) {
        resize(bytes);
    }
    listpack_replace(lp, pos, &e);
    assert_int_equal(listpack_bytes(lp), bytes);
    model_delete(index, 1);
    model_insert(index, value);
}

static void delete_some(void)
{
    size_t index = next_random() % model_count;
    size_t count = next_random() % 16 == 0 ? next_random() % 40 : 1;
    size_t there = model_count - index < count ? model_count - index : count;
    assert_int_equal(listpack_delete(lp, position_of(index), count), there);
    model_delete(index, there);
    resize(listpack_bytes(lp));
}

/* Push and pop at the left edge, in a buffer with room before the run. */
static void edit_left_edge(void)
{
    char room[VALUE_MAX];
    struct slice value = random_value(room);
    struct listpack_element e = listpack_encode(value);
    size_t bytes = listpack_bytes(lp);
    uint8_t *wide = malloc(bytes + e.size);
    memcpy(wide + e.size, lp, bytes);
    uint8_t *left = listpack_push_left(wide + e.size, &e);
    assert_ptr_equal(left, wide);
    assert_true(equals(left, listpack_first(left), value));
    assert_ptr_equal(listpack_pop_left(left), wide + e.size);
    assert_memory_equal(wide + e.size, lp, bytes);
    listpack_push_left(wide + e.size, &e);
    free(lp);
    lp = wide;
    model_insert(0, value);
}

static void compare_all(void)
{
    assert_int_equal(listpack_count(lp), model_count);
    assert_true(listpack_validate(lp, listpack_bytes(lp), NULL, NULL));
    size_t pos = listpack_first(lp);
    for (size_t i = 0; i < model_count; i++, pos = listpack_next(lp, pos)) {
        assert_int_not_equal(pos, LISTPACK_NONE);
        assert_true(equals(lp, pos, (struct slice){model[i].bytes, model[i].len}));
    }
    assert_int_equal(pos, LISTPACK_NONE);
    pos = listpack_last(lp);
    for (size_t i = model_count; i-- > 0; pos = listpack_prev(lp, pos)) {
        assert_int_not_equal(pos, LISTPACK_NONE);
        assert_true(equals(lp, pos, (struct slice){model[i].bytes, model[i].len}));
    }
    assert_int_equal(pos, LISTPACK_NONE);
    assert_int_equal(listpack_seek(lp, (int64_t)model_count), LISTPACK_NONE);
    assert_int_equal(listpack_seek(lp, -(int64_t)model_count - 1), LISTPACK_NONE);
}

static void random_edits_agree_with_an_array(void **state)
{
    (void)state;
    lp = malloc(LISTPACK_EMPTY);
    listpack_init(lp);
    model_count = 0;
    for (int i = 0; i < OPERATIONS; i++) {
        unsigned what = (unsigned)(next_random() % 10);
        if (model_count == 0 || (what < 4 && model_count < MODEL_MAX - 1)) {
            insert_one();
        } else if (what == 4 && model_count < MODEL_MAX - 1) {
            edit_left_edge();
        } else if (what < 8) {
            replace_one();
        } else {
            delete_some();
        }
        if (i % 16 == 0) {
            compare_all();
        }
    }
    free(lp);
}

/* ---- bytes from outside ---- */

static bool refuse_integers(const struct listpack_value *value, void *context)
{
    ++*(int *)context;
    return !value->is_int;
}

static void a_check_sees_each_element_and_may_refuse(void **state)
{
    (void)state;
    uint8_t run[64];
    listpack_init(run);
    append(run, "a");
    append(run, "b");
    int seen = 0;
    assert_true(listpack_validate(run, listpack_bytes(run), refuse_integers, &seen));
    assert_int_equal(seen, 2);
    append(run, "3");
    append(run, "c");
    seen = 0;
    assert_false(listpack_validate(run, listpack_bytes(run), refuse_integers, &seen));
    assert_int_equal(seen, 3);
}

static void walk(const uint8_t *run)
{
    size_t count = 0;
    for (size_t pos = listpack_first(run); pos != LISTPACK_NONE; pos = listpack_next(run, pos)) {
        (void)equals(run, pos, SLICE("needle"));
        count++;
    }
    assert_int_equal(listpack_count(run), count);
    for (size_t pos = listpack_last(run); pos != LISTPACK_NONE; pos = listpack_prev(run, pos)) {
        assert_true(count-- > 0);
    }
    assert_int_equal(count, 0);
}

/* What passes the validator can be walked within its bytes (the sanitizer watches); what is cut short never passes. */
static void damaged_bytes_are_refused_or_harmless(void **state)
{
    (void)state;
    char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    size_t passed = 0;
    for (int round = 0; round < OPERATIONS / 2; round++) {
        uint8_t *run = malloc(8192);
        listpack_init(run);
        for (uint64_t n = next_random() % 8; n > 0; n--) {
            char room[VALUE_MAX];
            struct listpack_element e = listpack_encode(
                next_random() % 64 ? random_value(room) : (struct slice){bytes, next_random() % 800});
            listpack_append(run, &e);
        }
        size_t len = listpack_bytes(run);
        run = realloc(run, len);
        assert_true(listpack_validate(run, len, NULL, NULL));
        assert_false(listpack_validate(run, len - 1, NULL, NULL));
        for (uint64_t n = 1 + next_random() % 3; n > 0; n--) {
            run[(next_random() % 4 ? LISTPACK_HEADER - 2 : 0) + next_random() % (len - 4)] ^=
                (uint8_t)(1u << next_random() % 8);
        }
        if (listpack_validate(run, len, NULL, NULL)) {
            passed++;
            walk(run);
        }
        free(run);
    }
    assert_true(passed > 0 && passed < OPERATIONS / 2);
}

static void unsound_runs_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
    } bad[] = {
        {{7, 0, 0, 0, 0, 0}, 6},                /* no end */
        {{7, 0, 0, 0, 0, 0, 0}, 7},             /* another end */
        {{8, 0, 0, 0, 0, 0, 0xFF}, 7},          /* another length */
        {{7, 0, 0, 0, 1, 0, 0xFF}, 7},          /* another count */
        {{9, 0, 0, 0, 1, 0, 5, 2, 0xFF}, 9},    /* another backlen */
        {{9, 0, 0, 0, 1, 0, 0xFF, 1, 0xFF}, 9}, /* an end in the midst */
        {{9, 0, 0, 0, 1, 0, 0xF5, 1, 0xFF}, 9}, /* an encoding that does not exist */
        {{9, 0, 0, 0, 1, 0, 0x81, 1, 0xFF}, 9}, /* a string past the end */
        {{9, 0, 0, 0, 1, 0, 0xF0, 1, 0xFF}, 9}, /* a length past the end */
        {{13, 0, 0, 0, 1, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 5, 0xFF}, 13}, /* 4 GB in 13 bytes */
        {{10, 0, 0, 0, 1, 0, 5, 0x81, 0, 0xFF}, 10}, /* a backlen longer than it need be */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t *run = malloc(bad[i].len);
        memcpy(run, bad[i].bytes, bad[i].len);
        if (listpack_validate(run, bad[i].len, NULL, NULL)) {
            fail_msg("case %zu passed", i);
        }
        free(run);
    }
    static const uint8_t empty[] = {7, 0, 0, 0, 0, 0, 0xFF};
    assert_true(listpack_validate(empty, sizeof empty, NULL, NULL));
    assert_false(listpack_validate(empty, 0, NULL, NULL));
}

static void more_elements_than_the_header_can_say_are_counted(void **state)
{
    (void)state;
    enum { MANY = 70000 };
    uint8_t *run = malloc(LISTPACK_EMPTY + MANY * 2);
    listpack_init(run);
    struct listpack_element e = listpack_encode(SLICE("1"));
    for (size_t i = 1; i <= MANY; i++) {
        listpack_append(run, &e);
        if (i > 65530 && i < 65540) {
            assert_int_equal(listpack_count(run), i);
        }
    }
    assert_int_equal(run[4] | run[5] << 8, LISTPACK_UNKNOWN);
    assert_true(listpack_validate(run, listpack_bytes(run), NULL, NULL));
    assert_int_equal(listpack_seek(run, MANY), LISTPACK_NONE);
    assert_int_equal(listpack_seek(run, -MANY), LISTPACK_HEADER);
    assert_int_equal(listpack_delete(run, listpack_seek(run, 10), MANY), MANY - 10);
    assert_int_equal(listpack_count(run), 10);
    free(run);
}

static void a_run_of_elements_is_appended(void **state)
{
    (void)state;
    uint8_t a[64];
    uint8_t b[64];
    listpack_init(a);
    listpack_init(b);
    append(a, "one");
    append(b, "two");
    append(b, "3");
    append(b, "four");
    size_t from = listpack_seek(b, 1);
    listpack_append_run(a, b, from, listpack_end(b), 2);
    assert_int_equal(listpack_count(a), 3);
    assert_true(listpack_validate(a, listpack_bytes(a), NULL, NULL));
    assert_true(equals(a, listpack_seek(a, 1), SLICE("3")));
    assert_true(equals(a, listpack_last(a), SLICE("four")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_has_the_bytes_of_redis),
        cmocka_unit_test(long_strings_have_the_bytes_of_redis),
        cmocka_unit_test(random_edits_agree_with_an_array),
        cmocka_unit_test(a_check_sees_each_element_and_may_refuse),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(unsound_runs_are_refused),
        cmocka_unit_test(more_elements_than_the_header_can_say_are_counted),
        cmocka_unit_test(a_run_of_elements_is_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
