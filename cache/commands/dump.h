/*
 * DUMP and RESTORE: a value as bytes in the RDB format, so that it can be carried to another server and back.
 *
 * Threads: as for the entry.
 */
#ifndef ORDINAL_COMMANDS_DUMP_H
#define ORDINAL_COMMANDS_DUMP_H

#include "commands/type.h"

/* Writes what DUMP replies for an entry into an empty writer. False when memory ran out. */
bool dump_write(struct rdb_writer *writer, const struct entry *e);

/* Reads such a payload, from anywhere, as an entry that is not linked yet. */
enum rdb_payload_status dump_read(const struct server *server, struct slice payload,
                                  const struct entry_head *head, struct entry **e);

#endif
