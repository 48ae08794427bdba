#include "commands/call.h"
#include "commands/groups.h"

const struct command debug_commands[] = {{0}};
