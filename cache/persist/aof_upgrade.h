/*
 * The append-only file of servers before Redis 7 was one file in the working directory. It becomes the base of a set of files, as
 * Redis 7 does it: first a manifest that names it is stored in the folder, then the file is moved there. A crash between
 * the two leaves what the next start takes for the same case.
 *
 * Threads: at start alone.
 */
#ifndef ORDINAL_PERSIST_AOF_UPGRADE_H
#define ORDINAL_PERSIST_AOF_UPGRADE_H

#include "persist/aof_manifest.h"

/* Whether there is such a file, and the manifest (which may be empty) does not know better. */
bool aof_upgrade_is_due(const char *folder, const char *name, const struct aof_manifest *m);

/* Moves it into the folder, which is made, and names it in the manifest, whose base it becomes. False with errno. */
bool aof_upgrade(const char *folder, const char *name, struct aof_manifest *m);

#endif
