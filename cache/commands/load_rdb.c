#include "commands/load_rdb.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "commands/type.h"
#include "logger.h"
#include "types/number.h"

/* key-load-delay. */
static void rest(const struct loading *loading)
{
    int delay = loading->reader->config->key_load_delay;
    if (__builtin_expect(delay > 0, 0)) {
        usleep((useconds_t)delay);
    } else if (__builtin_expect(delay < 0, 0) &&
               atomic_load_explicit(&loading->progress.loaded, memory_order_relaxed) % (unsigned)-delay ==
                   0) {
        usleep(1);
    }
}

/* ---- hooks -------------------------------------------------------------------------------------------------- */

static enum rdb_payload_status load_value(void *context, struct rdb_reader *reader, enum rdb_type rdb_type,
                                          const struct entry_head *head, struct entry **e)
{
    const struct loading *loading = context;
    const struct type *type = type_of_rdb(rdb_type);
    rest(loading);
    return type != NULL ? type->load(loading->reader, reader, rdb_type, head, e) : RDB_PAYLOAD_BAD_FORMAT;
}

static void enter(void *context)
{
    load_enter(context);
}

static void leave(void *context)
{
    load_leave(context);
}

static bool goes_on(void *context)
{
    return load_goes_on(context);
}

static void tell_number(struct slice name, int64_t number)
{
    if (slice_equal(name, SLICE("ctime"))) {
        int64_t age = clock_wall_us() / 1000000 - number;
        logger_notice("RDB age %lld seconds", (long long)(age > 0 ? age : 0));
    } else if (slice_equal(name, SLICE("used-mem"))) {
        logger_notice("RDB memory usage when created %.2f Mb", (double)number / (1024 * 1024));
    } else if (slice_equal(name, SLICE("aof-base")) && number == 1) {
        logger_notice("RDB is base AOF");
    }
}

static int shown(struct slice text)
{
    enum { MOST = 128 };
    return (int)(text.len < MOST ? text.len : MOST);
}

/* Whether the history of the snapshot is gone on with: then replicas have its keys too, and must be told of those that have expired
 * meanwhile. So these are loaded, and go in the way in which keys expire. */
static bool goes_on_with(const struct loading *loading)
{
    return load_is_active(loading->server) && loading->kind == &load_kind_rdb &&
           loading->history.id[0] != '\0' && loading->history.offset >= 0;
}

static void told(void *context, struct slice name, struct slice value)
{
    struct loading *loading = context;
    int64_t number;
    if (history_note(&loading->history, name, value)) {
        loading->options->keep_expired |= goes_on_with(loading);
        return;
    }
    if (slice_equal(name, SLICE("redis-ver")) || slice_equal(name, SLICE("valkey-ver"))) {
        logger_notice("Loading RDB produced by version %.*s", shown(value), value.ptr);
    } else if (slice_equal(name, SLICE("lua"))) {
        logger_warning(
            "Left out of the data set: a script that EVALSHA would know, since scripts are not supported");
    } else if (name.len > 0 && name.ptr[0] == '%') {
        logger_notice("RDB '%.*s': %.*s", shown(name), name.ptr, shown(value), value.ptr);
    } else if (number_parse_i64(value.ptr, value.len, &number)) {
        tell_number(name, number);
    }
}

static void skipped(void *context, enum rdb_skipped what, int db, struct slice name)
{
    enum { TOLD = 10 }; /* of each kind; the rest is counted */
    const struct loading *loading = context;
    if (atomic_load_explicit(&loading->progress.skipped[what], memory_order_relaxed) > TOLD) {
        return;
    }
    if (what == RDB_SKIPPED_EMPTY) {
        logger_notice("skipping empty key: %.*s", shown(name), name.ptr);
    } else if (what == RDB_SKIPPED_FUNCTION) {
        size_t line = 0;
        while (line < name.len && name.ptr[line] != '\n') {
            line++;
        }
        logger_warning(
            "Left out of the data set: a library of functions (%.*s), since these are not supported",
            shown((struct slice){name.ptr, line}), name.ptr);
    } else if (name.len == 0) {
        logger_warning("Left out of the data set: what a module keeps beside the keys");
    } else {
        logger_warning("Left out of the data set: the key '%.*s' of database %d, since %s are not supported",
                       shown(name), name.ptr, db,
                       what == RDB_SKIPPED_STREAM ? "streams" : "values of modules");
    }
}

/* ---- a load ---------------------------------------------------------------------------------------------------- */

