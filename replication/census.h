/*
 * The census: who belongs to a pod's roster, asked of the headless service every few seconds. A set that was made larger is known to all
 * before its new pods have come, and members that were scaled away are forgotten. What cannot be looked up changes nothing.
 *
 * It has a thread, since names are looked up on a loop (lookup.h), and the server's own loops end all that they run at once.
 *
 * Threads: loop 0's, or the main one.
 */
#ifndef ORDINAL_REPLICATION_CENSUS_H
#define ORDINAL_REPLICATION_CENSUS_H

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "replication/lookup.h"
#include "replication/roster.h"

enum { CENSUS_EVERY_MS = 5000 };

struct census {
    struct roster *roster;
    bool running;
    bool failed; /* the last time: said once */
    pthread_t thread;
    uv_loop_t uv;
    uv_async_t end;
    uv_timer_t timer;
    struct lookup lookup;
};

/* Begins, where there is a service to ask (roster_service). False: there is no memory, or no thread. */
bool census_start(struct census *census, struct roster *roster);

/* Ends; nothing where it has not begun. */
void census_stop(struct census *census);

#endif
