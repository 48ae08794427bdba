#include "commands/aof_state.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "commands/client.h"
#include "commands/refusing.h"
#include "commands/saving.h"
#include "logger.h"
#include "memory.h"
#include "net/hold.h"

/* ---- what the writer's thread tells ------------------------------------------------------------------ */

/* Whoever waits for the disk looks again. */
static void tell_durable(struct server *server)
{
    if (server->above.durable != NULL) {
        server->above.durable(server);
    }
}

static void on_moved(void *context, uint64_t offset)
{
    struct aof *aof = context;
    hold_release(&aof->server->net, HOLD_DISK, offset, NULL);
    tell_durable(aof->server);
}

static void on_health(void *context, int error)
{
    struct aof *aof = context;
    struct server *server = aof->server;
    if (error != 0) {
        refusing_set_aof_errno(server, error);
        refusing_set(server, REFUSING_AOF_ERROR);
        hold_relax(&server->net, true);
    } else if (!atomic_load(&aof->mending)) {
        refusing_clear(server, REFUSING_AOF_ERROR);
        hold_relax(&server->net, false);
    }
}

/* ---- settings ---------------------------------------------------------------------------------------- */

static void update_holding(struct aof *aof)
{
    const struct server *server = aof->server;
    int state = aof->state;
    bool sound = state == AOF_ON || (state == AOF_WAITING && aof->mending);
    bool ends = aof_is_ending(aof) && aof->holding; /* what is held still waits for the disk */
    bool wanted = (sound || ends) && server->config->appendfsync == CONFIG_FSYNC_ALWAYS;
    if (wanted && !aof->holding) {
        hold_on(&aof->server->net, HOLD_DISK);
    } else if (!wanted && aof->holding) {
        hold_off(&aof->server->net, HOLD_DISK);
    }
    aof->holding = wanted;
}

void aof_apply_settings(struct aof *aof)
{
    _Static_assert((int)CONFIG_FSYNC_EVERYSEC == (int)AOF_SYNC_EVERYSEC &&
                       (int)CONFIG_FSYNC_ALWAYS == (int)AOF_SYNC_ALWAYS &&
                       (int)CONFIG_FSYNC_NO == (int)AOF_SYNC_NO,
                   "the policies are numbered alike");
    const struct server *server = aof->server;
    const struct config *config = server->config;
    aof->writer.sync = config->appendfsync;
    aof->writer.timestamps = config->aof_timestamp_enabled;
    aof->writer.spare_syncs =
        config->no_appendfsync_on_rewrite && snapshot_running(&server->saving->snapshot);
    update_holding(aof);
    if (aof->writer.running) {
        aof_writer_poke(&aof->writer);
    }
}

void aof_become_sound(struct aof *aof)
{
    struct server *server = aof->server;
    aof->state = AOF_ON;
    atomic_store(&aof->mending, false);
    on_health(aof, 0);
    int error =
        atomic_load(&aof->writer.error); /* it may have failed since: then it has told so, or tells it now */
    if (error != 0) {
        on_health(aof, error);
    }
    update_holding(aof);
    tell_durable(server);
}

/* ---- on and off -------------------------------------------------------------------------------------- */

bool aof_know_set(struct aof *aof)
{
    const struct config *config = aof->server->config;
    char error[512];
    struct aof_manifest manifest;
    if (aof->known) {
        return true;
    }
    if (aof_manifest_load(config->appenddirname, config->appendfilename, &manifest, error, sizeof error) ==
        AOF_MANIFEST_BAD) {
        logger_warning("%s", error);
        errno = EINVAL;
        return false;
    }
    aof_set_init(&aof->set, config->appenddirname, config->appendfilename, &manifest);
    atomic_store(&aof->set.keeps_history, config->aof_disable_auto_gc);
    aof->known = true;
    return true;
}

/* The first base is begun when the CONFIG SET is over, or by the cron: not in the middle of a transaction. */
static bool turn_on(struct aof *aof)
{
    int fd;
    if (!aof_know_set(aof) || !aof_set_make_folder(&aof->set) || !aof_set_open_temporary(&aof->set, &fd)) {
        logger_warning("Can't open the append-only file: %s", strerror(errno));
        return false;
    }
    close(fd);
    aof->state = AOF_WAITING;
    aof->scheduled = true;
    aof->pause = aof->next_try = 0;
    return true;
}

