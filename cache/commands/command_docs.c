#include "commands/command_docs.h"

#include <ctype.h>
#include <stdlib.h>

#include "commands/command_words.h"
#include "commands/syntax.h"

/* ---- COMMAND DOCS ----------------------------------------------------------------------------------- */

/* What the documentation of one command's arguments needs beside the tree. */
struct arguments {
    struct reply *r;
    const struct syntax *syntax;
    const struct command *command;
    int specs; /* key specifications of the command */
    int keys;  /* arguments that are keys, so far */
};

static void reply_pair(struct reply *r, const char *key, const char *value)
{
    reply_bulk_string(r, key);
    reply_bulk_string(r, value);
}

static void reply_flags(struct reply *r, uint32_t flags)
{
    static const struct command_word words[] = {{SYNTAX_OPTIONAL, "optional"},
                                                {SYNTAX_MULTIPLE, "multiple"},
                                                {SYNTAX_MULTIPLE_TOKEN, "multiple_token"},
                                                {0, NULL}};
    reply_bulk_string(r, "flags");
    reply_set(r, command_words_count(words, flags));
    for (const struct command_word *word = words; word->name != NULL; word++) {
        if ((flags & word->bit) != 0) {
            reply_status(r, word->name);
        }
    }
}

/* The type as the name of the argument tells it; INCRBYFLOAT's increment is the one that its command decides. */
static enum syntax_type type_in(const struct command *command, const struct syntax_node *node)
{
    bool floats = strcmp(node->name, "increment") == 0 && strstr(command->name, "float") != NULL;
    return floats ? SYNTAX_DOUBLE : node->type;
}

static void reply_arguments(struct arguments *a, int first, int count)
{
    reply_array(a->r, count);
    for (int i = first; i != SYNTAX_NONE; i = a->syntax->nodes[i].next) {
        const struct syntax_node *node = &a->syntax->nodes[i];
        bool group = node->type == SYNTAX_ONEOF || node->type == SYNTAX_BLOCK;
        bool key = node->type == SYNTAX_KEY && a->specs > 0;
        reply_map(a->r, 3 + key + (node->token.len > 0) + (node->flags != 0));
        reply_pair(a->r, "name", node->name);
        reply_pair(a->r, "type", syntax_type_name(type_in(a->command, node)));
        if (!group) {
            reply_pair(a->r, "display_text", node->name);
        }
        if (key) {
            reply_bulk_string(a->r, "key_spec_index");
            reply_int(a->r, a->keys < a->specs ? a->keys : a->specs - 1);
            a->keys++;
        }
        if (node->token.len > 0) {
            reply_bulk_string(a->r, "token");
            reply_bulk_slice(a->r, node->token);
        }
        if (node->flags != 0) {
            reply_flags(a->r, node->flags);
        }
        if (group) {
            reply_bulk_string(a->r, "arguments");
            reply_arguments(a, node->child, node->children);
        }
    }
}

static int count_lines(const char *text)
{
    int lines = *text != '\0';
    for (; *text != '\0'; text++) {
        lines += *text == '\n' && text[1] != '\0';
    }
    return lines;
}

/* Lines of "version\ttext". */
static void reply_history(struct reply *r, const char *history)
{
    reply_bulk_string(r, "history");
    reply_set(r, count_lines(history));
    for (const char *line = history; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        size_t version = strcspn(line, "\t");
        reply_array(r, 2);
        reply_bulk(r, line, version);
        reply_bulk(r, line + version + 1, len - version - 1);
        line += len + (line[len] == '\n');
    }
}

static void reply_doc_flags(struct reply *r, const struct command *command)
{
    reply_bulk_string(r, "doc_flags");
    reply_set(r, (command->deprecated_since != NULL) + (command->doc_flags != NULL));
    if (command->deprecated_since != NULL) {
        reply_status(r, "deprecated");
    }
    if (command->doc_flags != NULL) {
        reply_status(r, command->doc_flags);
    }
}

static void reply_optional(struct reply *r, const char *key, const char *value)
{
    if (value != NULL) {
        reply_pair(r, key, value);
    }
}

