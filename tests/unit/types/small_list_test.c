/*
 * Small lists: random edits beside a plain array of strings, in lists of one width, of many, and of one that becomes many, with and
 * without unused bytes at the end; and the listpacks of the same elements, there and back. Lists lie in blocks of exactly their
 * length, so that a sanitizer sees a read beyond.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types/small_list.h"

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

/* ---- a list, and an array that has the same elements ----------------------------------------------------- */

enum { MOST = 120, LONGEST = 400 };

struct model {
    size_t count;
    char *element[MOST];
    size_t width;    /* of nearly all elements, or 0 */
    uint64_t others; /* one element in so many is of any width; 0: none */
    uint8_t *block;  /* the list, in exactly `room` bytes */
    size_t room;
    size_t wasted; /* unused bytes that the next edit leaves */
};

static struct small_list opened(const struct model *m)
{
    return small_list_open(m->block, m->room);
}

static char *string_of(size_t len)
{
    char *s = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        s[i] = (char)('a' + next_random() % 26);
    }
    s[len] = '\0';
    return s;
}

static char *any_text(const struct model *m)
{
    if (m->width != 0 && (m->others == 0 || next_random() % m->others != 0)) {
        return string_of(m->width);
    }
    if (next_random() % 3 != 0) {
        return string_of(next_random() % (next_random() % 8 == 0 ? LONGEST : 24));
    }
    char *s = malloc(32);
    sprintf(s, "%lld", (long long)next_random() >> next_random() % 64);
    return s;
}

/* Gives the block another length, as an entry is given one; the list follows. */
static void resize(struct model *m, struct small_list *l, size_t room)
{
    uint8_t *moved = malloc(room);
    memcpy(moved, m->block, room < m->room ? room : m->room);
    free(m->block);
    m->block = moved;
    m->room = room;
    l->bytes = moved;
}

static void make_room(struct model *m, struct small_list *l, size_t bytes)
{
    resize(m, l, bytes > m->room ? bytes : m->room);
}

static void settle(struct model *m, struct small_list *l)
{
    resize(m, l, l->len + m->wasted);
    small_list_settle(l, m->room);
}

static void insert(struct model *m, size_t index, size_t count)
{
    struct slice values[MOST];
    memmove(m->element + index + count, m->element + index, (m->count - index) * sizeof m->element[0]);
    for (size_t i = 0; i < count; i++) {
        m->element[index + i] = any_text(m);
        values[i] = text(m->element[index + i]);
    }
    struct small_list l;
    if (m->block == NULL) {
        m->block = malloc(SMALL_LIST_FIRST);
        m->room = SMALL_LIST_FIRST;
        l = small_list_init(m->block, values[0]);
    } else {
        l = opened(m);
    }
    size_t bytes = small_list_bytes_with(&l, values, count);
    make_room(m, &l, bytes);
    for (size_t i = 0; i < count; i++) {
        size_t pos = small_list_seek(&l, (int64_t)(index + i));
        small_list_insert(&l, pos == SMALL_LIST_NONE ? l.len : pos, values[i]);
    }
    assert_int_equal(l.len, bytes);
    m->count += count;
    settle(m, &l);
}

static void set(struct model *m, size_t index)
{
    struct small_list l = opened(m);
    size_t pos = small_list_seek(&l, (int64_t)index);
    free(m->element[index]);
    m->element[index] = any_text(m);
    struct slice value = text(m->element[index]);
    size_t bytes = small_list_bytes_set(&l, pos, value);
    make_room(m, &l, bytes);
    small_list_set(&l, pos, value);
    assert_true(l.len <= bytes);
    settle(m, &l);
}

static void removed(struct model *m, size_t index, size_t count)
{
    struct small_list l = opened(m);
    small_list_remove(&l, small_list_seek(&l, (int64_t)index), count);
    for (size_t i = index; i < index + count; i++) {
        free(m->element[i]);
    }
    m->count -= count;
    memmove(m->element + index, m->element + index + count, (m->count - index) * sizeof m->element[0]);
    settle(m, &l);
}

static void end(struct model *m)
{
    while (m->count > 0) {
        free(m->element[--m->count]);
    }
    free(m->block);
}

static void check_element(const struct small_list *l, size_t pos, const char *expected)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = small_list_read(l, pos);
    struct slice found = listpack_text(&value, room);
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.ptr, expected, found.len);
}

