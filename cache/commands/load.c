#include "commands/load.h"

#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "commands/aof.h"
#include "commands/load_aof.h"
#include "commands/load_rdb.h"
#include "commands/refusing.h"
#include "logger.h"
#include "memory.h"

enum { TELL_MS = 5000, STOP_MS = 1000 };

/* What is loaded at start; NULL: there is nothing. */
static const struct load_kind *find_kind(const struct server *server)
{
    bool appendonly = server->config->appendonly;
    if (appendonly && load_kind_aof.exists(server)) {
        return &load_kind_aof;
    }
    const struct load_kind *kind = appendonly ? &load_kind_first_base : &load_kind_rdb;
    return kind->exists(server) ? kind : NULL;
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

void load_enter(struct loading *loading)
{
    struct gate *gate = &loading->server->gate;
    gate_enter(gate, gate_number(gate, GATE_PLAYER));
}

void load_leave(struct loading *loading)
{
    struct gate *gate = &loading->server->gate;
    gate_leave_guest(gate, GATE_PLAYER);
}

static void tell_progress(const struct loading *loading)
{
    const struct rdb_load_progress *progress = &loading->progress;
    double total = (double)atomic_load_explicit(&progress->total, memory_order_relaxed);
    double bytes = (double)atomic_load_explicit(&progress->bytes, memory_order_relaxed);
    unsigned long long keys = atomic_load_explicit(&progress->loaded, memory_order_relaxed);
    logger_notice("Loading %s: %.1f of %.1f MB (%.1f %%), %llu keys", loading->kind->name, bytes / 1e6,
                  total / 1e6, total > 0 ? 100 * bytes / total : 0, keys);
}

bool load_goes_on(struct loading *loading)
{
    int64_t now = clock_now();
    if (now - loading->told >= TELL_MS) {
        loading->told = now;
        tell_progress(loading);
    }
    return !atomic_load_explicit(&loading->stop, memory_order_relaxed);
}

/* Loop 0: brings gate and settings to what they are without the loading thread. */
static void leave_gate(struct server *server)
{
    gate_enter(&server->gate, 0);
    gate_alone(&server->gate, 0);
    server->loading->reader = server;
    gate_dismiss(&server->gate, 0);
    gate_together(&server->gate, 0);
    gate_leave(&server->gate, 0);
}

/* Loop 0: whether what is loaded can be kept from here on, where an append-only file is asked for. */
static bool begin_keeping(struct server *server)
{
    gate_enter(&server->gate, 0);
    gate_alone(&server->gate, 0);
    bool good = aof_begin(server);
    gate_together(&server->gate, 0);
    gate_leave(&server->gate, 0);
    return good;
}

static void end_badly(struct server *server)
{
    server->loading->exit_status = 1;
    server_stop(server);
}

/* The history goes on where the snapshot was made. An append-only file is not exact about where it ends. */
static void take_up_history(struct server *server)
{
    struct loading *loading = server->loading;
    gate_enter(&server->gate, 0);
    gate_alone(&server->gate, 0);
    if (loading->kind == &load_kind_rdb && loading->history.id[0] != '\0' && loading->history.offset >= 0) {
        history_resume(server, &loading->history);
    } else {
        loading->history = (struct history_mark){.offset = -1};
    }
    if (server->above.loaded != NULL) {
        server->above.loaded(server);
    }
    gate_together(&server->gate, 0);
    gate_leave(&server->gate, 0);
}

static void begin_serving(struct server *server)
{
    struct loading *loading = server->loading;
    if (!begin_keeping(server)) {
        end_badly(server);
        return;
    }
    double seconds = (double)(clock_now() - loading->began) / 1000;
    if (loading->end == LOAD_DONE) {
        logger_notice("DB loaded from %s: %.3f seconds",
                      loading->kind == &load_kind_aof ? "append only file" : "disk", seconds);
    }
    server->workers[0].dirty += loading->changes;
    take_up_history(server);
    refusing_clear(server, REFUSING_LOADING);
    logger_notice("Ready to accept connections on port %d", server->net.port);
}

/* Loop 0: the loading thread has ended, or is about to. */
static void on_loaded(struct loop *loop, void *argument)
{
    struct server *server = argument;
    struct loading *loading = server->loading;
    (void)loop;
    pthread_join(loading->thread, NULL);
    loading->started = false;
    leave_gate(server);
    atomic_store_explicit(&loading->active, false, memory_order_relaxed);
    switch (loading->end) {
    case LOAD_DONE:
    case LOAD_NOTHING: begin_serving(server); break;
    case LOAD_FAILED: end_badly(server); break;
    case LOAD_STOPPED: break;
    }
}

static void *run_thread(void *argument)
{
    struct loading *loading = argument;
    mem_thread_init();
    loading->end = loading->kind->run(loading);
    loop_post_lent(&loading->server->net.loops[0], &loading->done, on_loaded, loading->server);
    return NULL;
}

/* ---- start and stop --------------------------------------------------------------------------------------------- */

void load_init(struct server *server)
{
    server->loading = mem_must(sizeof *server->loading);
    memset(server->loading, 0, sizeof *server->loading);
    server->loading->server = server;
    server->loading->reader = server;
}

/* A server that has no more than what values are read by, and nobody changes. */
static struct server *new_copy(const struct server *server)
{
    struct server *copy = mem_must(sizeof *copy);
    memset(copy, 0, sizeof *copy);
    copy->config = mem_must(sizeof *copy->config);
    memcpy(copy->keyspace.secret, server->keyspace.secret, sizeof copy->keyspace.secret);
    return copy;
}

/* What is loaded is read by the settings of now. */
static void copy_settings(const struct server *server)
{
    struct loading *loading = server->loading;
    if (loading->copy == NULL) {
        loading->copy = new_copy(server);
    }
    *loading->copy->config = *server->config;
    loading->copy->access = server->access;
    loading->reader = loading->copy;
}

static void note_beginning(struct loading *loading, const struct load_kind *kind)
{
    loading->kind = kind;
    loading->began_wall = clock_wall_us() / 1000000;
    loading->began = loading->told = clock_now();
}

/* No loop runs yet, so this is alone; it does what loop 0 would do. */
static void join_gate(struct server *server)
{
    gate_enter(&server->gate, 0);
    gate_alone(&server->gate, 0);
    gate_admit(&server->gate);
    gate_together(&server->gate, 0);
    gate_leave(&server->gate, 0);
}

void load_start(struct server *server)
{
    struct loading *loading = server->loading;
    const struct load_kind *kind = find_kind(server);
    if (kind == NULL) {
        if (!aof_begin(server)) {
            logger_warning("Failed to start: the append-only file cannot be written");
            exit(1);
        }
        take_up_history(server);
        return;
    }
    copy_settings(server);
    note_beginning(loading, kind);
    refusing_set(server, REFUSING_LOADING);
    join_gate(server);
    atomic_store(&loading->active, true);
    if (pthread_create(&loading->thread, NULL, run_thread, loading) != 0) {
        logger_warning("Failed to start: no thread can be made to load %s", loading->kind->name);
        exit(1);
    }
    loading->started = true;
}

void load_begin(struct server *server, bool beside)
{
    static const struct load_kind kind = {.name = "the master's snapshot"};
    copy_settings(server);
    note_beginning(server->loading, &kind);
    memset(&server->loading->progress, 0, sizeof server->loading->progress);
    server->loading->beside = beside;
    if (!beside) {
        refusing_set(server, REFUSING_LOADING);
    }
    atomic_store(&server->loading->active, true);
}

void load_end(struct server *server)
{
    server->loading->reader = server;
    server->loading->beside = false;
    atomic_store(&server->loading->active, false);
    refusing_clear(server, REFUSING_LOADING);
}

bool load_stop(struct server *server)
{
    struct loading *loading = server->loading;
    struct timespec until;
    atomic_store(&loading->stop, true);
    if (!loading->started) {
        return true;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_MS / 1000;
    return pthread_timedjoin_np(loading->thread, NULL, &until) == 0;
}

int load_exit_status(const struct server *server)
{
    return server->loading->exit_status;
}
