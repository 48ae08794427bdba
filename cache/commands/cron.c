#include "commands/cron.h"

#include "clock.h"
#include "commands/aof.h"
#include "commands/dispatch.h"
#include "commands/latency.h"
#include "commands/pause.h"
#include "commands/refusing.h"
#include "commands/saving.h"
#include "commands/shutdown.h"
#include "commands/tracking.h"
#include "memory.h"

enum {
    TICK_MS = 50,
    TICKS_A_PASS = 5,   /* all shards are looked at every 250 ms */
    BUDGET_NS = 500000, /* for one tick */
    BUSY_TICK_MS = 1, /* until the next one when the budget was used up: the loop serves for about as long */
    TRIM_AFTER = 10000, /* entries freed: their last blocks in the thread's cache hold megabytes of pages */
    CALIBRATE_TICKS = 64
};

static _Atomic bool sweeping = true;
static _Atomic bool paused;

void cron_set_paused(bool on)
{
    atomic_store(&paused, on);
}

void cron_set_sweeping(bool on)
{
    atomic_store(&sweeping, on);
}

/* Sweeps shard `index` of every database. False when there is more to do in one of them. */
static bool sweep_shard(struct worker *w, uint32_t index, int64_t now)
{
    struct keyspace *ks = &w->server->keyspace;
    bool done = true;
    for (int i = 0; i < ks->count; i++) {
        bool more;
        db_sweep(&ks->dbs[i], index, now, &w->store, &more);
        done = done && !more;
    }
    return done;
}

/* Notes how long the sweep of the whole share took that ends here. */
static void end_pass(struct worker *w, int64_t now)
{
    uint64_t expired = w->store.expired + w->store.expired_parts;
    if (expired == w->expired_at_pass &&
        expired - w->trimmed_at >= TRIM_AFTER) { /* a wave of deadlines has passed */
        mem_trim();
        w->trimmed_at = expired;
    }
    w->expired_at_pass = expired;
    w->pass_ms = now - w->pass_began;
    w->pass_began = now;
    w->sweep_at = (uint32_t)w->loop->index;
}

/* Sweeps up to a fifth of the worker's share. False when the budget ended first. */
static bool sweep(struct worker *w)
{
    uint32_t loops = (uint32_t)w->server->net.count;
    uint32_t due = SHARDS / TICKS_A_PASS / loops + 1;
    uint64_t began = clock_ticks();
    int64_t now = clock_now();
    bool done = true;
    for (uint32_t i = 0; i < due && done;) {
        if (sweep_shard(w, w->sweep_at, now)) {
            i++;
            w->sweep_at += loops;
            if (w->sweep_at >= SHARDS) {
                end_pass(w, now);
            }
        }
        done = clock_ticks_ns(clock_ticks() - began) <= BUDGET_NS;
    }
    uint64_t took = clock_ticks() - began;
    w->sweep_ticks += took;
    if (!done) {
        w->sweeps_cut++;
        latency_note(w->server, "expire-cycle", took);
    }
    return done;
}

/* What a tick does inside the gate. False when the sweep has to go on soon. */
static bool tick(struct worker *w)
{
    bool done =
        !atomic_load_explicit(&sweeping, memory_order_relaxed) || refusing_is_loading(w->server) || sweep(w);
    int64_t now = clock_now();
    uint64_t evicted = w->limits.evicted;
    if (now - w->limits_checked >= TICK_MS - 5) {
        w->limits_checked = now;
        client_limits_tick(w);
    }
    if (w->loop->index == 0) {
        tracking_limit_keys(w);
        if (evicted ==
            w->limits.evicted) { /* else memory is about to fall free, and no key has to go for it */
            dispatch_make_room(w->loop, 0); /* a lowered limit is worked off though nobody writes */
        }
        stats_sample(w->server);
    }
    return done;
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    struct server *server = w->server;
    bool done = true;
    if (!atomic_load_explicit(&paused, memory_order_relaxed)) {
        gate_enter(&server->gate, w->loop->index);
        done = tick(w);
        gate_leave(&server->gate, w->loop->index);
    }
    if (!done) { /* the loop's own time is that of before the sweep: by it, the next one would be due now */
        uv_update_time(timer->loop);
    }
    uv_timer_start(timer, on_tick, done ? TICK_MS : BUSY_TICK_MS, 0);
    pause_check(w);
    if (server->above.tick != NULL) {
        server->above.tick(w);
    }
    counter_set(&w->dirty_seen, (int64_t)w->dirty);
    if (w->loop->index == 0) {
        saving_cron(server);
        gate_enter(&server->gate, 0);
        aof_tick(w);
        gate_leave(&server->gate, 0);
        shutdown_tick(server);
        mem_sample_peak();
        clock_look_at_wall();
        if (++w->ticks % CALIBRATE_TICKS == 0) {
            clock_calibrate();
        }
    }
}

void cron_start(struct worker *w)
{
    w->sweep_at = (uint32_t)w->loop->index;
    w->pass_began = clock_now();
    if (w->loop->index == 0) {
        stats_start(w->server);
    }
    uv_timer_init(&w->loop->uv, &w->cron);
    w->cron.data = w;
    uv_timer_start(&w->cron, on_tick, TICK_MS, 0);
}
