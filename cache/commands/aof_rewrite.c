/*
 * Rewrites of the append-only file: a snapshot (persist/snapshot.h) becomes the base, and the increment is changed at its cut. What
 * calls for one: BGREWRITEAOF, growth, appendonly being turned on, a file that is not sound any more.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "commands/aof_state.h"
#include "commands/refusing.h"
#include "commands/saving.h"
#include "logger.h"

enum {
    RETRY_FIRST_MS = 1000, /* after a failed base that everything waits for … */
    RETRY_MOST_MS = 8000,  /* … doubled each time, up to this */
    LIMITED_FROM = 3,      /* failures in a row from which other rewrites are limited, as Redis 7 does: */
    LIMITED_FIRST_MS = 60 * 1000,  /* a minute, … */
    LIMITED_MOST_MS = 3600 * 1000, /* … doubled up to an hour */
};

/* ---- the end of a rewrite ---------------------------------------------------------------------------- */

static void end_rewrite(struct aof *aof, bool good)
{
    int64_t now = clock_now();
    aof->stage = STAGE_NONE;
    aof->last_good = good;
    aof->last_seconds = (now - aof->began) / 1000;
    if (good) {
        aof->failures = 0;
        aof->pause = aof->next_try = 0;
        aof->base_size = aof_size(aof);
        return;
    }
    aof->failures++;
    if (aof->state == AOF_WAITING) {
        aof->pause = aof->pause == 0 ? RETRY_FIRST_MS : aof->pause * 2;
        aof->pause = aof->pause < RETRY_MOST_MS ? aof->pause : RETRY_MOST_MS;
        aof->next_try = now + aof->pause;
    } else if (aof->failures >= LIMITED_FROM) {
        aof->pause = aof->pause == 0 ? LIMITED_FIRST_MS : aof->pause * 2;
        aof->pause = aof->pause < LIMITED_MOST_MS ? aof->pause : LIMITED_MOST_MS;
        aof->next_try = now + aof->pause;
        logger_warning("Rewriting the AOF has failed %lld times: the next attempt is in %lld minutes",
                       (long long)aof->failures, (long long)(aof->pause / 60000));
    }
}

/* The base is complete: it takes its place, behind which the writer's thread sees. */
static void install(struct aof *aof)
{
    aof->stage = STAGE_INSTALLING;
    if (aof->state != AOF_OFF) {
        aof_writer_finish(&aof->writer, aof->base);
        return;
    }
    int64_t size; /* BGREWRITEAOF without an append-only file: the base is all there is */
    bool good = aof_set_install(&aof->set, aof->base, AOF_BEHIND_NOTHING, &size);
    if (!good) {
        logger_warning("The rewritten AOF cannot take the place of the old one: %s", strerror(errno));
    }
    end_rewrite(aof, good);
}

static void follow_snapshot(struct aof *aof, enum snapshot_end end, int error)
{
    bool wanted = aof->stage == STAGE_SAVING && !aof->given_up;
    if (!wanted && end == SNAPSHOT_DONE) { /* too late */
        aof_set_remove_base(&aof->set, aof->base);
    }
    if (aof->stage != STAGE_SAVING) { /* nobody waits for it any more */
        return;
    }
    if (aof->given_up) {
        end_rewrite(aof, false);
    } else if (end == SNAPSHOT_DONE) {
        install(aof);
    } else if (end == SNAPSHOT_ABANDONED) { /* by a flush: begun again */
        aof->stage = STAGE_NONE;
        aof->scheduled = true;
    } else {
        logger_warning("The AOF could not be rewritten: %s", strerror(error));
        end_rewrite(aof, false);
    }
}

/* The snapshot is over: on loop 0, alone. */
static void on_saved(void *context, enum snapshot_end end, int error)
{
    struct aof *aof = context;
    follow_snapshot(aof, end, error);
    saving_next(aof->server);
}

/* ---- the base ---------------------------------------------------------------------------------------- */

static bool write_base(void *context, const void *bytes, size_t n)
{
    struct aof *aof = context;
    return rdb_file_write(&aof->file, bytes, n);
}

