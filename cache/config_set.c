/* Changing settings while the server runs: CONFIG SET, and the hooks of the modules that act on a new value.
 *
 * A change is made in three steps: every new value is read and stored, the hooks run, and if any of this
 * fails everything is put back from the text of the old values. Going through the text keeps one way of
 * reading and writing for each type, instead of a copy and a compare for each as well.
 */
#include "config.h"

#include "config_row.h"

#include <stdlib.h>
#include <string.h>

struct config_hook {
    const struct config_row *row;
    config_apply apply;
    void *ctx;
    struct config_hook *next;
};

/* ---- hooks --------------------------------------------------------------------------------------------- */

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

void config_free_hooks(struct config *cfg)
{
    while (cfg->hooks != NULL) {
        struct config_hook *next = cfg->hooks->next;
        free(cfg->hooks);
        cfg->hooks = next;
    }
}

static bool change_matters(const struct config_change *change)
{
    return strcmp(change->old, change->text) != 0;
}

/* The change that this hook is to hear of, or count. A hook of several settings runs at the first that
 * changed. */
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

/* ---- changes ------------------------------------------------------------------------------------------- */

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

bool config_needs_loaded(const struct slice *pairs, size_t count)
{
    bool needs = false;
    for (size_t i = 0; i < count && !needs; i++) {
        const struct config_row *row = config_row_find(pairs[2 * i].ptr, pairs[2 * i].len);
        needs = row != NULL && (row->flags & CONFIG_LOADED) != 0;
    }
    return needs;
}

void config_free_changes(struct config_change *changes, size_t count)
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
        if (changes[i].row->offset == offsetof(struct config, requirepass)) {
            config_password_forget(cfg);
        }
    }
    config_free_changes(changes, count);
    return done;
}

void config_keep(struct config *cfg, const char *name)
{
    cfg->origin[config_row_index(config_row_find(name, strlen(name)))] = CONFIG_FROM_SET;
}
