/*
 * COMMAND: what the command table says of itself, in Redis's shapes. Clients route by it, redis-cli makes its hints of it.
 *
 * Threads: the table never changes, so any thread reads it at any time: all of this is CMD_LOCAL.
 */
#include <stdio.h>

#include "commands/call.h"
#include "commands/command_docs.h"
#include "commands/command_words.h"
#include "commands/groups.h"
#include "memory.h"
#include "types/glob.h"

/* ---- a row, as COMMAND INFO gives it ---------------------------------------------------------------- */

static void reply_words(struct reply *r, const struct command_word *words, uint32_t bits, const char *prefix)
{
    char text[32];
    reply_set(r, command_words_count(words, bits));
    for (; words->name != NULL; words++) {
        if ((bits & words->bit) != 0) {
            snprintf(text, sizeof text, "%s%s", prefix, words->name);
            reply_status(r, text);
        }
    }
}

static void reply_tips(struct reply *r, const char *tips)
{
    int64_t count = 0;
    for (const char *tip = tips; tip != NULL && *(tip += strspn(tip, " ")) != '\0';
         tip += strcspn(tip, " ")) {
        count++;
    }
    reply_set(r, count);
    for (const char *tip = tips; tip != NULL && *(tip += strspn(tip, " ")) != '\0';
         tip += strcspn(tip, " ")) {
        reply_bulk(r, tip, strcspn(tip, " "));
    }
}

static void reply_named_int(struct reply *r, const char *name, int64_t value)
{
    reply_bulk_string(r, name);
    reply_int(r, value);
}

static void reply_step(struct reply *r, const char *name, const char *type, int64_t fields)
{
    reply_bulk_string(r, name);
    reply_map(r, 2);
    reply_bulk_string(r, "type");
    reply_bulk_string(r, type);
    reply_bulk_string(r, "spec");
    reply_map(r, fields);
}

/* A key specification: where to begin, and which arguments from there on. A last key counted from the front is
 * given from the first one on. */
static void reply_key_spec(struct reply *r, const struct command *command, int number)
{
    const struct key_spec *spec = &command->keys[number];
    reply_map(r, 3);
    reply_bulk_string(r, "flags");
    reply_words(r, command_key_words, spec->flags, "");
    if ((spec->flags & KEY_AFTER) != 0) {
        reply_step(r, "begin_search", "keyword", 2);
        reply_bulk_string(r, "keyword");
        reply_bulk_slice(r, command_key_word(command, number));
        reply_named_int(r, "startfrom", spec->first);
    } else {
        reply_step(r, "begin_search", "index", 1);
        reply_named_int(r, "index", spec->first);
    }
    if ((spec->flags & KEY_COUNTED) != 0) {
        reply_step(r, "find_keys", "keynum", 3);
        reply_named_int(r, "keynumidx", 0);
        reply_named_int(r, "firstkey", 1);
        reply_named_int(r, "keystep", 1);
        return;
    }
    reply_step(r, "find_keys", "range", 3);
    reply_named_int(r, "lastkey", spec->last > 0 ? spec->last - spec->first : spec->last);
    reply_named_int(r, "keystep", spec->step);
    reply_named_int(r, "limit", 0);
}

/* The one range of the old reply that covers all specifications; it knows no keys that are counted, or follow a word. */
static struct key_spec whole_range(const struct command *command)
{
    struct key_spec range = command->keys[0];
    if ((range.flags & KEY_COUNTED) != 0) {
        return (struct key_spec){0};
    }
    for (int i = 1; i < command_spec_count(command); i++) {
        const struct key_spec *spec = &command->keys[i];
        if ((spec->flags & (KEY_COUNTED | KEY_AFTER)) != 0) {
            continue;
        }
        range.first = spec->first < range.first ? spec->first : range.first;
        bool later = spec->last < 0 ? range.last >= 0 || spec->last > range.last
                                    : range.last >= 0 && spec->last > range.last;
        range.last = later ? spec->last : range.last;
        range.step = 1;
    }
    return range;
}

static void reply_row(struct reply *r, const struct command *command)
{
    char name[64];
    struct key_spec range = whole_range(command);
    int subcommands = command_subcommand_count(command);
    command_full_name(command, name, sizeof name);
    reply_array(r, 10);
    reply_bulk_string(r, name);
    reply_int(r, command->arity);
    reply_words(r, command_flag_words, command->flags, "");
    reply_int(r, range.first);
    reply_int(r, range.last);
    reply_int(r, range.step);
    reply_words(r, command_category_words, command_categories(command), "@");
    reply_tips(r, command->tips);
    reply_set(r, command_spec_count(command));
    for (int i = 0; i < command_spec_count(command); i++) {
        reply_key_spec(r, command, i);
    }
    reply_set(r, subcommands);
    for (int i = 0; i < subcommands; i++) {
        reply_row(r, &command->subcommands[i]);
    }
}

