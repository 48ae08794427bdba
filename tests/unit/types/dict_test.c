/*
 * A dict against plain arrays: whatever is added, replaced, given a deadline or removed, while the table grows and
 * shrinks, what is found, counted, iterated, scanned and accounted for is what the arrays hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "types/dict.h"

enum { MAX_KEYS = 30000, MAX_VALUE = 700, OPERATIONS = 100000 };

static uint64_t seed = 88172645463325252u;
static char secret[192];

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * 0x2545F4914F6CDD1DULL >> 11) % n;
}

/* What the dict should hold. Values are `value_len` bytes of the letter `letter`. */
struct expected {
    bool there;
    bool has_value;
    char letter;
    uint32_t value_len;
    int64_t deadline;
};
static struct expected model[MAX_KEYS];
static uint32_t visits[MAX_KEYS];

/* Every seventeenth field is longer than 255 bytes. */
struct field {
    char bytes[400];
    size_t len;
};

static struct slice field_of(struct field *f, uint32_t number)
{
    f->len = (size_t)snprintf(f->bytes, sizeof f->bytes, "%0*u", number % 17 == 0 ? 300 : 1, number);
    return (struct slice){f->bytes, f->len};
}

static uint32_t number_of(const struct dict_item *it)
{
    char text[512] = "";
    struct slice field = item_field(it);
    assert_true(field.len < sizeof text);
    memcpy(text, field.ptr, field.len);
    uint32_t number = (uint32_t)strtoul(text, NULL, 10);
    assert_true(number < MAX_KEYS);
    return number;
}

static struct slice value_of(const struct expected *e)
{
    static char bytes[MAX_VALUE];
    memset(bytes, e->letter, sizeof bytes);
    return (struct slice){bytes, e->value_len};
}

static struct expected random_expected(void)
{
    struct expected e = {.there = true, .has_value = random_below(3) > 0, .deadline = ITEM_NO_DEADLINE};
    if (e.has_value) {
        e.letter = (char)('a' + random_below(26));
        e.value_len = (uint32_t)(random_below(10) == 0 ? random_below(MAX_VALUE) : random_below(30));
    }
    if (random_below(4) == 0) {
        e.deadline = (int64_t)random_below(UINT64_C(1) << 48);
    }
    return e;
}

static void assert_item(const struct dict_item *it, const struct expected *e)
{
    assert_non_null(it);
    struct item_parts parts = item_parts(it);
    assert_int_equal(parts.has_value, e->has_value);
    assert_true(parts.deadline == e->deadline && item_deadline(it) == e->deadline);
    assert_int_equal(parts.value.len, e->value_len);
    assert_true(slice_equal(item_value(it), value_of(e)));
}

static void add(struct dict *d, uint32_t number, struct expected e)
{
    struct field f;
    bool added;
    struct item_parts parts = {field_of(&f, number), value_of(&e), e.has_value, e.deadline};
    struct dict_item *it = dict_add(d, &parts, &added);
    assert_non_null(it);
    assert_int_equal(added, !model[number].there);
    if (added) {
        model[number] = e;
    }
    assert_item(it, &model[number]);
}

static void take_out(struct dict *d, uint32_t number)
{
    struct field f;
    assert_int_equal(dict_remove(d, field_of(&f, number)), model[number].there);
    model[number] = (struct expected){0};
}

static void change(struct dict *d, uint32_t number)
{
    struct field f;
    struct dict_item *it = dict_find(d, field_of(&f, number));
    assert_int_equal(it != NULL, model[number].there);
    if (it == NULL) {
        return;
    }
    struct expected e = random_expected();
    if (e.has_value) {
        model[number].has_value = true;
        model[number].letter = e.letter;
        model[number].value_len = e.value_len;
        it = dict_replace(d, it, value_of(&e));
    } else {
        model[number].deadline = e.deadline;
        struct item_parts parts = item_parts(it);
        struct dict_item *old;
        parts.deadline = e.deadline;
        it = dict_change(d, it, &parts, &old);
        item_free(old);
    }
    assert_item(it, &model[number]);
}

