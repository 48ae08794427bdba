/* HyperLogLogs: hash, both encodings byte for byte as Redis 7.0.15 wrote them, counts to the number, and bytes that are corrupt. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types/hyperloglog_sparse.h"

enum { ROOM = 4096, MAX_SPARSE = 3000 };

struct value {
    uint8_t bytes[ROOM];
    size_t len;
};

static struct value empty(void)
{
    struct value v = {.len = HLL_EMPTY_LEN};
    hll_init(v.bytes);
    return v;
}

static enum hll_status add(struct value *v, const char *element)
{
    return hll_sparse_raise(v->bytes, &v->len, hll_hit(element, strlen(element)), MAX_SPARSE);
}

static struct value of_runs(const void *runs, size_t len)
{
    struct value v = empty();
    memcpy(v.bytes + HLL_HEADER, runs, len);
    v.len = HLL_HEADER + len;
    return v;
}

static uint64_t count_of(const uint8_t *bytes, size_t len)
{
    uint64_t count = 0;
    assert_true(hll_count(bytes, len, &count));
    return count;
}

/* PFADD a 1 2 3, PFDEBUG DECODE a */
static void sparse_bytes_are_those_of_redis(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {0x5D, 0x66, 0x80, 0x4D, 0x74, 0x80, 0x51, 0x2C, 0x8C, 0x43, 0xF3};
    struct value v = empty();
    assert_int_equal(add(&v, "1"), HLL_CHANGED);
    assert_int_equal(add(&v, "2"), HLL_CHANGED);
    assert_int_equal(add(&v, "3"), HLL_CHANGED);
    assert_int_equal(v.len, HLL_HEADER + sizeof wanted);
    assert_memory_equal(v.bytes + HLL_HEADER, wanted, sizeof wanted);
    assert_int_equal(add(&v, "2"), HLL_SAME);
    assert_int_equal(count_of(v.bytes, v.len), 3);
}

static void the_cached_count_goes_stale_with_a_change(void **state)
{
    (void)state;
    uint64_t count = 1;
    struct value v = empty();
    assert_true(hll_cached(v.bytes, &count));
    assert_int_equal(count, 0);
    add(&v, "a");
    assert_false(hll_cached(v.bytes, &count));
    hll_cache(v.bytes, 0x123456789ABC);
    assert_true(hll_cached(v.bytes, &count));
    assert_int_equal(count, 0x123456789ABC);
    add(&v, "a");
    assert_true(hll_cached(v.bytes, &count));
}

/* PFADD b5 followed by 1000000 … 1100000 counts 100019 there, 1 … 1000 1001 and so on. */
static void counts_are_those_of_redis(void **state)
{
    (void)state;
    static const struct {
        int from, to;
        uint64_t count;
    } cases[] = {{1, 1000, 1001}, {1000000, 1100000, 100019}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t dense[HLL_DENSE_LEN];
        struct value v = empty();
        char text[16];
        assert_true(hll_to_dense(v.bytes, v.len, dense));
        for (int n = cases[i].from; n <= cases[i].to; n++) {
            size_t len = (size_t)snprintf(text, sizeof text, "%d", n);
            struct hll_hit hit = hll_hit(text, len);
            hll_dense_raise(dense, hit.index, hit.rank);
        }
        assert_int_equal(count_of(dense, sizeof dense), cases[i].count);
    }
}

/* Both encodings and the merged registers agree after each of many changes, and the sparse one stays below its bound. */
static void encodings_agree(void **state)
{
    (void)state;
    static uint8_t dense[HLL_DENSE_LEN], turned[HLL_DENSE_LEN], registers[HLL_REGISTERS];
    struct value v = empty();
    enum hll_status status;
    uint64_t n = 0;
    assert_true(hll_to_dense(v.bytes, v.len, dense));
    for (;; n++) {
        struct hll_hit hit = hll_hit(&n, sizeof n);
        status = hll_sparse_raise(v.bytes, &v.len, hit, MAX_SPARSE);
        if (status == HLL_FULL) {
            break;
        }
        assert_int_equal(hll_dense_raise(dense, hit.index, hit.rank), status);
        assert_true(v.len <= MAX_SPARSE);
        if (n % 64 == 0) {
            assert_int_equal(count_of(v.bytes, v.len), count_of(dense, sizeof dense));
        }
    }
    assert_true(n > 1000);
    assert_true(hll_to_dense(v.bytes, v.len, turned));
    assert_memory_equal(turned + HLL_HEADER, dense + HLL_HEADER, sizeof dense - HLL_HEADER);
    assert_true(hll_merge(v.bytes, v.len, registers));
    assert_int_equal(hll_count_registers(registers), count_of(dense, sizeof dense));
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        assert_int_equal(registers[i], hll_dense_get(dense, i));
    }
}

