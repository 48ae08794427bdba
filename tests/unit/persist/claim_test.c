/*
 * Claims on a folder: records that are read as they were written and not otherwise, and several claimants in one process, which is
 * how hosts without a common lock look to each other.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "persist/claim.h"

enum { TIMEOUT = 600, ERROR_SIZE = 1024 };

static char folder[64];

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/claim-test-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void rest(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static struct claim_figures figures_of(struct claim *claim)
{
    struct claim_figures figures;
    claim_figures(claim, &figures);
    return figures;
}

/* As if its process were stopped: the thread ends, the file stays. */
static void freeze(struct claim *claim)
{
    pthread_mutex_lock(&claim->lock);
    claim->stopping = true;
    pthread_cond_broadcast(&claim->wake);
    pthread_mutex_unlock(&claim->lock);
    pthread_join(claim->thread, NULL);
    claim->running = claim->stopping = false;
}

static void records_are_read_as_they_were_written(void **state)
{
    (void)state;
    char bytes[CLAIM_RECORD_SIZE];
    struct claim_record record, found;
    claim_record_new(&record);
    assert_int_equal(strlen(record.owner), CLAIM_ID_SIZE - 1);
    record.epoch = 7;
    record.beat = UINT64_MAX;
    record.device = 66305;
    record.wall_ms = 1795252482045;
    record.locks = true;
    record.state = CLAIM_HOLDS;
    claim_record_write(&record, bytes);
    claim_record_read(&found, bytes, sizeof bytes);
    assert_memory_equal(&record, &found, sizeof record);
    assert_true(claim_record_same(&record, &found));
    for (size_t at = 0; at < strcspn(strstr(bytes, "sum "), "\n") + (size_t)(strstr(bytes, "sum ") - bytes);
         at++) {
        char altered[CLAIM_RECORD_SIZE];
        memcpy(altered, bytes, sizeof bytes);
        altered[at] ^= 1;
        claim_record_read(&found, altered, sizeof altered);
        assert_int_equal(found.state, CLAIM_UNREADABLE);
        claim_record_read(&found, bytes, at);
        assert_int_equal(found.state, CLAIM_UNREADABLE);
    }
}

static void one_of_two_has_it(void **state)
{
    (void)state;
    char error[ERROR_SIZE];
    struct claim a, b;
    claim_init(&a, TIMEOUT);
    claim_init(&b, TIMEOUT);
    assert_true(claim_take(&a, true, error, sizeof error));
    assert_int_equal(claim_check(&a, true), 0);
    assert_false(claim_take(&b, true, error, sizeof error));
    assert_non_null(strstr(error, "is claimed by process"));
    assert_int_equal(claim_check(&b, false), EBUSY);
    assert_int_equal(figures_of(&b).state, CLAIM_WATCHING);
    assert_int_equal(figures_of(&b).other.pid, getpid());
    rest(2 * TIMEOUT);
    assert_int_equal(figures_of(&a).state, CLAIM_HELD);
    claim_give_up(&a);
    for (int i = 0; i < 200 && figures_of(&b).state != CLAIM_HELD; i++) {
        rest(20);
    }
    assert_int_equal(figures_of(&b).state, CLAIM_HELD);
    assert_int_equal(figures_of(&b).epoch, 2);
    assert_int_equal(claim_check(&b, true), 0);
    claim_give_up(&b);
}

static void a_writer_that_never_asked_asks_when_it_writes(void **state)
{
    (void)state;
    struct claim a, b;
    claim_init(&a, TIMEOUT);
    claim_init(&b, TIMEOUT);
    assert_int_equal(claim_check(&a, false), 0);
    assert_int_equal(figures_of(&a).state, CLAIM_HELD);
    assert_int_equal(claim_check(&b, false), EBUSY);
    claim_give_up(&a);
    assert_int_equal(claim_check(&b, false), 0);
    claim_give_up(&b);
    assert_int_equal(claim_check(&a, false), 0);
    claim_give_up(&a);
}

static void an_owner_that_stands_still_is_replaced_and_knows_it_when_it_goes_on(void **state)
{
    (void)state;
    char error[ERROR_SIZE];
    struct claim a, b;
    claim_init(&a, TIMEOUT);
    claim_init(&b, TIMEOUT);
    assert_true(claim_take(&a, false, error, sizeof error));
    freeze(&a);
    assert_true(claim_take(&b, true, error, sizeof error));
    assert_int_equal(figures_of(&b).epoch, 2);
    assert_int_equal(claim_check(&a, false), ESTALE);
    assert_int_equal(claim_check(&a, true), ESTALE);
    assert_int_equal(figures_of(&a).state, CLAIM_LOST);
    claim_give_up(&b);
    assert_int_equal(claim_check(&a, true), ESTALE); /* for good: the folder has another history now */
    claim_give_up(&a);
}

