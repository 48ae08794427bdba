/* The spool: each reader gets every byte once and in order, at its own pace; a slow one costs disk, not memory, and not the writer's
 * time for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "replication/spool.h"

enum { MB = 1 << 20, READERS = 3 };

static struct spool spool;
static _Atomic bool is_patient;
static _Atomic int grown_calls;

static bool patient(void *context)
{
    (void)context;
    return atomic_load(&is_patient);
}

static void grown(void *context)
{
    (void)context;
    atomic_fetch_add(&grown_calls, 1);
}

static int fresh(void **state)
{
    (void)state;
    atomic_store(&is_patient, false);
    atomic_store(&grown_calls, 0);
    return spool_init(&spool, READERS, patient, grown, NULL) ? 0 : -1;
}

static int gone(void **state)
{
    (void)state;
    assert_int_equal(spool_readers(&spool), 0);
    assert_null(spool.first); /* what nobody needs is not kept */
    assert_int_equal(spool.in_memory, 0);
    spool_free(&spool);
    return 0;
}

/* The byte at a place of the stream. */
static char byte_at(uint64_t place)
{
    return (char)((place * 2654435761U) >> 13);
}

static void write_some(uint64_t *at, size_t len)
{
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = byte_at(*at + i);
    }
    assert_true(spool_write(&spool, bytes, len));
    *at += len;
    free(bytes);
}

/* Takes what there is, in steps of an odd size, and looks at every byte. Returns why it ended. */
static enum spool_status take(struct spool_reader *reader, uint64_t *at, uint64_t most)
{
    struct slice bytes;
    enum spool_status status = SPOOL_BYTES;
    while (most > 0 && (status = spool_peek(&spool, reader, &bytes)) == SPOOL_BYTES) {
        size_t part = bytes.len < 100003 ? bytes.len : 100003;
        part = part < most ? part : (size_t)most;
        for (size_t i = 0; i < part; i++) {
            if (bytes.ptr[i] != byte_at(*at + i)) {
                fail_msg("byte %llu is another one", (unsigned long long)(*at + i));
            }
        }
        spool_advance(&spool, reader, part);
        *at += part;
        most -= part;
    }
    return status;
}

static void each_reader_gets_all_at_its_own_pace(void **state)
{
    struct spool_reader readers[READERS];
    uint64_t at = 0, taken[READERS] = {0};
    (void)state;
    for (int i = 0; i < READERS; i++) {
        spool_open(&spool, &readers[i]);
    }
    assert_int_equal(take(&readers[0], &taken[0], 1), SPOOL_NOTHING_YET);
    for (int round = 0; round < 20; round++) {
        write_some(&at, 777777);
        assert_int_equal(take(&readers[0], &taken[0], UINT64_MAX), SPOOL_NOTHING_YET);
        take(&readers[1], &taken[1], 300000);
    }
    assert_int_equal(spool_length(&spool), -1);
    spool_end(&spool, true);
    assert_int_equal(spool_length(&spool), at);
    assert_int_equal(grown_calls, 20 * 3 + 1);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(take(&readers[i], &taken[i], UINT64_MAX), SPOOL_END);
        assert_int_equal(taken[i], at);
        spool_close(&spool, &readers[i]);
    }
}

static void what_is_too_much_for_memory_goes_to_the_disk(void **state)
{
    struct spool_reader reader;
    uint64_t at = 0, taken = 0;
    (void)state;
    spool_open(&spool, &reader);
    write_some(&at, SPOOL_MEMORY + 8 * MB);
    assert_int_equal(spool.in_memory, SPOOL_MEMORY);
    assert_int_equal(spool.on_disk, 8 * MB);
    assert_int_equal(take(&reader, &taken, 20 * MB), SPOOL_BYTES);
    write_some(&at, 4 * MB); /* there is room in memory again, behind what is on the disk */
    assert_int_equal(spool.on_disk, 8 * MB);
    spool_end(&spool, true);
    assert_int_equal(take(&reader, &taken, UINT64_MAX), SPOOL_END);
    assert_int_equal(taken, at);
    spool_close(&spool, &reader);
    spool_close(&spool, &reader); /* once is enough, and twice no harm */
}

