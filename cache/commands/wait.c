#include "commands/call.h"
#include "commands/groups.h"

const struct command wait_commands[] = {{0}};
