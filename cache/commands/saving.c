#include "commands/saving.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "commands/groups.h"
#include "commands/pause.h"
#include "commands/refusing.h"
#include "commands/restate.h"
#include "commands/type.h"
#include "logger.h"
#include "memory.h"

enum { RETRY_MS = 5000 }; /* after a failure, a save point tries again */

static enum rdb_type rdb_type_of(const struct entry *e)
{
    return type_of(e)->rdb_type(e);
}

static void save_value(struct rdb_writer *writer, const struct entry *e)
{
    type_of(e)->save(writer, e);
}

/* ---- the file, on the walker's thread ---------------------------------------------------------------------- */

static bool write_file(void *context, const void *bytes, size_t n)
{
    struct saving *saving = context;
    if (saving->file.fd < 0) {
        char temporary[48];
        rdb_file_remove_strays();
        snprintf(temporary, sizeof temporary, "temp-%d.rdb", (int)getpid());
        if (!rdb_file_open(&saving->file, &rdb_file_snapshot, NULL, temporary, saving->name)) {
            return false;
        }
    }
    return rdb_file_write(&saving->file, bytes, n);
}

static bool end_file(void *context, bool complete)
{
    struct saving *saving = context;
    if (complete) {
        return rdb_file_commit(&saving->file);
    }
    rdb_file_discard(&saving->file);
    return true;
}

/* ---- one file ------------------------------------------------------------------------------------------ */

/* Whether writes are refused for want of a file that could be saved. */
static void judge(struct server *server)
{
    const struct config *config = server->config;
    if (server->saving->failed && config->stop_writes_on_bgsave_error && config->save_count > 0) {
        refusing_set(server, REFUSING_SNAPSHOT_ERROR);
    } else {
        refusing_clear(server, REFUSING_SNAPSHOT_ERROR);
    }
}

void saving_options(const struct server *server, struct snapshot_options *options)
{
    int policy = server->config->maxmemory_policy;
    bool lru = policy == CONFIG_POLICY_VOLATILE_LRU || policy == CONFIG_POLICY_ALLKEYS_LRU;
    *options = (struct snapshot_options){
        .compress = server->config->rdbcompression,
        .checksum = server->config->rdbchecksum,
        .version = REDIS_VERSION,
        .access = server->access.lfu ? RDB_FREQUENCY
                  : lru              ? RDB_IDLE
                                     : RDB_NO_ACCESS,
        .rules = server->access,
    };
    history_mark_snapshot(server, options);
}

static void file_done(void *context, enum snapshot_end end, int error);

/* Begins a file. False where that cannot be: told to the log, and counted as a failure. */
static bool begin(struct server *server, enum saving_kind kind)
{
    struct saving *saving = server->saving;
    struct snapshot_options options;
    saving_options(server, &options);
    options.sink = (struct snapshot_sink){saving, write_file, end_file};
    free(saving->name);
    saving->name = strdup(server->config->dbfilename);
    saving->last_try = clock_now();
    if (saving->name == NULL || !snapshot_begin(&saving->snapshot, &options, file_done, server)) {
        logger_warning("Can't save: %s", strerror(errno != 0 ? errno : ENOMEM));
        saving->failed = true;
        judge(server);
        return false;
    }
    saving->kind = kind;
    saving->asked = saving->dropped = false;
    saving->changes_at_cut = server_changes(server);
    logger_notice(kind == SAVING_FINAL ? "Saving the final RDB snapshot before exiting: %llu keys"
                                       : "Background saving started: %llu keys",
                  (unsigned long long)saving->snapshot.progress.keys_total);
    return true;
}

static void note_saved(struct saving *saving)
{
    int64_t now = clock_now();
    saving->failed = false;
    saving->saves++;
    saving->last_save = clock_wall_us() / 1000000;
    saving->last_seconds = (now - saving->snapshot.progress.began) / 1000;
    saving->changes_saved = saving->changes_at_cut;
    logger_notice("DB saved on disk: %llu keys, %llu bytes in %lld ms, at most %lld bytes kept beside",
                  (unsigned long long)saving->snapshot.progress.keys,
                  (unsigned long long)saving->snapshot.progress.bytes,
                  (long long)(now - saving->snapshot.progress.began), (long long)saving->last_kept);
}

