/*
 * Sorted sets in the RDB format: written as a listpack (type 17) or as members with doubles (type 5), and read as
 * these, as members with scores in text (type 3), and as a ziplist (type 12).
 */
#ifndef ORDINAL_COMMANDS_ZSET_RDB_H
#define ORDINAL_COMMANDS_ZSET_RDB_H

#include "commands/type.h"

/* As in struct type. */
enum rdb_type zset_rdb_type(const struct entry *e);
void zset_rdb_save(struct rdb_writer *writer, const struct entry *e);
enum rdb_payload_status zset_rdb_load(const struct server *server, struct rdb_reader *reader,
                                      enum rdb_type type, const struct entry_head *head, struct entry **e);

#endif
