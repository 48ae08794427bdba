/*
 * SLOWLOG: the commands that took longer than slowlog-log-slower-than.
 *
 * Threads: any loop; the list has a lock of its own.
 */
#ifndef ORDINAL_COMMANDS_SLOWLOG_H
#define ORDINAL_COMMANDS_SLOWLOG_H

#include "commands/call.h"

/* Notes a call that took `ticks` of clock_ticks. */
void slowlog_note(struct call *c, uint64_t ticks);

#endif
