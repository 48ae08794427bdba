/* A mix: the commands that a load sends in turn, as bytes ready to send, and the check of what comes back.
 *
 * The requests of a mix are laid out once, one after the other, as often as a batch needs; to send one, only
 * the digits of its key are written over the last ones. All requests for a command have the same length, and
 * so have all keys (20 bytes) and values: that lets the floor, which parses nothing, take the same load. */
#ifndef BENCH_MIX_H
#define BENCH_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIX_MAX_COMMANDS 16
#define MIX_MAX_VALUES   10 /* in one request or reply */
#define MIX_KEY_BYTES    20

typedef enum mix_reply {
    MIX_REPLY_OK,      /* +OK */
    MIX_REPLY_VALUE,   /* the value stored under this key, as a bulk string */
    MIX_REPLY_BULK,    /* any bulk string as long as a value */
    MIX_REPLY_ARRAY,   /* an array of bulk strings, which the mix names */
    MIX_REPLY_INTEGER, /* any integer */
    MIX_REPLY_ONE,     /* 1 */
    MIX_REPLY_COUNT,   /* the number of receivers */
    MIX_REPLY_LINE,    /* any simple string */
} mix_reply;

/* What the requests are made with. */
typedef struct mix_settings {
    size_t value_bytes;
    uint32_t ttl_seconds; /* of the commands that set one */
    uint32_t batch;       /* requests sent together, at most */
    bool check_values;    /* whether a value must be the one that belongs to its key (not so for the floor) */
    uint64_t deadline_ms; /* Unix time of the first deadline, for the mix `deadline` */
    uint32_t deadline_spread; /* milliseconds over which the deadlines lie evenly */
    uint32_t receivers;       /* of each message, for the mix `publish` */
} mix_settings;

/* Where in the bytes of a RESP array the changing digits are; 0 where it has none. */
typedef struct mix_places {
    size_t key_at;
    size_t deadline_at;
    size_t value_at[MIX_MAX_VALUES];
    uint32_t values;
} mix_places;

/* A request of the mix. Where the reply is an array, `expected` is that array. */
typedef struct mix_request {
    size_t at; /* in the bytes of one turn */
    size_t bytes;
    mix_places places;
    mix_reply reply;
    char *expected;
    size_t expected_bytes;
    mix_places expected_places;
} mix_request;

typedef struct mix {
    mix_settings settings;
    mix_request requests[MIX_MAX_COMMANDS];
    uint32_t count;    /* requests in one turn */
    bool one_key;      /* whether all requests of a turn go to the same key */
    size_t turn_bytes; /* all requests of a turn */
    char *bytes;       /* turns, one after the other, enough for a batch that begins at any request */
    char value_header[32];
    size_t value_header_bytes;
    char count_reply[16]; /* the number of receivers, as a reply */
} mix;

/* Lays out the mix called `name`; false when there is no such mix. Ends the program when memory runs out. */
bool mix_init(mix *self, const char *name, const mix_settings *settings);

/* Writes the names of all mixes, with their commands, to standard error. */
void mix_list(void);

/* The request that follows `request` in the turn. */
uint32_t mix_next(const mix *self, uint32_t request);

/* Addresses the `position`-th request, counted from the start of the bytes, to `key` (below 10^10). */
void mix_address(mix *self, uint32_t position, uint64_t key);

/* The bytes from request `first` of the turn on; `requests` of them, whose size is put into `bytes`. */
const char *mix_batch(const mix *self, uint32_t first, uint32_t requests, size_t *bytes);

/* Checks the reply to `request`, sent for `key`, at the start of `size` bytes of `data`. Returns its size, 0
 * when it is not complete, -1 when it is not the reply that belongs there. */
int64_t mix_check(const mix *self, uint32_t request, uint64_t key, const char *data, size_t size);

/* The largest reply to any request, in bytes. */
size_t mix_largest_reply(const mix *self);

/* Prints the mix as the floor's command line: a step for each request (see floor.c). */
void mix_print_floor_steps(const mix *self);

#endif