static void note_end(struct server *server, enum saving_kind kind, enum snapshot_end end, int error)
{
    struct saving *saving = server->saving;
    saving->last_kept = atomic_load(&server->keyspace.cut.kept_peak);
    switch (end) {
    case SNAPSHOT_DONE:
        note_saved(saving);
        if (kind == SAVING_BACKGROUND) {
            logger_notice("Background saving terminated with success");
        }
        break;
    case SNAPSHOT_FAILED:
        logger_warning("%s: write error saving DB on disk: %s",
                       kind == SAVING_BACKGROUND ? "Background saving error" : "Saving error",
                       strerror(error));
        saving->failed = saving->failed || kind != SAVING_FINAL; /* after that the server goes on as it was */
        saving->last_seconds = (clock_now() - saving->snapshot.progress.began) / 1000;
        break;
    case SNAPSHOT_ABANDONED:
        logger_notice("Saving was given up: %s",
                      saving->dropped ? "it is not wanted any more" : "a database was flushed");
        break;
    }
    judge(server);
}

/* Whether a file that a flush has ended has to be begun again: a client waits for it, or the server's end, or there are save
 * points: then the file on the disk shall be empty as well. */
static bool begun_again(struct server *server, enum saving_kind kind, enum snapshot_end end)
{
    const struct saving *saving = server->saving;
    bool wanted = kind != SAVING_BACKGROUND || server->config->save_count > 0;
    return end == SNAPSHOT_ABANDONED && !saving->dropped && wanted && begin(server, kind);
}

static void tell_final(struct server *server, bool saved)
{
    void (*done)(struct server *, bool) = server->saving->final_done;
    server->saving->final_done = NULL;
    if (done != NULL) {
        done(server, saved);
    }
}

/* A file that was asked for while another one was under way is still to come; one that failed counts as well, as in Redis. */
static void answer_flushers(struct saving *saving)
{
    if (!saving->asked) {
        held_answer(&saving->flushers, NULL);
    }
}

static void file_done(void *context, enum snapshot_end end, int error)
{
    struct server *server = context;
    struct saving *saving = server->saving;
    enum saving_kind kind = saving->kind;
    saving->kind = SAVING_NOTHING;
    note_end(server, kind, end, error);
    if (begun_again(server, kind, end)) {
        return;
    }
    held_answer(&saving->savers, end == SNAPSHOT_DONE ? NULL : "ERR");
    answer_flushers(saving);
    if (kind == SAVING_FINAL && !saving->dropped) {
        tell_final(server, end == SNAPSHOT_DONE);
    }
    saving_next(server);
}

/* ---- what is asked for ------------------------------------------------------------------------------------ */

/* Begins what is to be done next. False: nothing is, or it cannot be begun. */
static bool begin_next(struct server *server)
{
    struct saving *saving = server->saving;
    if (saving->final_done != NULL) {
        bool begun = begin(server, SAVING_FINAL);
        if (!begun) {
            tell_final(server, false);
        }
        return begun;
    }
    bool saves = held_any(&saving->savers);
    if (!saves && !saving->asked) {
        return false;
    }
    saving->asked = false;
    bool begun = begin(server, saves ? SAVING_SAVE : SAVING_BACKGROUND);
    if (!begun) {
        held_answer(&saving->savers, "ERR");
    }
    return begun;
}

void saving_next(struct server *server)
{
    struct saving *saving = server->saving;
    if (!snapshot_running(&saving->snapshot) && !begin_next(server)) {
        answer_flushers(saving);
    }
}

void saving_request(struct server *server)
{
    server->saving->asked = true;
    saving_next(server);
}

void saving_flushed(struct call *c)
{
    bool saves = c->server->config->save_count > 0 && (c->client->flags & CLIENT_REPLAYS) == 0;
    if (!saves || c->may_not_block) {
        reply_ok(c->reply);
    } else {
        held_wait(c, &c->server->saving->flushers);
    }
    if (saves) {
        saving_request(c->server);
    }
}

