/*
 * SLOWLOG: the commands that took longer than slowlog-log-slower-than, the newest slowlog-max-len of them. Of each at most 32
 * arguments are kept, and 128 bytes of each argument, so that the log's memory is bounded.
 *
 * Threads: any loop; the list has a lock of its own.
 */
#ifndef ORDINAL_COMMANDS_SLOWLOG_H
#define ORDINAL_COMMANDS_SLOWLOG_H

#include "commands/call.h"

/* Notes a call that took `ticks` of clock_ticks. */
void slowlog_note(struct call *c, uint64_t ticks);

#endif
