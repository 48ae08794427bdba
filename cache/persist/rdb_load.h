/*
 * Reads RDB files: versions 1 to 12 of Redis and version 80 of Valkey, with every encoding of every type that is kept here, from
 * any source of bytes. What is not supported (streams, values of modules, libraries of functions) is passed over and counted;
 * what cannot be passed over, and whatever is wrong, refuses the file, with the offset, what was being read, and why. Nothing in
 * the bytes is trusted: not their lengths, not their counts, and the checksum only at the end.
 *
 * Entries are put in place in batches: of each batch first all lines are fetched into the cache, then all entries are linked, so
 * that the cache misses of a batch overlap. Between two batches, and while values are read, the keyspace is not touched.
 *
 * `persist` knows no type of value: the hooks read them.
 *
 * Threads: a load is one thread's own, any thread. It changes the keyspace between `enter` and `leave` alone. The progress may be
 * read by any thread.
 */
#ifndef ORDINAL_PERSIST_RDB_LOAD_H
#define ORDINAL_PERSIST_RDB_LOAD_H

#include <stdatomic.h>

#include "persist/rdb_payload.h"
#include "persist/rdb_window.h"
#include "store/access.h"
#include "store/keyspace.h"

/* What is passed over: the first three as they are not supported, and a collection of nothing, which is no key. */
enum rdb_skipped {
    RDB_SKIPPED_STREAM,
    RDB_SKIPPED_MODULE,
    RDB_SKIPPED_FUNCTION,
    RDB_SKIPPED_EMPTY,
    RDB_SKIPPED_KINDS
};

/* How far a load is; whoever asks may be another thread. */
struct rdb_load_progress {
    _Atomic uint64_t total;                      /* bytes in all, 0: not known */
    _Atomic uint64_t bytes;                      /* of these, read */
    _Atomic uint64_t loaded;                     /* keys */
    _Atomic uint64_t expired;                    /* keys that were past their deadline, and left out */
    _Atomic uint64_t skipped[RDB_SKIPPED_KINDS]; /* records */
    _Atomic uint64_t used_memory;                /* of who wrote the file, as it says */
};

struct rdb_load_hooks {
    void *context;

    /* Reads a value as an entry that is not linked anywhere: RDB_PAYLOAD_OK, BAD_FORMAT or NO_MEMORY. */
    enum rdb_payload_status (*load)(void *context, struct rdb_reader *reader, enum rdb_type type,
                                    const struct entry_head *head, struct entry **e);

    /* Around changes of the keyspace, where others look at it meanwhile; or NULL, both. */
    void (*enter)(void *context);
    void (*leave)(void *context);

    /* Now and then: whether to go on. Or NULL. */
    bool (*goes_on)(void *context);

    /* What the file tells of itself (AUX), or NULL. It may change options->keep_expired for what follows. */
    void (*told)(void *context, struct slice name, struct slice value);

    /* Something is passed over; `name` is the key's, of a function: its code. Or NULL. */
    void (*skipped)(void *context, enum rdb_skipped what, int db, struct slice name);
};

struct rdb_load_options {
    struct rdb_source source;
    struct keyspace *keyspace;
    struct rdb_load_hooks hooks;
    struct access_rules access;
    bool
        keep_expired; /* entries past their deadline too: commands follow that count on them (the base of an AOF) */
    bool replace;                       /* a key that is there is replaced; else it refuses the file */
    bool checksum;                      /* is looked at */
    bool whole;                         /* nothing but the RDB comes from the source */
    struct rdb_load_progress *progress; /* is begun anew */
};

enum rdb_load_status {
    RDB_LOAD_DONE,
    RDB_LOAD_REFUSED, /* with a reason; what was loaded until then is in the keyspace */
    RDB_LOAD_STOPPED  /* `goes_on` said no */
};

struct rdb_load_result {
    enum rdb_load_status status;
    uint64_t offset;          /* REFUSED: where; DONE: of the first byte behind the RDB */
    char reason[512];         /* "while reading …: …" */
    uint8_t *rest;            /* DONE: bytes behind the RDB that were read as well; the caller's to free() */
    size_t rest_at, rest_len; /* they begin at rest[rest_at] */
};

/* Loads one RDB into the keyspace. */
void rdb_load(const struct rdb_load_options *options, struct rdb_load_result *result);

/* The same from a file: sets source, progress->total and `whole`. False, with errno, when it cannot be opened: `result` is then not set. */
bool rdb_load_file(const char *path, struct rdb_load_options *options, struct rdb_load_result *result);

#endif
