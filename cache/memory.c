#include "memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ORDINAL_SYSTEM_MALLOC
#include <jemalloc/jemalloc.h>

#if defined(__x86_64__)
#define SLABS ",slab_sizes:80-1024:8"
#else /* where jemalloc's pages may be 64 KB slabs are large anyway */
#define SLABS ""
#endif

/*
 * Read by jemalloc before main. Free pages stay until mem_return_pages takes them: jemalloc would give them
 * back either in the midst of somebody's free(), or by threads that compete with the loops for the cores on
 * equal terms (on one core that made a loop wait 17 ms while tables grew). Slabs of 32 KB rather than 4 to 28
 * save three quarters of jemalloc's own records of a million entries.
 */
const char *malloc_conf =
    "background_thread:false,dirty_decay_ms:-1,muzzy_decay_ms:-1,metadata_thp:disabled" SLABS;
#endif

enum { MAX_THREADS = 1024 };

struct counter {
    _Alignas(64) _Atomic int64_t bytes;
};

static struct counter counters[MAX_THREADS];
static _Atomic int counters_used;
static _Atomic int64_t peak;

_Thread_local _Atomic int64_t *mem_counter = &counters[0].bytes;

void mem_thread_init(void)
{
    int index = atomic_fetch_add(&counters_used, 1);
    if (index >= MAX_THREADS) {
        fprintf(stderr, "ordinal: more than %d threads\n", MAX_THREADS);
        abort();
    }
    mem_counter = &counters[index].bytes;
}

int64_t mem_used(void)
{
    int64_t sum = 0;
    int used = atomic_load_explicit(&counters_used, memory_order_relaxed);
    for (int i = 0; i < used || i == 0; i++) {
        sum += atomic_load_explicit(&counters[i].bytes, memory_order_relaxed);
    }
    return sum < 0 ? 0 : sum;
}

