#include "commands/call.h"
#include "commands/groups.h"

const struct command introspection_commands[] = {{0}};
