#include "commands/slowlog.h"
#include "commands/groups.h"

void slowlog_note(struct call *c, uint64_t ticks)
{
    (void)c;
    (void)ticks;
}

const struct command slowlog_commands[] = {{0}};
