#include "persist/aof_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "persist/disk.h"

enum { PATH_BYTES = 4096 + AOF_FILE_NAME_SIZE };

static bool exists_in(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

bool aof_upgrade_is_due(const char *folder, const char *name, const struct aof_manifest *m)
{
    if (!exists_in(".", name)) {
        return false;
    }
    bool begun = m->has_base && m->increments.count == 0 && strcmp(m->base.name, name) == 0;
    return aof_manifest_is_empty(m) || (begun && !exists_in(folder, name));
}

bool aof_upgrade(const char *folder, const char *name, struct aof_manifest *m)
{
    char path[PATH_BYTES];
    if (strlen(name) >= AOF_FILE_NAME_SIZE) {
        errno = ENAMETOOLONG;
        return false;
    }
    m->has_base = true;
    m->base.number = 1;
    strcpy(m->base.name, name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return disk_make_folder(DISK_AOF_FOLDER, folder) && aof_manifest_store(folder, name, m) &&
           disk_rename(DISK_AOF_RENAME, AT_FDCWD, name, path) &&
           disk_sync_folder_at(DISK_MANIFEST_SYNC_FOLDER, folder) &&
           disk_sync_folder_at(DISK_MANIFEST_SYNC_FOLDER, ".");
}
