#include "commands/call.h"
#include "commands/groups.h"

const struct command keyspace_commands[] = {{0}};
