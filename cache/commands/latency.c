#include "commands/latency.h"
#include "commands/groups.h"

void latency_note(struct server *server, const char *event, uint64_t ticks)
{
    (void)server;
    (void)event;
    (void)ticks;
}

const struct command latency_commands[] = {{0}};
