/*
 * The data folder and the claim on it (persist/claim.h): of all servers that could write into `dir`, one does. A server that keeps
 * an append-only file does not start without the claim, since loading may already change that; one that makes snapshots alone
 * starts, and cannot save until it has the claim. A server that keeps nothing claims nothing.
 *
 * Every step by which persist changes a file asks here first (disk_set_guard): what must not be written fails as if by the disk, so
 * snapshots fail, the append-only file goes to its error state, and writes are refused with MISCONF.
 *
 * Threads: main's, and where it says so any.
 */
#ifndef ORDINAL_COMMANDS_FOLDER_H
#define ORDINAL_COMMANDS_FOLDER_H

#include "commands/server.h"
#include "persist/claim.h"

/* After server_init, before there are other threads and before anything is loaded: takes the claim where it is needed. False: the
 * server must not start; the log says why. */
bool folder_begin(struct server *server);

/* When nothing is written any more: gives the claim up. */
void folder_end(void);

/* For INFO; any thread. */
void folder_figures(struct claim_figures *figures);

#endif
