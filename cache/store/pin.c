#include "store/pin.h"

#include <pthread.h>

#include "memory.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pin *pins;
static _Atomic size_t deferred;
_Atomic int pin_count;

static size_t bytes_of(const struct pin *pin)
{
    return pin->object ? entry_object_memory(pin->type, pin->block) : pin->size;
}

static struct pin *find(const void *block)
{
    struct pin *pin = pins;
    while (pin != NULL && pin->block != block) {
        pin = pin->next;
    }
    return pin;
}

void pin_add(struct pin *pin, void *block)
{
    *pin = (struct pin){.block = block};
    pthread_mutex_lock(&lock);
    pin->next = pins;
    pins = pin;
    atomic_fetch_add_explicit(&pin_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
}

void pin_remove(struct pin *pin)
{
    pthread_mutex_lock(&lock);
    struct pin **link = &pins;
    while (*link != pin) {
        link = &(*link)->next;
    }
    *link = pin->next;
    atomic_fetch_sub_explicit(&pin_count, 1, memory_order_release);
    pthread_mutex_unlock(&lock);
    if (!pin->freed) {
        return;
    }
    atomic_fetch_sub_explicit(&deferred, bytes_of(pin), memory_order_relaxed);
    if (pin->object) {
        entry_free_object(pin->type, pin->block);
    } else {
        mem_free(pin->block, pin->size);
    }
}

bool pin_holds_some(const void *block)
{
    pthread_mutex_lock(&lock);
    bool held = find(block) != NULL;
    pthread_mutex_unlock(&lock);
    return held;
}

bool pin_defer_some(void *block, bool object, enum entry_type type, size_t size)
{
    pthread_mutex_lock(&lock);
    struct pin *pin = find(block);
    if (pin != NULL) {
        pin->freed = true;
        pin->object = object;
        pin->type = type;
        pin->size = size;
        atomic_fetch_add_explicit(&deferred, bytes_of(pin), memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
    return pin != NULL;
}

size_t pin_deferred(void)
{
    return atomic_load_explicit(&deferred, memory_order_relaxed);
}
