/*
 * The state of the append-only file, for the rooms of aof.h alone: aof.c (on, off, settings, figures) and aof_rewrite.c.
 */
#ifndef ORDINAL_COMMANDS_AOF_STATE_H
#define ORDINAL_COMMANDS_AOF_STATE_H

#include "commands/aof.h"
#include "commands/held.h"
#include "persist/aof_writer.h"
#include "persist/rdb_file.h"

enum aof_state { AOF_OFF, AOF_WAITING, AOF_ON };
enum stage { STAGE_NONE, STAGE_SAVING, STAGE_INSTALLING };

struct aof {
    struct server *server;
    struct aof_set set;
    struct aof_writer writer;
    _Atomic int state;    /* enum aof_state */
    _Atomic bool mending; /* waiting, because what is on the disk is not sound */
    bool holding;         /* hold_on */
    bool scheduled;
    bool known;               /* the set was read */
    struct held_list closers; /* clients that have turned it off: until its end is on the disk */
    enum stage stage;
    bool given_up; /* the base that is being saved is to fail */
    char base[AOF_FILE_NAME_SIZE];
    struct rdb_file file;        /* … that base, while it is written */
    int64_t began, last_seconds; /* ms of clock.h; seconds, -1: none yet */
    bool last_good;
    int64_t rewrites, failures;
    int64_t pause, next_try; /* ms; 0: none */
    int64_t base_size;       /* of everything when the last rewrite ended */
};

static inline int64_t aof_size(const struct aof *aof)
{
    return atomic_load(&aof->writer.rest) + atomic_load(&aof->writer.size);
}

/* Reads the manifest, unless that was done. False with errno, told to the log. */
bool aof_know_set(struct aof *aof);

/* Tells the writer, and net, what holds now. */
void aof_apply_settings(struct aof *aof);

/* The set is complete, and begins where the writer goes on. */
void aof_become_sound(struct aof *aof);

/* It was turned off, and the writer is still writing the end. Then, once its thread has ended: takes note of that. Alone. */
static inline bool aof_is_ending(const struct aof *aof)
{
    return aof->state == AOF_OFF && aof->writer.running;
}
void aof_end_off(struct aof *aof);

/* Waits for the end of the writer's thread, which was asked to end, and answers who waits for it. Alone. */
void aof_join_writer(struct aof *aof);

/* A rewrite that is under way is of no use any more. */
void aof_forget_rewrite(struct aof *aof);

#endif
