/*
 * What people and tools read of a command: COMMAND DOCS and docs/commands.md, both made from the command table.
 */
#ifndef ORDINAL_COMMANDS_COMMAND_DOCS_H
#define ORDINAL_COMMANDS_COMMAND_DOCS_H

#include <stdio.h>

#include "commands/command.h"
#include "net/reply.h"

/* Writes one pair of COMMAND DOCS's map: the command's full name and its documentation. */
void command_docs_reply(struct reply *r, const struct command *command);

/* Writes docs/commands.md: every command, by group. Registers the command table when that is not done yet. */
void commands_docs(FILE *out);

#endif
