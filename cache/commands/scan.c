#include "commands/call.h"
#include "commands/groups.h"

const struct command scan_commands[] = {{0}};
