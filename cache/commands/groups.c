#include "commands/groups.h"

void groups_register(void)
{
    static const struct command *const groups[] = {
        string_commands, bitmap_commands,  bitfield_commands,   increment_commands, range_commands,
        mset_commands,   lcs_commands,     key_commands,        expire_commands,    scan_commands,
        object_commands, dump_commands,    connection_commands, client_commands,    introspection_commands,
        server_commands, config_commands,  info_commands,       memory_commands,    debug_commands,
        wait_commands,   monitor_commands, slowlog_commands,    latency_commands,
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        command_register(groups[i]);
    }
}
