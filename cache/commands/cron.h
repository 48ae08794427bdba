/*
 * The cron: what every loop does beside serving. It sweeps the loop's share of the shards, a fifth of it every 50 ms, so that
 * an entry past its deadline is freed within half a second without anybody touching it; it looks after the limits of
 * clients; and loop 0 keeps the figures that INFO shows.
 *
 * A tick that finds much to free stops after a millisecond and comes back after another one, so that serving goes on.
 *
 * Threads: each loop's own.
 */
#ifndef ORDINAL_COMMANDS_CRON_H
#define ORDINAL_COMMANDS_CRON_H

#include "commands/server.h"

/* Starts a worker's cron on its loop; before the loop runs. */
void cron_start(struct worker *w);

/* DEBUG SET-ACTIVE-EXPIRE. Any thread. */
void cron_set_sweeping(bool on);

/* DEBUG PAUSE-CRON: no sweeps, limits or samples until it is off again. Any thread. */
void cron_set_paused(bool on);

#endif
