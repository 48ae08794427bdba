/*
 * DUMP payloads: the footer around a value, and the value of type string. Nothing of a payload is looked at
 * before version and checksum are right; the checksum keeps accidents out, not attackers, so the value is
 * read by a reader that trusts nothing.
 */

#include "persist/rdb_payload.h"

#include <stdatomic.h>

#include "persist/crc64.h"

static _Atomic bool skip_checksum;

void rdb_payload_set_skip_checksum(bool skip)
{
    atomic_store_explicit(&skip_checksum, skip, memory_order_relaxed);
}

const char *rdb_payload_error(enum rdb_payload_status status)
{
    switch (status) {
    case RDB_PAYLOAD_OK: return NULL;
    case RDB_PAYLOAD_BAD_FOOTER: return "DUMP payload version or checksum are wrong";
    case RDB_PAYLOAD_BAD_FORMAT: return "Bad data format";
    case RDB_PAYLOAD_NO_MEMORY: return "Insufficient memory to restore the value";
    }
    return NULL;
}

void rdb_payload_begin(struct rdb_writer *writer, enum rdb_type type)
{
    rdb_write_u8(writer, (uint8_t)type);
}

bool rdb_payload_end(struct rdb_writer *writer)
{
    bool younger = rdb_writer_ok(writer) && writer->len > 0 && writer->bytes[0] > RDB_TYPES_OF_VERSION_10;
    rdb_write_u16(writer, younger ? RDB_VERSION_YOUNGER : RDB_VERSION_WRITTEN);
    if (rdb_writer_ok(writer)) {
        rdb_write_u64(writer, crc64(0, writer->bytes, writer->len));
    }
    return rdb_writer_ok(writer);
}

bool rdb_payload_write_string(struct rdb_writer *writer, const void *bytes, size_t n)
{
    rdb_payload_begin(writer, RDB_TYPE_STRING);
    rdb_write_string(writer, bytes, n);
    return rdb_payload_end(writer);
}

/* Reads the footer of the n bytes at hand, n being at least RDB_FOOTER_BYTES. */
static bool footer_right(const uint8_t *bytes, size_t n, uint16_t *version)
{
    struct rdb_reader footer;
    uint64_t checksum;
    rdb_reader_init(&footer, bytes + n - RDB_FOOTER_BYTES, RDB_FOOTER_BYTES, 0);
    return rdb_read_u16(&footer, version) && rdb_read_u64(&footer, &checksum) &&
           (*version <= RDB_VERSION_READ || *version == RDB_VERSION_VALKEY) &&
           (atomic_load_explicit(&skip_checksum, memory_order_relaxed) ||
            checksum == crc64(0, bytes, n - sizeof(checksum)));
}

enum rdb_payload_status rdb_payload_open(struct rdb_reader *reader, const void *bytes, size_t n,
                                         size_t max_string, uint8_t *type)
{
    uint16_t version;
    rdb_reader_init(reader, bytes, 0, max_string);
    *type = 0;
    if (n < RDB_FOOTER_BYTES || !footer_right(bytes, n, &version)) {
        return RDB_PAYLOAD_BAD_FOOTER;
    }
    reader->len = n - RDB_FOOTER_BYTES;
    bool good = rdb_read_u8(reader, type) && (*type != RDB_TYPE_HASH_2 || version == RDB_VERSION_VALKEY);
    return good ? RDB_PAYLOAD_OK : RDB_PAYLOAD_BAD_FORMAT;
}

enum rdb_payload_status rdb_payload_read_string(struct rdb_reader *reader, struct rdb_string *out)
{
    if (rdb_read_string(reader, out)) {
        return RDB_PAYLOAD_OK;
    }
    return reader->no_memory ? RDB_PAYLOAD_NO_MEMORY : RDB_PAYLOAD_BAD_FORMAT;
}
