/*
 * The roster as text: the section "Roster" of INFO, which is read back by `ordinal status`, and the table that people read.
 *
 *   roster_from:pod
 *   roster_self:1
 *   roster_members:2
 *   roster_member0:ordinal=0,host=redis-0.redis.ns.svc,port=6379,role=master,state=in_sync,offset=1234,lag_bytes=0,lag_ms=0
 *   roster_member1:ordinal=1,host=…
 *
 * roster_from: pod, setting, or nothing (a plain server). The number in roster_member<n> counts members, it is no ordinal. What
 * is not known is -1.
 */
#ifndef ORDINAL_REPLICATION_ROSTER_TEXT_H
#define ORDINAL_REPLICATION_ROSTER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "net/conn.h"
#include "replication/roster.h"

/* "in_sync", "master". Never NULL. */
const char *roster_state_name(enum roster_state state);
const char *roster_role_name(enum roster_role role);

/* The lines above, each ended by CR LF. */
void roster_write_info(const struct roster_view *view, struct reply *text);

/* Reads them back from a reply of INFO; other lines of it are passed over. False when there is no roster in it, or a line of it
 * is damaged, with the reason in err. */
bool roster_read_info(const char *info, struct roster_view *view, char *err, size_t err_size);

/* The table: a line of titles, and one for each member; '*' marks the one whose view it is. */
void roster_print(const struct roster_view *view, FILE *out);

/* Whether there is a master, and all members are in sync; why is one line about it in either case. */
bool roster_judge(const struct roster_view *view, char *why, size_t why_size);

#endif
