/* The life of the settings: defaults, loading, CONFIG GET, and values derived from several. */
#include "config.h"

#include "cgroup.h"
#include "config_row.h"
#include "types/glob.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- life ---------------------------------------------------------------------------------------------- */

static bool apply_dir(void *ctx, struct config *cfg, const char **err)
{
    (void)ctx;
    char reason[CONFIG_ERR_SIZE];
    if (!config_resolve_dir(cfg, reason, sizeof reason) || chdir(cfg->dir) != 0) {
        *err = strerror(errno);
        return false;
    }
    return true;
}

/* Accepted in a file, where it changes nothing, but a client that asks for it at run time is told as Redis
 * tells it where jemalloc gives no help: some take the OK for the thing itself. */
static bool refuse_defrag(void *ctx, struct config *cfg, const char **err)
{
    (void)ctx;
    char *value = config_value(cfg, "activedefrag");
    bool off = strcmp(value, "no") == 0;
    free(value);
    *err =
        "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc like "
        "the one shipped by default with the Redis source distribution";
    return off;
}

void config_init_defaults(struct config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        char err[CONFIG_ERR_SIZE];
        bool empty = row->type == CONFIG_LINES || row->type == CONFIG_PAIRS;
        if (!empty && !row_assign_text(cfg, row, row->initial, err, sizeof err)) {
            fprintf(stderr, "default of setting %s: %s\n", row->name, err);
            abort();
        }
    }
    char start[PATH_MAX];
    cfg->start_dir = must(strdup(getcwd(start, sizeof start) != NULL ? start : "/"));
    cfg->config_file = must(strdup(""));
    cfg->origin = must(calloc(config_row_count(), 1));
    config_on_change(cfg, "dir", apply_dir, NULL);
    config_on_change(cfg, "activedefrag", refuse_defrag, NULL);
}

static void free_loaded(struct config *cfg)
{
    for (size_t i = 0; cfg->loaded != NULL && i < config_row_count(); i++) {
        if (config_row_at(i)->type == CONFIG_SECRET) {
            explicit_bzero(cfg->loaded[i], strlen(cfg->loaded[i]));
        }
        free(cfg->loaded[i]);
    }
    free(cfg->loaded);
    cfg->loaded = NULL;
}

void config_free(struct config *cfg)
{
    for (size_t i = 0; i < config_row_count(); i++) {
        row_clear(cfg, config_row_at(i));
    }
    config_free_hooks(cfg);
    config_password_forget(cfg);
    free_loaded(cfg);
    list_clear(&cfg->warnings);
    free(cfg->start_dir);
    free(cfg->config_file);
    free(cfg->stdin_text);
    free(cfg->origin);
    memset(cfg, 0, sizeof *cfg);
}

void config_remember_loaded(struct config *cfg)
{
    free_loaded(cfg);
    cfg->loaded = must(calloc(config_row_count(), sizeof *cfg->loaded));
    for (size_t i = 0; i < config_row_count(); i++) {
        cfg->loaded[i] = row_format(cfg, config_row_at(i));
    }
}

bool config_resolve_dir(struct config *cfg, char *err, size_t err_size)
{
    char *path = config_absolute(cfg, cfg->dir);
    char *resolved = realpath(path, NULL);
    free(path);
    if (resolved == NULL) {
        int error = errno;
        snprintf(err, err_size, "Can't use '%s' as working directory: %s", cfg->dir, strerror(error));
        errno = error;
        return false;
    }
    free(cfg->dir);
    cfg->dir = resolved;
    return true;
}

static const char *file_argument(int argc, char **argv)
{
    bool given = argc > 1 && (argv[1][0] != '-' || argv[1][1] == '\0');
    return given ? argv[1] : NULL;
}

/* Beside the data a server needs memory for its code and tables, the backlog and the log (a tenth of the limit each), what a snapshot or
 * a full synchronisation keeps, and clients' buffers; and what is freed does not go back to the system at once. */
