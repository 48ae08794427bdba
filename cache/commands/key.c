#include "commands/call.h"
#include "commands/groups.h"

const struct command key_commands[] = {{0}};
