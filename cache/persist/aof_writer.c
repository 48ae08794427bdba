#include "persist/aof_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "logger.h"
#include "memory.h"
#include "persist/disk.h"

enum {
    RUNS = 32,      /* of the log's blocks in one write */
    GATHER_MS = 10, /* unless every reply waits for it: what comes in so long is written together … */
    GATHER_MOST = 4 << 20, /* … or so many bytes */
    IDLE_MS = 100,         /* a sleep, at most */
    SYNC_EVERY_MS = 1000,  /* everysec */
    SLOW_SYNC_MS = 2000,   /* one that counts as delayed */
    RETRY_MS = 1000,       /* after an error */
    LOG_EVERY_MS = 30000,  /* the same error is told so often */
    FORGET_BYTES = 1 << 20 /* page cache is given back in pieces of this size */
};

/* ---- errors ------------------------------------------------------------------------------------------ */

static void set_error(struct aof_writer *w, int error)
{
    if (atomic_exchange(&w->error, error) != error) {
        w->logged_at = 0;
        w->hooks.health(w->hooks.context, error);
    }
}

static void tell(struct aof_writer *w, const char *what, int error)
{
    int64_t now = clock_now();
    if (w->logged_at == 0 || now - w->logged_at >= LOG_EVERY_MS) {
        w->logged_at = now;
        logger_warning("Error %s the AOF file: %s", what, strerror(error));
    }
}

/* A write failed: it is tried again. */
static void note_failure(struct aof_writer *w, int error)
{
    set_error(w, error);
    tell(w, "writing to", error);
    w->retry_at = clock_now() + RETRY_MS;
}

/* What was written may not be there: only a new base helps. The log goes on without being kept for this reader. */
static void break_down(struct aof_writer *w, const char *what, int error)
{
    set_error(w, error);
    tell(w, what, error);
    log_reader_claim(w->log, &w->reader, LOG_PASSES);
    atomic_store(&w->broken, true);
}

static void recover(struct aof_writer *w)
{
    if (atomic_load_explicit(&w->error, memory_order_relaxed) != 0) {
        set_error(w, 0);
        logger_warning("The AOF file can be written again: writes are accepted");
    }
}

/* ---- writing ----------------------------------------------------------------------------------------- */

/* At the first command of a second: a line that redis-check-aof can cut the file at. */
static void note_time(struct aof_writer *w)
{
    int64_t second = clock_wall_us() / 1000000;
    if (w->note_at == w->note_len && w->at == w->boundary && second != w->noted_second &&
        atomic_load_explicit(&w->timestamps, memory_order_relaxed)) {
        w->noted_second = second;
        w->note_at = 0;
        w->note_len = (size_t)snprintf(w->note, sizeof w->note, "#TS:%lld\r\n", (long long)second);
    }
}

static bool write_note(struct aof_writer *w)
{
    while (w->note_at < w->note_len) {
        ssize_t written = disk_write(DISK_AOF_WRITE, w->fd, w->note + w->note_at, w->note_len - w->note_at);
        if (written < 0) {
            return false;
        }
        w->note_at += (size_t)written;
        w->size += written;
    }
    return true;
}

/* Writes the next blocks. Negative: an error; 0: the log has lost them. */
static ssize_t write_blocks(struct aof_writer *w, uint64_t until)
{
    struct slice blocks[RUNS];
    struct iovec runs[RUNS];
    int count = log_reader_peek(w->log, &w->reader, until, blocks, RUNS);
    if (count <= 0) {
        return 0;
    }
    for (int i = 0; i < count; i++) {
        runs[i] = (struct iovec){(void *)blocks[i].ptr, blocks[i].len};
    }
    ssize_t written = disk_writev(DISK_AOF_WRITE, w->fd, runs, count);
    if (written > 0) {
        w->at += (uint64_t)written;
        w->size += written;
        log_reader_advance(w->log, &w->reader, w->at);
        atomic_store_explicit(&w->written, w->at, memory_order_relaxed);
    } else if (written == 0) {
        errno = ENOSPC;
    }
    return written > 0 ? written : -1;
}

/*
 * Up to where may be written now. The log's end is read before the step: if none is asked for then, the cut comes after that
 * end; if there was one before, it is seen.
 */
static uint64_t writable(const struct aof_writer *w)
{
    uint64_t end = log_readable(w->log);
    if (atomic_load(&w->switching) == AOF_STEP_ASKED && end > w->switch_at) {
        end = w->switch_at;
    }
    if (atomic_load(&w->stopping) == AOF_STEP_ASKED && end > w->stop_at) {
        end = w->stop_at;
    }
    return end;
}

/* Writes what there is. False when there was nothing, or it cannot be written. */
static bool write_on(struct aof_writer *w)
{
    uint64_t until = writable(w);
    if (w->at >= until) {
        return false;
    }
    note_time(w);
    w->boundary = until;
    bool good = write_note(w);
    while (good && w->at < until) {
        ssize_t written = write_blocks(w, until);
        if (written == 0) {
            break_down(w, "reading what belongs into", ENOMEM);
            return false;
        }
        good = written > 0;
    }
    if (!good) {
        note_failure(w, errno);
    }
    return good;
}

