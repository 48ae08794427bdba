/* Results by distance: whole or only the first, nearest or farthest first, with many equal distances. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "types/geo_order.h"

enum { MOST = 500 };

static int by_distance(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return a > b ? 1 : a < b ? -1 : 0;
}

/* Puts `wanted` of `count` results in order, and checks them against the C library's sort. */
static void check(size_t count, size_t wanted, int distances, bool farthest)
{
    struct geo_result results[MOST];
    double all[MOST] = {0};
    bool seen[MOST] = {false};
    for (size_t i = 0; i < count; i++) {
        all[i] = rand() % distances;
        results[i] = (struct geo_result){all[i], i};
    }
    double by_index[MOST];
    memcpy(by_index, all, sizeof all);
    qsort(all, count, sizeof *all, by_distance);
    geo_order(results, count, wanted, farthest);
    for (size_t i = 0; i < count; i++) {
        assert_false(seen[results[i].index]);
        seen[results[i].index] = true;
        assert_true(results[i].distance == by_index[results[i].index]);
    }
    for (size_t i = 0; i < wanted && i < count; i++) {
        assert_true(results[i].distance == (farthest ? all[count - 1 - i] : all[i]));
        bool tie = i > 0 && results[i].distance == results[i - 1].distance;
        assert_false(wanted >= count && tie && results[i].index < results[i - 1].index);
    }
}

static void what_is_wanted_comes_first_and_in_order(void **state)
{
    (void)state;
    srand(5);
    for (int round = 0; round < 20000; round++) {
        size_t count = (size_t)(rand() % (round % 10 == 0 ? MOST : 60)) + 1;
        size_t wanted = (size_t)rand() % (count + 2) + 1;
        check(count, wanted, rand() % 2 ? 4 : 100000, rand() % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_wanted_comes_first_and_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