static void a_reader_that_leaves_takes_what_only_it_needed_along(void **state)
{
    struct spool_reader slow, fast;
    uint64_t at = 0, taken = 0;
    (void)state;
    spool_open(&spool, &slow);
    spool_open(&spool, &fast);
    write_some(&at, 10 * MB);
    take(&fast, &taken, 10 * MB);
    assert_int_equal(spool.in_memory, 10 * MB);
    spool_close(&spool, &slow);
    assert_int_equal(spool.in_memory, 0);
    write_some(&at, MB);
    spool_end(&spool, true);
    assert_int_equal(take(&fast, &taken, UINT64_MAX), SPOOL_END);
    assert_int_equal(taken, at);
    spool_close(&spool, &fast);
    write_some(&at, MB); /* for nobody */
}

static void a_snapshot_that_fails_is_told_to_its_readers(void **state)
{
    struct spool_reader reader;
    uint64_t at = 0, taken = 0;
    (void)state;
    spool_open(&spool, &reader);
    write_some(&at, 1000);
    spool_end(&spool, false);
    assert_int_equal(take(&reader, &taken, UINT64_MAX), SPOOL_FAILED);
    assert_int_equal(taken, 0);
    assert_int_equal(spool_length(&spool), -1);
    spool_close(&spool, &reader);
}

static void the_writers_patience_ends_once(void **state)
{
    struct spool_reader reader;
    uint64_t at = 0, taken = 0;
    (void)state;
    atomic_store(&is_patient, true);
    spool_open(&spool, &reader);
    write_some(&at, SPOOL_MEMORY);
    int64_t began = clock_now();
    write_some(&at, 4 * MB);
    int64_t first = clock_now();
    assert_in_range(first - began, SPOOL_PATIENCE_MS, UINT32_MAX);
    write_some(&at, 64 * MB); /* 256 pieces: with a wait for each it would be four minutes */
    assert_in_range(clock_now() - first, 0, 60000);
    assert_int_equal(spool.on_disk, 68 * MB);
    spool_end(&spool, true);
    take(&reader, &taken, UINT64_MAX);
    assert_int_equal(taken, at);
    spool_close(&spool, &reader);
}

static void *read_slowly(void *argument)
{
    struct spool_reader *reader = argument;
    uint64_t taken = 0;
    mem_thread_init();
    while (take(reader, &taken, MB) != SPOOL_END) {
        sched_yield();
    }
    spool_close(&spool, reader);
    return (void *)(uintptr_t)taken;
}

static void a_patient_writer_waits_for_readers_that_go_on(void **state)
{
    enum { ALL = 96 * MB };
    struct spool_reader readers[READERS];
    pthread_t threads[READERS];
    uint64_t at = 0;
    (void)state;
    atomic_store(&is_patient, true);
    for (int i = 0; i < READERS; i++) {
        spool_open(&spool, &readers[i]);
    }
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_slowly, &readers[i]), 0);
    }
    while (at < ALL) {
        write_some(&at, 3 * MB);
    }
    spool_end(&spool, true);
    for (int i = 0; i < READERS; i++) {
        void *taken;
        pthread_join(threads[i], &taken);
        assert_int_equal((uintptr_t)taken, ALL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_reader_gets_all_at_its_own_pace),
        TEST(what_is_too_much_for_memory_goes_to_the_disk),
        TEST(a_reader_that_leaves_takes_what_only_it_needed_along),
        TEST(a_snapshot_that_fails_is_told_to_its_readers),
        TEST(the_writers_patience_ends_once),
        TEST(a_patient_writer_waits_for_readers_that_go_on),
    };
    mem_thread_init();
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
