/*
 * The command table. A command is one row beside its function, in the file of its group of the Redis manual; its
 * flags, keys, ACL categories, COMMAND, COMMAND DOCS and docs/commands.md all come from that row.
 *
 * Threads: rows are registered before the loops start, and never change.
 */
#ifndef ORDINAL_COMMANDS_COMMAND_H
#define ORDINAL_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

struct call;

/* What a command is; the names in COMMAND are Redis's. */
enum command_flag {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2, /* refused when memory is over its limit and nothing may be evicted */
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7,
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_FAST = 1 << 11,
    CMD_NO_AUTH = 1 << 12, /* may be sent before AUTH */
    CMD_MAY_REPLICATE = 1 << 13,
    CMD_NO_MULTI = 1 << 14,
    CMD_MOVABLE_KEYS = 1 << 15,
    CMD_ALLOW_BUSY = 1 << 16,
    CMD_NO_ASYNC_LOADING = 1 << 17,
    CMD_NO_MANDATORY_KEYS = 1 << 18,
    CMD_PROTECTED = 1 << 19, /* needs enable-debug-command */
    CMD_ASKING = 1 << 20,

    /* Ordinal's own: how the command runs. Without either, a command with one key takes that key's shard, and
     * any other runs alone (gate.h). */
    CMD_SYNCING = 1 << 25,    /* runs while the data set is loaded: its handler looks at that itself */
    CMD_EXEC = 1 << 26,       /* EXEC: runs the commands that were kept */
    CMD_NOT_QUEUED = 1 << 27, /* runs at once in MULTI too */
    CMD_LOCAL = 1 << 28,      /* touches nothing but its own connection and what any thread may read */
    CMD_ALONE = 1 << 29,      /* always runs alone */
};

enum command_group {
    GROUP_GENERIC,
    GROUP_STRING,
    GROUP_BITMAP,
    GROUP_LIST,
    GROUP_SET,
    GROUP_SORTED_SET,
    GROUP_HASH,
    GROUP_PUBSUB,
    GROUP_TRANSACTIONS,
    GROUP_CONNECTION,
    GROUP_SERVER,
    GROUP_SCRIPTING,
    GROUP_HYPERLOGLOG,
    GROUP_GEO,
    GROUP_STREAM,
    GROUP_COUNT
};

/* What a command does with its keys, for COMMAND's key specifications. */
enum key_flag {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE = 1 << 10,

    /* Ordinal's own: the key follows a word of the command's keys_after, the next one for each such specification, which is
     * looked for from argv[first] on; `last` is 0 and `step` 1. */
    KEY_AFTER = 1 << 14,

    /* Ordinal's own, with KEY_AFTER: where the word comes several times the last counts, else the first. */
    KEY_LAST = 1 << 13,

    /* Ordinal's own: argv[first] is the number of keys, which follow it; `last` is 0 and `step` 1. */
    KEY_COUNTED = 1 << 15,
};

/* One run of keys: argv[first], argv[first + step], … up to last (negative: counted from the end); or (KEY_COUNTED) as many as
 * the request says; or (KEY_AFTER) one where the request has it. */
struct key_spec {
    int16_t first, last, step;
    uint16_t flags;
};

enum { COMMAND_KEY_SPECS = 3 };

struct command {
    const char *name; /* in lower case; of a subcommand: its own name alone */
    void (*run)(struct call *c);
    int arity; /* arguments, the name included; negative: at least that many */
    uint32_t flags;
    struct key_spec keys[COMMAND_KEY_SPECS]; /* unused ones have first == 0 */
    const char *keys_after;                  /* words for KEY_AFTER, separated by blanks, or NULL */
    enum command_group group;
    const char *since, *complexity, *summary;
    const char *syntax; /* the arguments, as the Redis manual writes them: "key [NX | XX] [EX seconds]" */
    const char *deprecated_since, *replaced_by; /* or NULL */
    const char *tips;                           /* separated by blanks, or NULL */
    const char *history;                        /* "version\ttext" for each line, or NULL */
    const char *categories; /* ACL categories beyond what flags and group say, separated by blanks, or NULL */
    const struct command *subcommands; /* ended by a row without a name, or NULL */
    const char *doc_flags;             /* "syscmd" or NULL */
};

enum { COMMAND_MAX = 512 };

/* Brings a module's rows, ended by a row without a name, into the table. They must live for ever. */
void command_register(const struct command *rows);

/* rename-command: lets a command be found by another name (`to` must live for ever), or by none when that is empty. False with
 * the reason when there is no such command, or the name is taken. Before the loops start. */
bool command_rename(const char *from, const char *to, const char **error);

/* The row of a name in any case, or NULL. Subcommands are found in their parent. The second gives command_id too. */
const struct command *command_find(struct slice name);
const struct command *command_find_id(struct slice name, int *id);
const struct command *command_find_subcommand(const struct command *parent, struct slice name);

/* As command_full_name writes it: "get", or "client|id". */
const struct command *command_find_full(struct slice name);

/* Every command has a number, subcommands too: the place of its statistics. 0 .. command_count() - 1. */
int command_id(const struct command *command);
int command_count(void);

/* The top-level command or subcommand with a number, and its parent (NULL for a top-level one). */
const struct command *command_at(int id);
const struct command *command_parent(const struct command *command);

/* "get", or "client|id" for a subcommand. `size` bytes are enough at 64. */
void command_full_name(const struct command *command, char *text, size_t size);

static inline bool command_arity_fits(const struct command *command, size_t argc)
{
    return command->arity >= 0 ? argc == (size_t)command->arity : argc >= (size_t)-command->arity;
}

/* How many key specifications and subcommands a row has. */
int command_spec_count(const struct command *command);
int command_subcommand_count(const struct command *command);

/* The last position of a run of keys in a request of argc arguments. */
static inline int command_last_key(const struct key_spec *spec, size_t argc)
{
    return spec->last >= 0 ? spec->last : (int)argc + spec->last;
}

/* Whether a request of this command, which must have keys, has one alone: then its shard is enough to run it. */
static inline bool command_has_one_key(const struct command *command, size_t argc)
{
    const struct key_spec *spec = &command->keys[0];
    return spec->first + spec->step > command_last_key(spec, argc) && command->keys[1].first == 0 &&
           (command->flags & CMD_MOVABLE_KEYS) == 0;
}

/* The word of keys_after for a KEY_AFTER specification, by its number. */
struct slice command_key_word(const struct command *command, int spec);

/* The positions of the first and last key of a run, by the number of its specification, in this request; the last before the first
 * when the request has none. False when it does not say how many keys there are, or more than follow. */
bool command_key_run(const struct command *command, int number, const struct slice *argv, size_t argc,
                     int *first, int *last);

/* Positions in argv of all keys of a request of this command (at most `max` are written). Returns how many there are, or
 * -1 when the command's syntax does not let them be told. */
int command_keys(const struct command *command, const struct slice *argv, size_t argc, int *positions,
                 int max);

#endif
