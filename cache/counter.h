/*
 * A counter that one thread writes and any thread may read: two plain moves, no locked instruction.
 */
#ifndef ORDINAL_COUNTER_H
#define ORDINAL_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic int64_t counter;

/* Only the counter's own thread. */
static inline void counter_add(counter *c, int64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void counter_set(counter *c, int64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

static inline int64_t counter_get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
