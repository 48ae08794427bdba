/*
 * Hashes in the RDB format: written as Redis 7.0 reads them, unless fields have deadlines, which only Redis 7.4 and later
 * know; read in every encoding since Redis 2.2.
 *
 *   4   HASH               count | (field | value) …
 *   9   HASH_ZIPMAP        a string: the zipmap
 *   13  HASH_ZIPLIST       a string: the ziplist of field, value, …
 *   16  HASH_LISTPACK      a string: the listpack of field, value, …
 *   24  HASH_METADATA      earliest deadline:64 | count | (deadline | field | value) …       0: none, 1: the earliest, …
 *   25  HASH_LISTPACK_EX   earliest deadline:64 | a string: the listpack of field, value, deadline, …       0: none
 *
 * Deadlines are milliseconds of wall time. Types 4, 16 and 24 are written; the payload of a 24 says version 12.
 * Source: RDB file format; Redis 7.4 for types 24 and 25.
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