static void check_elements(const struct model *m, const struct small_list *l)
{
    size_t pos = small_list_seek(l, 0);
    assert_int_equal(small_list_count(l), m->count);
    for (size_t i = 0; i < m->count; i++) {
        assert_int_equal(small_list_seek(l, (int64_t)i), pos);
        assert_int_equal(small_list_seek(l, (int64_t)i - (int64_t)m->count), pos);
        check_element(l, pos, m->element[i]);
        size_t next = small_list_next(l, pos);
        assert_int_equal(small_list_after(l, pos), i + 1 < m->count ? next : l->len);
        assert_int_equal(small_list_prev(l, small_list_after(l, pos)), pos);
        pos = next;
    }
    assert_int_equal(pos, SMALL_LIST_NONE);
    assert_int_equal(small_list_prev(l, SMALL_LIST_FIRST), SMALL_LIST_NONE);
    assert_int_equal(small_list_seek(l, (int64_t)m->count), SMALL_LIST_NONE);
    assert_int_equal(small_list_seek(l, -(int64_t)m->count - 1), SMALL_LIST_NONE);
}

/* The listpack is the one that listpack.h makes of the same texts, and becomes a list of the same elements. */
static void check_listpack(const struct model *m, const struct small_list *l)
{
    size_t bytes = small_list_listpack_bytes(l);
    uint8_t *lp = malloc(bytes), *expected = malloc(bytes);
    small_list_to_listpack(l, lp);
    listpack_init(expected);
    for (size_t i = 0; i < m->count; i++) {
        struct listpack_element e = listpack_encode(text(m->element[i]));
        assert_true(listpack_bytes(expected) + e.size <= bytes);
        listpack_append(expected, &e);
    }
    assert_int_equal(listpack_bytes(expected), bytes);
    assert_memory_equal(lp, expected, bytes);
    size_t back = small_list_bytes_of(lp);
    uint8_t *again = malloc(back);
    small_list_of(lp, again);
    struct small_list read = small_list_open(again, back);
    assert_int_equal(read.len, back);
    assert_true(m->count == 0 || back <= l->len);
    check_elements(m, &read);
    free(again);
    free(lp);
    free(expected);
}

static void check(const struct model *m)
{
    struct small_list l = opened(m);
    assert_int_equal(l.len + m->wasted, m->room);
    check_elements(m, &l);
    check_listpack(m, &l);
}

static void edit(struct model *m, bool growing)
{
    static const size_t wasted[] = {0, 0, 0, 1, 2, 300};
    uint64_t choice = next_random() % 8;
    m->wasted = wasted[next_random() % (sizeof wasted / sizeof wasted[0])];
    if (m->count < MOST - 4 && (m->count == 0 || choice < (growing ? 5 : 2))) {
        insert(m, next_random() % (m->count + 1), 1 + next_random() % 4);
    } else if (choice < 6) {
        set(m, next_random() % m->count);
    } else {
        size_t index = next_random() % m->count;
        size_t most = m->count - index < 6 ? m->count - index : 6;
        removed(m, index, 1 + next_random() % most);
    }
}

