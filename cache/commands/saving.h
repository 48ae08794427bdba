/*
 * Saving: the snapshot file (dbfilename) and when it is written: SAVE, BGSAVE, save points, FLUSHALL, the end of the server. One
 * snapshot runs at a time, whoever began it (a rewrite of the append-only file too); what is asked for meanwhile is done after it.
 *
 * SAVE, BGSAVE and LASTSAVE are Redis's, but SAVE holds up nobody but the client that sent it.
 *
 * Threads: under the gate alone, except as noted.
 */
#ifndef ORDINAL_COMMANDS_SAVING_H
#define ORDINAL_COMMANDS_SAVING_H

#include "commands/held.h"
#include "commands/server.h"
#include "persist/rdb_file.h"
#include "persist/snapshot.h"

/* What the file under way is for. */
enum saving_kind { SAVING_NOTHING, SAVING_BACKGROUND, SAVING_SAVE, SAVING_FINAL };

struct saving {
    struct snapshot snapshot;
    struct rdb_file file;
    char *name; /* that the file under way shall have */

    enum saving_kind kind;     /* of the file under way */
    bool asked;                /* another one shall follow when no snapshot runs any more */
    bool dropped;              /* the file under way was given up on purpose: it is not begun again */
    struct held_list savers;   /* clients in SAVE */
    struct held_list flushers; /* clients in FLUSHALL: until a file is complete that was begun after it */
    void (*final_done)(struct server *server, bool saved); /* of a SAVING_FINAL */

    bool failed;                            /* the last one */
    int64_t last_save;                      /* seconds of wall time */
    int64_t last_try;                       /* ms of clock.h */
    int64_t last_seconds;                   /* that the last one took, or -1 */
    int64_t last_kept;                      /* peak of bytes kept */
    uint64_t saves;                         /* that succeeded */
    uint64_t changes_saved, changes_at_cut; /* server_changes: of the last file, of the one under way */
};

/* At start, before the loops. */
void saving_init(struct server *server);

/* Changes since the last file. */
uint64_t saving_changes(const struct server *server);

/* Begins a snapshot into the file as soon as no other runs. */
void saving_request(struct server *server);

/* The call has flushed everything: where there are save points the file is made empty too, so that what was flushed does not come
 * back. Replies OK, as Redis does when that is on the disk, or has failed; at once where the call may not block. */
void saving_flushed(struct call *c);

/* The last file before the end: what runs is given up. `done` is told, alone, when it is saved, or not; saving_drop calls it off. */
void saving_final(struct server *server, void (*done)(struct server *server, bool saved));

/* Gives up what runs (a file or not) and what is asked for. The clients in SAVE get an error. */
void saving_drop(struct server *server);

/* A snapshot of somebody else (the append-only file's) is not begun while server->ending, and does not begin again then. */

/* When a snapshot of somebody else (the append-only file's) is over: begins what was asked for meanwhile. */
void saving_next(struct server *server);

/* What all snapshots have in common: the version, the settings, the history as it is now. The caller adds its sink. Alone, where the
 * cut is made. */
void saving_options(const struct server *server, struct snapshot_options *options);

/* From loop 0's cron, outside of the gate: begins what a save point asks for. */
void saving_cron(struct server *server);

#endif
