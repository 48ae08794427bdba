#include "commands/load_aof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/load_rdb.h"
#include "commands/replay.h"
#include "logger.h"
#include "persist/aof_adopt.h"
#include "persist/aof_load.h"
#include "persist/aof_upgrade.h"

struct context {
    struct loading *loading;
    struct replay *replay;
    bool alone;
};

/* ---- hooks: those of the replay, and a snapshot as the base ---------------------------------------------------- */

static void begin(void *context)
{
    const struct context *c = context;
    replay_begin(c->replay);
}

static size_t run_commands(void *context, const struct aof_command *commands, size_t count, char *reason,
                           size_t reason_size)
{
    const struct context *c = context;
    return replay_run(c->replay, commands, count, reason, reason_size);
}

static bool unfinished(void *context, uint64_t *offset)
{
    const struct context *c = context;
    return replay_unfinished(c->replay, offset);
}

static bool goes_on(void *context)
{
    const struct context *c = context;
    return c->alone || load_goes_on(c->loading);
}

static ssize_t read_file(void *context, void *buffer, size_t n)
{
    const int *fd = context;
    return read(*fd, buffer, n);
}

static enum aof_load_end load_snapshot(void *context, const char *path, int fd, uint64_t *behind)
{
    const struct context *c = context;
    struct load_rdb_how how = {.alone = c->alone, .keep_expired = true};
    struct rdb_load_options options = {.source = {.context = &fd, .read = read_file}};
    struct rdb_load_result result;
    logger_notice("Reading RDB base file on AOF loading...");
    /* Of all files together: what is loaded of the base counts towards it. */
    options.source.size = atomic_load_explicit(&c->loading->progress.total, memory_order_relaxed);
    enum load_end end = load_rdb_source(c->loading, path, &how, &options, &result);
    free(end == LOAD_DONE ? result.rest : NULL);
    *behind = result.offset;
    return end == LOAD_DONE ? AOF_LOAD_DONE : end == LOAD_STOPPED ? AOF_LOAD_STOPPED : AOF_LOAD_REFUSED;
}

/* ---- the files ------------------------------------------------------------------------------------------------- */

/* Reads the manifest, and makes one of an old file. NOTHING: there are no files. */
static enum load_end find_files(const struct config *config, struct aof_manifest *m)
{
    char error[1024];
    const char *folder = config->appenddirname, *name = config->appendfilename;
    if (aof_manifest_load(folder, name, m, error, sizeof error) == AOF_MANIFEST_BAD) {
        logger_warning("%s", error);
        return LOAD_FAILED;
    }
    if (aof_upgrade_is_due(folder, name, m)) {
        if (!aof_upgrade(folder, name, m)) {
            logger_warning("Error trying to move the old AOF file %s into dir %s: %s", name, folder,
                           strerror(errno));
            return LOAD_FAILED;
        }
        logger_notice(
            "Successfully migrated an old-style AOF configuration (%s) into the AOF directory (%s).", name,
            folder);
    }
    return aof_manifest_is_empty(m) ? LOAD_NOTHING : LOAD_DONE;
}

/* Tells the log how it ended. */
static enum load_end judge(const struct context *c, enum aof_load_end end,
                           const struct aof_load_result *result)
{
    uint64_t errors = replay_errors(c->replay);
    if (end == AOF_LOAD_STOPPED) {
        return LOAD_STOPPED;
    }
    if (end == AOF_LOAD_REFUSED) {
        if (result->reason[0] != '\0') {
            logger_warning("%s (%s, offset %llu)", result->reason, result->file,
                           (unsigned long long)result->offset);
        }
        return LOAD_FAILED;
    }
    if (errors > 0) {
        logger_warning("%llu commands of the append-only file were answered with an error",
                       (unsigned long long)errors);
    }
    return LOAD_DONE;
}

static enum load_end load_files(struct loading *loading, bool alone, const struct aof_manifest *m)
{
    const struct config *config = loading->reader->config;
    struct context context = {loading, replay_new(loading->server, alone ? REPLAY_FILE_ALONE : REPLAY_FILE),
                              alone};
    if (context.replay == NULL) {
        logger_warning("There is not enough memory to load the append-only file");
        return LOAD_FAILED;
    }
    struct aof_load_options options = {
        .folder = config->appenddirname,
        .manifest = m,
        .truncates = config->aof_load_truncated,
        .hooks = {&context, begin, run_commands, unfinished, load_snapshot, goes_on},
        .total = &loading->progress.total,
        .bytes = &loading->progress.bytes,
    };
    struct aof_load_result result;
    enum load_end end = judge(&context, aof_load(&options, &result), &result);
    loading->changes = replay_changes(context.replay);
    replay_free(context.replay);
    return end;
}

enum load_end load_aof(struct loading *loading, bool alone)
{
    struct aof_manifest m;
    enum load_end end = find_files(loading->reader->config, &m);
    if (end == LOAD_DONE) {
        end = load_files(loading, alone, &m);
    }
    aof_manifest_free(&m);
    return end;
}

/* ---- at start -------------------------------------------------------------------------------------------------- */

/* As find_files would find them, or find something to complain of. */
static bool exists(const struct server *server)
{
    const struct config *config = server->config;
    char error[1024];
    struct aof_manifest m;
    enum aof_manifest_status status =
        aof_manifest_load(config->appenddirname, config->appendfilename, &m, error, sizeof error);
    bool some = status == AOF_MANIFEST_BAD || !aof_manifest_is_empty(&m) ||
                aof_upgrade_is_due(config->appenddirname, config->appendfilename, &m);
    aof_manifest_free(&m);
    return some;
}

static enum load_end run(struct loading *loading)
{
    enum load_end end = load_aof(loading, false);
    if (end == LOAD_FAILED) {
        logger_warning(
            "The server does not start over an append-only file that it cannot load. To start without its data, move "
            "the folder %s away, or set appenddirname to another name",
            loading->reader->config->appenddirname);
    }
    return end;
}

const struct load_kind load_kind_aof = {"the append-only file", exists, run};

static bool snapshot_exists(const struct server *server)
{
    return load_kind_rdb.exists(server);
}

/* The base has keys whose deadlines have passed: so they are kept, to be logged as deleted like any other. */
static enum load_end run_first_base(struct loading *loading)
{
    const struct config *config = loading->reader->config;
    enum load_end end = load_rdb_snapshot(loading, true);
    if (end != LOAD_DONE) {
        return end;
    }
    if (!aof_adopt(config->appenddirname, config->appendfilename, config->dbfilename)) {
        logger_warning("Can't begin the append-only file with the snapshot %s: %s", config->dbfilename,
                       strerror(errno));
        return LOAD_FAILED;
    }
    logger_notice("The append-only file begins with the snapshot %s", config->dbfilename);
    return LOAD_DONE;
}

const struct load_kind load_kind_first_base = {"the snapshot", snapshot_exists, run_first_base};