static void assert_as_model(const struct dict *d)
{
    uint64_t count = 0;
    uint64_t timed = 0;
    struct field f;
    for (uint32_t i = 0; i < MAX_KEYS; i++) {
        const struct dict_item *it = dict_find(d, field_of(&f, i));
        assert_int_equal(it != NULL, model[i].there);
        if (it != NULL) {
            assert_item(it, &model[i]);
            count++;
            timed += model[i].deadline != ITEM_NO_DEADLINE;
        }
    }
    assert_int_equal(dict_count(d), count);
    assert_int_equal(dict_timed(d), timed);
    struct dict_iterator at = {0};
    memset(visits, 0, sizeof visits);
    for (const struct dict_item *it = dict_next(d, &at); it != NULL; it = dict_next(d, &at)) {
        visits[number_of(it)]++;
    }
    for (uint32_t i = 0; i < MAX_KEYS; i++) {
        assert_int_equal(visits[i], model[i].there);
    }
}

static int setup(void **state)
{
    (void)state;
    memset(model, 0, sizeof model);
    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (char)random_below(256);
    }
    return 0;
}

/* Grows and shrinks by turns, as the share of additions rises and falls, and ends empty with all memory given back. */
static void an_array_and_a_dict_agree_after_random_operations(void **state)
{
    (void)state;
    struct dict d;
    int64_t before = mem_used();
    dict_init(&d, secret, sizeof secret);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint64_t adds = i / (OPERATIONS / 8) % 2 == 0 ? 80 : 15;
        uint32_t number = (uint32_t)random_below(MAX_KEYS);
        if (random_below(100) < 10) {
            change(&d, number);
        } else if (random_below(100) < adds) {
            add(&d, number, random_expected());
        } else {
            take_out(&d, number);
        }
        assert_int_equal(dict_memory(&d) - sizeof d, (size_t)(mem_used() - before));
        if (i % 5000 == 0) {
            assert_as_model(&d);
        }
    }
    assert_as_model(&d);
    for (uint32_t i = 0; i < MAX_KEYS; i++) {
        take_out(&d, i);
    }
    assert_int_equal(dict_count(&d), 0);
    assert_int_equal(dict_memory(&d), sizeof d);
    assert_int_equal(mem_used(), before);
}

static void keep_visit(void *context, struct dict_item *it)
{
    (void)context;
    visits[number_of(it)]++;
}

/* Numbers below `stable` stay; the others come and go between the calls, to `low` or `high` of them by turns. */
static void scan_while_it_changes(uint32_t stable, uint32_t low, uint32_t high, uint64_t want)
{
    struct dict d;
    dict_init(&d, secret, sizeof secret);
    memset(model, 0, sizeof model);
    memset(visits, 0, sizeof visits);
    for (uint32_t i = 0; i < stable + low; i++) {
        add(&d, i, (struct expected){.there = true, .deadline = ITEM_NO_DEADLINE});
    }
    uint64_t cursor = 0;
    uint32_t top = stable + low;
    bool rising = true;
    uint32_t calls = 0;
    do {
        cursor = dict_scan(&d, cursor, want, keep_visit, NULL);
        for (uint32_t i = (uint32_t)random_below(high / 8 + 1); i > 0; i--) {
            if (rising) {
                add(&d, top++, (struct expected){.there = true, .deadline = ITEM_NO_DEADLINE});
            } else {
                take_out(&d, --top);
            }
            rising = top == stable + high ? false : top == stable + low ? true : rising;
        }
        assert_true(++calls < 1000000);
    } while (cursor != 0);
    for (uint32_t i = 0; i < stable; i++) {
        assert_true(visits[i] > 0);
    }
    dict_clear(&d);
}

static void a_scan_visits_all_that_stays_while_the_table_grows_and_shrinks(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        scan_while_it_changes(50 + (uint32_t)random_below(500), (uint32_t)random_below(200),
                              1000 + (uint32_t)random_below(8000), 1 + random_below(60));
    }
}

static void a_scan_of_a_dict_at_rest_visits_each_item_once(void **state)
{
    (void)state;
    struct dict d;
    dict_init(&d, secret, sizeof secret);
    for (uint32_t n = 0; n < 5000; n = n * 5 / 4 + 1) {
        for (uint32_t i = (uint32_t)dict_count(&d); i < n; i++) {
            add(&d, i, random_expected());
        }
        memset(visits, 0, sizeof visits);
        uint64_t cursor = 0;
        do {
            cursor = dict_scan(&d, cursor, 10, keep_visit, NULL);
        } while (cursor != 0);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(visits[i], 1);
        }
    }
    for (uint32_t i = 0; i < 10000; i++) { /* cursors that no scan gave */
        dict_scan(&d, random_below(UINT64_C(1) << 53) << 11 | random_below(2048), 10, keep_visit, NULL);
    }
    dict_clear(&d);
}