static bool end_base(void *context, bool complete)
{
    struct aof *aof = context;
    if (complete) {
        return rdb_file_commit(&aof->file);
    }
    rdb_file_discard(&aof->file);
    return true;
}

static bool save_base(struct aof *aof)
{
    struct server *server = aof->server;
    struct snapshot_options options;
    saving_options(server, &options);
    options.sink = (struct snapshot_sink){aof, write_base, end_base};
    options.aof_base = true;
    options.commands = !server->config->aof_use_rdb_preamble;
    options.timestamp = options.commands && server->config->aof_timestamp_enabled;
    aof_set_next_base(&aof->set, options.commands, aof->base, sizeof aof->base);
    if (!rdb_file_open(&aof->file, &rdb_file_base, aof->set.folder, AOF_TEMPORARY_BASE, aof->base)) {
        logger_warning("Can't begin a rewrite of the AOF: %s", strerror(errno));
        return false;
    }
    if (!snapshot_begin(&server->saving->snapshot, &options, on_saved, aof)) {
        logger_warning("Can't begin a rewrite of the AOF: no snapshot can be made");
        rdb_file_discard(&aof->file);
        return false;
    }
    return true;
}

/* ---- a rewrite --------------------------------------------------------------------------------------- */

/* While everything waits for its base, the writer begins anew at each cut, with a file that is named when the base is there. */
static bool begin_temporary(struct aof *aof, uint64_t cut)
{
    int fd;
    aof_join_writer(aof);
    if (!aof_set_open_temporary(&aof->set, &fd)) {
        return false;
    }
    if (!aof_writer_start(&aof->writer, cut, fd, true, 0, 0)) {
        close(fd);
        return false;
    }
    return true;
}

/* Makes the cut. Alone, and no snapshot is under way. */
static bool begin_rewrite(struct aof *aof)
{
    struct server *server = aof->server;
    uint64_t cut = log_end(&server->log);
    int64_t now = clock_now();
    aof->scheduled = false;
    aof->began = now;
    if (!aof_know_set(aof) || !aof_set_make_folder(&aof->set) ||
        (aof->state == AOF_WAITING && !begin_temporary(aof, cut))) {
        logger_warning("Can't begin a rewrite of the AOF: %s", strerror(errno));
        end_rewrite(aof, false);
        return false;
    }
    aof->given_up = false;
    if (!save_base(aof)) {
        end_rewrite(aof, false);
        return false;
    }
    if (aof->state == AOF_ON) {
        log_forget_db(&server->log);
        aof_writer_switch(&aof->writer, cut);
    }
    aof->stage = STAGE_SAVING;
    aof->rewrites++;
    aof_apply_settings(aof);
    logger_notice("Background append only file rewriting started");
    return true;
}

static void follow_save(struct aof *aof)
{
    bool fails = aof->state != AOF_OFF &&
                 (atomic_load(&aof->writer.switching) == AOF_STEP_FAILED || atomic_load(&aof->writer.broken));
    if (fails && !aof->given_up) {
        aof->given_up = true;
        snapshot_abandon(&aof->server->saving->snapshot);
    }
}

static void follow_installation(struct aof *aof)
{
    int finishing = atomic_load(&aof->writer.finishing);
    if (finishing == AOF_STEP_ASKED) {
        return;
    }
    bool good = finishing == AOF_STEP_DONE;
    end_rewrite(aof, good);
    if (good) {
        logger_notice("Background AOF rewrite finished successfully");
        if (aof->state == AOF_WAITING) {
            aof_become_sound(aof);
        }
    }
}

static void follow_rewrite(struct aof *aof)
{
    switch (aof->stage) {
    case STAGE_NONE: break;
    case STAGE_SAVING: follow_save(aof); break;
    case STAGE_INSTALLING: follow_installation(aof); break;
    }
}

