/*
 * Walks over a value of the RDB format without understanding it: where it ends is known from its lengths alone, also for
 * streams, and for values of modules, whose parts are marked. Used for what is not kept (keys past their deadline, types that
 * are not supported), and to find out how many bytes a large value has before it is read.
 */
#ifndef ORDINAL_PERSIST_RDB_SKIP_H
#define ORDINAL_PERSIST_RDB_SKIP_H

#include "persist/rdb_reader.h"

/* What can be done with a type byte. */
enum rdb_known {
    RDB_UNKNOWN, /* nothing: where its value ends is not known either */
    RDB_LOADED,  /* its value is read */
    RDB_STREAM,  /* its value can be passed over */
    RDB_MODULE   /* so can this one */
};

/* `valkey`: in a file of Valkey, which has given one number another meaning. */
enum rdb_known rdb_known(unsigned type, bool valkey);

/* What people call it: "a hash as a ziplist". NULL for a number that nobody has used. */
const char *rdb_type_name(unsigned type, bool valkey);

/* Moves the reader behind the value of a type that is not RDB_UNKNOWN. */
bool rdb_skip_value(struct rdb_reader *reader, unsigned type);
bool rdb_skip_string(struct rdb_reader *reader);

/* The parts of a module's value up to its end mark: what stands in a MODULE_AUX record as well. */
bool rdb_skip_module_parts(struct rdb_reader *reader);

/* Whether the value that begins here is a collection of nothing. Old servers wrote such by mistake, and Redis leaves them out. */
bool rdb_value_is_empty(const struct rdb_reader *reader, unsigned type);

#endif