/* Chi-square over n items with 100 draws for each: its deviation is sqrt(2 n); five of them mean an unfair draw. */
static void assert_fair(const struct dict *d)
{
    uint64_t state = seed;
    uint64_t n = dict_count(d);
    memset(visits, 0, sizeof visits);
    for (uint64_t i = 0; i < n * 100; i++) {
        visits[number_of(dict_random(d, &state))]++;
    }
    double sum = 0;
    for (uint32_t i = 0; i < MAX_KEYS; i++) {
        double off = (double)visits[i] - 100;
        assert_true(model[i].there || visits[i] == 0);
        sum += model[i].there ? off * off / 100 : 0;
    }
    double deviations = (sum - (double)n) / __builtin_sqrt(2 * (double)n);
    if (deviations > 5 || deviations < -5) {
        fail_msg("%lu items: chi-square is %.1f deviations off", (unsigned long)n, deviations);
    }
}

static void every_member_is_drawn_as_often(void **state)
{
    (void)state;
    struct dict d;
    uint64_t draw = 1;
    dict_init(&d, secret, sizeof secret);
    assert_null(dict_random(&d, &draw));
    for (uint32_t i = 0; i < 6000; i++) {
        add(&d, i, (struct expected){.there = true, .deadline = ITEM_NO_DEADLINE});
        if (i == 9 || i == 99 || i == 1000 || i == 5999) {
            assert_fair(&d);
        }
    }
    for (uint32_t i = 0; i < 5800; i++) {
        take_out(&d, i);
    }
    assert_fair(&d);
    dict_clear(&d);
}

static void it_is_freed_in_steps_of_the_budget(void **state)
{
    (void)state;
    struct dict d;
    int64_t before = mem_used();
    dict_init(&d, secret, sizeof secret);
    for (uint32_t i = 0; i < 20000; i++) {
        add(&d, i, random_expected());
    }
    uint64_t left = dict_count(&d);
    bool done = false;
    while (!done) {
        done = dict_free_some(&d, 100);
        assert_true(left - dict_count(&d) <= 106); /* a line more at most */
        assert_int_equal(dict_memory(&d) - sizeof d, (size_t)(mem_used() - before));
        left = dict_count(&d);
    }
    assert_int_equal(mem_used(), before);
    memset(model, 0, sizeof model);
    add(&d, 1, random_expected()); /* and may be used again */
    dict_clear(&d);
}

#ifndef ORDINAL_SYSTEM_MALLOC
static void a_member_costs_at_most_22_bytes_more_than_its_own(void **state)
{
    (void)state;
    enum { MEMBERS = 200000 };
    struct dict d;
    uint64_t own = 0;
    dict_init(&d, secret, sizeof secret);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        char text[64];
        bool added;
        int length = snprintf(text, sizeof text, "%0*u", 6 + (int)(i % 32), i);
        struct item_parts parts = {.field = {text, (size_t)length}, .deadline = ITEM_NO_DEADLINE};
        assert_non_null(dict_add(&d, &parts, &added));
        own += (uint64_t)length;
        if (i > MEMBERS / 8 && i % 1000 == 0) {
            assert_true((dict_memory(&d) - own) <= 22 * dict_count(&d));
        }
    }
    dict_clear(&d);
}
#endif

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_array_and_a_dict_agree_after_random_operations, setup),
        cmocka_unit_test_setup(a_scan_visits_all_that_stays_while_the_table_grows_and_shrinks, setup),
        cmocka_unit_test_setup(a_scan_of_a_dict_at_rest_visits_each_item_once, setup),
        cmocka_unit_test_setup(every_member_is_drawn_as_often, setup),
        cmocka_unit_test_setup(it_is_freed_in_steps_of_the_budget, setup),
#ifndef ORDINAL_SYSTEM_MALLOC
        cmocka_unit_test_setup(a_member_costs_at_most_22_bytes_more_than_its_own, setup),
#endif
    };
    return cmocka_run_group_tests_name("dict", tests, NULL, NULL);
}