static void registers_do_not_touch_their_neighbours(void **state)
{
    (void)state;
    uint8_t dense[HLL_DENSE_LEN] = {'H', 'Y', 'L', 'L'}, wanted[HLL_REGISTERS] = {0};
    unsigned random = 1;
    for (int i = 0; i < 200000; i++) {
        random = random * 1103515245 + 12345;
        size_t index = random >> 8 & (HLL_REGISTERS - 1);
        uint8_t rank = (uint8_t)(random >> 24 & 63);
        assert_int_equal(hll_dense_raise(dense, index, rank), rank > wanted[index] ? HLL_CHANGED : HLL_SAME);
        wanted[index] = rank > wanted[index] ? rank : wanted[index];
    }
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        assert_int_equal(hll_dense_get(dense, i), wanted[i]);
    }
}

static void merging_keeps_the_higher_register(void **state)
{
    (void)state;
    static uint8_t registers[HLL_REGISTERS];
    uint8_t dense[HLL_DENSE_LEN] = {'H', 'Y', 'L', 'L'};
    struct value v = of_runs((const uint8_t[]){0x97, 0x7F, 0xFB}, 3); /* four of rank 6 */
    hll_dense_raise(dense, 0, 9);
    hll_dense_raise(dense, 1, 2);
    hll_dense_raise(dense, HLL_REGISTERS - 1, 60);
    assert_true(hll_merge(dense, sizeof dense, registers));
    assert_true(hll_merge(v.bytes, v.len, registers));
    assert_int_equal(registers[0], 9);
    assert_int_equal(registers[1], 6);
    assert_int_equal(registers[3], 6);
    assert_int_equal(registers[4], 0);
    assert_int_equal(registers[HLL_REGISTERS - 1], 60);
}

/* Each run of `before` with one register raised. */
static void a_run_is_split_as_redis_splits_it(void **state)
{
    (void)state;
    static const struct {
        struct hll_hit hit;
        const char *before, *after;
        size_t before_len, after_len;
    } cases[] = {
        {{0, 3}, "\x7F\xFF", "\x88\x7F\xFE", 2, 3},                 /* the first */
        {{16383, 1}, "\x7F\xFF", "\x7F\xFE\x80", 2, 3},             /* the last */
        {{64, 1}, "\x7F\xFF", "\x3F\x80\x7F\xBE", 2, 4},            /* 64 zeros fit in a ZERO */
        {{65, 1}, "\x7F\xFF", "\x40\x40\x80\x7F\xBD", 2, 5},        /* 65 do not */
        {{1, 2}, "\x83\x7F\xFB", "\x80\x84\x81\x7F\xFB", 3, 5},     /* a VAL in three */
        {{3, 1}, "\x82\x00\x80\x7F\xFA", "\x83\x80\x7F\xFA", 5, 4}, /* joined, four at most */
        {{2, 1}, "\x81\x00\x80\x7F\xFB", "\x83\x7F\xFB", 5, 3},     /* joined with both */
        {{3, 1}, "\x82\x40\x00\x7F\xFB", "\x83\x7F\xFB", 5, 3},     /* an XZERO of one */
        {{0, 33}, "\x7F\xFF", "\x7F\xFF", 2, 2},                    /* a rank too high */
        {{2, 1}, "\x83\x7F\xFB", "\x83\x7F\xFB", 3, 3},             /* nothing to raise */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct value v = of_runs(cases[i].before, cases[i].before_len);
        enum hll_status status = hll_sparse_raise(v.bytes, &v.len, cases[i].hit, MAX_SPARSE);
        bool same = cases[i].before_len == cases[i].after_len &&
                    memcmp(cases[i].before, cases[i].after, cases[i].after_len) == 0;
        assert_int_equal(status, cases[i].hit.rank == 33 ? HLL_FULL : same ? HLL_SAME : HLL_CHANGED);
        assert_int_equal(v.len, HLL_HEADER + cases[i].after_len);
        assert_memory_equal(v.bytes + HLL_HEADER, cases[i].after, cases[i].after_len);
    }
}

