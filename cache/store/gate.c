#include "store/gate.h"

#include <sched.h>

void gate_init(struct gate *gate, int loops)
{
    gate->loops = loops;
    atomic_init(&gate->raised, 0);
    pthread_mutex_init(&gate->alone, NULL);
    for (int i = 0; i < GATE_MAX_LOOPS; i++) {
        atomic_init(&gate->flags[i].inside, false);
    }
}

void gate_enter_slow(struct gate *gate, int loop)
{
    do {
        atomic_store_explicit(&gate->flags[loop].inside, false, memory_order_release);
        /* The mutex is held by whoever runs alone: waiting for it is waiting for the gate. */
        pthread_mutex_lock(&gate->alone);
        pthread_mutex_unlock(&gate->alone);
        atomic_store_explicit(&gate->flags[loop].inside, true, memory_order_seq_cst);
    } while (atomic_load_explicit(&gate->raised, memory_order_seq_cst) != 0);
}

void gate_alone(struct gate *gate, int loop)
{
    if (gate->loops == 1) {
        return;
    }
    atomic_store_explicit(&gate->flags[loop].inside, false, memory_order_release);
    /* In this order: who finds the gate raised can then sleep on the mutex, and does not compete for it. */
    pthread_mutex_lock(&gate->alone);
    atomic_store_explicit(&gate->raised, 1, memory_order_seq_cst);
    for (int i = 0; i < gate->loops; i++) {
        for (int spins = 0; atomic_load_explicit(&gate->flags[i].inside, memory_order_seq_cst); spins++) {
            if (spins > 100) {
                sched_yield();
            }
        }
    }
}

void gate_together(struct gate *gate, int loop)
{
    if (gate->loops == 1) {
        return;
    }
    atomic_store_explicit(&gate->raised, 0, memory_order_seq_cst);
    pthread_mutex_unlock(&gate->alone);
    gate_enter(gate, loop);
}
