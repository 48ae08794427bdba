/*
 * Names to addresses, on a loop and without waiting: a handle that asks the hosts file and DNS (c-ares) anew each time.
 * Nothing is kept from one lookup to the next, neither answers nor the list of name servers, so a pod that came back with
 * another address is found by the first lookup after its record has changed.
 *
 * A handle lives as libuv's do: lookup_init, then any number of lookups, one after the other, each started and ended by its
 * callback or by lookup_stop, then lookup_close and its callback, until which its memory must stay. The callback never runs
 * within the call that starts the lookup. From inside it the handle may be started again or closed.
 *
 * Threads: all calls for a handle come from its loop's thread. Handles share nothing.
 */
#ifndef ORDINAL_REPLICATION_LOOKUP_H
#define ORDINAL_REPLICATION_LOOKUP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum {
    LOOKUP_NAME_SIZE = 256, /* of a name with its zero byte: DNS knows none that is longer */
    LOOKUP_ADDRESSES = 8,   /* of one target; what else it has is left out */
    LOOKUP_LIMIT_MS = 2000, /* a lookup that has not ended by then has failed */
    LOOKUP_ERROR_SIZE = 512,
};

struct lookup;
struct lookup_socket;
struct ares_channeldata;

/* IPv4 or IPv6, with the target's port: ready for uv_tcp_connect(…, &address.any, …). */
union lookup_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct lookup_target {
    char host[LOOKUP_NAME_SIZE]; /* the name that was looked up, or the one that the SRV record gives */
    int port;
    int priority, weight;                             /* of the SRV record (RFC 2782); 0 for a host */
    size_t count;                                     /* 0: the service lists a name that has no address */
    union lookup_address addresses[LOOKUP_ADDRESSES]; /* in the order in which to try them (RFC 6724) */
    struct lookup *lookup;                            /* for lookup.c */
};

/* Ends a lookup. error: NULL, and lookup->targets holds what was found, until the next lookup or the handle's end; or
 * one line that names the name and what DNS said ("redis-0.redis: no such name (NXDOMAIN)"), valid during the call, and
 * there are no targets. */
typedef void (*lookup_done)(struct lookup *lookup, const char *error);
typedef void (*lookup_closed)(struct lookup *lookup);

/* Members 0 to count - 1: writes the name in full and the port of one into out->host and out->port; false: there is none. */
struct lookup_namer {
    bool (*name)(const void *context, int number, struct lookup_target *out);
    const void *context;
    int count;
};

struct lookup_options {
    const char *servers; /* "address:port,…" instead of resolv.conf's, or NULL; lives as long as the handle */
    int limit_ms;        /* 0: LOOKUP_LIMIT_MS */
};

struct lookup {
    void *data; /* the owner's */
    struct lookup_target *targets;
    size_t count;

    /* lookup.c's */
    uv_loop_t *uv;
    uv_timer_t timer; /* when c-ares, or the limit, wants to be looked at again */
    struct lookup_options options;
    struct ares_channeldata *channel; /* of the lookup under way */
    struct lookup_socket *sockets;    /* that c-ares has open */
    int handles;                      /* of libuv that are not closed: the timer and polls */
    int pending;                      /* questions without an answer */
    size_t room;                      /* targets that there is memory for */
    bool named;                       /* the targets are those of `namer` */
    bool service;                     /* asks for SRV records */
    const struct lookup_namer *namer; /* … or, without any, for these; NULL: for nothing else */
    int64_t deadline;                 /* ms of clock.h */
    lookup_done done;                 /* NULL: none under way */
    lookup_closed closed;
    char name[LOOKUP_NAME_SIZE];
    char error[LOOKUP_ERROR_SIZE]; /* "": none so far */
};

/* options: NULL for resolv.conf's servers and LOOKUP_LIMIT_MS. Takes the loop's time; cannot fail. */
void lookup_init(struct lookup *lookup, uv_loop_t *uv, const struct lookup_options *options);

/* Looks up the addresses of a host: an address as text (IPv6 without brackets), a name of the hosts file, or one that DNS has
 * A or AAAA records for, with resolv.conf's search domains, or, with a dot at its end, as it is. Ends with one target, which has at least one address. A lookup
 * that is under way is stopped first. Whatever goes wrong is told to `done`. */
void lookup_host(struct lookup *lookup, const char *name, int port, lookup_done done);

/* Looks up a service's SRV records and the addresses of their targets. name: in full, "_port._proto.service.domain", or the
 * bare domain of a headless service, for which Kubernetes answers with all its ports. Targets come in the order of the
 * answer; there is at least one. Otherwise as lookup_host. */
void lookup_service(struct lookup *lookup, const char *name, lookup_done done);

/* The same, where not every name server lists the ports of a service under its bare domain, but all know its members by their names: if there
 * is no such list, the names are looked up, all at once. Ends with a target for each that has an address. The namer lives until then. */
void lookup_members(struct lookup *lookup, const char *name, const struct lookup_namer *namer,
                    lookup_done done);

/* Whether a lookup is under way: started, and its callback has not begun. */
bool lookup_active(const struct lookup *lookup);

/* Gives a lookup up: its callback is not called. Without one it does nothing. */
void lookup_stop(struct lookup *lookup);

/* Stops it, frees the targets, and calls `closed` (may be NULL) from the loop once the memory of the handle may go. */
void lookup_close(struct lookup *lookup, lookup_closed closed);

#endif
