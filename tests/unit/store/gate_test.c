/* The gate under threads: who runs alone runs alone, nothing is lost, and everybody gets on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "clock.h"
#include "memory.h"
#include "store/gate.h"

enum { LOOPS = 4, ROUNDS = 20000 };

static struct gate gate;
static _Atomic int inside;
static _Atomic int clashes;
static int64_t unguarded;       /* written only alone */
static int64_t own[LOOPS][16];  /* written only by its loop, inside; read alone */
static int64_t alone_of[LOOPS]; /* exclusive sections that each loop had */

static void *run_loop(void *argument)
{
    int loop = (int)(intptr_t)argument;
    uint64_t seed = (uint64_t)loop * 77 + 1;
    mem_thread_init();
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        gate_enter(&gate, loop);
        atomic_fetch_add(&inside, 1);
        own[loop][0]++;
        atomic_fetch_sub(&inside, 1);
        if ((seed >> 60) < 3) {
            gate_alone(&gate, loop);
            if (atomic_load(&inside) != 0) {
                atomic_fetch_add(&clashes, 1);
            }
            int64_t sum = 0;
            for (int k = 0; k < LOOPS; k++) {
                sum += own[k][0];
            }
            unguarded += sum >= 0;
            alone_of[loop]++;
            gate_together(&gate, loop);
            atomic_fetch_add(&inside, 1);
            own[loop][0]++;
            atomic_fetch_sub(&inside, 1);
        }
        gate_leave(&gate, loop);
    }
    return NULL;
}

static void who_runs_alone_runs_alone_and_loses_nothing(void **state)
{
    (void)state;
    pthread_t threads[LOOPS];
    gate_init(&gate, LOOPS);
    for (intptr_t i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, (void *)i), 0);
    }
    int64_t alone = 0;
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(alone_of[i] > ROUNDS / 16);
        assert_int_equal(own[i][0], ROUNDS + alone_of[i]);
        alone += alone_of[i];
    }
    assert_int_equal(atomic_load(&clashes), 0);
    assert_int_equal(unguarded, alone);
}

static void one_loop_needs_no_gate(void **state)
{
    (void)state;
    gate_init(&gate, 1);
    gate_enter(&gate, 0);
    gate_alone(&gate, 0);
    gate_together(&gate, 0);
    gate_leave(&gate, 0);
    assert_false(atomic_load(&gate.flags[0].inside));
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_runs_alone_runs_alone_and_loses_nothing),
        cmocka_unit_test(one_loop_needs_no_gate),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
