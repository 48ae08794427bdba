/*
 * Client-side caching (CLIENT TRACKING): clients that keep values in caches of their own are told which keys have changed.
 *
 * A client in the default mode is told of the keys that it has read (tracking_table.h), once for each; one in BCAST mode of all keys
 * with its prefixes, in one message for a turn of the loop that changes them. A message is a push in RESP3; or it goes to the client
 * of REDIRECT, for which RESP2 will do, if it is subscribed to something. It comes behind the reply to the
 * command that made it. Source: Redis manual, "Client-side caching".
 *
 * Whoever tracks, or is redirected to, has a tracker: an address to which any loop may send by its outbox.
 *
 * Threads: trackers and prefixes change under the gate alone, after the catching up of outbox.h; everything else runs inside
 * the gate on any loop, and tracking_remember and tracking_key with the key's shard locked.
 */
#ifndef ORDINAL_COMMANDS_TRACKING_H
#define ORDINAL_COMMANDS_TRACKING_H

#include "commands/call.h"
#include "commands/topic.h"

enum tracking_option {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
};

struct membership;

struct tracker {
    struct chain_link link; /* by the client's id */
    struct client *client;
    struct audience address; /* this client alone */
    struct member member;
    bool on;                         /* it tracks; else it is only redirected to */
    bool caching;                    /* CLIENT CACHING was given for the next command */
    _Atomic bool broken;             /* its client of REDIRECT is gone */
    _Atomic bool missed;             /* a message to it was lost */
    uint32_t options;                /* enum tracking_option */
    int64_t redirect;                /* a client's id, or 0 */
    struct membership *first, *last; /* its prefixes (tracking_prefix.h) */
};

/* Tables, and what each worker has. */
void tracking_init(struct server *server);
void tracking_free(struct server *server);

/* Switches tracking on (with what stands in `options`, beside the prefixes that it has) or off. Alone. False: no memory. */
bool tracking_on(struct client *client, uint32_t options, int64_t redirect, const struct slice *prefixes,
                 size_t count);
void tracking_off(struct client *client);

/* RESET and the end of a connection: inside the gate, not alone. The latter takes the tracker away. */
void tracking_reset(struct client *client);
void tracking_forget(struct client *client);

/* The tracker of a client's id, or NULL. */
struct tracker *tracker_find(const struct server *server, int64_t id);

/* After a command has run, while what it held is held: the keys that it read. Only for CLIENT_TRACKING. */
void tracking_remember(struct call *c);

/* After a request of a client that may track: what CLIENT CACHING said has been used. */
void tracking_request_done(struct call *c);

/* A key has changed; `by`: the client whose command did it, or NULL. */
void tracking_key(struct worker *w, const struct client *by, uint64_t hash, struct slice name);

/* All keys are about to go. Alone. */
void tracking_flush(struct worker *w);

/* Forgets keys at random until there are no more than the setting allows, a few at once (the cron goes on); whoever has one is
 * told as if it had changed. Inside the gate. */
void tracking_limit_keys(struct worker *w);

/* Sends what clients in BCAST mode have to know: inside the gate, after a batch; and before the loop polls, and before its outbox
 * is emptied. */
void tracking_hand_over(struct worker *w);
void tracking_before_poll(struct worker *w);

/* Whether there was no memory to tell it of some key: its connection has to be closed, or it would keep what has changed. */
bool tracking_has_missed(const struct client *client);

/* Memory of a client's tracker and its prefixes. */
size_t tracking_memory(const struct client *client);

/* For INFO: clients that track, keys and clients in the table, prefixes. */
uint64_t tracking_clients(const struct server *server);
uint64_t tracking_keys(const struct server *server);
uint64_t tracking_items(const struct server *server);
uint64_t tracking_prefixes(const struct server *server);

#endif
