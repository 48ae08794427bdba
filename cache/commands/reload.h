/*
 * DEBUG RELOAD: every value through DUMP's format and back, in place. It exercises what a snapshot will: each type's writer
 * and reader, and that deadlines survive. (Once there are snapshots, it can write one and read it instead.)
 *
 * Threads: under the gate alone.
 */
#ifndef ORDINAL_COMMANDS_RELOAD_H
#define ORDINAL_COMMANDS_RELOAD_H

#include "commands/call.h"

/* Puts every living entry of every database in place anew; dead ones are removed. False when memory ran out or a value did
 * not come back (it is then left as it was). */
bool reload_all(struct call *c);

#endif
