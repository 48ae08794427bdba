/*
 * Packed runs: the bytes of every encoding, a hundred thousand random edits beside a plain array of strings, in runs of single
 * elements and of pairs, with and without unused bytes at the end, and the listpacks of the same elements. Runs lie in blocks of
 * exactly their length, so that a sanitizer sees a read beyond.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types/listpack.h"
#include "types/packed.h"

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

/* ---- a run, and an array that has the same items -------------------------------------------------------- */

enum { MOST_ITEMS = 300, LONGEST = 5000 };

struct model {
    size_t each, items;
    char *element[MOST_ITEMS][2];
    uint8_t *block; /* the run, in exactly `room` bytes */
    size_t room;
    size_t wasted; /* unused bytes that the next edit leaves */
};

static struct packed opened(const struct model *m)
{
    return packed_open(m->block, m->room);
}

static void begin(struct model *m, size_t each)
{
    *m = (struct model){.each = each, .block = malloc(PACKED_EMPTY), .room = PACKED_EMPTY};
    packed_init(m->block);
}

static void end(struct model *m)
{
    for (size_t i = 0; i < m->items; i++) {
        free(m->element[i][0]);
        free(m->element[i][1]);
    }
    free(m->block);
}

/* Gives the block another length, as an entry is given one; the run follows. */
static void resize(struct model *m, struct packed *run, size_t room)
{
    uint8_t *moved = malloc(room);
    memcpy(moved, m->block, room < m->room ? room : m->room);
    free(m->block);
    m->block = moved;
    m->room = room;
    run->bytes = moved;
}

static void settle(struct model *m, struct packed *run)
{
    resize(m, run, run->len + m->wasted);
    packed_settle(run, m->room, m->each);
}

static char *any_text(void)
{
    char *s = malloc(LONGEST + 1);
    uint64_t r = next_random();
    switch (r % 8) {
    case 0: sprintf(s, "%d", (int)(next_random() % 300)); break;
    case 1: sprintf(s, "%lld", (long long)next_random() >> next_random() % 64); break;
    case 2: sprintf(s, "0%d", (int)(next_random() % 100)); break;
    default: {
        static const size_t limits[] = {5, 12, 20, 70, 200, LONGEST};
        size_t len = next_random() % (limits[r / 8 % 64 == 0 ? 5 : r / 8 % 5] + 1);
        for (size_t i = 0; i < len; i++) {
            s[i] = (char)('a' + next_random() % 3);
        }
        s[len] = '\0';
    }
    }
    return s;
}

static size_t position(const struct model *m, const struct packed *run, size_t index)
{
    return packed_skip(run, PACKED_FIRST, index * m->each);
}

static void insert(struct model *m, size_t index)
{
    struct packed run = opened(m);
    size_t pos = position(m, &run, index);
    memmove(m->element + index + 1, m->element + index, (m->items - index) * sizeof m->element[0]);
    m->element[index][0] = any_text();
    m->element[index][1] = m->each == 2 ? any_text() : NULL;
    m->items++;
    struct element first = element_encode(text(m->element[index][0]));
    if (m->each == 1) {
        resize(m, &run, run.len + first.size > m->room ? run.len + first.size : m->room);
        packed_insert(&run, pos, &first);
    } else {
        struct element second = element_encode(text(m->element[index][1]));
        size_t bytes = run.len + first.size + second.size;
        resize(m, &run, bytes > m->room ? bytes : m->room);
        packed_insert_pair(&run, pos, &first, &second);
    }
    settle(m, &run);
}

static void replace(struct model *m, size_t index)
{
    struct packed run = opened(m);
    size_t pos = position(m, &run, index);
    size_t which = m->each - 1;
    pos = packed_skip(&run, pos, which);
    free(m->element[index][which]);
    m->element[index][which] = any_text();
    struct element e = element_encode(text(m->element[index][which]));
    size_t bytes = run.len + e.size - packed_element_bytes(&run, pos);
    resize(m, &run, bytes > m->room ? bytes : m->room);
    packed_replace(&run, pos, &e);
    settle(m, &run);
}

static void removed(struct model *m, size_t index, size_t count)
{
    struct packed run = opened(m);
    size_t from = position(m, &run, index);
    packed_remove(&run, from, packed_skip(&run, from, count * m->each), count);
    for (size_t i = index; i < index + count; i++) {
        free(m->element[i][0]);
        free(m->element[i][1]);
    }
    memmove(m->element + index, m->element + index + count,
            (m->items - index - count) * sizeof m->element[0]);
    m->items -= count;
    settle(m, &run);
}