void config_fit_container(struct config *cfg, const char *root)
{
    enum { BESIDE = 96 << 20 };
    size_t index = config_row_index(config_row_find("maxmemory", strlen("maxmemory")));
    int64_t limit = cgroup_memory_limit(root);
    if (limit <= 0 || cfg->origin[index] != CONFIG_FROM_DEFAULT) {
        return;
    }
    int64_t share = (limit - BESIDE) / 4 * 3;
    cfg->maxmemory = share > limit / 4 ? share : limit / 4;
}

bool config_load(struct config *cfg, int argc, char **argv, char **environment, char *err, size_t err_size)
{
    const char *file = file_argument(argc, argv);
    if ((file != NULL && !config_load_file(cfg, file, err, err_size)) ||
        !config_load_env(cfg, environment, err, err_size) ||
        !config_load_args(cfg, argc - 1, argv + 1, err, err_size) ||
        !config_resolve_dir(cfg, err, err_size)) {
        return false;
    }
    config_fit_container(cfg, "");
    if (chdir(cfg->dir) != 0) {
        snprintf(err, err_size, "Can't chdir to '%s': %s", cfg->dir, strerror(errno));
        return false;
    }
    config_remember_loaded(cfg);
    return true;
}

/* ---- CONFIG GET ---------------------------------------------------------------------------------------- */

struct shown {
    const char *name;
    const struct config_row *row;
};

static int compare_shown(const void *a, const void *b)
{
    return strcmp(((const struct shown *)a)->name, ((const struct shown *)b)->name);
}

/* The pattern that shows this name, or NULL. */
static const struct slice *pattern_for(const struct shown *shown, const struct slice *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool exact = slice_is(patterns[i], shown->name);
        bool hidden = (shown->row->flags & CONFIG_HIDDEN) != 0;
        if (exact || (!hidden &&
                      glob_match(patterns[i].ptr, patterns[i].len, shown->name, strlen(shown->name), true))) {
            return &patterns[i];
        }
    }
    return NULL;
}

static size_t list_shown(struct shown *list)
{
    size_t count = 0;
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if ((row->flags & CONFIG_UNLISTED) != 0) {
            continue;
        }
        list[count++] = (struct shown){row->name, row};
        if (row->alias != NULL) {
            list[count++] = (struct shown){row->alias, row};
        }
    }
    qsort(list, count, sizeof *list, compare_shown);
    return count;
}

void config_get(const struct config *cfg, const struct slice *patterns, size_t count, config_each each,
                void *ctx)
{
    struct shown *list = must(malloc(2 * config_row_count() * sizeof *list));
    size_t listed = list_shown(list);
    for (size_t i = 0; i < listed; i++) {
        const struct slice *pattern = pattern_for(&list[i], patterns, count);
        if (pattern == NULL) {
            continue;
        }
        char name[128];
        bool exact = slice_is(*pattern, list[i].name);
        snprintf(name, sizeof name, "%.*s", exact ? (int)pattern->len : (int)sizeof name,
                 exact ? pattern->ptr : list[i].name);
        char *value = row_format(cfg, list[i].row);
        each(ctx, name, value, strlen(value));
        free(value);
    }
    free(list);
}

char *config_value(const struct config *cfg, const char *name)
{
    const struct config_row *row = config_row_find(name, strlen(name));
    return row == NULL ? NULL : row_format(cfg, row);
}

/* ---- derived values ------------------------------------------------------------------------------------ */

int64_t config_maxmemory_clients(const struct config *cfg)
{
    if (cfg->maxmemory_clients >= 0) {
        return cfg->maxmemory_clients;
    }
    return cfg->maxmemory / 100 * -cfg->maxmemory_clients +
           cfg->maxmemory % 100 * -cfg->maxmemory_clients / 100;
}

int config_loops(const struct config *cfg)
{
    return cfg->loops > 0 ? cfg->loops : cgroup_cpus("", 0);
}
