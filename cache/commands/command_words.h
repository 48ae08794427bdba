/*
 * The words for what a command's row says in bits: flags, key flags, groups and ACL categories, as Redis names them. ACL
 * categories are derived: from the flags, from the group, and from what the row adds ("dangerous") or takes away
 * ("-keyspace").
 *
 * Threads: any; rows never change.
 */
#ifndef ORDINAL_COMMANDS_COMMAND_WORDS_H
#define ORDINAL_COMMANDS_COMMAND_WORDS_H

#include "commands/command.h"

/* A bit and its name; a table of them ends with a NULL name and stands in the order in which Redis replies them. */
struct command_word {
    uint32_t bit;
    const char *name;
};

extern const struct command_word command_flag_words[];
extern const struct command_word command_key_words[];
extern const struct command_word command_category_words[]; /* bits of command_categories, without the "@" */

/* "string", "sorted-set", …; and as a title of people's documentation: "Strings". */
const char *command_group_name(enum command_group group);
const char *command_group_title(enum command_group group);

/* The bit of a category's name (without the "@"); 0 when there is none of that name. */
uint32_t command_category(struct slice name);

/* The ACL categories of a command, as bits of command_category_words. */
uint32_t command_categories(const struct command *command);

/* How many of the table's bits are set. */
int command_words_count(const struct command_word *words, uint32_t bits);

#endif
