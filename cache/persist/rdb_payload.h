/*
 * What DUMP replies and RESTORE takes: one value in the RDB format with a footer of version and checksum
 * (drawn in rdb_format.h). A value of any type is written between rdb_payload_begin and rdb_payload_end, and
 * read after rdb_payload_open, which has checked the footer and narrowed the reader to the value.
 */
#ifndef ORDINAL_PERSIST_RDB_PAYLOAD_H
#define ORDINAL_PERSIST_RDB_PAYLOAD_H

#include "persist/rdb_format.h"
#include "persist/rdb_reader.h"
#include "persist/rdb_writer.h"

enum rdb_payload_status {
    RDB_PAYLOAD_OK,
    RDB_PAYLOAD_BAD_FOOTER, /* too short, a newer version, or a wrong checksum */
    RDB_PAYLOAD_BAD_FORMAT, /* an unknown type, or a value that cannot be read */
    RDB_PAYLOAD_NO_MEMORY
};

/* The error text that RESTORE replies for a status, without "ERR "; NULL for RDB_PAYLOAD_OK. */
const char *rdb_payload_error(enum rdb_payload_status status);

/* Whether the checksum of a payload is looked at: it is, but for tests (DEBUG SET-SKIP-CHECKSUM-VALIDATION). Any thread. */
void rdb_payload_set_skip_checksum(bool skip);

/* Writes the type byte; the writer must be empty, as the checksum covers all that it holds. */
void rdb_payload_begin(struct rdb_writer *writer, enum rdb_type type);

/* Writes the footer. Returns false if memory ran out on the way. */
bool rdb_payload_end(struct rdb_writer *writer);

/* The whole payload of a string value, into an empty writer. Returns false if memory ran out. */
bool rdb_payload_write_string(struct rdb_writer *writer, const void *bytes, size_t n);

/*
 * Checks the footer of a payload and reads its type byte: RDB_PAYLOAD_OK, BAD_FOOTER, or BAD_FORMAT if there
 * is no type byte. The reader then stands at the value and ends before the footer. max_string as in
 * rdb_reader.h.
 */
enum rdb_payload_status rdb_payload_open(struct rdb_reader *reader, const void *bytes, size_t n,
                                         size_t max_string, uint8_t *type);

/*
 * Reads the value of a payload of type RDB_TYPE_STRING; RDB_PAYLOAD_OK, BAD_FORMAT or NO_MEMORY. Bytes behind
 * the value are ignored, as Redis does.
 */
enum rdb_payload_status rdb_payload_read_string(struct rdb_reader *reader, struct rdb_string *out);

#endif
