/*
 * A name to addresses, for a thread that waits: a lookup (lookup.h) on a loop of the thread's own, which is there for that alone. So
 * names mean the same wherever this node asks for them, and nothing waits longer than was said, or when it is not wanted any more.
 *
 * Threads: any.
 */
#ifndef ORDINAL_REPLICATION_RESOLVE_H
#define ORDINAL_REPLICATION_RESOLVE_H

#include "replication/lookup.h"

struct resolve_patience {
    int64_t limit_ms;               /* LOOKUP_LIMIT_MS at most */
    int event;                      /* an eventfd: when it is written to … */
    bool (*goes_on)(void *context); /* … whether to go on is asked */
    void *context;
};

/* The addresses of a host (lookup_host), at least one. False: there are none, and `error` says why; or it was given up, with errno
 * ECANCELED. */
bool resolve_host(uv_loop_t *uv, const char *name, int port, const struct resolve_patience *patience,
                  struct lookup_target *target, char *error, size_t size);

#endif
