/* The access clock: idle times and frequencies, also where two loops do not agree on what time it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#include "clock.h"
#include "memory.h"
#include "store/access.h"

#define START 1700000000000LL

static const struct access_rules lru = {false, 10, 1};
static const struct access_rules lfu = {true, 10, 1};

static struct entry *entry_with(uint32_t access)
{
    return entry_new_bytes(TYPE_STRING, SLICE("key"), SLICE("value"), ENTRY_NO_DEADLINE, access);
}

static void idle_seconds_count_from_the_last_use(void **state)
{
    (void)state;
    struct entry *e = entry_with(access_new(&lru, START));
    assert_int_equal(access_idle_seconds(e, START), 0);
    assert_int_equal(access_idle_seconds(e, START + 1000), 1);
    assert_int_equal(access_idle_seconds(e, START + 1000 * 86400LL * 100), 86400 * 100);
    access_touch(&lru, e, START + 5000, 1);
    assert_int_equal(access_idle_seconds(e, START + 7000), 2);
    entry_set_access(e, access_from_idle(1234, START));
    assert_int_equal(access_idle_seconds(e, START), 1234);
    entry_free(e);
}

/* A loop's clock is read once a batch: another loop may have used the entry in a later second. */
static void an_entry_used_by_a_loop_that_is_ahead_is_not_idle(void **state)
{
    (void)state;
    struct entry *e = entry_with(access_new(&lru, START + 1000));
    assert_int_equal(access_idle_seconds(e, START), 0);
    entry_free(e);
}

static void a_frequency_noted_by_a_loop_that_is_ahead_does_not_decay(void **state)
{
    (void)state;
    struct entry *e = entry_with(access_from_frequency(200, START + 60000));
    assert_int_equal(access_frequency(&lfu, e, START), 200);
    access_touch(&lfu, e, START, 1 << 11);
    assert_int_equal(access_frequency(&lfu, e, START), 200);
    entry_free(e);
}

static void a_frequency_falls_by_one_each_period(void **state)
{
    (void)state;
    const struct access_rules slow = {true, 10, 5};
    const struct access_rules never = {true, 10, 0};
    struct entry *e = entry_with(access_from_frequency(100, START));
    assert_int_equal(access_frequency(&lfu, e, START), 100);
    assert_int_equal(access_frequency(&lfu, e, START + 10 * 60000), 90);
    assert_int_equal(access_frequency(&lfu, e, START + 1000 * 60000), 0);
    assert_int_equal(access_frequency(&slow, e, START + 10 * 60000), 98);
    assert_int_equal(access_frequency(&never, e, START + 1000 * 60000), 100);
    entry_free(e);
}

static void a_frequency_grows_ever_more_slowly_up_to_255(void **state)
{
    (void)state;
    struct entry *e = entry_with(access_new(&lfu, START));
    uint64_t seed = 1;
    int at_100 = 0;
    assert_int_equal(access_frequency(&lfu, e, START), ACCESS_LFU_START);
    for (int i = 0; i < 3000000; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        access_touch(&lfu, e, START, seed);
        if (i == 100) {
            at_100 = (int)access_frequency(&lfu, e, START);
        }
    }
    assert_in_range(at_100, 7, 15);
    assert_int_equal(access_frequency(&lfu, e, START), 255);
    entry_free(e);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_seconds_count_from_the_last_use),
        cmocka_unit_test(an_entry_used_by_a_loop_that_is_ahead_is_not_idle),
        cmocka_unit_test(a_frequency_noted_by_a_loop_that_is_ahead_does_not_decay),
        cmocka_unit_test(a_frequency_falls_by_one_each_period),
        cmocka_unit_test(a_frequency_grows_ever_more_slowly_up_to_255),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