void saving_final(struct server *server, void (*done)(struct server *server, bool saved))
{
    struct saving *saving = server->saving;
    saving_drop(server);
    saving->final_done = done;
    saving_next(server);
}

void saving_drop(struct server *server)
{
    struct saving *saving = server->saving;
    saving->asked = false;
    saving->final_done = NULL;
    if (snapshot_running(&saving->snapshot)) {
        saving->dropped = true;
        snapshot_abandon(&saving->snapshot);
    } else {
        held_answer(&saving->savers, "ERR");
    }
}

uint64_t saving_changes(const struct server *server)
{
    return server_changes(server) - server->saving->changes_saved;
}

/* ---- save points -------------------------------------------------------------------------------------------- */

/* The save point that asks for a file, or NULL. `changes` may be a tick old. */
static const struct config_save_point *due_point(const struct server *server, uint64_t changes)
{
    const struct config *config = server->config;
    const struct saving *saving = server->saving;
    int64_t elapsed = clock_wall_us() / 1000000 - saving->last_save;
    if (saving->failed && clock_now() - saving->last_try <= RETRY_MS) {
        return NULL;
    }
    for (size_t i = 0; i < config->save_count; i++) {
        if ((int64_t)changes >= config->save[i].changes && elapsed > config->save[i].seconds) {
            return &config->save[i];
        }
    }
    return NULL;
}

static uint64_t changes_seen(const struct server *server)
{
    uint64_t changes = 0;
    for (int i = 0; i <= server->net.count; i++) {
        changes += (uint64_t)counter_get(&server->workers[i].dirty_seen);
    }
    uint64_t saved = server->saving->changes_saved;
    return changes > saved ? changes - saved : 0;
}

/* What the loop looks at without being alone changes only under its own feet: snapshots begin and end on it or when it waits. */
void saving_cron(struct server *server)
{
    struct gate *gate = &server->gate;
    gate_enter(gate, 0);
    const struct saving *saving = server->saving;
    bool idle = !snapshot_running(&saving->snapshot) && !server->ending &&
                (atomic_load(&server->refusing) & REFUSING_LOADING) == 0;
    const struct config_save_point *point = idle ? due_point(server, changes_seen(server)) : NULL;
    if (point != NULL) {
        gate_alone(gate, 0);
        if (!snapshot_running(&saving->snapshot) && !server->ending) {
            logger_notice("%lld changes in %lld seconds. Saving...", (long long)point->changes,
                          (long long)point->seconds);
            begin(server, SAVING_BACKGROUND);
        }
        gate_together(gate, 0);
    }
    gate_leave(gate, 0);
}

/* ---- start -------------------------------------------------------------------------------------------------- */

static bool on_setting(void *context, struct config *config, const char **error)
{
    struct server *server = context;
    (void)error;
    atomic_store(&server->saving->snapshot.delay_us, config->rdb_key_save_delay);
    judge(server);
    return true;
}

static void unpinned(void *context)
{
    pause_wake(context);
}

void saving_init(struct server *server)
{
    static const char *const names[] = {"save", "stop-writes-on-bgsave-error", "rdb-key-save-delay"};
    const struct rdb_values values = {rdb_type_of, save_value, restate_entry};
    struct saving *saving = mem_must(sizeof *saving);
    memset(saving, 0, sizeof *saving);
    server->saving = saving;
    saving->file = (struct rdb_file){.fd = -1, .folder = -1};
    saving->last_save = clock_wall_us() / 1000000;
    saving->last_seconds = -1;
    held_init(&saving->savers);
    held_init(&saving->flushers);
    snapshot_init(&saving->snapshot, &server->keyspace, &server->gate, &server->net.loops[0], &values);
    saving->snapshot.unpinned = unpinned;
    saving->snapshot.unpinned_context = server;
    saving->snapshot.delay_us = server->config->rdb_key_save_delay;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        config_on_change(server->config, names[i], on_setting, server);
    }
}
