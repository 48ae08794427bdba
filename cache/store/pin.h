/*
 * Pins: blocks of memory that somebody reads without a lock, and that therefore must neither be changed nor freed. The walker of a
 * cut (cut.h) pins the value of a large entry, and writes it out in its own time while everybody else goes on: the entry may be
 * read, renamed, or removed. Who frees a pinned block (entry_free, entry_free_shell) finds it here and leaves it; it is freed when it
 * is unpinned. Who would change it in place asks pin_holds first.
 *
 * There are a few pins at most, mostly none: then each of these questions is one load, which sees all that was done before the last
 * pin went.
 *
 * Threads: any. A block is pinned with its shard locked, or alone; so whoever has it locked afterwards sees the pin.
 */
#ifndef ORDINAL_STORE_PIN_H
#define ORDINAL_STORE_PIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/entry.h"

struct pin {
    struct pin *next;
    void *block; /* NULL: this pin holds nothing */
    bool freed;  /* by its owner: to be freed when it is unpinned … */
    bool object; /* … as an object of this type, or as plain memory of this size */
    enum entry_type type;
    size_t size;
};

extern _Atomic int pin_count;

/* Pins a block; the pin stays the caller's, and in place until pin_remove. */
void pin_add(struct pin *pin, void *block);

/* Ends it, and frees the block where its owner has meanwhile. */
void pin_remove(struct pin *pin);

bool pin_holds_some(const void *block);
bool pin_defer_some(void *block, bool object, enum entry_type type, size_t size);

static inline bool pin_any(void)
{
    return __builtin_expect(atomic_load_explicit(&pin_count, memory_order_acquire) != 0, 0);
}

/* Whether the block is pinned. */
static inline bool pin_holds(const void *block)
{
    return pin_any() && pin_holds_some(block);
}

/* For who is about to free a block: true when it is pinned, and will be freed later. */
static inline bool pin_defer_memory(void *block, size_t size)
{
    return pin_any() && pin_defer_some(block, false, TYPE_STRING, size);
}
static inline bool pin_defer_object(void *object, enum entry_type type)
{
    return pin_any() && pin_defer_some(object, true, type, 0);
}

/* Bytes of blocks whose owners have freed them. */
size_t pin_deferred(void);

#endif
