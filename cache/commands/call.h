/*
 * A call: one command being run. What its handler gets, and the handful of calls by which handlers reach keys: these
 * look at deadlines, keep hits and misses, and note uses, so that no handler does.
 *
 * Threads: on the loop's own thread, inside the gate: with the shard of its one key locked, alone, or (CMD_LOCAL) with
 * neither, which is enough for what touches no key.
 */
#ifndef ORDINAL_COMMANDS_CALL_H
#define ORDINAL_COMMANDS_CALL_H

#include "commands/client.h"
#include "commands/command.h"
#include "commands/server.h"
#include "net/reply.h"

struct call {
    struct server *server;
    struct worker *worker;
    struct client *client;
    struct reply *reply;
    const struct command *command;
    struct slice *argv;
    size_t argc;
    struct db *db;
    int64_t now; /* ms of clock.h; ENTRY_NOTHING_DUE for commands from an append-only file (replay.h) */
    uint64_t first_hash;   /* hash of the first key, when the command has one */
    const char *first_key; /* its bytes: tells whether first_hash may be used */
    bool as_sent;          /* argv lies as the bulk strings that the client has sent */
    uint64_t dirty;        /* the worker's, up to which changes are logged (propagate.h) … */
    bool told;             /* … and the handler has told what to log of the rest */
    bool may_not_block;    /* in a transaction or script */
    bool again;            /* a blocking command run again for a client that waits (block.h) … */
    bool still_waits;      /* … and it goes on waiting */
};

/* A key with its hash. */
struct key {
    struct slice name;
    uint64_t hash;
};

/* The key at argv[index]. Costs nothing for a command's first key. */
struct key call_key(const struct call *c, size_t index);

/* The entry of a key for reading: counts a hit or a miss, notes the use. NULL: no such key. */
struct entry *key_read(struct call *c, const struct key *key);

/* The entry for changing: notes the use, counts no hit. While a cut is being saved this saves the value first, where that must be
 * (cut.h), so whoever changes a value in place gets it from here. key_use is for who only asks whether the key is there, or gives
 * it another value, deadline or name. */
struct entry *key_write(struct call *c, const struct key *key);
struct entry *key_use(struct call *c, const struct key *key);

/* The entry as it lies there: notes nothing (DEBUG, MEMORY USAGE). key.h has what TTL and OBJECT use. */
struct entry *key_peek(struct call *c, const struct key *key);

/* As key_read and key_write, but an entry of another type is answered with WRONGTYPE and *wrong is set. */
struct entry *key_read_type(struct call *c, const struct key *key, enum entry_type type, bool *wrong);
struct entry *key_write_type(struct call *c, const struct key *key, enum entry_type type, bool *wrong);

/* Where what is changed depends on parts of a value (a hash's fields): those past their deadlines go first, so that the command that
 * is logged meets none of them when it is run again. key_write_type does it. */
void key_sweep_parts(struct call *c, struct entry *e);

/* Sets a string value, whatever was there; replies with an error and returns false when there is no memory. */
bool key_set_string(struct call *c, const struct key *key, struct slice value, int64_t deadline);

/* Puts an entry (whose key is this one) in place; as above. */
bool key_put(struct call *c, const struct key *key, struct entry *e);

/*
 * Collections. A small one is bytes in its entry: key_new_small makes one of `len` bytes, still to be written, under a key that
 * holds nothing (or puts it in the place of what the key holds: deadline and access clock stay); key_resize gives it another
 * length, keeps its bytes, and lets *e follow the entry. key_set_object gives the key an object: a new key, or a collection that
 * has grown out of its entry (`old`, whose deadline and access clock stay; else NULL). Each replies with an error when there
 * is no memory: NULL or false, nothing has changed, and the object is freed.
 */
struct entry *key_new_small(struct call *c, const struct key *key, const struct entry *old,
                            enum entry_type type, size_t len);
bool key_resize(struct call *c, const struct key *key, struct entry **e, size_t len);
struct entry *key_set_object(struct call *c, const struct key *key, const struct entry *old,
                             enum entry_type type, void *object);

/* The bytes of a small collection. */
static inline uint8_t *entry_small(const struct entry *e)
{
    return (uint8_t *)entry_area(e);
}

/* Another deadline for a linked entry, which may move; ENTRY_NO_DEADLINE takes it away. As above. */
bool key_expire(struct call *c, const struct key *key, struct entry *e, int64_t deadline);

/* Removes; false when there was none. */
bool key_delete(struct call *c, const struct key *key);

/* The time (ms of clock.h) from which relative deadlines and access clocks count: `now`, unless that is ENTRY_NOTHING_DUE. */
static inline int64_t call_clock(const struct call *c)
{
    return __builtin_expect(c->now == ENTRY_NOTHING_DUE, 0) ? c->worker->now : c->now;
}

/* The access clock for an entry made now. */
static inline uint32_t call_access(const struct call *c)
{
    return access_new(&c->server->access, call_clock(c));
}

/* Whether a reply that began at `start` and grows by a count of the client's may go on: not beyond the hard limit of the client's
 * output buffer or, where there is none, 256 MB, nor without memory. The reply has failed then, which costs the connection. */
bool call_reply_within_limit(struct call *c, size_t start);

/* Errors that many commands give. */
void call_wrong_type(struct call *c);
void call_syntax_error(struct call *c);
void call_out_of_memory(struct call *c);

/* Integer arguments: reply with Redis's error and return false when they are none, or (range) out of bounds. */
bool call_int(struct call *c, struct slice arg, int64_t *value);
bool call_int_range(struct call *c, struct slice arg, int64_t min, int64_t max, const char *error,
                    int64_t *value);

/* A count whose negation must be one too: as above. */
bool call_signed_count(struct call *c, struct slice arg, int64_t *count);

/* A time-out in milliseconds, 0 or more; as above. */
bool call_timeout(struct call *c, struct slice arg, int64_t *timeout);

/* The database that an argument names; replies with the error and returns NULL when there is none. */
struct db *call_db(struct call *c, struct slice arg);

/* "ERR unknown subcommand 'x'. Try Y HELP." */
void call_unknown_subcommand(struct call *c);

/* "ERR unknown subcommand or wrong number of arguments for 'x'. Try Y HELP." */
void call_subcommand_syntax(struct call *c);

/* Replies with the HELP of a container command: `lines` ends with NULL; the head and tail that Redis adds are added. */
void call_help(struct call *c, const char *const *lines);

#endif