static void prepare(struct loading *loading, const struct load_rdb_how *how, struct rdb_load_options *options)
{
    const struct server *server = loading->reader;
    loading->history = (struct history_mark){.offset = -1};
    loading->options = options;
    options->keyspace = how->into != NULL ? how->into : &loading->server->keyspace;
    options->hooks =
        (struct rdb_load_hooks){.context = loading, .load = load_value, .told = told, .skipped = skipped};
    if (!how->alone) {
        options->hooks.enter = enter;
        options->hooks.leave = leave;
        options->hooks.goes_on = goes_on;
    }
    options->access = server->access;
    options->keep_expired = how->keep_expired;
    options->replace = how->replace;
    options->checksum = server->config->rdbchecksum;
    options->progress = &loading->progress;
}

static void tell_skipped(const struct rdb_load_progress *progress)
{
    unsigned long long streams = progress->skipped[RDB_SKIPPED_STREAM];
    unsigned long long modules = progress->skipped[RDB_SKIPPED_MODULE];
    unsigned long long functions = progress->skipped[RDB_SKIPPED_FUNCTION];
    if (streams + modules + functions > 0) {
        logger_warning(
            "Left out of the data set, as not supported: %llu streams, %llu values of modules, %llu libraries of "
            "functions. The next snapshot will be without them: keep the old file if they are needed",
            streams, modules, functions);
    }
}

/* Tells the log how it ended. */
static enum load_end judge(const struct loading *loading, const char *name,
                           const struct rdb_load_result *result)
{
    const struct rdb_load_progress *progress = &loading->progress;
    switch (result->status) {
    case RDB_LOAD_STOPPED: return LOAD_STOPPED;
    case RDB_LOAD_REFUSED:
        logger_warning("Cannot load %s: at byte %llu, %s", name, (unsigned long long)result->offset,
                       result->reason);
        return LOAD_FAILED;
    default: break;
    }
    logger_notice("Done loading RDB, keys loaded: %llu, keys expired: %llu, empty keys skipped: %llu.",
                  (unsigned long long)progress->loaded, (unsigned long long)progress->expired,
                  (unsigned long long)progress->skipped[RDB_SKIPPED_EMPTY]);
    tell_skipped(progress);
    return LOAD_DONE;
}

enum load_end load_rdb_source(struct loading *loading, const char *name, const struct load_rdb_how *how,
                              struct rdb_load_options *options, struct rdb_load_result *result)
{
    prepare(loading, how, options);
    rdb_load(options, result);
    return judge(loading, name, result);
}

enum load_end load_rdb_file(struct loading *loading, const char *path, const struct load_rdb_how *how)
{
    struct rdb_load_options options = {0};
    struct rdb_load_result result;
    prepare(loading, how, &options);
    if (!rdb_load_file(path, &options, &result)) {
        int error = errno;
        if (error == ENOENT) {
            return LOAD_NOTHING;
        }
        logger_warning("Cannot open %s to load it: %s", path, strerror(error));
        return LOAD_FAILED;
    }
    enum load_end end = judge(loading, path, &result);
    free(result.rest);
    return end;
}

/* ---- at start -------------------------------------------------------------------------------------------------- */

/* The path as people will look for it: absolute. NULL: no memory. */
static char *snapshot_path(const struct server *server)
{
    char *dir = getcwd(NULL, 0);
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir != NULL ? dir : ".", server->config->dbfilename) < 0) {
        path = NULL;
    }
    free(dir);
    return path;
}

static bool exists(const struct server *server)
{
    return access(server->config->dbfilename, F_OK) == 0 || errno != ENOENT;
}

enum load_end load_rdb_snapshot(struct loading *loading, bool keep_expired)
{
    struct load_rdb_how how = {.keep_expired = keep_expired};
    char *path = snapshot_path(loading->reader);
    if (path == NULL) {
        logger_warning("Cannot load the snapshot: there is not enough memory");
        return LOAD_FAILED;
    }
    enum load_end end = load_rdb_file(loading, path, &how);
    if (end == LOAD_FAILED) {
        logger_warning(
            "Fatal error loading the DB: the server does not start over a file that it cannot load. To start without its "
            "data, move %s away, or set dbfilename to another name; redis-check-rdb may tell more about it",
            path);
    }
    free(path);
    return end;
}

static enum load_end run(struct loading *loading)
{
    return load_rdb_snapshot(loading, false);
}

const struct load_kind load_kind_rdb = {"the snapshot", exists, run};
