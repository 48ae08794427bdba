/*
 * What is written is a file like any other, but by the loop's own thread, with everybody else held up: a snapshot (persist/snapshot.h)
 * needs the others to go on.
 */
#include "commands/reload.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "commands/change.h"
#include "commands/aof.h"
#include "commands/load_aof.h"
#include "commands/load_rdb.h"
#include "commands/saving.h"
#include "commands/type.h"
#include "logger.h"

/* ---- writing ------------------------------------------------------------------------------------------------- */

struct writing {
    struct rdb_stream stream;
    struct rdb_file file;
    int64_t now;
};

static enum rdb_type rdb_type_of(const struct entry *e)
{
    return type_of(e)->rdb_type(e);
}

static void save_value(struct rdb_writer *writer, const struct entry *e)
{
    type_of(e)->save(writer, e);
}

static bool write_file(void *context, const void *bytes, size_t n)
{
    return rdb_file_write(context, bytes, n);
}

static void write_entry(void *context, struct entry *e, uint64_t hash)
{
    struct writing *writing = context;
    (void)hash;
    if (entry_deadline(e) > writing->now) {
        rdb_stream_entry(&writing->stream, e);
        rdb_stream_flush_full(&writing->stream);
    }
}

static void write_all(struct writing *writing, const struct keyspace *ks)
{
    rdb_stream_aux(&writing->stream, "redis-ver", REDIS_VERSION);
    for (int i = 0; i < ks->count; i++) {
        const struct db *db = &ks->dbs[i];
        if (db_size(db) > 0) {
            rdb_stream_select(&writing->stream, i);
            rdb_stream_resize(&writing->stream, db_size(db), db_timed(db));
            db_each(db, write_entry, writing);
        }
    }
    rdb_stream_end(&writing->stream);
}

/* Begins the stream and the file. False with errno set. */
static bool open_file(struct writing *writing, const struct server *server)
{
    struct snapshot_options options;
    char temporary[64];
    saving_options(server, &options);
    struct rdb_record how = {.values = {.rdb_type = rdb_type_of, .save = save_value},
                             .access = options.access,
                             .rules = options.rules,
                             .now = writing->now};
    int version = entry_timed_parts() > 0 ? RDB_VERSION_YOUNGER : RDB_VERSION_WRITTEN;
    snprintf(temporary, sizeof temporary, "temp-reload-%d.rdb", (int)getpid());
    if (!rdb_file_open(&writing->file, &rdb_file_snapshot, NULL, temporary, server->config->dbfilename)) {
        return false;
    }
    if (!rdb_stream_begin(&writing->stream, version, &how, options.compress, options.checksum, write_file,
                          &writing->file)) {
        rdb_file_discard(&writing->file);
        errno = ENOMEM;
        return false;
    }
    return true;
}

static void note_saved(const struct server *server)
{
    server->saving->last_save = clock_wall_us() / 1000000;
    server->saving->changes_saved = server_changes(server);
}

static bool save(const struct call *c)
{
    struct writing writing = {.now = c->now};
    bool saved = open_file(&writing, c->server);
    if (saved) {
        write_all(&writing, &c->server->keyspace);
        saved = rdb_stream_ok(&writing.stream);
        if (saved) {
            saved = rdb_file_commit(&writing.file);
        } else {
            rdb_file_discard(&writing.file);
            errno = rdb_stream_error(&writing.stream);
        }
        rdb_stream_free(&writing.stream);
    }
    if (saved) {
        note_saved(c->server);
    } else {
        logger_warning("Write error saving DB on disk: %s", strerror(errno));
    }
    return saved;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void flush_all(struct call *c)
{
    struct keyspace *ks = &c->server->keyspace;
    change_flush(c, NULL);
    for (int i = 0; i < ks->count; i++) {
        db_flush(&ks->dbs[i]);
    }
}

void reload_run(struct call *c, const struct reload_options *options)
{
    const struct load_rdb_how how = {.alone = true, .replace = options->merge};
    if (load_is_active(c->server)) {
        reply_error(c->reply, "ERR the data set is being loaded");
        return;
    }
    if (options->save && !save(c)) {
        reply_error(c->reply, "ERR");
        return;
    }
    if (options->flush) {
        flush_all(c);
    }
    if (load_rdb_file(c->server->loading, c->server->config->dbfilename, &how) != LOAD_DONE) {
        reply_error(c->reply, "ERR Error trying to load the RDB dump, check server logs");
        return;
    }
    logger_notice("DB reloaded by DEBUG RELOAD");
    reply_ok(c->reply);
}

void reload_run_aof(struct call *c)
{
    struct server *server = c->server;
    if (load_is_active(server)) {
        reply_error(c->reply, "ERR the data set is being loaded");
        return;
    }
    if (aof_is_on(server) && !aof_catch_up(server)) {
        reply_error(c->reply, "ERR the append-only file has no base yet, or cannot be written");
        return;
    }
    if (!load_kind_aof.exists(server)) {
        reply_error(c->reply, "ERR there is no append-only file");
        return;
    }
    flush_all(c);
    if (load_aof(server->loading, true) == LOAD_FAILED) {
        reply_error(c->reply, "ERR Error trying to load the AOF files, check server logs");
        return;
    }
    server->saving->changes_saved = server_changes(server);
    logger_notice("Append Only File loaded by DEBUG LOADAOF");
    reply_ok(c->reply);
}
