/*
 * Memory: what is counted is what is used, over all threads, and in the size classes that jemalloc really hands out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "memory.h"

#ifndef ORDINAL_SYSTEM_MALLOC
#include <jemalloc/jemalloc.h>

static void a_size_class_is_what_jemalloc_takes(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 64 * 1024; size++) {
        assert_int_equal(mem_class(size), nallocx(size, 0));
    }
    for (size_t size = 64 * 1024; size < (size_t)1 << 40; size += size / 7) {
        assert_int_equal(mem_class(size), nallocx(size, 0));
    }
}

static void lines_take_the_class_that_is_counted(void **state)
{
    (void)state;
    for (size_t size = 64; size <= 64 * 1024; size += 64) {
        assert_int_equal(mem_class(size), nallocx(size, MALLOCX_ALIGN(64)));
    }
}
#endif

static void a_size_class_holds_its_size_and_is_its_own_class(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 100000; size++) {
        size_t class = mem_class(size);
        assert_true(class >= size);
        assert_int_equal(mem_class(class), class);
    }
}

static void every_block_is_counted_and_counted_back(void **state)
{
    (void)state;
    int64_t before = mem_used();
    for (size_t size = 1; size < 300000; size += 1 + size / 3) {
        char *block = mem_alloc(size);
        memset(block, 1, size);
        assert_int_equal(mem_used() - before, mem_class(size));
        block = mem_realloc(block, size, size * 2);
        assert_int_equal(mem_used() - before, mem_class(size * 2));
        assert_int_equal(block[size - 1], 1);
        block = mem_realloc(block, size * 2, size);
        assert_int_equal(mem_used() - before, mem_class(size));
        mem_free(block, size);
        assert_int_equal(mem_used() - before, 0);
    }
    mem_free(mem_realloc(NULL, 0, 10), 10);
    mem_free(NULL, 0);
    assert_int_equal(mem_used() - before, 0);
}

static void a_whole_block_may_be_written_to_the_end_of_its_class(void **state)
{
    (void)state;
    int64_t before = mem_used();
    for (size_t size = 1; size < 20000; size += 1 + size / 5) {
        char *block = mem_alloc_whole(size);
        memset(block, 1, mem_class(size));
        assert_int_equal(mem_used() - before, mem_class(size));
        mem_free(block, size);
        assert_int_equal(mem_used() - before, 0);
    }
}

static void lines_are_zeroed_and_aligned(void **state)
{
    (void)state;
    static const char zeroes[64 * 200];
    for (size_t size = 64; size <= sizeof zeroes; size += 64) {
        char *block = mem_alloc_lines(size);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_memory_equal(block, zeroes, size);
        memset(block, 1, size);
        mem_free(block, size);
    }
}

enum { THREADS = 4, BLOCKS = 1000, BLOCK = 1000 };
static void *blocks[THREADS][BLOCKS];

static void *allocate(void *mine)
{
    mem_thread_init();
    for (int i = 0; i < BLOCKS; i++) {
        ((void **)mine)[i] = mem_alloc(BLOCK);
    }
    return NULL;
}

static void *give_back(void *mine)
{
    mem_thread_init();
    for (int i = 0; i < BLOCKS; i++) {
        mem_free(((void **)mine)[i], BLOCK);
    }
    return NULL;
}

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, blocks[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void what_one_thread_takes_another_may_give_back(void **state)
{
    (void)state;
    int64_t before = mem_used();
    run_threads(allocate);
    assert_int_equal(mem_used() - before, (int64_t)THREADS * BLOCKS * (int64_t)mem_class(BLOCK));
    run_threads(give_back);
    assert_int_equal(mem_used() - before, 0);
}

static void the_peak_stays_when_memory_falls(void **state)
{
    (void)state;
    size_t large = (size_t)mem_peak() + 1000000;
    void *block = mem_alloc(large);
    mem_sample_peak();
    int64_t peak = mem_peak();
    assert_true(peak >= (int64_t)large);
    mem_free(block, large);
    assert_int_equal(mem_peak(), peak);
}

static void resident_memory_and_the_allocator_are_told(void **state)
{
    (void)state;
    struct mem_allocator_stats stats;
    mem_allocator_stats(&stats);
    mem_purge();
    assert_true(mem_resident() > 100000);
    assert_true(stats.resident >= stats.allocated);
    assert_true(strlen(mem_allocator_name()) > 3);
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
#ifndef ORDINAL_SYSTEM_MALLOC
        cmocka_unit_test(a_size_class_is_what_jemalloc_takes),
        cmocka_unit_test(lines_take_the_class_that_is_counted),
#endif
        cmocka_unit_test(a_size_class_holds_its_size_and_is_its_own_class),
        cmocka_unit_test(every_block_is_counted_and_counted_back),
        cmocka_unit_test(a_whole_block_may_be_written_to_the_end_of_its_class),
        cmocka_unit_test(lines_are_zeroed_and_aligned),
        cmocka_unit_test(what_one_thread_takes_another_may_give_back),
        cmocka_unit_test(the_peak_stays_when_memory_falls),
        cmocka_unit_test(resident_memory_and_the_allocator_are_told),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
