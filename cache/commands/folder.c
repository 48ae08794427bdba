#include "commands/folder.h"

#include <stdio.h>

#include "commands/aof.h"
#include "commands/refusing.h"
#include "logger.h"
#include "persist/disk.h"

/* One for the process, as the working directory is. */
static struct claim claim;

/* Any thread. What makes files take the place of others is worth a look at the folder. */
static int guard(enum disk_point point)
{
    switch (point) {
    case DISK_CLAIM_OPEN:
    case DISK_CLAIM_WRITE:
    case DISK_CLAIM_SYNC:
    case DISK_CLAIM_RENAME: return 0;
    case DISK_RDB_RENAME:
    case DISK_BASE_RENAME:
    case DISK_AOF_RENAME:
    case DISK_MANIFEST_RENAME: return claim_check(&claim, true);
    default: return claim_check(&claim, false);
    }
}

/* Another folder is another claim: what is written in the old one has to end before. */
static bool on_dir(void *context, struct config *config, const char **reason)
{
    struct server *server = context;
    (void)config;
    if ((atomic_load(&server->refusing) & REFUSING_LOADING) != 0) {
        *reason = "the data set is being loaded from the present one";
        return false;
    }
    if (!aof_move(server)) {
        *reason = "the append-only file is kept in the present one: set appendonly to no first";
        return false;
    }
    claim_move(&claim);
    return true;
}

bool folder_begin(struct server *server)
{
    struct config *config = server->config;
    char error[1024];
    claim_init(&claim, config->claim_timeout * INT64_C(1000));
    disk_set_guard(guard);
    config_on_change(config, "dir", on_dir, server);
    if (!config->appendonly && config->save_count == 0) {
        return true;
    }
    if (claim_take(&claim, config->appendonly, error, sizeof error)) {
        return true;
    }
    if (config->appendonly) {
        logger_warning(
            "Failed to start: %s. An append-only file needs a folder that can be written, and that no other server writes",
            error);
        claim_give_up(&claim);
        return false;
    }
    logger_warning("Snapshots cannot be saved: %s", error);
    return true;
}

void folder_end(void)
{
    claim_give_up(&claim);
}

void folder_figures(struct claim_figures *figures)
{
    claim_figures(&claim, figures);
}
