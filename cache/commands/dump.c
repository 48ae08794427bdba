#include "commands/call.h"
#include "commands/groups.h"

const struct command dump_commands[] = {{0}};