static void a_value_does_not_grow_beyond_its_bound(void **state)
{
    (void)state;
    struct value v = empty();
    struct hll_hit hit = {100, 1};
    assert_int_equal(hll_sparse_raise(v.bytes, &v.len, hit, v.len + 2), HLL_FULL);
    assert_int_equal(v.len, HLL_EMPTY_LEN);
    assert_int_equal(hll_sparse_raise(v.bytes, &v.len, hit, v.len + 3), HLL_CHANGED);
    assert_int_equal(v.len, HLL_EMPTY_LEN + 3);
}

static void other_strings_are_not_valid(void **state)
{
    (void)state;
    struct value v = empty();
    assert_true(hll_valid(v.bytes, v.len));
    assert_true(hll_valid(v.bytes, HLL_HEADER));
    assert_false(hll_valid(v.bytes, HLL_HEADER - 1));
    v.bytes[4] = 2;
    assert_false(hll_valid(v.bytes, v.len));
    v.bytes[4] = 0;
    assert_false(hll_valid(v.bytes, v.len));
    assert_true(hll_valid(v.bytes, HLL_DENSE_LEN)); /* only the header is looked at */
    v.bytes[0] = 'h';
    assert_false(hll_valid(v.bytes, v.len));
}

static void corrupt_runs_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *runs;
        size_t len;
    } cases[] = {
        {"", 0},         {"\x7F\xFE", 2}, {"\x7F\xFF\x00", 3}, {"\x7F\xFE\x81", 3}, {"\x7F\xFF\x40", 3},
        {"\x3F\x7F", 2}, {"\x7F", 1}};
    static uint8_t registers[HLL_REGISTERS];
    uint8_t dense[HLL_DENSE_LEN];
    uint64_t count;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct value v = of_runs(cases[i].runs, cases[i].len);
        assert_false(hll_count(v.bytes, v.len, &count));
        assert_false(hll_merge(v.bytes, v.len, registers));
        assert_false(hll_to_dense(v.bytes, v.len, dense));
    }
    struct value v = of_runs("\x00\x40", 2);
    assert_int_equal(hll_sparse_raise(v.bytes, &v.len, (struct hll_hit){2, 1}, MAX_SPARSE), HLL_CORRUPT);
}

/* Whatever the bytes are: the sanitizers watch. */
static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    static uint8_t registers[HLL_REGISTERS], dense[HLL_DENSE_LEN];
    srand(7);
    for (int round = 0; round < 3000; round++) {
        size_t len = HLL_HEADER + (size_t)(rand() % 40);
        uint8_t *bytes = malloc(len + HLL_SPARSE_GROWTH);
        struct value v = empty();
        uint64_t count;
        memcpy(bytes, v.bytes, HLL_HEADER);
        for (size_t i = HLL_HEADER; i < len; i++) {
            bytes[i] = (uint8_t)(rand() >> 7);
        }
        for (int i = 0; i < 20; i++) {
            size_t room = len + HLL_SPARSE_GROWTH;
            bytes = realloc(bytes, room);
            struct hll_hit hit = {(uint16_t)(rand() & (HLL_REGISTERS - 1)), (uint8_t)(rand() % 40 + 1)};
            hll_sparse_raise(bytes, &len, hit, room);
        }
        bool good = hll_count(bytes, len, &count);
        assert_int_equal(hll_merge(bytes, len, registers), good);
        assert_int_equal(hll_to_dense(bytes, len, dense), good);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparse_bytes_are_those_of_redis),
        cmocka_unit_test(the_cached_count_goes_stale_with_a_change),
        cmocka_unit_test(counts_are_those_of_redis),
        cmocka_unit_test(encodings_agree),
        cmocka_unit_test(registers_do_not_touch_their_neighbours),
        cmocka_unit_test(merging_keeps_the_higher_register),
        cmocka_unit_test(a_run_is_split_as_redis_splits_it),
        cmocka_unit_test(a_value_does_not_grow_beyond_its_bound),
        cmocka_unit_test(other_strings_are_not_valid),
        cmocka_unit_test(corrupt_runs_are_found),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
