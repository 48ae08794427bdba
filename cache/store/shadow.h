/*
 * A shadow: a second set of databases, which is filled beside the keyspace while that serves, and then takes its place at one stroke.
 * Its keys are hashed as those of the keyspace. Nothing in it is swept, evicted or saved before.
 *
 * Threads: it is its maker's alone; shadow_take_place needs the gate alone.
 */
#ifndef ORDINAL_STORE_SHADOW_H
#define ORDINAL_STORE_SHADOW_H

#include "store/keyspace.h"

/* As many databases as there are in the keyspace, all empty. NULL: no memory. */
struct keyspace *shadow_new(const struct keyspace *of);

/* Exchanges what is in it with what is in the keyspace, of which no cut is under way. */
void shadow_take_place(struct keyspace *shadow, struct keyspace *of);

/* With what is in it, which the reaper frees. NULL: nothing. */
void shadow_free(struct keyspace *shadow);

#endif
