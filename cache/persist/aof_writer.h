/*
 * The writer of the append-only file: a thread that reads the log and writes it to the increment, as it stands in the log's own
 * blocks, with large writes, and syncs it as the policy says. Loops never wait for the disk: they append to the log, and are held
 * up only when the writer falls behind the log's limit. All that came while a sync was under way is written and synced
 * together (group commit).
 *
 * Offsets of the log:
 *
 *   … on the disk │ written, not synced │ in the log │
 *              synced                 written     log_end
 *
 * What is promised is `durable`: offsets before it are read again after a crash. It is `synced`, except while the increment is
 * a temporary file: then what stands there counts only when the base belonging to it is complete (aof_writer_finish).
 *
 * A rewrite changes the increment at the very offset of its cut (aof_writer_switch): what comes before goes to the old file, the
 * rest to a new one, which the manifest names from that moment on. When the base is complete, the manifest is made to name it and
 * that increment alone, and the others are deleted. Every step leaves a set of files that loads completely.
 *
 * A write that fails is tried again every second, from the byte where it stopped. A sync that fails is another matter: the
 * kernel may have dropped the pages, and says so only once. Then nothing of this increment can be relied on, and the writer is
 * broken: it stays so until it is stopped, and a new one begins from a cut.
 *
 * Threads: the thread itself runs what is static in aof_writer.c. The functions below are called by one thread at a time; who
 * calls them owns the set of files between two steps. Fields that others read are atomic.
 */
#ifndef ORDINAL_PERSIST_AOF_WRITER_H
#define ORDINAL_PERSIST_AOF_WRITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "counter.h"
#include "log.h"
#include "persist/aof_set.h"

enum aof_sync { AOF_SYNC_EVERYSEC, AOF_SYNC_ALWAYS, AOF_SYNC_NO };

/* A step that was asked of the thread. */
enum aof_step { AOF_STEP_NONE, AOF_STEP_ASKED, AOF_STEP_DONE, AOF_STEP_FAILED };

/* Called on the writer's thread. */
struct aof_writer_hooks {
    void *context;
    /* Replies may tell of what lies before `offset`. */
    void (*moved)(void *context, uint64_t offset);
    /* The file cannot be written (errno), or can be again (0). */
    void (*health)(void *context, int error);
};

struct aof_writer {
    struct log *log;
    struct log_reader reader;
    struct aof_set *set;
    struct aof_writer_hooks hooks;
    bool running; /* the caller's */
    pthread_t thread;

    /* Settings, live. */
    _Atomic int sync;         /* enum aof_sync */
    _Atomic bool spare_syncs; /* no-appendfsync-on-rewrite, and one is under way */
    _Atomic bool timestamps;  /* a line with the time before the first command of a second */

    /* Steps. What belongs to one is written before it is asked. */
    _Atomic int switching, finishing, stopping; /* enum aof_step */
    uint64_t switch_at, stop_at;
    char base[AOF_FILE_NAME_SIZE];

    /* Of the thread. */
    int fd;
    bool temporary;
    uint64_t at;       /* the next byte of the log to be written */
    uint64_t boundary; /* at == boundary: between two commands */
    uint64_t synced_at;
    int64_t last_sync, retry_at, logged_at; /* ms of clock.h */
    int64_t forgotten; /* bytes of the increment that the kernel need not keep in memory */
    int64_t noted_second;
    char note[48];
    size_t note_len, note_at;

    /* For others. */
    _Atomic uint64_t written, durable;
    _Atomic int error;       /* errno of the last failure, 0: all is well */
    _Atomic bool broken;     /* … and only a new base makes it well again */
    _Atomic int64_t size;    /* bytes of the increment */
    _Atomic int64_t rest;    /* … of the other files of the set */
    _Atomic bool ended;      /* the thread does nothing more */
    _Atomic bool syncing;    /* a sync is under way */
    _Atomic int64_t delayed; /* syncs that took so long that writing stood still (aof_delayed_fsync) */
};

/* Once, before anything else. */
void aof_writer_init(struct aof_writer *w, struct log *log, struct aof_set *set,
                     const struct aof_writer_hooks *hooks);

/* Begins to write at offset `at` of the log into an increment: fd, of `size` bytes, which is the writer's from here on; `rest`
 * bytes are in the other files. Alone (log_reader_open). False, with errno set and fd still the caller's: no thread. */
bool aof_writer_start(struct aof_writer *w, uint64_t at, int fd, bool temporary, int64_t size, int64_t rest);

/* Asks for a new increment from offset `at` on, which is log_end at a cut: alone. w->switching tells when it is done, or that it
 * failed, and everything goes on into the old one. */
void aof_writer_switch(struct aof_writer *w, uint64_t at);

/* Asks for the base with this name to be made the set's, with the present increment behind it; after a switch, or for
 * a temporary increment, which gets its name by it. w->finishing tells when it is done. */
void aof_writer_finish(struct aof_writer *w, const char *base);

/* Writes what the log has before `until`, syncs it, closes, and ends the thread; returns then. A disk that fails is not waited for.
 * True when all of it is on the disk. Alone, or when no loop runs any more. */
bool aof_writer_stop(struct aof_writer *w, uint64_t until);

/* The first half of it: returns at once. When it has ended, aof_writer_stop returns soon. */
void aof_writer_ask_stop(struct aof_writer *w, uint64_t until);
bool aof_writer_has_ended(const struct aof_writer *w);

/* Settings have changed. */
void aof_writer_poke(struct aof_writer *w);

#endif