void mem_sample_peak(void)
{
    int64_t used = mem_used();
    int64_t last = atomic_load_explicit(&peak, memory_order_relaxed);
    while (used > last && !atomic_compare_exchange_weak_explicit(&peak, &last, used, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
        /* last now holds what another thread has seen */
    }
}

int64_t mem_peak(void)
{
    mem_sample_peak();
    return atomic_load_explicit(&peak, memory_order_relaxed);
}

size_t mem_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (file != NULL) {
        if (fscanf(file, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void *mem_must(size_t size)
{
    void *block = mem_alloc(size);
    if (block == NULL) {
        fprintf(stderr, "ordinal: out of memory for %zu bytes at start\n", size);
        exit(1);
    }
    return block;
}

#ifndef ORDINAL_SYSTEM_MALLOC

size_t mem_class_large(size_t size)
{
    return nallocx(size, 0);
}

void *mem_alloc(size_t size)
{
    void *block = mallocx(size, 0);
    if (block != NULL) {
        mem_count((int64_t)mem_class(size));
    }
    return block;
}

void *mem_alloc_whole(size_t size)
{
    return mem_alloc(size);
}

void *mem_alloc_lines(size_t size)
{
    /* Cleared by hand: from 16 KB on jemalloc would ask the system for zeroed pages each time. */
    void *block = mallocx(size, MALLOCX_ALIGN(64));
    if (block != NULL) {
        memset(block, 0, size);
        mem_count((int64_t)mem_class(size));
    }
    return block;
}

void *mem_realloc(void *block, size_t old_size, size_t new_size)
{
    if (block == NULL) {
        return mem_alloc(new_size);
    }
    void *moved = rallocx(block, new_size, 0);
    if (moved != NULL) {
        mem_count((int64_t)mem_class(new_size) - (int64_t)mem_class(old_size));
    }
    return moved;
}

void mem_free(void *block, size_t size)
{
    if (block != NULL) {
        mem_count(-(int64_t)mem_class(size));
        sdallocx(block, size, 0);
    }
}

static size_t stat_of(const char *name)
{
    size_t value = 0;
    size_t size = sizeof value;
    return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

/* jemalloc's figures stand still until they are asked for anew. */
static void refresh_stats(void)
{
    uint64_t epoch = 1;
    size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);
}

void mem_allocator_stats(struct mem_allocator_stats *stats)
{
    refresh_stats();
    stats->allocated = stat_of("stats.allocated");
    stats->active = stat_of("stats.active");
    stats->resident = stat_of("stats.resident");
    stats->retained = stat_of("stats.retained");
    stats->metadata = stat_of("stats.metadata");
}

void mem_trim(void)
{
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
}

void mem_return_pages(void)
{
    enum { WORTH_IT = 256 * 1024 };
    static int64_t used_before;
    int64_t used = mem_used();
    bool rising = used > used_before + WORTH_IT;
    used_before = used;
    if (rising) { /* what is free will be wanted soon, and a loop that needs new pages would wait for us */
        return;
    }
    char dirty[64];
    refresh_stats();
    snprintf(dirty, sizeof dirty, "stats.arenas.%d.pdirty", MALLCTL_ARENAS_ALL);
    if (stat_of(dirty) * stat_of("arenas.page") >= WORTH_IT) {
        mem_purge();
    }
}

void mem_purge(void)
{
    char name[64];
    mem_trim();
    snprintf(name, sizeof name, "arena.%d.purge", MALLCTL_ARENAS_ALL);
    mallctl(name, NULL, NULL, NULL, 0);
}

const char *mem_allocator_name(void)
{
    static char name[64];
    snprintf(name, sizeof name, "jemalloc-%d.%d.%d", JEMALLOC_VERSION_MAJOR, JEMALLOC_VERSION_MINOR,
             JEMALLOC_VERSION_BUGFIX);
    return name;
}

#else /* the sanitizers' own allocator */

#ifdef ORDINAL_FAIL_ALLOCATIONS /* `make test-stress-nomem` alone */

/* Once a thread has had so many blocks, every ORDINAL_FAIL_EVERY-th request for one is refused. */
enum { SPARED = 500 };

static bool refused(void)
{
    static _Atomic int every; /* 0: not looked up yet */
    static _Thread_local uint64_t asked;
    if (atomic_load_explicit(&every, memory_order_relaxed) == 0) {
        const char *text = getenv("ORDINAL_FAIL_EVERY");
        int number = text != NULL ? atoi(text) : 0;
        atomic_store_explicit(&every, number > 0 ? number : -1, memory_order_relaxed);
    }
    int n = atomic_load_explicit(&every, memory_order_relaxed);
    return n > 0 && ++asked > SPARED && asked % (uint64_t)n == 0;
}

#else

static bool refused(void)
{
    return false;
}

#endif

size_t mem_class_large(size_t size)
{
    return (size + 4095) & ~(size_t)4095;
}

void *mem_alloc(size_t size)
{
    void *block = refused() ? NULL : malloc(size);
    if (block != NULL) {
        mem_count((int64_t)mem_class(size));
    }
    return block;
}

void *mem_alloc_whole(size_t size)
{
    return mem_alloc(mem_class(size)); /* of the same class, so mem_free counts the same */
}

void *mem_alloc_lines(size_t size)
{
    void *block = refused() ? NULL : aligned_alloc(64, size);
    if (block != NULL) {
        memset(block, 0, size);
        mem_count((int64_t)mem_class(size));
    }
    return block;
}

void *mem_realloc(void *block, size_t old_size, size_t new_size)
{
    void *moved = refused() ? NULL : realloc(block, new_size);
    if (moved != NULL) {
        mem_count((int64_t)mem_class(new_size) - (block != NULL ? (int64_t)mem_class(old_size) : 0));
    }
    return moved;
}

void mem_free(void *block, size_t size)
{
    if (block != NULL) {
        mem_count(-(int64_t)mem_class(size));
        free(block);
    }
}

void mem_allocator_stats(struct mem_allocator_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    stats->allocated = stats->active = (size_t)mem_used();
    stats->resident = mem_resident();
}

void mem_trim(void)
{
}

void mem_return_pages(void)
{
}

void mem_purge(void)
{
}

const char *mem_allocator_name(void)
{
    return "libc";
}

#endif
