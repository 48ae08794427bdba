/*
 * What OBJECT tells of a value; DEBUG OBJECT tells some of it too.
 */
#ifndef ORDINAL_COMMANDS_OBJECT_H
#define ORDINAL_COMMANDS_OBJECT_H

#include "store/entry.h"

/* The name of Redis's encoding for a value like this: "int", "embstr", "raw". Clients and test suites know these names;
 * Ordinal's own form of a value is another matter (entry.h). */
const char *object_encoding(const struct entry *e);

#endif