static void an_owner_that_goes_on_in_time_keeps_it(void **state)
{
    (void)state;
    char error[ERROR_SIZE];
    struct claim a;
    claim_init(&a, TIMEOUT);
    assert_true(claim_take(&a, false, error, sizeof error));
    freeze(&a);
    rest(2 * TIMEOUT);
    assert_int_equal(claim_check(&a, false), 0); /* nobody has asked for it: it looks, and goes on */
    assert_int_equal(figures_of(&a).epoch, 1);
    claim_give_up(&a);
}

static void who_asks_while_the_owner_moves_goes_back(void **state)
{
    (void)state;
    char error[ERROR_SIZE];
    struct claim a;
    FILE *file;
    claim_init(&a, TIMEOUT);
    assert_true(claim_take(&a, false, error, sizeof error));
    freeze(&a);
    file = fopen("ordinal.claim.2", "w"); /* somebody has asked, and not told yet who it is */
    assert_non_null(file);
    fclose(file);
    assert_int_equal(claim_check(&a, true), EBUSY);
    assert_int_equal(figures_of(&a).state, CLAIM_HELD);
    rest(TIMEOUT + 50);
    assert_int_equal(claim_check(&a, true), EBUSY); /* it stands still: it is taken away … */
    assert_int_not_equal(access("ordinal.claim.2", F_OK), 0);
    assert_int_equal(claim_check(&a, true), 0); /* … and all is as before */
    claim_give_up(&a);
}

static void a_folder_that_is_not_there_cannot_be_claimed(void **state)
{
    (void)state;
    char error[ERROR_SIZE];
    struct claim a;
    assert_int_equal(mkdir("gone", 0755), 0);
    assert_int_equal(chdir("gone"), 0);
    claim_init(&a, TIMEOUT);
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(rmdir("gone"), 0);
    assert_false(claim_take(&a, true, error, sizeof error));
    assert_non_null(strstr(error, "cannot be claimed: No such file or directory"));
    assert_int_equal(claim_check(&a, false), ENOENT);
    assert_int_equal(mkdir("gone", 0755), 0); /* it heals by itself */
    for (int i = 0; i < 200 && claim_check(&a, false) != 0; i++) {
        rest(20);
    }
    assert_int_equal(claim_check(&a, false), 0);
    claim_give_up(&a);
}

/* Many claimants, of which one at a time may write: each that may notes so, and finds nobody else. */
static _Atomic int writers, writes;

static void *compete(void *argument)
{
    struct claim claim;
    (void)argument;
    mem_thread_init();
    claim_init(&claim, 3 * TIMEOUT);
    for (int i = 0; i < 300; i++) {
        if (claim_check(&claim, true) == 0) {
            assert_int_equal(atomic_fetch_add(&writers, 1), 0);
            rest(1);
            atomic_fetch_add(&writes, 1);
            atomic_fetch_sub(&writers, 1);
            if (i % 5 == 4) {
                claim_give_up(&claim);
            }
        } else {
            rest(1);
        }
    }
    claim_give_up(&claim);
    return NULL;
}

static void of_many_one_writes(void **state)
{
    enum { COUNT = 5 };
    (void)state;
    pthread_t threads[COUNT];
    writers = writes = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, compete, NULL), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(writes > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_read_as_they_were_written, begin, end),
        cmocka_unit_test_setup_teardown(one_of_two_has_it, begin, end),
        cmocka_unit_test_setup_teardown(a_writer_that_never_asked_asks_when_it_writes, begin, end),
        cmocka_unit_test_setup_teardown(an_owner_that_stands_still_is_replaced_and_knows_it_when_it_goes_on,
                                        begin, end),
        cmocka_unit_test_setup_teardown(an_owner_that_goes_on_in_time_keeps_it, begin, end),
        cmocka_unit_test_setup_teardown(who_asks_while_the_owner_moves_goes_back, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_cannot_be_claimed, begin, end),
        cmocka_unit_test_setup_teardown(of_many_one_writes, begin, end),
    };
    mem_thread_init();
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
