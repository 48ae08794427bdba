#include "store/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

/* Values up to this size are freed at once: less than a hand-over costs. */
enum { LARGE_VALUE = 64 * 1024 };

enum {
    RETURN_PAGES_MS = 500, /* how often free pages go back to the system */
    LOW_PRIORITY = 10      /* `nice`: a tenth of a loop's share of a core that both want */
};

/*
 * The kernel lets a thread that has a core keep it for a slice of up to 4 ms (the tick), whoever wakes meanwhile and whatever
 * its priority: a loop on the same core stood still for so long whenever the reaper had begun to run. So it works for 100 us
 * and sleeps. What it cannot choose is when it gets the core back: on one that a loop keeps busy it waits a slice of the
 * loop's each time, and works the longer then, up to WORK_MOST_NS, so that memory comes back under load as well.
 */
enum { WORK_NS = 100 * 1000, WORK_MOST_NS = 500 * 1000, REST_NS = 50 * 1000, WAIT_FOR_WORK = 8 };

/* Of the reaper's thread: since when it works, and for how long it may. 0: not the reaper's thread. */
static _Thread_local uint64_t work_began;
static uint64_t work_ns;

struct job {
    struct job *next;
    struct shard *shards;
    size_t count;
    struct entry *entry;
};

static struct {
    pthread_t thread;
    pthread_mutex_t lock; /* guards first, last; `running` changes while no loop runs */
    pthread_cond_t work, done;
    struct job *first, **last;
    bool running;
    _Atomic bool stopping;
    _Atomic uint64_t pending, freed;
} reaper = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &reaper.first};

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void reaper_rest(void)
{
    if (work_began == 0 || atomic_load_explicit(&reaper.stopping, memory_order_relaxed)) {
        return;
    }
    uint64_t now = monotonic_ns();
    if (now - work_began < work_ns) {
        return;
    }
    struct timespec rest = {0, REST_NS};
    nanosleep(&rest, NULL);
    work_began = monotonic_ns();
    uint64_t earned = (work_began - now) / WAIT_FOR_WORK;
    work_ns = earned < WORK_NS ? WORK_NS : earned < WORK_MOST_NS ? earned : WORK_MOST_NS;
}

static void run(const struct job *job)
{
    if (job->entry != NULL) {
        entry_free(job->entry);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        shard_clear(&job->shards[i]);
        reaper_rest();
    }
    mem_free(job->shards, job->count * sizeof *job->shards);
}

static struct timespec in_ms(unsigned ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void *reap(void *unused)
{
    (void)unused;
    mem_thread_init();
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY); /* of this thread alone */
    pthread_mutex_lock(&reaper.lock);
    while (!reaper.stopping || reaper.first != NULL) {
        struct job *job = reaper.first;
        if (job == NULL) {
            struct timespec until = in_ms(RETURN_PAGES_MS);
            if (pthread_cond_timedwait(&reaper.work, &reaper.lock, &until) == ETIMEDOUT) {
                pthread_mutex_unlock(&reaper.lock);
                mem_return_pages();
                pthread_mutex_lock(&reaper.lock);
            }
            continue;
        }
        reaper.first = job->next;
        if (reaper.first == NULL) {
            reaper.last = &reaper.first;
        }
        pthread_mutex_unlock(&reaper.lock);
        work_began = monotonic_ns();
        work_ns = WORK_NS;
        run(job);
        mem_free(job, sizeof *job);
        atomic_fetch_sub(&reaper.pending, 1);
        atomic_fetch_add(&reaper.freed, 1);
        pthread_mutex_lock(&reaper.lock);
        pthread_cond_broadcast(&reaper.done);
    }
    pthread_mutex_unlock(&reaper.lock);
    return NULL;
}

void reaper_start(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&reaper.work, &attributes);
    pthread_cond_init(&reaper.done, &attributes);
    reaper.stopping = false;
    if (pthread_create(&reaper.thread, NULL, reap, NULL) != 0) {
        perror("ordinal: cannot start the reaper's thread");
        exit(1);
    }
    pthread_setname_np(reaper.thread, "reaper");
    reaper.running = true;
}

void reaper_stop(void)
{
    pthread_mutex_lock(&reaper.lock);
    reaper.stopping = true;
    reaper.running = false;
    pthread_cond_signal(&reaper.work);
    pthread_mutex_unlock(&reaper.lock);
    pthread_join(reaper.thread, NULL);
}

/* Hands a job to the thread. Where there is no thread (unit tests) or no memory for the job, it is done
 * here. */
static void submit(struct job job)
{
    struct job *queued = reaper.running ? mem_alloc(sizeof *queued) : NULL;
    if (queued == NULL) {
        run(&job);
        return;
    }
    *queued = job;
    atomic_fetch_add(&reaper.pending, 1);
    pthread_mutex_lock(&reaper.lock);
    *reaper.last = queued;
    reaper.last = &queued->next;
    pthread_cond_signal(&reaper.work);
    pthread_mutex_unlock(&reaper.lock);
}

void reaper_free_shards(struct shard *shards, size_t count)
{
    submit((struct job){.shards = shards, .count = count});
}

void reaper_free_entry(struct entry *e)
{
    if (work_began != 0 || entry_form(e) == FORM_INLINE || entry_memory(e) < LARGE_VALUE) {
        entry_free(e);
        return;
    }
    submit((struct job){.entry = e});
}

uint64_t reaper_pending(void)
{
    return atomic_load(&reaper.pending);
}

uint64_t reaper_freed(void)
{
    return atomic_load(&reaper.freed);
}

void reaper_wait(unsigned ms)
{
    struct timespec until = in_ms(ms);
    pthread_mutex_lock(&reaper.lock);
    if (reaper.first != NULL || atomic_load(&reaper.pending) > 0) {
        pthread_cond_timedwait(&reaper.done, &reaper.lock, &until);
    }
    pthread_mutex_unlock(&reaper.lock);
}
