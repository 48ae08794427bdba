/*
 * The gate: lets loops run single-key commands at the same time, and one of them run alone.
 *
 * Each loop has a flag of its own on a cache line of its own. Inside a batch the flag is up; a loop that must
 * be alone raises the gate, waits until every other flag is down, runs, and lets go. So the shared side,
 * which every batch takes, writes only a line that nobody else writes, and with one loop it does nothing at
 * all.
 *
 * Two guests may take part beside the loops for a while, each a thread of its own with a flag of its own. The player plays a stream
 * of commands into the keyspace (a file at start, or what a master sends): it enters and runs alone as a loop does. The walker of a
 * cut (cut.h) only ever tries to enter, so that it can do something else while somebody runs alone.
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

enum gate_guest { GATE_PLAYER, GATE_WALKER, GATE_GUESTS };

struct gate {
    int loops;
    _Atomic int members; /* the loops, and the guests that there are; changes alone */
    _Alignas(64) _Atomic int raised;
    pthread_mutex_t alone; /* held by the one that runs alone */
    struct {
        _Alignas(64) _Atomic bool inside;
    } flags[GATE_MAX_LOOPS + GATE_GUESTS]; /* of an absent guest it is down */
};

/* loops: 1 .. GATE_MAX_LOOPS */
void gate_init(struct gate *gate, int loops);

void gate_enter_slow(struct gate *gate, int loop);

/* Whether a single loop is the only member. It then sees what the last guest did before it resigned. */
static inline bool gate_is_needless(const struct gate *gate)
{
    return atomic_load_explicit(&gate->members, memory_order_acquire) == 1;
}

/* Begins a batch of loop `loop`: waits while another runs alone. Not recursive. */
static inline void gate_enter(struct gate *gate, int loop)
{
    if (gate_is_needless(gate)) {
        return;
    }
    atomic_store_explicit(&gate->flags[loop].inside, true, memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&gate->raised, memory_order_seq_cst) != 0, 0)) {
        gate_enter_slow(gate, loop);
    }
}

static inline void gate_leave(struct gate *gate, int loop)
{
    if (!gate_is_needless(gate)) {
        atomic_store_explicit(&gate->flags[loop].inside, false, memory_order_release);
    }
}

/* From inside a batch: leaves it and runs alone until gate_together, which is inside the batch again. */
void gate_alone(struct gate *gate, int loop);
void gate_together(struct gate *gate, int loop);

/* The number by which a guest enters and runs alone. */
static inline int gate_number(const struct gate *gate, enum gate_guest guest)
{
    return gate->loops + (int)guest;
}

/* How many take part. Alone. */
static inline int gate_members(const struct gate *gate)
{
    return atomic_load_explicit(&gate->members, memory_order_relaxed);
}

/* From a loop that runs alone: lets one more guest take part, or no more. What was alone still is. */
void gate_admit(struct gate *gate);
void gate_dismiss(struct gate *gate, int loop);

/* From a guest that runs alone: it takes part no more. */
void gate_resign(struct gate *gate);

/* A guest that has entered leaves, also when it was dismissed in between. */
static inline void gate_leave_guest(struct gate *gate, enum gate_guest guest)
{
    atomic_store_explicit(&gate->flags[gate_number(gate, guest)].inside, false, memory_order_release);
}

/* The walker: enters unless somebody runs alone, or wants to. */
bool gate_try_enter(struct gate *gate);

/* Whether some loop is inside at this moment: a hint. */
bool gate_is_busy(const struct gate *gate);

#endif
