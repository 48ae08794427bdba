/* Latency histograms: every value lies in a bucket that is at most a sixteenth wide, and percentiles are those of sorting. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/histogram.h"
#include "memory.h"

/* A value of each magnitude, at its ends and in between. */
static void every_value_lies_in_its_bucket(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < HISTOGRAM_TOP_BIT; bit++) {
        for (uint64_t part = 0; part < 64; part++) {
            uint64_t value = ((uint64_t)1 << bit) + (((uint64_t)1 << bit) * part) / 64;
            unsigned bucket = histogram_bucket(value);
            assert_in_range(bucket, 0, HISTOGRAM_BUCKETS - 1);
            assert_true(histogram_bucket_end(bucket) >= value);
            assert_true(bucket == 0 || histogram_bucket_end(bucket - 1) < value);
            assert_true(histogram_bucket_end(bucket) - value <= value / 16);
        }
    }
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(histogram_bucket(((uint64_t)1 << HISTOGRAM_TOP_BIT) - 1), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void buckets_rise_without_gaps(void **state)
{
    (void)state;
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(histogram_bucket(histogram_bucket_end(i - 1) + 1), i);
    }
}

static void percentiles_are_those_of_sorting(void **state)
{
    (void)state;
    struct histogram *h = histogram_new();
    assert_int_equal(histogram_percentile(h, 50), 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        histogram_add(h, i * 1000);
    }
    assert_int_equal(histogram_total(h), 1000);
    static const double percents[] = {0, 1, 50, 99, 99.9, 100};
    static const uint64_t ranks[] = {1, 10, 500, 990, 999, 1000};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        uint64_t exact = ranks[i] * 1000;
        assert_int_equal(histogram_percentile(h, percents[i]), histogram_bucket_end(histogram_bucket(exact)));
    }
    histogram_free(h);
}

static void merging_adds(void **state)
{
    (void)state;
    struct histogram *a = histogram_new();
    struct histogram *b = histogram_new();
    histogram_add(a, 5);
    histogram_add(b, 5);
    histogram_add(b, 1 << 20);
    histogram_merge(a, b);
    assert_int_equal(histogram_total(a), 3);
    assert_int_equal(histogram_percentile(a, 60), 5);
    assert_int_equal(a->counts[histogram_bucket(1 << 20)], 1);
    histogram_free(a);
    histogram_free(b);
}

int main(void)
{
    mem_thread_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_lies_in_its_bucket),
        cmocka_unit_test(buckets_rise_without_gaps),
        cmocka_unit_test(percentiles_are_those_of_sorting),
        cmocka_unit_test(merging_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
