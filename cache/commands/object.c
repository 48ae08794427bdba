#include "commands/call.h"
#include "commands/groups.h"

const struct command object_commands[] = {{0}};
