/*
 * What must not be shown of a command: passwords. SLOWLOG and MONITOR show "(redacted)" for these arguments.
 */
#ifndef ORDINAL_COMMANDS_REDACT_H
#define ORDINAL_COMMANDS_REDACT_H

#include "commands/call.h"

#define REDACTED "(redacted)"

/* Whether argv[index] is a secret. */
bool redact_argument(const struct call *c, size_t index);

#endif
