/*
 * What a claim's file says (claim.h): who, since when, and whether it still lives. Lines of a word and a value, and a checksum at the
 * end, so that a record that is being written is not taken for a whole one; padded to one size, so that it is written over in place.
 *
 *   ordinal-claim 1
 *   owner 5f0c…          random, one for each time that a process claims
 *   host redis-0
 *   pid 1
 *   boot 0a1b…           which start of which kernel
 *   device 66305         the file system as that kernel numbers it
 *   locks 1              whether the owner holds the lock file
 *   epoch 7
 *   state held           or "asked" (a takeover that is being made), "free" (given up)
 *   beat 4711
 *   time 1795252482045   wall clock, ms; for people
 *   sum 00112233aabbccdd
 *
 * Threads: any.
 */
#ifndef ORDINAL_PERSIST_CLAIM_RECORD_H
#define ORDINAL_PERSIST_CLAIM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLAIM_RECORD_SIZE = 1024, CLAIM_ID_SIZE = 33, CLAIM_HOST_SIZE = 256, CLAIM_BOOT_SIZE = 64 };

enum claim_word { CLAIM_UNREADABLE, CLAIM_ASKED, CLAIM_HOLDS, CLAIM_FREE };

struct claim_record {
    char owner[CLAIM_ID_SIZE];
    char host[CLAIM_HOST_SIZE];
    char boot[CLAIM_BOOT_SIZE];
    int64_t pid;
    uint64_t device, epoch, beat;
    int64_t wall_ms;
    bool locks;
    enum claim_word state; /* CLAIM_UNREADABLE: nothing else is known but the epoch */
};

/* A new identity of this process; what depends on the folder is not filled in. */
void claim_record_new(struct claim_record *record);

/* The bytes of the file. */
void claim_record_write(const struct claim_record *record, char bytes[CLAIM_RECORD_SIZE]);

/* Reads such bytes; the state is CLAIM_UNREADABLE when they are none. */
void claim_record_read(struct claim_record *record, const char *bytes, size_t len);

/* Whether both are the same owner's, and nothing has moved between them. */
bool claim_record_same(const struct claim_record *a, const struct claim_record *b);

#endif