static bool has_grown(const struct aof *aof)
{
    const struct config *config = aof->server->config;
    int64_t size = aof_size(aof);
    if (aof->state != AOF_ON || config->auto_aof_rewrite_percentage == 0 ||
        size <= config->auto_aof_rewrite_min_size) {
        return false;
    }
    double base = aof->base_size > 0 ? (double)aof->base_size : 1;
    double growth = (double)size * 100 / base - 100;
    if (growth < config->auto_aof_rewrite_percentage) {
        return false;
    }
    logger_notice("Starting automatic rewriting of AOF on %.0f%% growth", growth);
    return true;
}

/* Whether a rewrite may begin now. One that a flush has ended may not have its new increment yet. */
static bool is_idle(const struct aof *aof)
{
    const struct server *server = aof->server;
    if (aof->state == AOF_ON && atomic_load(&aof->writer.switching) == AOF_STEP_ASKED) {
        return false;
    }
    return aof->stage == STAGE_NONE && !snapshot_running(&server->saving->snapshot) && !server->ending &&
           !atomic_load(&server->stopping) && (atomic_load(&server->refusing) & REFUSING_LOADING) == 0;
}

/* Whether the writer of an earlier attempt, which may hang at the disk, is out of the way. */
static bool is_free(struct aof *aof)
{
    if (aof->state == AOF_ON || !aof->writer.running) {
        return true;
    }
    aof_writer_ask_stop(&aof->writer, 0);
    return aof_writer_has_ended(&aof->writer);
}

static bool wants_rewrite(struct aof *aof)
{
    return is_idle(aof) && clock_now() >= aof->next_try &&
           (aof->scheduled || aof->state == AOF_WAITING || has_grown(aof)) && is_free(aof);
}

/* What is on the disk cannot be relied on any more. */
static void begin_mending(struct aof *aof)
{
    atomic_store(&aof->mending, true);
    aof->state = AOF_WAITING;
    aof->pause = aof->next_try = 0;
    logger_warning("The AOF is not sound any more: it is begun anew, and writes are refused until then");
}

static void follow_end(struct worker *w)
{
    struct aof *aof = w->server->aof;
    if (aof_is_ending(aof) && aof_writer_has_ended(&aof->writer)) {
        gate_alone(&w->server->gate, w->loop->index);
        if (aof_is_ending(aof)) {
            aof_end_off(aof);
        }
        gate_together(&w->server->gate, w->loop->index);
    }
}

void aof_tick(struct worker *w)
{
    struct aof *aof = w->server->aof;
    follow_rewrite(aof);
    follow_end(w);
    if (aof->state == AOF_ON && atomic_load(&aof->writer.broken) && aof->stage == STAGE_NONE) {
        begin_mending(aof);
    }
    bool spare =
        w->server->config->no_appendfsync_on_rewrite && snapshot_running(&w->server->saving->snapshot);
    atomic_store_explicit(&aof->writer.spare_syncs, spare, memory_order_relaxed);
    if (wants_rewrite(aof)) {
        gate_alone(&w->server->gate, w->loop->index);
        if (is_idle(aof) && is_free(aof)) { /* somebody else may have run alone just now */
            begin_rewrite(aof);
        }
        gate_together(&w->server->gate, w->loop->index);
    }
}

enum aof_rewrite aof_rewrite(struct server *server, bool may_begin)
{
    struct aof *aof = server->aof;
    if (aof->stage != STAGE_NONE) {
        return AOF_REWRITE_RUNNING;
    }
    if (may_begin && is_idle(aof) && is_free(aof)) {
        return begin_rewrite(aof) ? AOF_REWRITE_STARTED : AOF_REWRITE_FAILED;
    }
    aof->scheduled = true;
    aof->failures = 0; /* who asks is not made to wait */
    aof->pause = aof->next_try = 0;
    return AOF_REWRITE_SCHEDULED;
}

void aof_forget_rewrite(struct aof *aof)
{
    if (aof->stage == STAGE_SAVING) {
        snapshot_abandon(&aof->server->saving->snapshot);
    }
    aof->stage = STAGE_NONE;
    aof->scheduled = false;
}

bool aof_is_rewriting(const struct server *server)
{
    return server->aof->stage != STAGE_NONE;
}
