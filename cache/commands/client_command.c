#include "commands/call.h"
#include "commands/groups.h"

const struct command client_commands[] = {{0}};
