/*
 * The commands by which a replica makes itself known and asks for the stream: REPLCONF, PSYNC, SYNC; and ROLE.
 */
#ifndef ORDINAL_REPLICATION_SYNC_COMMAND_H
#define ORDINAL_REPLICATION_SYNC_COMMAND_H

#include "commands/command.h"

extern const struct command sync_commands[];

#endif
