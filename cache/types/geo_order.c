#include "types/geo_order.h"

#include <stdlib.h>

enum { SMALL = 7, MEDIUM = 40 };

/* ---- all of them -------------------------------------------------------------------------------------- */

static int nearest_first(const void *x, const void *y)
{
    const struct geo_result *a = x, *b = y;
    if (a->distance != b->distance) {
        return a->distance > b->distance ? 1 : -1;
    }
    return a->index > b->index ? 1 : -1;
}

static int farthest_first(const void *x, const void *y)
{
    const struct geo_result *a = x, *b = y;
    if (a->distance != b->distance) {
        return a->distance < b->distance ? 1 : -1;
    }
    return a->index > b->index ? 1 : -1;
}

/* ---- the first of them -------------------------------------------------------------------------------- */

/* What is being sorted: where what is wanted ends, and which way. */
struct sort {
    const struct geo_result *end;
    bool farthest;
};

static int compare(const struct sort *sort, const struct geo_result *a, const struct geo_result *b)
{
    int order = a->distance > b->distance ? 1 : a->distance == b->distance ? 0 : -1;
    return sort->farthest ? -order : order;
}

static void swap(struct geo_result *a, struct geo_result *b)
{
    struct geo_result held = *a;
    *a = *b;
    *b = held;
}

static void swap_runs(struct geo_result *a, struct geo_result *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        swap(a + i, b + i);
    }
}

static void insertion_sort(const struct sort *sort, struct geo_result *a, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j > 0 && compare(sort, &a[j - 1], &a[j]) > 0; j--) {
            swap(&a[j], &a[j - 1]);
        }
    }
}

static struct geo_result *median(const struct sort *sort, struct geo_result *a, struct geo_result *b,
                                 struct geo_result *c)
{
    if (compare(sort, a, b) < 0) {
        return compare(sort, b, c) < 0 ? b : compare(sort, a, c) < 0 ? c : a;
    }
    return compare(sort, b, c) > 0 ? b : compare(sort, a, c) < 0 ? a : c;
}

static struct geo_result *pivot(const struct sort *sort, struct geo_result *a, size_t count)
{
    struct geo_result *first = a, *middle = a + count / 2, *last = a + count - 1;
    if (count == SMALL) {
        return middle;
    }
    if (count > MEDIUM) {
        size_t step = count / 8;
        first = median(sort, first, first + step, first + 2 * step);
        middle = median(sort, middle - step, middle, middle + step);
        last = median(sort, last - 2 * step, last - step, last);
    }
    return median(sort, first, middle, last);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Puts what is less than the pivot, a[0], before what equals it, and that before what is greater. */
static void partition(const struct sort *sort, struct geo_result *a, size_t count, size_t *less,
                      size_t *greater)
{
    size_t equal_low = 1, low = 1;                    /* from the left: equal ones, then lesser ones */
    size_t equal_high = count - 1, high = equal_high; /* from the right: equal ones, then greater ones */
    int order;
    for (;;) {
        for (; low <= high && (order = compare(sort, &a[low], a)) <= 0; low++) {
            if (order == 0) {
                swap(&a[equal_low++], &a[low]);
            }
        }
        for (; low <= high && (order = compare(sort, &a[high], a)) >= 0; high--) {
            if (order == 0) {
                swap(&a[high], &a[equal_high--]);
            }
        }
        if (low > high) {
            break;
        }
        swap(&a[low++], &a[high--]);
    }
    *less = low - equal_low;
    *greater = equal_high - high;
    size_t moved = least(equal_low, *less);
    swap_runs(a, a + low - moved, moved);
    moved = least(*greater, count - 1 - equal_high);
    swap_runs(a + low, a + count - moved, moved);
}

static void quicksort(const struct sort *sort, struct geo_result *a, size_t count)
{
    while (a < sort->end && count >= SMALL) {
        size_t less, greater;
        swap(a, pivot(sort, a, count));
        partition(sort, a, count, &less, &greater);
        if (less > 1) {
            quicksort(sort, a, less);
        }
        a += count - greater;
        count = greater;
    }
    if (a < sort->end) {
        insertion_sort(sort, a, count);
    }
}

void geo_order(struct geo_result *results, size_t count, size_t wanted, bool farthest)
{
    if (wanted >= count) {
        qsort(results, count, sizeof *results, farthest ? farthest_first : nearest_first);
        return;
    }
    struct sort sort = {results + wanted, farthest};
    quicksort(&sort, results, count);
}
