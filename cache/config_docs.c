/* The settings as people read them: for `ordinal --help`, and docs/configuration.md, both from the table. */
#include "config_row.h"

#include <string.h>

static const char *const group_titles[] = {
    [CONFIG_NETWORK] = "Network",         [CONFIG_GENERAL] = "General",
    [CONFIG_SECURITY] = "Security",       [CONFIG_MEMORY_LIMITS] = "Memory",
    [CONFIG_ENCODINGS] = "Encodings",     [CONFIG_PERSISTENCE] = "Persistence",
    [CONFIG_REPLICATION] = "Replication", [CONFIG_TLS] = "TLS",
    [CONFIG_CLUSTER] = "Cluster",         [CONFIG_NOT_NEEDED] = "Accepted but not needed",
};

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `ordinal --print-docs configuration` from the table in cache/config_table.c: change it there. -->\n"
    "\n"
    "Ordinal reads a redis.conf and redis-server's command line as they are. Names, defaults and ranges are those of\n"
    "Redis 7.2; a setting that Redis does not have is described here like the others.\n"
    "\n"
    "```\n"
    "ordinal [FILE.conf | -] [--setting value …]\n"
    "```\n"
    "\n"
    "A value comes from, the later winning over the earlier:\n"
    "\n"
    "1. the default;\n"
    "2. the file (`-` is standard input), with what it includes (`include PATH`, wildcards allowed);\n"
    "3. the environment: `ORDINAL_<SETTING>`, with `_` for `-`, as in `ORDINAL_MAXMEMORY_POLICY=allkeys-lru`.\n"
    "   `ORDINAL_<SETTING>_FILE` reads the value from a file, less a newline at its end: the way for mounted secrets.\n"
    "   `REDIS_PASSWORD` and `REDIS_PASSWORD_FILE` set `requirepass`;\n"
    "4. the command line;\n"
    "5. `CONFIG SET`, for settings that are live.\n"
    "\n"
    "SIGHUP reads the file, the environment's files and the secrets again and applies the live settings that changed\n"
    "there; the log names those that need a restart. Relative paths of files to read start where the server was\n"
    "started. `CONFIG REWRITE` writes to the file what `CONFIG SET` and the command line changed, keeping comments and\n"
    "order; what came from the environment is not written, so that a mounted secret stays one.\n"
    "Files that Kubernetes has mounted from a ConfigMap or a Secret are read again by themselves as soon as they change.\n"
    "\n"
    "Sizes are bytes or a number with a unit: `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` of 1024.\n"
    "Passwords are compared by their SHA-256 hash, in constant time. The plain text of `requirepass` is kept beside it,\n"
    "because `CONFIG GET requirepass` and `CONFIG REWRITE` have to give it back. One that was replaced in its file works on\n"
    "beside the new one for `password-overlap`; one that `CONFIG SET` replaces is worth nothing at once.\n"
    "\n"
    "An unknown setting or a bad value stops the start, with the file, the line's number and the line.\n"
    "`loadmodule` is such an error: Ordinal has no modules.\n"
    "\n"
    "In the column *When*: `live` can be changed by `CONFIG SET`, `start` cannot, `protected` only where\n"
    "`enable-protected-configs` allows it. `†`: kept for the clients that ask for it, but this version does not act\n"
    "on it.\n";

static const char *when(const struct config_row *row)
{
    bool pending = (row->flags & CONFIG_PENDING) != 0;
    if ((row->flags & CONFIG_START) != 0) {
        return pending ? "start †" : "start";
    }
    if ((row->flags & CONFIG_PROTECTED) != 0) {
        return pending ? "protected †" : "protected";
    }
    return pending ? "live †" : "live";
}

static void print_row(FILE *out, const struct config_row *row)
{
    char type[256];
    row_describe_type(row, type, sizeof type);
    fprintf(out, "| `%s`", row->name);
    if (row->alias != NULL) {
        fprintf(out, ", `%s`", row->alias);
    }
    const char *initial = row->initial[0] == '\0' ? "\"\"" : row->initial;
    if (row->group == CONFIG_NOT_NEEDED) {
        fprintf(out, " | `%s` | %s |\n", initial, row->help);
    } else {
        fprintf(out, " | %s | `%s` | %s | %s |\n", type, initial, when(row), row->help);
    }
}

void config_docs(FILE *out)
{
    int group = -1;
    fputs(introduction, out);
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if ((int)row->group != group) {
            group = (int)row->group;
            fprintf(out, "\n## %s\n\n", group_titles[group]);
            fputs(
                group == CONFIG_NOT_NEEDED
                    ? "Checked and kept, so that `CONFIG GET` answers what was given; a value other than the default is\n"
                      "met with a line in the log.\n\n| setting | default | why it is not needed |\n|---|---|---|\n"
                    : "| setting | values | default | when | what it does |\n|---|---|---|---|---|\n",
                out);
        }
        print_row(out, row);
    }
}

void config_help(FILE *out)
{
    int group = -1;
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if ((row->flags & (CONFIG_IGNORED | CONFIG_PENDING)) != 0) {
            continue;
        }
        if ((int)row->group != group) {
            group = (int)row->group;
            fprintf(out, "%s%s:\n", i == 0 ? "" : "\n", group_titles[group]);
        }
        fprintf(out, "  --%-34s %s", row->name, row->help);
        fprintf(out, row->initial[0] == '\0' ? "\n" : " [%s]\n", row->initial);
    }
}
