/*
 * Who this node is among the nodes that belong together: told by the setting `roster`, or read from the name that Kubernetes
 * gave the pod, or neither. All but identity_find are functions of texts, so that tests can feed them.
 *
 * The setting: "a:6379,b,[fd00::1]:6380". The position is the ordinal, the default port 6379. Which of them this node is,
 * `roster-self` says (an ordinal, or one of the members as host:port), or else it is the one whose port is this node's `port`
 * and whose host is this node's host name or an address of its interfaces.
 *
 * A pod of a StatefulSet with a headless service: kubelet writes
 *
 *   10.1.2.3    redis-0.redis-headless.ns.svc.cluster.local    redis-0
 *
 * into its hosts file: set "redis", ordinal 0, service "redis-headless.ns.svc.cluster.local". Who else there is, only the
 * service can say; each member's name follows from its ordinal.
 */
#ifndef ORDINAL_REPLICATION_IDENTITY_H
#define ORDINAL_REPLICATION_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "slice.h"

enum {
    IDENTITY_HOST_SIZE = 256,   /* of a host name or address with its zero byte */
    IDENTITY_MEMBERS = 64,      /* in a roster at most */
    IDENTITY_ADDRESS_SIZE = 46, /* of an address of an interface, as text */
    IDENTITY_ADDRESSES = 64,    /* that are looked at */
    IDENTITY_PORT = 6379,       /* where the setting names none */
    IDENTITY_ORDINAL_MAX = 999999,
};

enum identity_kind {
    IDENTITY_PLAIN,  /* no roster: a server of its own */
    IDENTITY_LISTED, /* by the setting */
    IDENTITY_POD,
};

struct endpoint {
    char host[IDENTITY_HOST_SIZE]; /* a name, or an address (IPv6 without brackets) in its shortest form */
    int port;
};

struct identity {
    enum identity_kind kind;
    int ordinal;                              /* of this node; -1 when plain */
    int port;                                 /* pod: of this node, and so of every member */
    char set[IDENTITY_HOST_SIZE];             /* pod: the StatefulSet's name */
    char service[IDENTITY_HOST_SIZE];         /* pod: the headless service's domain */
    struct endpoint listed[IDENTITY_MEMBERS]; /* listed: by ordinal */
    size_t count;
};

/* What a machine knows of itself. */
struct identity_own {
    char hostname[IDENTITY_HOST_SIZE];
    char addresses[IDENTITY_ADDRESSES][IDENTITY_ADDRESS_SIZE]; /* of its interfaces */
    size_t count;
    int port; /* the setting `port`; 0: it listens on none */
};

/* Reads "host", "host:port" or "[address]:port". False with a bare reason in err ("the port is no number from 1 to 65535"). */
bool endpoint_read(struct slice text, struct endpoint *out, char *err, size_t err_size);
/* "host:port", or "[address]:port", as endpoint_read takes it; size at least IDENTITY_HOST_SIZE + 9. */
void endpoint_write(const char *host, int port, char *text, size_t size);
/* Whether both are the same; letters' case does not matter. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* By the settings; self "" for recognising it. False with a whole message in err, which says which member is wrong and how. */
bool identity_from_list(const char *roster, const char *self, const struct identity_own *own,
                        struct identity *out, char *err, size_t err_size);

/* By the host name and the text of a hosts file: a pod, or plain when they do not have the form above. (A machine called
 * "cache-1" is no pod by that: the name in full must be "cache-1.SERVICE.NAMESPACE.svc".) False with a message when they do,
 * and the ordinal is beyond IDENTITY_ORDINAL_MAX. */
bool identity_from_hosts(const struct identity_own *own, struct slice hosts, struct identity *out, char *err,
                         size_t err_size);

/* A pod's member by its ordinal: "<set>-<ordinal>.<service>". False when that is too long for a name. */
bool identity_member(const struct identity *identity, int ordinal, struct endpoint *out);
/* The other way round: the ordinal of a member's name, or -1 for a name of another form. A dot at its end does not matter. */
int identity_ordinal_of(const struct identity *identity, const char *host);

/* Who this process is, by its settings and its machine: host name, interfaces, /etc/hosts. Called at start. False with a
 * message in err (CONFIG_ERR_SIZE is enough for all). */
bool identity_find(const struct config *config, struct identity *out, char *err, size_t err_size);

#endif