static void check_element(const struct packed *run, size_t pos, const char *expected)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct listpack_value value = packed_read(run, pos);
    struct slice found = listpack_text(&value, room), bytes;
    size_t after;
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.ptr, expected, found.len);
    bool is_short = packed_short_string(run, pos, &bytes, &after);
    assert_int_equal(is_short, !value.is_int && found.len < 64);
    if (is_short) {
        assert_int_equal(after, packed_after(run, pos));
        assert_true(slice_equal(bytes, found));
    }
}

/* Every element, the count, the end, and that the item at `index` is found, or an equal one before it. */
static void check(const struct model *m, size_t index)
{
    struct packed run = opened(m);
    size_t pos = PACKED_FIRST, first_equal = PACKED_NONE;
    assert_int_equal(packed_count(&run, m->each), m->items);
    assert_int_equal(packed_is_empty(&run), m->items == 0);
    for (size_t i = 0; i < m->items; i++) {
        if (first_equal == PACKED_NONE && strcmp(m->element[i][0], m->element[index][0]) == 0) {
            first_equal = pos;
        }
        for (size_t k = 0; k < m->each; k++) {
            check_element(&run, pos, m->element[i][k]);
            pos = packed_after(&run, pos);
        }
    }
    assert_int_equal(pos, run.len);
    assert_int_equal(run.len + m->wasted, m->room);
    if (m->items > 0) {
        assert_int_equal(packed_find(&run, PACKED_FIRST, text(m->element[index][0]), m->each), first_equal);
    }
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("not there"), m->each), PACKED_NONE);
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("-987654"), m->each), PACKED_NONE);
}

/* The listpack of the run is the one that listpack.h makes of the same texts. */
static void check_listpack(const struct model *m)
{
    struct packed run = opened(m);
    size_t bytes = packed_listpack_bytes(&run);
    uint8_t *lp = malloc(bytes), *expected = malloc(bytes);
    packed_to_listpack(&run, lp);
    listpack_init(expected);
    for (size_t i = 0; i < m->items; i++) {
        for (size_t k = 0; k < m->each; k++) {
            struct listpack_element e = listpack_encode(text(m->element[i][k]));
            assert_true(listpack_bytes(expected) + e.size <= bytes);
            listpack_append(expected, &e);
        }
    }
    assert_int_equal(listpack_bytes(expected), bytes);
    assert_memory_equal(lp, expected, bytes);
    free(lp);
    free(expected);
}

static void edit(struct model *m, bool growing)
{
    static const size_t wasted[] = {0, 0, 0, 0, 1, 2, 200, 254, 255, 256, 1000};
    size_t index = m->items > 0 ? next_random() % m->items : 0;
    uint64_t choice = next_random() % 8;
    m->wasted = wasted[next_random() % (sizeof wasted / sizeof wasted[0])];
    if (m->items < MOST_ITEMS && (m->items == 0 || choice < (growing ? 5 : 2))) {
        insert(m, next_random() % (m->items + 1));
    } else if (choice < 6) {
        replace(m, index);
    } else {
        size_t most = m->items - index < 4 ? m->items - index : 4;
        removed(m, index, growing ? 1 : 1 + next_random() % most);
    }
}

static void random_edits(size_t each)
{
    enum { EDITS = 50000, PERIOD = 2500 };
    struct model m;
    size_t most = 0;
    begin(&m, each);
    for (size_t i = 0; i < EDITS; i++) {
        edit(&m, i / PERIOD % 2 == 0);
        most = m.items > most ? m.items : most;
        if (i % 8 == 0) {
            check(&m, m.items > 0 ? next_random() % m.items : 0);
        }
        if (i % 64 == 0) {
            check_listpack(&m);
        }
    }
    assert_int_equal(most, MOST_ITEMS); /* so that there were more than the header can count */
    end(&m);
}

static void edits_of_elements_match_an_array(void **state)
{
    (void)state;
    random_edits(1);
}

