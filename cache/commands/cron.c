#include "commands/cron.h"

#include "clock.h"
#include "commands/latency.h"
#include "commands/pause.h"
#include "memory.h"

enum {
    TICK_MS = 50,
    TICKS_A_PASS = 5,    /* all shards are looked at every 250 ms */
    BUDGET_NS = 1000000, /* for one tick */
    BUSY_TICK_MS = 1,    /* until the next one when the budget was used up */
    CALIBRATE_TICKS = 64
};

static _Atomic bool sweeping = true;

void cron_set_sweeping(bool on)
{
    atomic_store(&sweeping, on);
}

/* Sweeps shard `index` of every database. */
static void sweep_shard(struct worker *w, uint32_t index, int64_t now)
{
    struct keyspace *ks = &w->server->keyspace;
    for (int i = 0; i < ks->count; i++) {
        w->store.expired += db_sweep(&ks->dbs[i], index, now);
    }
}

/* Sweeps up to a fifth of the worker's share. False when the budget ended first. */
static bool sweep(struct worker *w)
{
    uint32_t loops = (uint32_t)w->server->net.count;
    uint32_t due = SHARDS / TICKS_A_PASS / loops + 1;
    uint64_t began = clock_ticks();
    int64_t now = clock_now();
    for (uint32_t i = 0; i < due; i++) {
        sweep_shard(w, w->sweep_at, now);
        w->sweep_at += loops;
        if (w->sweep_at >= SHARDS) {
            w->sweep_at = (uint32_t)w->loop->index;
        }
        if ((i & 7) == 7 && clock_ticks_ns(clock_ticks() - began) > BUDGET_NS) {
            latency_note(w->server, "expire-cycle", clock_ticks() - began);
            return false;
        }
    }
    return true;
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    struct server *server = w->server;
    bool done = true;
    if (atomic_load_explicit(&sweeping, memory_order_relaxed)) {
        gate_enter(&server->gate, w->loop->index);
        done = sweep(w);
        gate_leave(&server->gate, w->loop->index);
    }
    uv_timer_start(timer, on_tick, done ? TICK_MS : BUSY_TICK_MS, 0);
    pause_check(w);
    if (w->loop->index == 0) {
        mem_sample_peak();
        if (++w->ticks % CALIBRATE_TICKS == 0) {
            clock_calibrate();
        }
    }
}

void cron_start(struct worker *w)
{
    w->sweep_at = (uint32_t)w->loop->index;
    uv_timer_init(&w->loop->uv, &w->cron);
    w->cron.data = w;
    uv_timer_start(&w->cron, on_tick, TICK_MS, 0);
}
