/*
 * CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR. The first runs alone.
 */
#ifndef ORDINAL_COMMANDS_TRACKING_COMMAND_H
#define ORDINAL_COMMANDS_TRACKING_COMMAND_H

#include "commands/call.h"

void client_tracking_run(struct call *c);
void client_caching_run(struct call *c);
void client_trackinginfo_run(struct call *c);
void client_getredir_run(struct call *c);

#endif
