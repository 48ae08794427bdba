#include "commands/call.h"
#include "commands/groups.h"

const struct command connection_commands[] = {{0}};