static void reply_documentation(struct reply *r, const struct command *command, const struct syntax *syntax)
{
    reply_pair(r, "summary", command->summary);
    reply_pair(r, "since", command->since);
    reply_pair(r, "group", command_group_name(command->group));
    reply_optional(r, "complexity", command->complexity);
    if (command->deprecated_since != NULL || command->doc_flags != NULL) {
        reply_doc_flags(r, command);
    }
    reply_optional(r, "deprecated_since", command->deprecated_since);
    reply_optional(r, "replaced_by", command->replaced_by);
    if (command->history != NULL) {
        reply_history(r, command->history);
    }
    if (syntax->arguments > 0) {
        struct arguments a = {r, syntax, command, command_spec_count(command), 0};
        reply_bulk_string(r, "arguments");
        reply_arguments(&a, syntax->first, syntax->arguments);
    }
}

void command_docs_reply(struct reply *r, const struct command *command)
{
    char name[64];
    struct syntax syntax = {0};
    int subcommands = command_subcommand_count(command);
    if (!syntax_parse(&syntax, command->syntax)) {
        syntax.arguments = 0;
    }
    command_full_name(command, name, sizeof name);
    reply_bulk_string(r, name);
    reply_map(r, 3 + (command->complexity != NULL) +
                     (command->deprecated_since != NULL || command->doc_flags != NULL) +
                     (command->deprecated_since != NULL) + (command->replaced_by != NULL) +
                     (command->history != NULL) + (syntax.arguments > 0) + (subcommands > 0));
    reply_documentation(r, command, &syntax);
    if (subcommands > 0) {
        reply_bulk_string(r, "subcommands");
        reply_map(r, subcommands);
        for (int i = 0; i < subcommands; i++) {
            command_docs_reply(r, &command->subcommands[i]);
        }
    }
}

/* ---- docs/commands.md ------------------------------------------------------------------------------- */

static void print_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|' || *text == '<') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

/* In code nothing but the table's own bar needs an escape. */
static void print_code(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, out);
    }
}

static void print_row(FILE *out, const struct command *command)
{
    char name[64];
    command_full_name(command, name, sizeof name);
    fputs("| `", out);
    for (const char *letter = name; *letter != '\0'; letter++) {
        fputc(*letter == '|' ? ' ' : toupper((unsigned char)*letter), out);
    }
    if (command->syntax != NULL) {
        fputc(' ', out);
        print_code(out, command->syntax);
    }
    fputs("` | ", out);
    print_escaped(out, command->summary);
    if (command->deprecated_since != NULL) {
        fprintf(out, " *Deprecated since %s", command->deprecated_since);
        if (command->replaced_by != NULL) {
            fputs("; use ", out);
            print_escaped(out, command->replaced_by);
        }
        fputs(".*", out);
    }
    fputs(" | ", out);
    print_escaped(out, command->complexity != NULL ? command->complexity : "");
    fprintf(out, " | %s |\n", command->since);
}

static int by_name(const void *a, const void *b)
{
    char left[64], right[64];
    command_full_name(*(const struct command *const *)a, left, sizeof left);
    command_full_name(*(const struct command *const *)b, right, sizeof right);
    return strcmp(left, right);
}

/* The commands of a group that do something of their own, by name. */
static int collect(enum command_group group, const struct command **found)
{
    int count = 0;
    for (int i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        bool container = command->subcommands != NULL && command->arity == -2;
        if (command->group == group && !container) {
            found[count++] = command;
        }
    }
    qsort(found, (size_t)count, sizeof *found, by_name);
    return count;
}

void commands_docs(FILE *out)
{
    const struct command *found[COMMAND_MAX] = {NULL};
    fputs(
        "# Commands\n\nMade from the command table by `make docs`; do not edit. A command behaves as in Redis 7.2; "
        "`COMMAND DOCS` and\n`COMMAND INFO` tell the same, and more, to programs. *Since* is the version of Redis that "
        "brought it.\n",
        out);
    for (int group = 0; group < GROUP_COUNT; group++) {
        int count = collect((enum command_group)group, found);
        if (count == 0) {
            continue;
        }
        fprintf(out, "\n## %s\n\n| Command | What it does | Complexity | Since |\n|---|---|---|---|\n",
                command_group_title((enum command_group)group));
        for (int i = 0; i < count; i++) {
            print_row(out, found[i]);
        }
    }
}
