/*
 * Memory: jemalloc behind four calls that keep count. Every size that is given back is known (sized
 * deallocation is faster, and the count needs no lookup), and what is counted is the size class that
 * jemalloc really hands out, so that `maxmemory` is held against what is used rather than what was asked for.
 *
 * Each thread counts for itself in a counter that only it writes; mem_used() adds them up, so a hot path
 * never shares a cache line with another thread. Sanitizer builds define ORDINAL_SYSTEM_MALLOC and use
 * malloc, which the sanitizers can watch.
 */
#ifndef ORDINAL_MEMORY_H
#define ORDINAL_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Written by its own thread alone; read by any (relaxed: a sum over threads is never exact anyway). */
extern _Thread_local _Atomic int64_t *mem_counter;

/* Must be called once by every thread before it allocates: registers its counter. Counters outlive
 * threads. */
void mem_thread_init(void);

/* Bytes in use by all threads. */
int64_t mem_used(void);

/* The highest mem_used() seen by mem_sample_peak(), which the cron calls. */
int64_t mem_peak(void);
void mem_sample_peak(void);

/* The bytes that jemalloc takes from its pages for a request of `size` bytes (1 .. 2^47). */
size_t mem_class_large(size_t size);

static inline size_t mem_class(size_t size)
{
    if (size <= 8) {
        return 8;
    }
    if (size <= 128) {
        return (size + 15) & ~(size_t)15;
    }
    if (size > 8192) { /* from here on the page size matters: ask jemalloc */
        return mem_class_large(size);
    }
    /* Four classes for each doubling: 160, 192, 224, 256, 320, … */
    unsigned shift = (unsigned)(8 * sizeof(long) - 1) - (unsigned)__builtin_clzl(size - 1) - 2;
    size_t step = (size_t)1 << shift;
    return (size + step - 1) & ~(step - 1);
}

static inline void mem_count(int64_t bytes)
{
    _Atomic int64_t *mine = mem_counter;
    int64_t now = atomic_load_explicit(mine, memory_order_relaxed);
    atomic_store_explicit(mine, now + bytes, memory_order_relaxed);
}

/* At least `size` bytes (size > 0), or NULL when there is no memory. Aligned to 16 from 16 bytes on. */
void *mem_alloc(size_t size);

/* The same, and all of mem_class(size) bytes may be written: what is written over in place may grow that
 * far. */
void *mem_alloc_whole(size_t size);

/* Zeroed, aligned to a cache line of 64 bytes; `size` a multiple of 64. NULL when there is no memory. */
void *mem_alloc_lines(size_t size);

/* As realloc; `old_size` is what was asked for. NULL leaves the old block as it was. */
void *mem_realloc(void *block, size_t old_size, size_t new_size);

/* Gives a block back; `size` is what was asked for. NULL is allowed. */
void mem_free(void *block, size_t size);

/* As mem_alloc, but ends the process when there is no memory: for what is made at start. */
void *mem_must(size_t size);

/* Resident memory of the process in bytes, from /proc; 0 where that cannot be read. */
size_t mem_resident(void);

/* jemalloc's own view: bytes in active pages, resident, and allocated to the application. */
struct mem_allocator_stats {
    size_t allocated, active, resident, retained, metadata;
};
void mem_allocator_stats(struct mem_allocator_stats *stats);

/* Gives back what the calling thread's cache keeps: a few free blocks of each class, each of which holds a
 * slab of pages. After much was freed, and before a while without work. */
void mem_trim(void);

/* Gives free pages back to the system when there is more than a quarter of a megabyte of them and memory in use has not
 * risen since the last call. Takes milliseconds for each 100 MB, during which the kernel lets nobody map new pages: the
 * reaper's thread alone calls it, once a second, when nobody else needs its core. */
void mem_return_pages(void);

/* Gives all free pages back to the system now (MEMORY PURGE). Takes a moment: never on a hot path. */
void mem_purge(void);

/* Name and version of the allocator, for INFO. */
const char *mem_allocator_name(void);

#endif
