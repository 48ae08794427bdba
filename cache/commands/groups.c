#include "commands/groups.h"

void groups_register(void)
{
    static const struct command *const groups[] = {
        /* clang-format off */ /* a line for each */
        aof_commands,
        bitfield_commands,
        bitmap_commands,
        client_commands,
        config_commands,
        connection_commands,
        debug_commands,
        dump_commands,
        expire_commands,
        geo_commands,
        geo_search_commands,
        hash_commands,
        hash_expire_commands,
        hash_expiring_commands,
        hash_increment_commands,
        hash_walk_commands,
        hyperloglog_commands,
        hyperloglog_debug_commands,
        increment_commands,
        info_commands,
        introspection_commands,
        key_commands,
        latency_commands,
        lcs_commands,
        list_commands,
        list_edit_commands,
        list_first_commands,
        list_move_commands,
        memory_commands,
        monitor_commands,
        mset_commands,
        object_commands,
        pubsub_commands,
        range_commands,
        saving_commands,
        scan_commands,
        server_commands,
        set_algebra_commands,
        set_commands,
        set_random_commands,
        shutdown_commands,
        slowlog_commands,
        sort_commands,
        string_commands,
        transaction_commands,
        zset_commands,
        zset_range_commands,
        zset_walk_commands,
        zset_remove_range_commands,
        zset_pop_commands,
        zset_combine_commands,
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        command_register(groups[i]);
    }
}
