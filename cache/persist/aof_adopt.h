/*
 * An append-only file that begins with a snapshot that is there: the snapshot becomes the base of a new set, as it lies on the
 * disk. By a second name for the same file where the file system has such (nobody changes a snapshot, each takes the place of the
 * one before), else by a copy. The manifest that names it is stored last, so a crash leaves no set, and the next start takes
 * it for the same case.
 *
 * Threads: at start alone.
 */
#ifndef ORDINAL_PERSIST_AOF_ADOPT_H
#define ORDINAL_PERSIST_AOF_ADOPT_H

#include <stdbool.h>

/* `snapshot`: a path; `folder` is made; `name` is appendfilename. There is no set yet, or an empty one. False with errno. */
bool aof_adopt(const char *folder, const char *name, const char *snapshot);

#endif
