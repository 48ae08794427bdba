/* The life of the settings: defaults, CONFIG GET, CONFIG SET with its hooks, and values derived from several.
 *
 * A change is made in three steps: every new value is read and stored, the hooks of the modules that act on them
 * run, and if any of this fails everything is put back from the text of the old values. Going through the text
 * keeps one way of reading and writing for each type, instead of a copy and a compare for each as well.
 */
#include "config.h"

#include "cgroup.h"
#include "config_row.h"
#include "types/glob.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct config_hook {
    const struct config_row *row;
    config_apply apply;
    void *ctx;
    struct config_hook *next;
};

/* ---- life --------------------------------------------------------------------------------------------------- */

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

/* Accepted in a file, where it changes nothing, but a client that asks for it at run time is told as Redis tells it
 * where jemalloc gives no help: some take the OK for the thing itself. */
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
    while (cfg->hooks != NULL) {
        struct config_hook *next = cfg->hooks->next;
        free(cfg->hooks);
        cfg->hooks = next;
    }
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

bool config_load(struct config *cfg, int argc, char **argv, char **environment, char *err, size_t err_size)
{
    const char *file = file_argument(argc, argv);
    if ((file != NULL && !config_load_file(cfg, file, err, err_size)) ||
        !config_load_env(cfg, environment, err, err_size) ||
        !config_load_args(cfg, argc - 1, argv + 1, err, err_size) ||
        !config_resolve_dir(cfg, err, err_size)) {
        return false;
    }
    if (chdir(cfg->dir) != 0) {
        snprintf(err, err_size, "Can't chdir to '%s': %s", cfg->dir, strerror(errno));
        return false;
    }
    config_remember_loaded(cfg);
    return true;
}

/* ---- CONFIG GET --------------------------------------------------------------------------------------------- */

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

/* ---- hooks -------------------------------------------------------------------------------------------------- */

void config_on_change(struct config *cfg, const char *name, config_apply apply, void *ctx)
{
    const struct config_row *row = config_row_find(name, strlen(name));
    if (row == NULL || (row->flags & CONFIG_START) != 0) {
        fprintf(stderr, "config_on_change: '%s' is not a setting that changes\n", name);
        abort();
    }
    struct config_hook **end = &cfg->hooks;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = must(malloc(sizeof **end));
    **end = (struct config_hook){row, apply, ctx, NULL};
}

static bool change_matters(const struct config_change *change)
{
    return strcmp(change->old, change->text) != 0;
}

