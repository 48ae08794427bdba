#include "commands/call.h"
#include "commands/groups.h"

const struct command memory_commands[] = {{0}};