static void random_edits_match_an_array(void **state)
{
    (void)state;
    static const size_t widths[] = {0, 1, 9, 63, 64, 254, 255};
    static const uint64_t others[] = {0, 3, 60};
    enum { WIDTHS = sizeof widths / sizeof widths[0], ROUNDS = 300, EDITS = 100 };
    for (size_t round = 0; round < ROUNDS; round++) {
        struct model m = {.width = widths[round % WIDTHS], .others = others[round / WIDTHS % 3]};
        for (size_t i = 0; i < EDITS; i++) {
            edit(&m, i % 50 < 35);
            check(&m);
        }
        if (m.others == 0) {
            assert_int_equal(small_list_width(m.block), m.width < 255 ? m.width : 0);
        }
        end(&m);
    }
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

static struct small_list list_of(uint8_t *bytes, const char *const *values)
{
    struct small_list l = small_list_init(bytes, text(values[0]));
    for (; *values != NULL; values++) {
        small_list_insert(&l, l.len, text(*values));
    }
    return l;
}

static void strings_of_one_width_take_that_and_three_bytes(void **state)
{
    (void)state;
    static const char *const values[] = {"job:0001", "job:0002", "job:0003", NULL};
    uint8_t bytes[64];
    struct small_list l = list_of(bytes, values);
    assert_int_equal(l.len, 3 + 24);
    assert_memory_equal(bytes, "\x08\x03\x00job:0001job:0002job:0003", l.len);
    small_list_insert(&l, SMALL_LIST_FIRST + 8, SLICE("x"));
    assert_int_equal(l.len, 3 + 30 + 3);
    assert_memory_equal(bytes, "\0\x04\0\x88job:0001\x09\x81x\x02\x88job:0002\x09\x88job:0003\x09", l.len);
}

/* Which a DUMP would else have as a string. */
static void an_integer_is_of_no_width(void **state)
{
    (void)state;
    static const char *const values[] = {"1234", "5678", NULL};
    static const char *const strings[] = {"0123", "abcd", NULL};
    uint8_t bytes[64];
    struct small_list l = list_of(bytes, values);
    assert_memory_equal(bytes, "\0\x02\0\xC4\xD2\x02\xF1\x2E\x16\x03", l.len);
    l = list_of(bytes, strings);
    assert_int_equal(l.len, 3 + 8);
    small_list_set(&l, SMALL_LIST_FIRST, SLICE("4096"));
    assert_memory_equal(bytes,
                        "\0\x02\0\xF1\0\x10\x03\x84"
                        "abcd\x05",
                        l.len);
}

/* Elements as only payloads from outside have them: they go out again as they came. */
static void encodings_that_nobody_would_choose_are_kept(void **state)
{
    (void)state;
    static const uint8_t runs[][16] = {
        {12, 0, 0, 0, 1, 0, 0xE0, 2, 'a', 'b', 4, 0xFF}, /* a length of 12 bits for two bytes */
        {11, 0, 0, 0, 1, 0, 0x82, '1', '2', 3, 0xFF},    /* an integer as a string */
        {10, 0, 0, 0, 1, 0, 0xC0, 5, 2, 0xFF},           /* 5 in 13 bits */
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        uint8_t bytes[16], again[16];
        assert_true(listpack_validate(runs[i], listpack_bytes(runs[i]), NULL, NULL));
        small_list_of(runs[i], bytes);
        struct small_list l = small_list_open(bytes, small_list_bytes_of(runs[i]));
        assert_int_equal(small_list_listpack_bytes(&l), listpack_bytes(runs[i]));
        small_list_to_listpack(&l, again);
        assert_memory_equal(again, runs[i], listpack_bytes(runs[i]));
    }
}

static void more_elements_than_the_header_can_say_are_counted(void **state)
{
    (void)state;
    enum { MANY = 70000 };
    static struct slice values[MANY];
    uint8_t none[SMALL_LIST_FIRST];
    for (size_t i = 0; i < MANY; i++) {
        values[i] = i % 2 ? SLICE("x") : SLICE("y");
    }
    struct small_list l = small_list_init(none, values[0]);
    size_t bytes = small_list_bytes_with(&l, values, MANY);
    uint8_t *block = malloc(bytes);
    l = small_list_init(block, values[0]);
    for (size_t i = 0; i < MANY; i++) {
        small_list_insert(&l, l.len, values[i]);
        if (i > 65530 && i < 65540) {
            assert_int_equal(small_list_count(&l), i + 1);
        }
    }
    assert_int_equal(l.len, bytes);
    assert_int_equal(small_list_count(&l), MANY);
    assert_int_equal(small_list_seek(&l, -1), l.len - 3);
    size_t lp_bytes = small_list_listpack_bytes(&l);
    uint8_t *lp = malloc(lp_bytes);
    small_list_to_listpack(&l, lp);
    assert_true(listpack_validate(lp, lp_bytes, NULL, NULL));
    assert_int_equal(listpack_count(lp), MANY);
    small_list_remove(&l, small_list_seek(&l, 10), MANY - 20);
    small_list_settle(&l, bytes); /* as if there were no memory for a shorter one */
    l = small_list_open(block, bytes);
    assert_int_equal(small_list_count(&l), 20);
    free(lp);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_match_an_array),
        cmocka_unit_test(strings_of_one_width_take_that_and_three_bytes),
        cmocka_unit_test(an_integer_is_of_no_width),
        cmocka_unit_test(encodings_that_nobody_would_choose_are_kept),
        cmocka_unit_test(more_elements_than_the_header_can_say_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