/* The change that this hook is to hear of, or count. A hook of several settings runs at the first that changed. */
static size_t change_for_hook(const struct config *cfg, const struct config_hook *hook,
                              const struct config_change *changes, size_t count)
{
    for (const struct config_hook *other = cfg->hooks; other != hook; other = other->next) {
        for (size_t i = 0; i < count; i++) {
            if (other->apply == hook->apply && other->ctx == hook->ctx && changes[i].row == other->row &&
                change_matters(&changes[i])) {
                return count;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (changes[i].row == hook->row && change_matters(&changes[i])) {
            return i;
        }
    }
    return count;
}

/* Runs the hooks up to `end`. False with the hook that refused. */
static bool run_hooks(struct config *cfg, const struct config_change *changes, size_t count,
                      const struct config_hook *end, const struct config_hook **refused, size_t *failed,
                      const char **reason)
{
    for (const struct config_hook *hook = cfg->hooks; hook != end; hook = hook->next) {
        size_t at = change_for_hook(cfg, hook, changes, count);
        if (at < count && !hook->apply(hook->ctx, cfg, reason)) {
            *refused = hook;
            *failed = at;
            return false;
        }
    }
    return true;
}

/* ---- changes ------------------------------------------------------------------------------------------------ */

static void put_back(struct config *cfg, const struct config_change *changes, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        char err[CONFIG_ERR_SIZE];
        if (!row_assign_text(cfg, changes[i].row, changes[i].old, err, sizeof err)) {
            fprintf(stderr, "setting %s does not take its own value back: %s\n", changes[i].row->name, err);
            abort();
        }
    }
}

static bool store_changes(struct config *cfg, struct config_change *changes, size_t count, size_t *failed,
                          char *err, size_t err_size)
{
    for (size_t i = 0; i < count; i++) {
        changes[i].old = row_format(cfg, changes[i].row);
        if (!row_assign_text(cfg, changes[i].row, changes[i].text, err, err_size)) {
            *failed = i;
            put_back(cfg, changes, i);
            return false;
        }
        free(changes[i].text); /* from here on as CONFIG GET shows it, so that old and new compare */
        changes[i].text = row_format(cfg, changes[i].row);
    }
    return true;
}

bool config_apply_changes(struct config *cfg, struct config_change *changes, size_t count, size_t *failed,
                          char *err, size_t err_size)
{
    if (!store_changes(cfg, changes, count, failed, err, err_size)) {
        return false;
    }
    const struct config_hook *refused = NULL;
    const char *reason = "Failed to apply the new value";
    if (!run_hooks(cfg, changes, count, NULL, &refused, failed, &reason)) {
        snprintf(err, err_size, "%s", reason);
        put_back(cfg, changes, count);
        const struct config_hook *again = NULL;
        size_t ignored_failure;
        run_hooks(cfg, changes, count, refused, &again, &ignored_failure, &reason);
        return false;
    }
    return true;
}

static bool may_set(const struct config *cfg, const struct config_row *row, bool client_is_local,
                    const char **why)
{
    int allow = cfg->enable_protected_configs;
    bool open = allow == CONFIG_ALLOW_YES || (allow == CONFIG_ALLOW_LOCAL && client_is_local);
    if ((row->flags & CONFIG_START) != 0) {
        *why = "can't set immutable config";
        return false;
    }
    if ((row->flags & CONFIG_PROTECTED) != 0 && !open) {
        *why = "can't set protected config";
        return false;
    }
    return true;
}

/* `name` is one of the table's. */
static bool set_failed(char *err, size_t err_size, struct slice name, const char *reason)
{
    snprintf(err, err_size, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", (int)name.len,
             name.ptr, reason);
    return false;
}

/* The name that the client gave, or the alias, as the table spells it. */
static struct slice table_name(const struct config_row *row, struct slice name)
{
    const char *known = slice_is(name, row->name) ? row->name : row->alias;
    return (struct slice){known, strlen(known)};
}

/* Finds the rows and copies the values of a CONFIG SET. */
static bool collect_changes(const struct config *cfg, const struct slice *pairs, size_t count,
                            bool client_is_local, struct config_change *changes, char *err, size_t err_size)
{
    for (size_t i = 0; i < count; i++) {
        struct slice name = pairs[2 * i], value = pairs[2 * i + 1];
        const struct config_row *row = config_row_find(name.ptr, name.len);
        const char *why;
        if (row == NULL || (row->flags & CONFIG_UNLISTED) != 0) {
            snprintf(err, err_size, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                     (int)name.len, name.ptr);
            return false;
        }
        if (!may_set(cfg, row, client_is_local, &why)) {
            return set_failed(err, err_size, name, why);
        }
        for (size_t j = 0; j < i; j++) {
            if (changes[j].row == row) {
                return set_failed(err, err_size, name, "duplicate parameter");
            }
        }
        if (memchr(value.ptr, '\0', value.len) != NULL) {
            return set_failed(err, err_size, name, "argument can't hold a zero byte");
        }
        changes[i] = (struct config_change){row, must(strndup(value.ptr, value.len)), NULL};
    }
    return true;
}

static void free_changes(struct config_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(changes[i].text);
        free(changes[i].old);
    }
    free(changes);
}

bool config_set(struct config *cfg, const struct slice *pairs, size_t count, bool client_is_local, char *err,
                size_t err_size)
{
    struct config_change *changes = must(calloc(count + 1, sizeof *changes));
    size_t failed = 0;
    char reason[CONFIG_ERR_SIZE];
    bool done = collect_changes(cfg, pairs, count, client_is_local, changes, err, err_size);
    if (done && !config_apply_changes(cfg, changes, count, &failed, reason, sizeof reason)) {
        done = set_failed(err, err_size, table_name(changes[failed].row, pairs[2 * failed]), reason);
    }
    for (size_t i = 0; done && i < count; i++) {
        cfg->origin[config_row_index(changes[i].row)] = CONFIG_FROM_SET;
    }
    free_changes(changes, count);
    return done;
}

/* ---- derived values ----------------------------------------------------------------------------------------- */

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

bool config_password_matches(const struct config *cfg, const char *text, size_t size)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, size, digest);
    return CRYPTO_memcmp(digest, cfg->requirepass_sha256, sizeof digest) == 0 && cfg->requirepass[0] != '\0';
}