/* ---- syncing ----------------------------------------------------------------------------------------- */

static void set_durable(struct aof_writer *w, uint64_t offset)
{
    atomic_store(&w->durable, offset);
    w->hooks.moved(w->hooks.context, offset);
}

/* What is on the disk is not read again before the next start. Its pages serve for what is written next: pages that the kernel has had in
 * use are cheaper than those that it must find, several times so where a hypervisor has to find them first. */
static void forget_synced(struct aof_writer *w)
{
    int64_t size = atomic_load_explicit(&w->size, memory_order_relaxed);
    if (size - w->forgotten >= FORGET_BYTES) {
        disk_forget(w->fd, w->forgotten, size - w->forgotten);
        w->forgotten = size / FORGET_BYTES * FORGET_BYTES;
    }
}

static bool sync_now(struct aof_writer *w)
{
    int64_t began = clock_now();
    uint64_t reached = w->at;
    atomic_store_explicit(&w->syncing, true, memory_order_relaxed);
    bool synced = disk_sync(DISK_AOF_SYNC, w->fd);
    int error = errno;
    atomic_store_explicit(&w->syncing, false, memory_order_relaxed);
    w->last_sync = clock_now();
    if (w->last_sync - began >= SLOW_SYNC_MS) {
        atomic_fetch_add_explicit(&w->delayed, 1, memory_order_relaxed);
    }
    if (!synced) {
        break_down(w, "syncing", error);
        return false;
    }
    w->synced_at = reached;
    if (!w->temporary) {
        set_durable(w, reached);
    }
    forget_synced(w);
    return true;
}

/* Syncs when that is due. False when it failed. */
static bool sync_if_due(struct aof_writer *w)
{
    int policy = atomic_load_explicit(&w->sync, memory_order_relaxed);
    if (w->at == w->synced_at || policy == AOF_SYNC_NO) {
        return true;
    }
    if (atomic_load_explicit(&w->spare_syncs, memory_order_relaxed)) {
        if (!w->temporary) { /* who chose so is content with what is written */
            w->hooks.moved(w->hooks.context, w->at);
        }
        return true;
    }
    if (policy == AOF_SYNC_EVERYSEC && clock_now() - w->last_sync < SYNC_EVERY_MS) {
        return true;
    }
    return sync_now(w);
}

/* ---- steps of a rewrite ------------------------------------------------------------------------------ */

static bool change_increment(struct aof_writer *w)
{
    int fd;
    if (w->at != w->synced_at && !sync_now(w)) {
        return false;
    }
    if (!aof_set_add_increment(w->set, &fd)) {
        logger_warning("A rewrite of the AOF cannot begin a new file: %s", strerror(errno));
        return false;
    }
    close(w->fd);
    w->fd = fd;
    w->rest += w->size;
    w->size = 0;
    w->forgotten = 0;
    w->noted_second = 0;
    return true;
}

static bool install_base(struct aof_writer *w)
{
    int64_t base_size;
    if (w->at != w->synced_at && !sync_now(w)) {
        aof_set_doubt(w->set, w->base);
        return false;
    }
    if (!aof_set_install(w->set, w->base, w->temporary ? AOF_BEHIND_TEMPORARY : AOF_BEHIND_LAST,
                         &base_size)) {
        logger_warning("The rewritten AOF cannot take the place of the old one: %s", strerror(errno));
        return false;
    }
    w->rest = base_size;
    if (w->temporary) {
        w->temporary = false;
        set_durable(w, w->synced_at);
    }
    return true;
}

static void take_steps(struct aof_writer *w)
{
    if (atomic_load(&w->switching) == AOF_STEP_ASKED && w->at == w->switch_at) {
        atomic_store(&w->switching, change_increment(w) ? AOF_STEP_DONE : AOF_STEP_FAILED);
    }
    if (atomic_load(&w->finishing) == AOF_STEP_ASKED && atomic_load(&w->switching) != AOF_STEP_ASKED) {
        atomic_store(&w->finishing, install_base(w) ? AOF_STEP_DONE : AOF_STEP_FAILED);
    }
}

/* Nothing more is done for anybody. */
static void refuse_steps(struct aof_writer *w)
{
    int asked = AOF_STEP_ASKED;
    atomic_compare_exchange_strong(&w->switching, &asked, AOF_STEP_FAILED);
    if (atomic_load(&w->finishing) == AOF_STEP_ASKED) {
        aof_set_doubt(w->set, w->base);
        atomic_store(&w->finishing, AOF_STEP_FAILED);
    }
}

/* ---- the thread -------------------------------------------------------------------------------------- */

static int64_t until_sync(const struct aof_writer *w)
{
    int64_t left = w->last_sync + SYNC_EVERY_MS - clock_now();
    return left < 1 ? 1 : left < IDLE_MS ? left : IDLE_MS;
}

