#include "commands/call.h"
#include "commands/groups.h"

const struct command config_commands[] = {{0}};
