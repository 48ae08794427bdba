/*
 * While a cut is saved (store/cut.h), a client that would change a large value which is not saved yet waits until it is: the walker
 * takes it next. Its connection is stalled as by CLIENT PAUSE; everybody else goes on.
 *
 * Threads: with the shard of the command's key (or of all keys of a transaction) locked, or alone.
 */
#ifndef ORDINAL_COMMANDS_CUT_WAIT_H
#define ORDINAL_COMMANDS_CUT_WAIT_H

#include "commands/call.h"

/* Out of line: only while a cut is active. */
bool cut_wait_holds_some(struct call *c);

/* Whether the call must wait. If so its client's connection is stalled, and the command comes again by itself. */
static inline bool cut_wait_holds(struct call *c)
{
    return cut_is_active(&c->server->keyspace.cut) && cut_wait_holds_some(c);
}

#endif
