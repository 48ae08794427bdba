/*
 * Large hashes against a model: fields, values and deadlines through every kind of change, and what is past its deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "types/hash.h"

enum { FIELDS = 3000, STEPS = 200000 };

static char secret[192];
static uint64_t seed = 88172645463325252u;

/* What the hash should hold. */
static struct expected {
    bool there;
    char value[64];
    int64_t deadline;
} model[FIELDS];

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * 0x2545F4914F6CDD1DULL >> 11) % n;
}

static struct slice field_of(char *room, uint32_t number)
{
    return (struct slice){room, (size_t)sprintf(room, "field:%u", number)};
}

static bool lives(const struct expected *e, int64_t now)
{
    return e->there && e->deadline > now;
}

static int64_t random_deadline(int64_t now)
{
    switch (random_below(4)) {
    case 0: return ITEM_NO_DEADLINE;
    case 1: return now + 1 + (int64_t)random_below(50); /* many share one */
    default: return now + 1 + (int64_t)random_below(100000);
    }
}

static void check_field(const struct hash *h, uint32_t number, int64_t now)
{
    char room[32];
    const struct expected *e = &model[number];
    const struct dict_item *it = hash_find(h, field_of(room, number), now);
    assert_int_equal(it != NULL, lives(e, now));
    if (it != NULL) {
        struct slice value = item_value(it);
        assert_int_equal(value.len, strlen(e->value));
        assert_memory_equal(value.ptr, e->value, value.len);
        assert_true(item_deadline(it) == e->deadline);
    }
}

static void check_all(const struct hash *h, int64_t now)
{
    uint64_t alive = 0;
    int64_t due = ITEM_NO_DEADLINE;
    for (uint32_t i = 0; i < FIELDS; i++) {
        check_field(h, i, now);
        alive += lives(&model[i], now);
        due = model[i].there && model[i].deadline < due ? model[i].deadline : due;
    }
    assert_int_equal(hash_count(h, now), alive);
    assert_true(hash_due(h) == due);
    assert_int_equal(dict_timed(&h->dict), ztree_count(&h->order));
}

static void put(struct hash *h, uint32_t number, int64_t now)
{
    char room[32];
    bool created;
    struct expected *e = &model[number];
    bool was = lives(e, now);
    e->there = true;
    e->deadline = random_deadline(now);
    memset(e->value, 'a' + (int)random_below(26), sizeof e->value);
    e->value[random_below(sizeof e->value)] = '\0';
    e->value[sizeof e->value - 1] = '\0';
    assert_non_null(hash_put(h, field_of(room, number), (struct slice){e->value, strlen(e->value)},
                             e->deadline, now, &created));
    assert_int_equal(created, !was);
}

static void change_something(struct hash *h, int64_t now)
{
    char room[32];
    uint32_t number = (uint32_t)random_below(FIELDS);
    struct expected *e = &model[number];
    struct dict_item *it = hash_find(h, field_of(room, number), now);
    uint64_t kind = random_below(10);
    if (it == NULL || kind < 5) {
        put(h, number, now);
    } else if (kind < 8) {
        e->deadline = random_deadline(now);
        assert_non_null(hash_set_deadline(h, it, e->deadline));
    } else {
        e->there = false;
        hash_remove(h, it);
    }
}

static void forget_swept(const struct hash *h, int64_t now, uint64_t swept)
{
    for (uint32_t i = 0; i < FIELDS; i++) {
        char room[32];
        if (model[i].there && dict_find(&h->dict, field_of(room, i)) == NULL) {
            assert_true(model[i].deadline <= now);
            model[i].there = false;
            swept--;
        }
    }
    assert_int_equal(swept, 0);
}

static void a_hash_holds_what_was_put_until_its_deadline(void **state)
{
    (void)state;
    int64_t before = mem_used();
    struct hash *h = hash_new(secret, sizeof secret);
    int64_t now = 1000;
    for (int step = 0; step < STEPS; step++) {
        change_something(h, now);
        now += (int64_t)random_below(3);
        if (step % 5000 == 0) {
            check_all(h, now);
            uint64_t expired = hash_expired(h, now);
            uint64_t swept = hash_sweep(h, now, 100, NULL);
            assert_int_equal(swept, expired < 100 ? expired : 100);
            forget_swept(h, now, swept);
            check_all(h, now);
        }
    }
    assert_int_equal(mem_used() - before, hash_memory(h));
    hash_free(h);
    assert_int_equal(mem_used(), before);
}

static void the_earliest_goes_first(void **state)
{
    (void)state;
    struct hash *h = hash_new(secret, sizeof secret);
    char room[32];
    bool created;
    for (uint32_t i = 0; i < 1000; i++) {
        hash_put(h, field_of(room, i), SLICE("v"), 1000 + (i * 7919) % 1000, 0, &created);
    }
    for (int64_t first = 1000; first < 2000; first++) {
        assert_true(hash_due(h) == first);
        assert_int_equal(hash_sweep(h, first - 1, 10, NULL), 0);
        assert_int_equal(hash_sweep(h, 5000, 1, NULL), 1);
    }
    assert_int_equal(dict_count(&h->dict), 0);
    assert_true(hash_due(h) == ITEM_NO_DEADLINE);
    hash_free(h);
}

static void only_fields_that_live_are_drawn(void **state)
{
    (void)state;
    struct hash *h = hash_new(secret, sizeof secret);
    char room[32];
    bool created;
    uint64_t random = 1;
    int drawn[4] = {0};
    assert_null(hash_random(h, 0, &random));
    for (uint32_t i = 0; i < 2000; i++) {
        hash_put(h, field_of(room, i), SLICE("v"), i < 4 ? ITEM_NO_DEADLINE : 1000, 0, &created);
    }
    for (int i = 0; i < 2000; i++) {
        unsigned number;
        const struct dict_item *it = hash_random(h, 1000, &random);
        assert_non_null(it);
        assert_int_equal(sscanf(item_field(it).ptr, "field:%u", &number), 1);
        assert_in_range(number, 0, 3);
        drawn[number]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(drawn[i], 1, 1999);
    }
    hash_put(h, SLICE("field:0"), SLICE("v"), 1, 0, &created);
    hash_remove(h, hash_find(h, SLICE("field:1"), 0));
    hash_remove(h, hash_find(h, SLICE("field:2"), 0));
    hash_put(h, SLICE("field:3"), SLICE("v"), 1, 0, &created);
    assert_int_equal(hash_count(h, 1000), 0);
    assert_null(hash_random(h, 1000, &random));
    hash_free(h);
}

int main(void)
{
    mem_thread_init();
    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (char)(i * 37 + 11);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_holds_what_was_put_until_its_deadline),
        cmocka_unit_test(the_earliest_goes_first),
        cmocka_unit_test(only_fields_that_live_are_drawn),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
