/* SIGHUP: what the file, the environment and the mounted secrets say now, against what they said last time.
 *
 * The files are read into a fresh config with the same precedence as at the start. Only a setting whose value
 * differs from what was loaded before counts as changed, so that a CONFIG SET stands until its owner changes
 * the file.
 */
#include "config_row.h"
#include "logger.h"

#include <stdlib.h>
#include <string.h>

static bool load_next(const struct config *cfg, struct config *next, char **environment, char *err,
                      size_t err_size)
{
    free(next->start_dir);
    next->start_dir = must(strdup(cfg->start_dir));
    return config_load_file_again(cfg, next, err, err_size) &&
           config_load_env(next, environment, err, err_size) &&
           config_load_args(next, cfg->arg_count, cfg->args, err, err_size) &&
           config_resolve_dir(next, err, err_size);
}

/* A new password does not shut out who has the old one. */
static void keep_old_password(struct config *cfg, char *old)
{
    if (strcmp(old, cfg->requirepass) != 0) {
        config_password_replaced(cfg, old);
    }
    explicit_bzero(old, strlen(old));
    free(old);
}

static void log_change(const struct config_row *row, const char *value)
{
    if (row->type == CONFIG_SECRET) {
        logger_notice("Setting '%s' reloaded", row->name);
    } else {
        logger_notice("Setting '%s' reloaded: %s", row->name, value[0] == '\0' ? "(empty)" : value);
    }
}

/* Decides about one row: adds a change if it is live, says so in the log if it is not. Takes over value. */
static void consider(struct config *cfg, size_t index, char *value, struct config_change *changes,
                     size_t *count)
{
    const struct config_row *row = config_row_at(index);
    char *present = row_format(cfg, row);
    if (strcmp(value, cfg->loaded[index]) != 0 && strcmp(value, present) != 0) {
        if ((row->flags & CONFIG_START) == 0) {
            changes[(*count)++] = (struct config_change){row, value, NULL};
            value = NULL;
        } else {
            logger_warning("Setting '%s' has changed in the configuration; it needs a restart", row->name);
        }
    }
    free(value);
    free(present);
}

/* From now on the files' values are the ones to compare with; a start setting stays due until the restart. */
static void remember(struct config *cfg, const struct config *next)
{
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if ((row->flags & CONFIG_START) == 0) {
            free(cfg->loaded[i]);
            cfg->loaded[i] = row_format(next, row);
        }
    }
}

static bool apply(struct config *cfg, const struct config *next, struct config_change *changes, size_t count,
                  char *err, size_t err_size)
{
    size_t failed = 0;
    char reason[CONFIG_ERR_SIZE];
    if (!config_apply_changes(cfg, changes, count, &failed, reason, sizeof reason)) {
        snprintf(err, err_size, "Setting '%s' can't be reloaded: %s", changes[failed].row->name, reason);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t index = config_row_index(changes[i].row);
        cfg->origin[index] = next->origin[index];
        log_change(changes[i].row, changes[i].text);
    }
    remember(cfg, next);
    return true;
}

bool config_reload(struct config *cfg, char **environment, char *err, size_t err_size)
{
    struct config next;
    config_init_defaults(&next);
    if (cfg->loaded == NULL) {
        config_remember_loaded(cfg);
    }
    bool done = load_next(cfg, &next, environment, err, err_size);
    char *old_password = must(strdup(cfg->requirepass));
    config_fit_container(&next, "");
    struct config_change *changes = must(calloc(config_row_count(), sizeof *changes));
    size_t count = 0;
    for (size_t i = 0; done && i < config_row_count(); i++) {
        consider(cfg, i, row_format(&next, config_row_at(i)), changes, &count);
    }
    done = done && apply(cfg, &next, changes, count, err, err_size);
    keep_old_password(cfg, old_password);
    config_free_changes(changes, count);
    config_free(&next);
    return done;
}
