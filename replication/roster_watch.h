/*
 * What this node sees of the roster's members, noted in the roster several times a second: for INFO and `ordinal status`. The master sees
 * itself and whoever follows it; a replica sees itself, and its master as of the last lease.
 *
 * Threads: loop 0, inside the gate.
 */
#ifndef ORDINAL_REPLICATION_ROSTER_WATCH_H
#define ORDINAL_REPLICATION_ROSTER_WATCH_H

struct feed;
struct node;

void roster_watch(struct node *node);

/* A replica's connection is gone. Any loop. */
void roster_watch_lost(struct node *node, const struct feed *feed);

#endif