/* ---- COMMAND, COUNT, INFO, DOCS ----------------------------------------------------------------------- */

static int count_top_level(void)
{
    int count = 0;
    for (int i = 0; i < command_count(); i++) {
        count += command_parent(command_at(i)) == NULL;
    }
    return count;
}

static void run_command(struct call *c)
{
    reply_array(c->reply, count_top_level());
    for (int i = 0; i < command_count(); i++) {
        if (command_parent(command_at(i)) == NULL) {
            reply_row(c->reply, command_at(i));
        }
    }
}

static void run_count(struct call *c)
{
    reply_int(c->reply, count_top_level());
}

static void run_info(struct call *c)
{
    if (c->argc == 2) {
        run_command(c);
        return;
    }
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        const struct command *command = command_find_full(c->argv[i]);
        if (command != NULL) {
            reply_row(c->reply, command);
        } else {
            reply_null_array(c->reply);
        }
    }
}

static void run_docs(struct call *c)
{
    int64_t count = 0;
    size_t hole = reply_hole(c->reply);
    for (int i = 0; i < command_count() && c->argc == 2; i++) {
        if (command_parent(command_at(i)) == NULL) {
            command_docs_reply(c->reply, command_at(i));
            count++;
        }
    }
    for (size_t i = 2; i < c->argc; i++) {
        const struct command *command = command_find_full(c->argv[i]);
        if (command != NULL) {
            command_docs_reply(c->reply, command);
            count++;
        }
    }
    reply_fill_map(c->reply, hole, count);
}

/* ---- LIST ------------------------------------------------------------------------------------------- */

enum filter { FILTER_NONE, FILTER_NOTHING, FILTER_CATEGORY, FILTER_PATTERN };

static bool fits(const struct command *command, const char *name, enum filter filter, uint32_t category,
                 struct slice pattern)
{
    switch (filter) {
    case FILTER_CATEGORY: return (command_categories(command) & category) != 0;
    case FILTER_PATTERN: return glob_match(pattern.ptr, pattern.len, name, strlen(name), true);
    case FILTER_NOTHING: return false;
    default: return true;
    }
}

static void list(struct call *c, enum filter filter, struct slice argument)
{
    char name[64];
    int64_t count = 0;
    uint32_t category = filter == FILTER_CATEGORY ? command_category(argument) : 0;
    size_t hole = reply_hole(c->reply);
    for (int i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        command_full_name(command, name, sizeof name);
        if (fits(command, name, filter, category, argument)) {
            reply_bulk_string(c->reply, name);
            count++;
        }
    }
    reply_fill_array(c->reply, hole, count);
}

static void run_list(struct call *c)
{
    if (c->argc == 2) {
        list(c, FILTER_NONE, SLICE(""));
    } else if (c->argc != 5 || !slice_is(c->argv[2], "filterby")) {
        call_syntax_error(c);
    } else if (slice_is(c->argv[3], "module")) {
        list(c, FILTER_NOTHING, c->argv[4]); /* there are no modules */
    } else if (slice_is(c->argv[3], "aclcat")) {
        list(c, FILTER_CATEGORY, c->argv[4]);
    } else if (slice_is(c->argv[3], "pattern")) {
        list(c, FILTER_PATTERN, c->argv[4]);
    } else {
        call_syntax_error(c);
    }
}

/* ---- GETKEYS, GETKEYSANDFLAGS ----------------------------------------------------------------------- */

/* What a command with variable key flags does with its key in this request. */
static uint32_t variable_flags(const struct command *command, const struct slice *argv, size_t argc)
{
    const uint32_t change = KEY_RW | KEY_ACCESS | KEY_UPDATE;
    if (strcmp(command->name, "set") == 0) {
        for (size_t i = 3; i < argc; i++) {
            if (slice_is(argv[i], "get")) {
                return change;
            }
        }
        return KEY_OW | KEY_UPDATE;
    }
    /* BITFIELD: operations that only read leave the key as it is; what is none may do anything. */
    for (size_t i = 2, words; i < argc; i += words) {
        size_t left = argc - i;
        words = slice_is(argv[i], "get") && left > 2 ? 3 : slice_is(argv[i], "overflow") && left > 1 ? 2 : 0;
        if (words == 0) {
            return change;
        }
    }
    return KEY_RO | KEY_ACCESS;
}

/* The flags of the key at a position: those of the specification that covers it. */
static uint32_t flags_at(const struct command *command, const struct slice *argv, size_t argc, int position)
{
    for (int i = 0; i < command_spec_count(command); i++) {
        const struct key_spec *spec = &command->keys[i];
        int first, last;
        if (command_key_run(command, i, argv, argc, &first, &last) && position >= first && position <= last &&
            (position - first) % spec->step == 0) {
            return (spec->flags & KEY_VARIABLE) != 0 ? variable_flags(command, argv, argc) : spec->flags;
        }
    }
    return 0;
}

