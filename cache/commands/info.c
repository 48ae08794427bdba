#include "commands/call.h"
#include "commands/groups.h"

const struct command info_commands[] = {{0}};
