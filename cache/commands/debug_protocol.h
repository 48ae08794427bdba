/*
 * DEBUG PROTOCOL: one reply of each type of RESP, by which clients' parsers are tested.
 */
#ifndef ORDINAL_COMMANDS_DEBUG_PROTOCOL_H
#define ORDINAL_COMMANDS_DEBUG_PROTOCOL_H

#include "commands/call.h"

/* DEBUG PROTOCOL type */
void debug_protocol_run(struct call *c);

#endif