static void reply_keys(struct call *c, const struct command *command, bool with_flags)
{
    const struct slice *argv = c->argv + 2;
    size_t argc = c->argc - 2;
    int *positions = mem_alloc(argc * sizeof *positions);
    if (positions == NULL) {
        call_out_of_memory(c);
        return;
    }
    int count = command_keys(command, argv, argc, positions, (int)argc);
    if (count < 0) {
        reply_error(c->reply, "ERR Invalid arguments specified for command");
    } else {
        reply_array(c->reply, count);
    }
    for (int i = 0; i < count; i++) {
        if (with_flags) {
            reply_array(c->reply, 2);
        }
        reply_bulk_slice(c->reply, argv[positions[i]]);
        if (with_flags) {
            reply_words(c->reply, command_key_words, flags_at(command, argv, argc, positions[i]), "");
        }
    }
    mem_free(positions, argc * sizeof *positions);
}

static void get_keys(struct call *c, bool with_flags)
{
    const struct command *command = command_find(c->argv[2]);
    if (command != NULL && command->subcommands != NULL && c->argc > 3) {
        command = command_find_subcommand(command, c->argv[3]);
    }
    if (command == NULL) {
        reply_error(c->reply, "ERR Invalid command specified");
    } else if (command->keys[0].first == 0 && (command->flags & CMD_MOVABLE_KEYS) == 0) {
        reply_error(c->reply, "ERR The command has no key arguments");
    } else if (!command_arity_fits(command, c->argc - 2)) {
        reply_error(c->reply, "ERR Invalid number of arguments specified for command");
    } else {
        reply_keys(c, command, with_flags);
    }
}

static void run_getkeys(struct call *c)
{
    get_keys(c, false);
}

static void run_getkeysandflags(struct call *c)
{
    get_keys(c, true);
}

static void run_help(struct call *c)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Describe all commands.",
        "COUNT",
        "    Count the commands of this server.",
        "DOCS [<command-name> ...]",
        "    Return the documentation of these commands, or of all.",
        "GETKEYS <full-command>",
        "    Return the keys in a command line.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys in a command line, and what the command does with each.",
        "INFO [<command-name> ...]",
        "    Describe these commands, or all.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    List the names of all commands, or of those that fit.",
        NULL,
    };
    call_help(c, lines);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define ANYTIME (CMD_LOADING | CMD_STALE | CMD_LOCAL)

static const struct command subcommands[] = {
    {
        .name = "count",
        .run = run_count,
        .arity = 2,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Returns a count of commands.",
        .categories = "connection",
    },
    {
        .name = "docs",
        .run = run_docs,
        .arity = -2,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of commands to look up",
        .summary = "Returns documentary information about one, multiple or all commands.",
        .syntax = "[command-name [command-name ...]]",
        .tips = "nondeterministic_output_order",
        .categories = "connection",
    },
    {
        .name = "getkeys",
        .run = run_getkeys,
        .arity = -4,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "2.8.13",
        .complexity = "O(N) where N is the number of arguments to the command",
        .summary = "Extracts the key names from an arbitrary command.",
        .syntax = "command [arg [arg ...]]",
        .categories = "connection",
    },
    {
        .name = "getkeysandflags",
        .run = run_getkeysandflags,
        .arity = -4,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of arguments to the command",
        .summary = "Extracts the key names and access flags for an arbitrary command.",
        .syntax = "command [arg [arg ...]]",
        .categories = "connection",
    },
    {
        .name = "help",
        .run = run_help,
        .arity = 2,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns helpful text about the different subcommands.",
        .categories = "connection",
    },
    {
        .name = "info",
        .run = run_info,
        .arity = -2,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "2.8.13",
        .complexity = "O(N) where N is the number of commands to look up",
        .summary = "Returns information about one, multiple or all commands.",
        .syntax = "[command-name [command-name ...]]",
        .history = "7.0.0\tAllowed to be called with no argument to get info on all commands.",
        .tips = "nondeterministic_output_order",
        .categories = "connection",
    },
    {
        .name = "list",
        .run = run_list,
        .arity = -2,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "7.0.0",
        .complexity = "O(N) where N is the total number of Redis commands",
        .summary = "Returns a list of command names.",
        .syntax = "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        .tips = "nondeterministic_output_order",
        .categories = "connection",
    },
    {0},
};

const struct command introspection_commands[] = {
    {
        .name = "command",
        .run = run_command,
        .arity = -1,
        .flags = ANYTIME,
        .group = GROUP_SERVER,
        .since = "2.8.13",
        .complexity = "O(N) where N is the total number of Redis commands",
        .summary = "Returns detailed information about all commands.",
        .tips = "nondeterministic_output_order",
        .categories = "connection",
        .subcommands = subcommands,
    },
    {0},
};
