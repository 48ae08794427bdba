/*
 * The roster: the nodes that belong together, this one among them, with each one's address, role, state and offset as this
 * node knows them. It decides nothing and connects to nobody: who leads a connection to a member, or has one from it, notes
 * here what it sees, and who has to choose, or to tell people, reads here.
 *
 * Who is in it at the start, the identity says: all members of a roster that was listed; of a pod's, this node and ordinal 0.
 * A pod's others come by roster_add, as they are heard of, and by roster_take_service, when the headless service was looked
 * up. A plain server has no member, not even itself.
 *
 * Threads: any, for all calls but roster_init and roster_free. Each takes the roster's lock for a few microseconds at most,
 * and what is read is a copy.
 */
#ifndef ORDINAL_REPLICATION_ROSTER_H
#define ORDINAL_REPLICATION_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "replication/identity.h"
#include "replication/lookup.h"

enum { ROSTER_MEMBERS = IDENTITY_MEMBERS, ROSTER_NAMED = 16 };

enum roster_role { ROSTER_REPLICA, ROSTER_MASTER };

enum roster_state {
    ROSTER_UNKNOWN,    /* nothing was heard of it yet */
    ROSTER_CONNECTING, /* a connection is being made, or is being tried again */
    ROSTER_SYNCING,    /* it receives a snapshot, or catches up from the log */
    ROSTER_IN_SYNC,    /* writes wait for it, and it answers reads; of the master: it serves */
    ROSTER_GONE,       /* it was connected, and is no more */
};

struct roster_member {
    int ordinal;
    char host[IDENTITY_HOST_SIZE]; /* a name, to be looked up at each attempt, or an address */
    int port;
    enum roster_role role;
    enum roster_state state;
    int64_t offset;    /* of the log that it has applied; the master's: its log's end; -1: not known */
    int64_t last_seen; /* ms of clock.h; 0: never */
    int64_t
        lag_bytes; /* by which it is behind the master's offset, at least 0; -1: one of the two is not known */
    int64_t lag_ms; /* how long it has lacked bytes that the master had; 0: it lacks none; -1: as above */
};

/* A copy of all, by ascending ordinals. */
struct roster_view {
    enum identity_kind kind;
    int self; /* the ordinal of the node whose view it is; -1 for a plain server */
    struct roster_member members[ROSTER_MEMBERS];
    size_t count;
};

/* What roster.c keeps for each member. */
struct roster_place {
    struct roster_member member;
    int64_t mark_offset,
        mark_time; /* the master's offset that it had not reached at that time (ms); time 0: none */
};

struct roster {
    struct identity identity; /* never changes: may be read by any thread at any time */
    uv_mutex_t lock;
    struct roster_place places[ROSTER_MEMBERS]; /* by ascending ordinals */
    size_t count;
    struct lookup_namer namer;
};

/* All members are unknown, ordinal 0 is the master and the others are replicas until somebody says otherwise. Copies the
 * identity. */
void roster_init(struct roster *roster, const struct identity *identity);
void roster_free(struct roster *roster);

/* ---- reading ---- */

/* now: ms of clock.h, for lag_ms. */
void roster_view(struct roster *roster, int64_t now, struct roster_view *view);
/* How many members there are now; a plain server has none. */
size_t roster_count(struct roster *roster);
/* False when there is no such member. */
bool roster_member(struct roster *roster, int ordinal, int64_t now, struct roster_member *out);
/* The member whose role is master; false when there is none. */
bool roster_master(struct roster *roster, int64_t now, struct roster_member *out);
/* The domain whose SRV records list the members: the headless service, for lookup_service. NULL when this node is no pod. */
const char *roster_service(const struct roster *roster);

/* Looks a member's address up anew (lookup_host); the name of a pod's member is taken as it is, without search domains. On the
 * thread of the lookup's loop. False, and nothing is started, when there is no such member. */
bool roster_lookup(struct roster *roster, int ordinal, struct lookup *lookup, lookup_done done);

/* Looks up who belongs to a pod's roster, for roster_take_service: what the headless service lists, or, where the name server has no
 * such list, the first ROSTER_NAMED members by their names. Only where roster_service is not NULL. */
void roster_lookup_service(struct roster *roster, struct lookup *lookup, lookup_done done);

/* ---- writing: all give false when there is no such member ---- */

/* One member has the role of master at most: who had it becomes a replica. */
bool roster_set_master(struct roster *roster, int ordinal);
/* The master is known to be none of the members. */
void roster_set_no_master(struct roster *roster);
bool roster_set_state(struct roster *roster, int ordinal, enum roster_state state);
/* It was heard of at `now` (ms of clock.h), and was at that offset: a replica's acknowledgement, or the end of the master's
 * log. An offset may fall: a full sync starts another history. */
bool roster_seen(struct roster *roster, int ordinal, int64_t offset, int64_t now);

/* ---- members of a pod's roster: both do nothing for one that was listed, and for a plain server ---- */

/* Adds a member by its ordinal, unknown, if it is not there yet. False when there is no room (more than ROSTER_MEMBERS), for
 * an ordinal that cannot be, and where nothing can be added. */
bool roster_add(struct roster *roster, int ordinal);
/* Takes what a lookup of roster_service gave: members that it lists are added; those that it does not list, and of which
 * nothing is known or which are gone, leave the roster: a set that was made smaller. This node, ordinal 0, the master and those
 * that are connected stay. Targets that are no member's name, and their ports, are passed over: all pods of a set listen on
 * the same port. Gives how many were added or have left. */
int roster_take_service(struct roster *roster, const struct lookup_target *targets, size_t count);

#endif
