#include "store/gate.h"

#include <sched.h>

void gate_init(struct gate *gate, int loops)
{
    gate->loops = loops;
    atomic_init(&gate->members, loops);
    atomic_init(&gate->raised, 0);
    pthread_mutex_init(&gate->alone, NULL);
    for (int i = 0; i < GATE_MAX_LOOPS + GATE_GUESTS; i++) {
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
    if (gate_is_needless(gate)) {
        return;
    }
    atomic_store_explicit(&gate->flags[loop].inside, false, memory_order_release);
    pthread_mutex_lock(&gate->alone);
    if (gate_is_needless(gate)) {
        pthread_mutex_unlock(
            &gate->alone); /* the last guest has resigned while a single loop waited for it */
        return;
    }
    /* In this order: who finds the gate raised can then sleep on the mutex, and does not compete for it. */
    atomic_store_explicit(&gate->raised, 1, memory_order_seq_cst);
    for (int i = 0; i < gate->loops + GATE_GUESTS; i++) {
        for (int spins = 0; atomic_load_explicit(&gate->flags[i].inside, memory_order_seq_cst); spins++) {
            if (spins > 100) {
                sched_yield();
            }
        }
    }
}

void gate_together(struct gate *gate, int loop)
{
    if (gate_is_needless(gate)) {
        return;
    }
    atomic_store_explicit(&gate->raised, 0, memory_order_seq_cst);
    pthread_mutex_unlock(&gate->alone);
    gate_enter(gate, loop);
}

/* A single loop takes no part in the gate while it is the only member: it has to be brought to where gate_alone would have
 * brought it, and back. */
void gate_admit(struct gate *gate)
{
    if (gate_is_needless(gate)) {
        pthread_mutex_lock(&gate->alone);
        atomic_store_explicit(&gate->raised, 1, memory_order_seq_cst);
    }
    atomic_fetch_add_explicit(&gate->members, 1, memory_order_relaxed);
}

void gate_dismiss(struct gate *gate, int loop)
{
    atomic_fetch_sub_explicit(&gate->members, 1, memory_order_relaxed);
    if (gate_is_needless(gate)) {
        atomic_store_explicit(&gate->raised, 0, memory_order_seq_cst);
        atomic_store_explicit(&gate->flags[loop].inside, false, memory_order_release);
        pthread_mutex_unlock(&gate->alone);
    }
}

/* Its flag is down, as of all who run alone. A single loop may now stand on the mutex, and goes on as one that needs no gate. */
void gate_resign(struct gate *gate)
{
    atomic_fetch_sub_explicit(&gate->members, 1, memory_order_release);
    atomic_store_explicit(&gate->raised, 0, memory_order_seq_cst);
    pthread_mutex_unlock(&gate->alone);
}

bool gate_try_enter(struct gate *gate)
{
    _Atomic bool *inside = &gate->flags[gate_number(gate, GATE_WALKER)].inside;
    atomic_store_explicit(inside, true, memory_order_seq_cst);
    if (atomic_load_explicit(&gate->raised, memory_order_seq_cst) != 0) {
        atomic_store_explicit(inside, false, memory_order_release);
        return false;
    }
    return true;
}

bool gate_is_busy(const struct gate *gate)
{
    for (int i = 0; i < gate->loops; i++) {
        if (atomic_load_explicit(&gate->flags[i].inside, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}