static void edits_of_pairs_match_an_array(void **state)
{
    (void)state;
    random_edits(2);
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

static void a_run_has_the_bytes_of_its_header_and_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *value, *hex;
    } cases[] = {
        {"0", "1100"},
        {"127", "117f"},
        {"128", "11c080"},
        {"-1", "11dfff"},
        {"4095", "11cfff"},
        {"4096", "11f10010"},
        {"-4097", "11f1ffef"},
        {"32768", "11f2008000"},
        {"8388608", "11f300008000"},
        {"01", "11823031"},
        {"", "1180"},
        {"-9223372036854775808", "11f40000000000000080"},
        {"field", "11856669656c64"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[64];
        char hex[130] = "";
        struct packed run = packed_init(bytes);
        struct element e = element_encode(text(cases[i].value));
        packed_insert(&run, run.len, &e);
        for (size_t k = 0; k < run.len; k++) {
            snprintf(hex + 2 * k, 3, "%02x", bytes[k]);
        }
        assert_string_equal(hex, cases[i].hex);
    }
}

/* Nine bytes a member, and one for the header: what small sets are measured by. */
static void ten_short_members_take_a_byte_more_than_ten_each(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct packed run = packed_init(bytes);
    for (int i = 1; i <= 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "member:%02d", i);
        struct element e = element_encode(text(name));
        packed_insert(&run, run.len, &e);
    }
    assert_int_equal(run.len, 101);
    assert_int_equal(packed_count(&run, 1), 10);
}

/* Whatever a run holds, and however it is settled, its first byte is none that an intset begins with. */
static void a_run_never_begins_as_an_intset_does(void **state)
{
    (void)state;
    struct model m;
    begin(&m, 1);
    for (size_t i = 0; i < 2 * MOST_ITEMS; i++) {
        m.wasted = next_random() % 3 * 130;
        if (i < MOST_ITEMS) {
            insert(&m, m.items);
        } else {
            removed(&m, 0, 1);
        }
        assert_true(m.block[0] >= PACKED_NO_ITEMS);
    }
    end(&m);
}

/* A value is not taken for a field, nor a longer or shorter name for the one that is looked for. */
static void only_first_elements_of_whole_length_are_found(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"abcdefg", "abcdefgh"}, {"abc", "7"}, {"7", "abcd"}, {"0abc", "x"}};
    uint8_t bytes[128];
    struct packed run = packed_init(bytes);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct element first = element_encode(text(pairs[i][0])), second = element_encode(text(pairs[i][1]));
        packed_insert_pair(&run, run.len, &first, &second);
    }
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("abcdefgh"), 2), PACKED_NONE);
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("abcd"), 2), PACKED_NONE);
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("x"), 2), PACKED_NONE);
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("0abd"), 2), PACKED_NONE);
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("abcdefg"), 2), PACKED_FIRST);
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("7"), 2), packed_skip(&run, PACKED_FIRST, 4));
    assert_int_equal(packed_find(&run, PACKED_FIRST, text("0abc"), 2), packed_skip(&run, PACKED_FIRST, 6));
    assert_int_equal(packed_find(&run, packed_skip(&run, PACKED_FIRST, 2), text("abcdefg"), 2), PACKED_NONE);
}

/* Strings that are told apart by two words have to differ in each of their bytes alone. */
static void a_string_is_told_from_one_that_differs_in_any_byte(void **state)
{
    (void)state;
    for (size_t len = 1; len < 64; len++) {
        char bytes[64];
        uint8_t block[80];
        memset(bytes, 'a', sizeof bytes);
        struct slice member = {bytes, len};
        struct element e = element_encode(member);
        struct packed run = packed_init(block);
        packed_insert(&run, run.len, &e);
        assert_int_equal(packed_find(&run, PACKED_FIRST, member, 1), PACKED_FIRST);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = 'b';
            assert_int_equal(packed_find(&run, PACKED_FIRST, member, 1), PACKED_NONE);
            bytes[i] = 'a';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_of_elements_match_an_array),
        cmocka_unit_test(edits_of_pairs_match_an_array),
        cmocka_unit_test(a_run_has_the_bytes_of_its_header_and_encodings),
        cmocka_unit_test(ten_short_members_take_a_byte_more_than_ten_each),
        cmocka_unit_test(a_run_never_begins_as_an_intset_does),
        cmocka_unit_test(only_first_elements_of_whole_length_are_found),
        cmocka_unit_test(a_string_is_told_from_one_that_differs_in_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
