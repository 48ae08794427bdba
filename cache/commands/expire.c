#include "commands/call.h"
#include "commands/groups.h"

const struct command expire_commands[] = {{0}};
