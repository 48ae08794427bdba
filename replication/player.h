/*
 * The player: the thread that follows a master while this node is a replica. What it does stands here one after another: connect, shake
 * hands, load the snapshot that comes or go on where the history ends, play the stream; and from the beginning, with growing pauses, when
 * any of it fails.
 *
 * A snapshot is read from the socket straight into the keyspace, which is emptied before its first byte; clients get -LOADING. One that
 * fails midway leaves an empty keyspace, never a half of it.
 *
 * Each read of the socket is acknowledged before the next one, so that the master learns at once of all that has been played, by one
 * message for however many commands; and once a second when nothing comes.
 *
 * The player is a guest of the gate (gate.h). It carries out the order (replica.h) that it took last, and looks whether that still counts
 * whenever others may have run in between: then it drops what it does. A snapshot that it had begun to load goes with it.
 *
 * Threads: its own.
 */
#ifndef ORDINAL_REPLICATION_PLAYER_H
#define ORDINAL_REPLICATION_PLAYER_H

/* The thread; the argument is the struct replica. */
void *player_run(void *replica);

#endif
