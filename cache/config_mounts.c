/* Files that Kubernetes mounts from ConfigMaps and Secrets, and changes while they are in use.
 *
 * Kubelet puts the files of such a folder into one beside it, and leads there by a link, `..data`; a change is a new folder, and the link
 * is put in its place in one step. So what the links say is when something changed, and never names half of a change. A folder
 * without that link is a person's: what an editor is about to write is not read before SIGHUP says so.
 */
#include "config_row.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINK "..data"

static void add_folder_of(struct config_list *links, const struct config *cfg, const char *path)
{
    char target[PATH_MAX];
    char *file = config_absolute(cfg, path);
    const char *slash = strrchr(file, '/');
    char *link = must_format("%.*s/" LINK, (int)(slash != NULL ? slash - file : 0), file);
    ssize_t size = readlink(link, target, sizeof target);
    if (size > 0) {
        list_add(links, must(strndup(target, (size_t)size)));
    }
    free(link);
    free(file);
}

char *config_mounts(const struct config *cfg, char **environment)
{
    struct config_list links = {NULL, 0};
    if (cfg->config_file[0] != '\0' && strcmp(cfg->config_file, "-") != 0) {
        add_folder_of(&links, cfg, cfg->config_file);
    }
    for (; *environment != NULL; environment++) {
        const char *path = config_env_file(*environment);
        if (path != NULL) {
            add_folder_of(&links, cfg, path);
        }
    }
    return list_join_clear(&links, '\n');
}
