/*
 * The gate: lets loops run single-key commands at the same time, and one of them run alone.
 *
 * Each loop has a flag of its own on a cache line of its own. Inside a batch the flag is up; a loop that must
 * be alone raises the gate, waits until every other flag is down, runs, and lets go. So the shared side,
 * which every batch takes, writes only a line that nobody else writes, and with one loop it does nothing at
 * all.
 *
 * One more may take part beside the loops for a while: the walker of a cut (cut.h). It only ever tries to enter, so that it can
 * do something else while somebody runs alone.
 *
 * Threads: a loop calls these with its own index. gate_alone is called inside gate_enter; everything shared
 * that is not behind a shard's lock is touched only under it.
 */
#ifndef ORDINAL_STORE_GATE_H
#define ORDINAL_STORE_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { GATE_MAX_LOOPS = 256 };

struct gate {
    int loops;
    _Atomic int members; /* the loops, and the walker while there is one; changes alone */
    _Alignas(64) _Atomic int raised;
    pthread_mutex_t alone; /* held by the one that runs alone */
    struct {
        _Alignas(64) _Atomic bool inside;
    } flags[GATE_MAX_LOOPS + 1];
};

/* loops: 1 .. GATE_MAX_LOOPS */
void gate_init(struct gate *gate, int loops);

void gate_enter_slow(struct gate *gate, int loop);

/* Begins a batch of loop `loop`: waits while another runs alone. Not recursive. */
static inline void gate_enter(struct gate *gate, int loop)
{
    if (atomic_load_explicit(&gate->members, memory_order_relaxed) == 1) {
        return;
    }
    atomic_store_explicit(&gate->flags[loop].inside, true, memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&gate->raised, memory_order_seq_cst) != 0, 0)) {
        gate_enter_slow(gate, loop);
    }
}

static inline void gate_leave(struct gate *gate, int loop)
{
    if (atomic_load_explicit(&gate->members, memory_order_relaxed) > 1) {
        atomic_store_explicit(&gate->flags[loop].inside, false, memory_order_release);
    }
}

/* From inside a batch: leaves it and runs alone until gate_together, which is inside the batch again. */
void gate_alone(struct gate *gate, int loop);
void gate_together(struct gate *gate, int loop);

/* From a loop that runs alone: lets the walker take part, or no more. What was alone still is. */
void gate_admit(struct gate *gate);
void gate_dismiss(struct gate *gate, int loop);

/* The walker: enters unless somebody runs alone, or wants to. Then it leaves, as a loop does, with its own number. */
bool gate_try_enter(struct gate *gate);
static inline void gate_leave_walker(struct gate *gate)
{
    atomic_store_explicit(&gate->flags[gate->loops].inside, false, memory_order_release);
}

/* Whether some loop is inside at this moment: a hint. */
bool gate_is_busy(const struct gate *gate);

#endif
