#include "commands/call.h"
#include "commands/groups.h"

const struct command bitmap_commands[] = {{0}};