/* Until something is to be done. While what comes is gathered, or nothing can be done, appending to the log wakes nobody. */
static void rest_a_while(struct aof_writer *w, bool wrote)
{
    int policy = atomic_load_explicit(&w->sync, memory_order_relaxed);
    if (atomic_load_explicit(&w->error, memory_order_relaxed) != 0) {
        log_reader_wait_until(w->log, &w->reader, LOG_ALL, IDLE_MS);
    } else if (!wrote) {
        bool waits = policy == AOF_SYNC_EVERYSEC && w->at != w->synced_at;
        log_reader_wait(w->log, &w->reader, waits ? until_sync(w) : IDLE_MS);
    } else if (policy != AOF_SYNC_ALWAYS) {
        log_reader_wait_until(w->log, &w->reader, w->at + GATHER_MOST, GATHER_MS);
    }
}

/* Whether the thread is to end, and there is nothing that it still can do: a disk that fails is not waited for. */
static bool is_over(const struct aof_writer *w)
{
    return atomic_load(&w->stopping) == AOF_STEP_ASKED &&
           (atomic_load(&w->error) != 0 || w->at >= w->stop_at);
}

/* One round: what there is, and what is asked for. Returns whether something was written. */
static bool work(struct aof_writer *w)
{
    bool wrote = write_on(w);
    if (!wrote && w->at < writable(w)) { /* the disk fails, or more has come */
        return false;
    }
    take_steps(w);
    if (!atomic_load(&w->broken) && sync_if_due(w)) {
        recover(w);
    }
    return wrote;
}

static void *run(void *argument)
{
    struct aof_writer *w = argument;
    mem_thread_init();
    while (!is_over(w)) {
        bool wrote = false;
        bool fails = atomic_load(&w->error) != 0;
        if (atomic_load(&w->broken)) {
            refuse_steps(w);
        } else if (fails && atomic_load(&w->log->crowded)) { /* loops must not wait for a disk that fails */
            break_down(w, "catching up with", atomic_load(&w->error));
        } else if (!fails || clock_now() >= w->retry_at) {
            wrote = work(w);
        }
        rest_a_while(w, wrote);
    }
    refuse_steps(w);
    if (atomic_load(&w->error) == 0 && w->at != w->synced_at) {
        sync_now(w);
    }
    log_reader_claim(w->log, &w->reader, LOG_PASSES);
    atomic_store(&w->ended, true);
    return NULL;
}

void aof_writer_init(struct aof_writer *w, struct log *log, struct aof_set *set,
                     const struct aof_writer_hooks *hooks)
{
    memset(w, 0, sizeof *w);
    w->log = log;
    w->set = set;
    w->hooks = *hooks;
    w->fd = -1;
}

static void begin_at(struct aof_writer *w, uint64_t at, int fd, bool temporary)
{
    w->fd = fd;
    w->temporary = temporary;
    w->at = w->boundary = w->synced_at = at;
    w->last_sync = clock_now();
    w->retry_at = w->logged_at = w->noted_second = 0;
    w->note_at = w->note_len = 0;
    w->switching = w->finishing = w->stopping = AOF_STEP_NONE;
    w->written = at;
    w->broken = w->ended = false;
    if (!temporary) {
        w->durable = at;
    }
}

bool aof_writer_start(struct aof_writer *w, uint64_t at, int fd, bool temporary, int64_t size, int64_t rest)
{
    begin_at(w, at, fd, temporary);
    w->error = 0;
    w->size = size;
    w->forgotten = size;
    w->rest = rest;
    if (!log_reader_open(w->log, &w->reader, at, LOG_HOLDS)) {
        errno = ENOMEM;
        return false;
    }
    int error = pthread_create(&w->thread, NULL, run, w);
    if (error != 0) {
        log_reader_close(w->log, &w->reader);
        w->fd = -1;
        errno = error;
        return false;
    }
    pthread_setname_np(w->thread, "aof");
    w->running = true;
    return true;
}

void aof_writer_poke(struct aof_writer *w)
{
    log_reader_wake(w->log, &w->reader);
}

void aof_writer_switch(struct aof_writer *w, uint64_t at)
{
    w->switch_at = at;
    atomic_store(&w->finishing, AOF_STEP_NONE);
    atomic_store(&w->switching, AOF_STEP_ASKED);
    aof_writer_poke(w);
}

void aof_writer_finish(struct aof_writer *w, const char *base)
{
    snprintf(w->base, sizeof w->base, "%s", base);
    atomic_store(&w->finishing, AOF_STEP_ASKED);
    aof_writer_poke(w);
}

void aof_writer_ask_stop(struct aof_writer *w, uint64_t until)
{
    if (atomic_load(&w->stopping) == AOF_STEP_NONE) {
        w->stop_at = until;
        atomic_store(&w->stopping, AOF_STEP_ASKED);
        aof_writer_poke(w);
    }
}

bool aof_writer_has_ended(const struct aof_writer *w)
{
    return atomic_load(&w->ended);
}

bool aof_writer_stop(struct aof_writer *w, uint64_t until)
{
    aof_writer_ask_stop(w, until);
    pthread_join(w->thread, NULL);
    w->running = false;
    log_reader_close(w->log, &w->reader);
    close(w->fd);
    w->fd = -1;
    return w->synced_at >= until;
}