void aof_join_writer(struct aof *aof)
{
    if (aof->writer.running && !aof_writer_stop(&aof->writer, aof->writer.stop_at)) {
        logger_warning("The end of the append-only file could not be written");
    }
    held_answer(&aof->closers, NULL);
}

void aof_end_off(struct aof *aof)
{
    aof_join_writer(aof);
    aof_set_drop_temporary(&aof->set);
    on_health(aof, 0);
    update_holding(aof);
}

static void turn_off(struct aof *aof)
{
    aof_forget_rewrite(aof);
    aof->state = AOF_OFF;
    aof->failures = aof->pause = aof->next_try = 0;
    atomic_store(&aof->mending, false);
    if (aof->writer.running) { /* the disk may take its time: nobody is held up for it */
        aof_writer_ask_stop(&aof->writer, log_end(&aof->server->log));
    } else {
        aof_end_off(aof);
    }
    tell_durable(aof->server);
}

/* Waits for the end of what is being written: whoever suspends has the keyspace to itself anyway. */
void aof_suspend(struct server *server)
{
    struct aof *aof = server->aof;
    if (aof->state != AOF_OFF) {
        turn_off(aof);
    }
    if (aof_is_ending(aof)) {
        aof_end_off(aof);
    }
}

/* Where they cannot be begun, it is as if a base had failed: the cron tries again. */
void aof_resume(struct server *server)
{
    struct aof *aof = server->aof;
    if (server->config->appendonly && aof->state == AOF_OFF && !turn_on(aof) && aof->known) {
        aof->state = AOF_WAITING;
        aof->scheduled = true;
    }
}

void aof_reply_set(struct call *c)
{
    struct aof *aof = c->server->aof;
    if (aof->state == AOF_WAITING && aof->scheduled && !c->may_not_block) {
        aof_rewrite(c->server, true);
    }
    if (aof_is_ending(aof) && !c->may_not_block) {
        held_wait(c, &aof->closers);
    } else {
        reply_ok(c->reply);
    }
}

bool aof_move(struct server *server)
{
    struct aof *aof = server->aof;
    if (aof->state != AOF_OFF || aof->stage != STAGE_NONE || aof->writer.running) {
        return false;
    }
    if (aof->known) {
        aof_set_free(&aof->set);
        aof->known = false;
    }
    return true;
}

static bool on_appendonly(void *context, struct config *config, const char **error)
{
    struct aof *aof = context;
    if ((atomic_load(&aof->server->refusing) & REFUSING_LOADING) != 0) {
        return true; /* aof_begin looks at it */
    }
    if (!config->appendonly && aof->state != AOF_OFF) {
        turn_off(aof);
    } else if (config->appendonly && aof->state == AOF_OFF && !turn_on(aof)) {
        *error = "Unable to turn on AOF. Check server logs.";
        return false;
    }
    return true;
}

static bool on_setting(void *context, struct config *config, const char **error)
{
    (void)config;
    (void)error;
    aof_apply_settings(context);
    return true;
}

/* What was kept goes at once, unless the writer's thread has the files just now: then with the step that it makes. */
static bool on_history(void *context, struct config *config, const char **error)
{
    struct aof *aof = context;
    (void)error;
    atomic_store(&aof->set.keeps_history, config->aof_disable_auto_gc);
    if (aof->known && atomic_load(&aof->writer.switching) != AOF_STEP_ASKED &&
        atomic_load(&aof->writer.finishing) != AOF_STEP_ASKED) {
        aof_set_delete_history(&aof->set);
    }
    return true;
}

void aof_init(struct server *server)
{
    static const char *const names[] = {"appendfsync", "no-appendfsync-on-rewrite", "aof-timestamp-enabled"};
    struct aof *aof = mem_must(sizeof *aof);
    memset(aof, 0, sizeof *aof);
    aof->server = server;
    aof->last_seconds = -1;
    aof->last_good = true;
    held_init(&aof->closers);
    server->aof = aof;
    aof_writer_init(&aof->writer, &server->log, &aof->set,
                    &(struct aof_writer_hooks){aof, on_moved, on_health});
    config_on_change(server->config, "appendonly", on_appendonly, aof);
    config_on_change(server->config, "aof-disable-auto-gc", on_history, aof);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        config_on_change(server->config, names[i], on_setting, aof);
    }
}

static bool is_empty(const struct keyspace *ks)
{
    for (int i = 0; i < ks->count; i++) {
        if (db_size(&ks->dbs[i]) > 0) {
            return false;
        }
    }
    return true;
}

