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

/* ---- guests ------------------------------------------------------------------------------------------- */

static struct gate shared; /* one loop, and guests that come and go */
static int64_t touched;    /* written only alone, or by the single loop inside */
static _Atomic bool admitted;
static _Atomic int stays;

/* Comes when it is admitted, runs alone a few times, and goes. */
static void *run_player(void *unused)
{
    int number = gate_number(&shared, GATE_PLAYER);
    (void)unused;
    mem_thread_init();
    while (atomic_load(&stays) < 200) {
        if (!atomic_load(&admitted)) {
            continue;
        }
        for (int i = 0; i < 5; i++) {
            gate_enter(&shared, number);
            gate_alone(&shared, number);
            touched++;
            gate_together(&shared, number);
            gate_leave_guest(&shared, GATE_PLAYER);
        }
        gate_enter(&shared, number);
        gate_alone(&shared, number);
        touched++;
        atomic_store(&admitted, false);
        atomic_fetch_add(&stays, 1);
        gate_resign(&shared);
    }
    return NULL;
}

static void *run_walker(void *unused)
{
    (void)unused;
    mem_thread_init();
    while (atomic_load(&stays) < 200) {
        if (gate_try_enter(&shared)) {
            gate_leave_guest(&shared, GATE_WALKER);
        }
    }
    return NULL;
}

/* The single loop: alone now and then, and admits the player when it has gone. */
static int64_t run_single_loop(void)
{
    int64_t times = 0;
    for (uint64_t round = 0; atomic_load(&stays) < 200; round++) {
        gate_enter(&shared, 0);
        gate_alone(&shared, 0);
        touched++;
        times++;
        if (!atomic_load(&admitted) && atomic_load(&stays) < 200) {
            gate_admit(&shared);
            atomic_store(&admitted, true);
        }
        gate_together(&shared, 0);
        gate_leave(&shared, 0);
    }
    return times;
}

static void guests_come_and_go(void **state)
{
    pthread_t player, walker;
    (void)state;
    for (int with_walker = 0; with_walker < 2; with_walker++) {
        gate_init(&shared, 1);
        touched = 0;
        atomic_store(&stays, 0);
        atomic_store(&admitted, false);
        gate_enter(&shared, 0);
        gate_alone(&shared, 0);
        if (with_walker) {
            gate_admit(&shared);
        }
        gate_together(&shared, 0);
        gate_leave(&shared, 0);
        assert_int_equal(pthread_create(&player, NULL, run_player, NULL), 0);
        if (with_walker) {
            assert_int_equal(pthread_create(&walker, NULL, run_walker, NULL), 0);
        }
        int64_t times = run_single_loop();
        pthread_join(player, NULL);
        if (with_walker) {
            pthread_join(walker, NULL);
        }
        assert_int_equal(touched, times + 200 * 6);
        assert_int_equal(gate_members(&shared), 1 + with_walker);
    }
}

int main(void)
{
    mem_thread_init();
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_runs_alone_runs_alone_and_loses_nothing),
        cmocka_unit_test(one_loop_needs_no_gate),
        cmocka_unit_test(guests_come_and_go),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
