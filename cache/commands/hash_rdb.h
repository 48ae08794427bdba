/*
 * Hashes in the RDB format: written as Redis 7.0 reads them, unless fields have deadlines, which only Redis 7.4 and later
 * know; read in every encoding since Redis 2.2.
 *
 *   4   HASH               count | (field | value) …
 *   16  HASH_LISTPACK      a string: the listpack of field, value, …
 */
#ifndef ORDINAL_COMMANDS_HASH_RDB_H
#define ORDINAL_COMMANDS_HASH_RDB_H

#include "commands/type.h"

/* What type.h says of rdb_type, save and load. */
enum rdb_type hash_rdb_type(const struct entry *e);
void hash_rdb_save(struct rdb_writer *writer, const struct entry *e);
enum rdb_payload_status hash_rdb_load(const struct server *server, struct rdb_reader *reader,
                                      enum rdb_type type, const struct entry_head *head, struct entry **e);

#endif