static bool make_first_base(struct aof *aof)
{
    return aof_set_make_first_base(&aof->set, !aof->server->config->aof_use_rdb_preamble, REDIS_VERSION);
}

/* Goes on where the set ends. */
static bool go_on(struct aof *aof)
{
    int fd;
    int64_t size, rest;
    if (!aof_set_open_last(&aof->set, &fd, &size, &rest)) {
        return false;
    }
    if (!aof_writer_start(&aof->writer, log_end(&aof->server->log), fd, false, size, rest)) {
        close(fd);
        return false;
    }
    aof->base_size = rest;
    aof->state = AOF_ON;
    return true;
}

bool aof_begin(struct server *server)
{
    struct aof *aof = server->aof;
    if (!server->config->appendonly) {
        return true;
    }
    bool good = aof_know_set(aof) && aof_set_make_folder(&aof->set);
    if (good && aof_set_is_empty(&aof->set) && !is_empty(&server->keyspace)) {
        aof->state = AOF_WAITING; /* what was loaded is kept by a first rewrite */
        aof->scheduled = true;
    } else {
        good = good && (!aof_set_is_empty(&aof->set) || make_first_base(aof)) && go_on(aof);
    }
    if (!good) {
        logger_warning("Can't open the append-only file: %s", strerror(errno));
        return false;
    }
    aof_set_delete_history(&aof->set);
    hold_release(&server->net, HOLD_DISK, aof->writer.durable, NULL);
    aof_apply_settings(aof);
    return true;
}

void aof_end(struct server *server)
{
    struct aof *aof = server->aof;
    if (aof->writer.running) {
        logger_notice("Writing the append-only file to its end");
        if (!aof_writer_stop(&aof->writer, log_end(&server->log))) {
            logger_warning("The end of the append-only file could not be written");
        }
    }
}

/* ---- what is asked ----------------------------------------------------------------------------------- */

uint64_t aof_due(struct conn *conn, uint64_t *own)
{
    const struct client *client = conn->client;
    if (client != NULL && (client->flags & CLIENT_REPLICA) != 0) {
        return *own = 0;
    }
    *own = client != NULL ? atomic_load_explicit(&client->write_offset, memory_order_relaxed) : 0;
    return log_end(&server_of_net(conn->loop->net)->log);
}

bool aof_keeps(const struct server *server, uint64_t offset)
{
    const struct aof *aof = server->aof;
    return atomic_load(&aof->state) == AOF_ON && atomic_load(&aof->writer.durable) >= offset;
}

bool aof_catch_up(struct server *server)
{
    enum { STEP_NS = 1000000 };
    const struct aof *aof = server->aof;
    const struct timespec step = {0, STEP_NS};
    uint64_t end = log_end(&server->log);
    while (aof->state == AOF_ON && atomic_load(&aof->writer.error) == 0) {
        if (atomic_load(&aof->writer.written) >= end) {
            return true;
        }
        log_wake_readers(&server->log);
        nanosleep(&step, NULL);
    }
    return false;
}

bool aof_is_on(const struct server *server)
{
    return atomic_load(&server->aof->state) != AOF_OFF;
}

bool aof_awaits_base(const struct server *server)
{
    const struct aof *aof = server->aof;
    return aof->state == AOF_WAITING && !atomic_load(&aof->mending);
}

void aof_figures(const struct server *server, struct aof_figures *figures)
{
    const struct aof *aof = server->aof;
    const struct aof_writer *writer = &aof->writer;
    int64_t running = (clock_now() - aof->began) / 1000;
    *figures = (struct aof_figures){
        .on = aof->state != AOF_OFF,
        .rewriting = aof->stage != STAGE_NONE,
        .scheduled = aof->scheduled,
        .last_seconds = aof->last_seconds,
        .current_seconds = aof->stage != STAGE_NONE ? running : -1,
        .last_rewrite_good = aof->last_good,
        .last_write_good = (atomic_load(&server->refusing) & REFUSING_AOF_ERROR) == 0 && !aof->mending,
        .rewrites = aof->rewrites,
        .failures = aof->failures,
        .size = aof_size(aof),
        .base_size = aof->base_size,
        .buffered = writer->running ? (int64_t)(log_end(&server->log) - writer->written) : 0,
        .delayed = writer->delayed,
        .syncing = writer->syncing,
    };
}
