/*
 * Fuzzes what RESTORE reads. An input is taken twice: as a payload with its footer, which mostly ends at the
 * checksum, and as a body that gets a right footer here, which is what an attacker would send. What is read must be
 * within the limit, and must come back the same once written and read again.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "persist/crc64.h"
#include "persist/rdb_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STRING = 1 << 20 };

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* The value written by us, opened and read again, must be the same text. */
static void check_round_trip(const uint8_t *text, size_t len)
{
    struct rdb_writer writer;
    struct rdb_reader reader;
    struct rdb_string again;
    uint8_t type;
    char digits[20];
    size_t again_len;
    rdb_writer_init(&writer, len % 2 == 0);
    check(rdb_payload_write_string(&writer, text, len));
    check(rdb_payload_open(&reader, writer.bytes, writer.len, MAX_STRING, &type) == RDB_PAYLOAD_OK);
    check(type == RDB_TYPE_STRING);
    check(rdb_payload_read_string(&reader, &again) == RDB_PAYLOAD_OK);
    const uint8_t *again_text = rdb_string_text(&again, digits, &again_len);
    check(again_len == len && (len == 0 || memcmp(again_text, text, len) == 0));
    check(rdb_reader_left(&reader) == 0);
    rdb_string_free(&again);
    rdb_writer_free(&writer);
}

static void read_payload(const uint8_t *payload, size_t size)
{
    struct rdb_reader reader;
    struct rdb_string string;
    uint8_t type;
    if (rdb_payload_open(&reader, payload, size, MAX_STRING, &type) != RDB_PAYLOAD_OK) {
        return;
    }
    enum rdb_payload_status status = rdb_payload_read_string(&reader, &string);
    check((status == RDB_PAYLOAD_OK) == rdb_reader_ok(&reader));
    if (status == RDB_PAYLOAD_OK) {
        char digits[20];
        size_t len;
        const uint8_t *text = rdb_string_text(&string, digits, &len);
        check(len == string.len && len <= MAX_STRING);
        check_round_trip(text, len);
        rdb_string_free(&string);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_payload(data, size);
    struct rdb_writer body;
    rdb_writer_init(&body, false);
    rdb_write_bytes(&body, data, size);
    check(rdb_payload_end(&body));
    read_payload(body.bytes, body.len);
    rdb_writer_free(&body);
    return 0;
}
