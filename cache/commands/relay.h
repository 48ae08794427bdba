/*
 * A relay: passes the bytes of another node's stream on to this node's log, as the commands in them are played (replay.h). A cut must
 * never see what a command did without its bytes, or the bytes without what they did, nor a half of a transaction: so bytes are
 * passed on within the same stay in the gate in which their commands ran, whole commands alone, and those of a transaction
 * are kept until it has run.
 *
 * Offsets are those of whoever reads the stream; they only tell bytes apart.
 *
 * Threads: the player's, inside the gate or alone.
 */
#ifndef ORDINAL_COMMANDS_RELAY_H
#define ORDINAL_COMMANDS_RELAY_H

#include <stdbool.h>

#include "log.h"
#include "net/reply.h"

struct relay {
    struct log *log; /* that follows; NULL: bytes are passed on to nobody */
    int slot;
    const char *bytes; /* of the batch at hand … */
    uint64_t base;     /* … and the offset of the first of them */
    uint64_t passed;   /* all before it was passed on, or is kept */
    struct reply kept; /* of a transaction that has begun in an earlier batch */
};

/* The stream goes on with these bytes, at this offset. */
void relay_begin(struct relay *relay, const char *bytes, uint64_t offset);

/* What is kept, and all bytes before `offset`, go to the log. */
void relay_until(struct relay *relay, uint64_t offset);

/* Keeps a copy of the bytes up to `offset`. False: no memory. */
bool relay_keep(struct relay *relay, uint64_t offset);

/* Another stream will begin; nothing is kept. */
void relay_reset(struct relay *relay);

#endif
