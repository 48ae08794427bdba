/*
 * The groups of commands: each file of handlers brings its rows, and this is the list of them all.
 */
#ifndef ORDINAL_COMMANDS_GROUPS_H
#define ORDINAL_COMMANDS_GROUPS_H

#include "commands/command.h"

extern const struct command aof_commands[];
extern const struct command bitfield_commands[];
extern const struct command bitmap_commands[];
extern const struct command client_commands[];
extern const struct command config_commands[];
extern const struct command connection_commands[];
extern const struct command debug_commands[];
extern const struct command dump_commands[];
extern const struct command expire_commands[];
extern const struct command geo_commands[];
extern const struct command geo_search_commands[];
extern const struct command hash_commands[];
extern const struct command hash_expire_commands[];
extern const struct command hash_expiring_commands[];
extern const struct command hash_increment_commands[];
extern const struct command hash_walk_commands[];
extern const struct command hyperloglog_commands[];
extern const struct command hyperloglog_debug_commands[];
extern const struct command increment_commands[];
extern const struct command info_commands[];
extern const struct command introspection_commands[];
extern const struct command key_commands[];
extern const struct command latency_commands[];
extern const struct command lcs_commands[];
extern const struct command list_commands[];
extern const struct command list_edit_commands[];
extern const struct command list_first_commands[];
extern const struct command list_move_commands[];
extern const struct command memory_commands[];
extern const struct command monitor_commands[];
extern const struct command mset_commands[];
extern const struct command object_commands[];
extern const struct command pubsub_commands[];
extern const struct command range_commands[];
extern const struct command saving_commands[];
extern const struct command scan_commands[];
extern const struct command server_commands[];
extern const struct command set_algebra_commands[];
extern const struct command set_commands[];
extern const struct command set_random_commands[];
extern const struct command shutdown_commands[];
extern const struct command slowlog_commands[];
extern const struct command sort_commands[];
extern const struct command string_commands[];
extern const struct command transaction_commands[];
extern const struct command zset_commands[];
extern const struct command zset_range_commands[];
extern const struct command zset_walk_commands[];
extern const struct command zset_remove_range_commands[];
extern const struct command zset_pop_commands[];
extern const struct command zset_combine_commands[];

/* Registers the rows of every group. */
void groups_register(void);

#endif
