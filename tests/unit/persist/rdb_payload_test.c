/*
 * DUMP payloads: recorded from redis-server 7.0.15 and read, written and compared with the recording, broken in every
 * way and refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "persist/crc64.h"
#include "persist/rdb_payload.h"

enum { MAX_STRING = 512 * 1024 * 1024 };

#define BYTES(literal) ((const uint8_t *)(literal)), sizeof(literal) - 1

/* What DUMP of redis-server 7.0.15 replied for each value. */
static const struct recording {
    const char *value;
    const uint8_t *payload;
    size_t len;
} recordings[] = {
    {"", BYTES("\x00\x00\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda")},
    {"hello", BYTES("\x00\x05\x68\x65\x6c\x6c\x6f\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a")},
    {"-7", BYTES("\x00\xc0\xf9\x0a\x00\x5e\x26\xd1\x30\xd7\xa2\x42\xab")},
    {"300", BYTES("\x00\xc1\x2c\x01\x0a\x00\x95\x42\x61\xf2\x65\x82\x5c\x10")},
    {"-70000", BYTES("\x00\xc2\x90\xee\xfe\xff\x0a\x00\x28\x75\xde\x7b\x13\xeb\x28\x00")},
    {"2147483648", BYTES("\x00\x0a\x32\x31\x34\x37\x34\x38\x33\x36\x34\x38\x0a\x00\xe7\xb1\x29\xa3\x4c\x1d"
                         "\x76\xee")},
    {"0123", BYTES("\x00\x04\x30\x31\x32\x33\x0a\x00\x0a\xe4\x0c\x92\x9e\x3b\x64\x22")},
    {"abcabcabcabcabcabcabcabcabcabc!",
     BYTES(
         "\x00\xc3\x0b\x1f\x03\x61\x62\x63\x61\xe0\x10\x02\x01\x63\x21\x0a\x00\xd7\x58\xd5\xfc\xc3\x7c\x6c\x7c")},
};

enum { RECORDINGS = sizeof(recordings) / sizeof(recordings[0]) };

/* Opens and reads a string payload; on success its text must be the value. */
static enum rdb_payload_status read_payload(const void *payload, size_t n, const void *value,
                                            size_t value_len)
{
    struct rdb_reader reader;
    struct rdb_string string;
    uint8_t type;
    enum rdb_payload_status status = rdb_payload_open(&reader, payload, n, MAX_STRING, &type);
    if (status != RDB_PAYLOAD_OK) {
        return status;
    }
    if (type != RDB_TYPE_STRING) {
        return RDB_PAYLOAD_BAD_FORMAT;
    }
    status = rdb_payload_read_string(&reader, &string);
    if (status == RDB_PAYLOAD_OK) {
        char digits[20];
        size_t len;
        const uint8_t *text = rdb_string_text(&string, digits, &len);
        assert_int_equal(len, string.len);
        assert_int_equal(len, value_len);
        if (len > 0) {
            assert_memory_equal(text, value, len);
        }
        rdb_string_free(&string);
    }
    return status;
}

static void payloads_of_redis_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDINGS; i++) {
        const struct recording *r = &recordings[i];
        assert_int_equal(read_payload(r->payload, r->len, r->value, strlen(r->value)), RDB_PAYLOAD_OK);
    }
}

static void payloads_are_written_as_redis_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDINGS; i++) {
        const struct recording *r = &recordings[i];
        struct rdb_writer writer;
        rdb_writer_init(&writer, true);
        assert_true(rdb_payload_write_string(&writer, r->value, strlen(r->value)));
        if (strlen(r->value) <= 20) { /* above, two LZF compressors may differ and both be right */
            assert_int_equal(writer.len, r->len);
            assert_memory_equal(writer.bytes, r->payload, r->len);
        }
        assert_int_equal(read_payload(writer.bytes, writer.len, r->value, strlen(r->value)), RDB_PAYLOAD_OK);
        rdb_writer_free(&writer);
    }
}

static void check_round_trip(const uint8_t *value, size_t n, bool compress, size_t max_len)
{
    struct rdb_writer writer;
    rdb_writer_init(&writer, compress);
    assert_true(rdb_payload_write_string(&writer, value, n));
    assert_true(writer.len <= max_len);
    assert_int_equal(read_payload(writer.bytes, writer.len, value, n), RDB_PAYLOAD_OK);
    rdb_writer_free(&writer);
}

static void strings_of_every_length_class_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 20, 21, 63, 64, 16383, 16384, 70000, 3000000};
    uint8_t *noise = malloc(3000000);
    uint8_t *same = calloc(3000000, 1);
    assert_non_null(noise);
    assert_non_null(same);
    uint32_t seed = 1;
    for (size_t i = 0; i < 3000000; i++) {
        seed = seed * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(seed >> 24);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t plain = 1 + 5 + sizes[i] + RDB_FOOTER_BYTES;
        check_round_trip(noise, sizes[i], true, plain);
        check_round_trip(noise, sizes[i], false, plain);
        check_round_trip(same, sizes[i], true, sizes[i] > 1000 ? sizes[i] / 40 : plain);
        check_round_trip(same, sizes[i], false, plain);
    }
    free(noise);
    free(same);
}

static void integers_are_stored_as_their_text(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
        size_t payload;
    } cases[] = {{0, "0", 13},
                 {-128, "-128", 13},
                 {128, "128", 14},
                 {-32769, "-32769", 16},
                 {INT32_MAX, "2147483647", 16},
                 {INT64_MIN, "-9223372036854775808", 32}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rdb_writer writer;
        rdb_writer_init(&writer, true);
        rdb_payload_begin(&writer, RDB_TYPE_STRING);
        rdb_write_integer_string(&writer, cases[i].value);
        assert_true(rdb_payload_end(&writer));
        assert_int_equal(writer.len, cases[i].payload);
        assert_int_equal(read_payload(writer.bytes, writer.len, cases[i].text, strlen(cases[i].text)),
                         RDB_PAYLOAD_OK);
        rdb_writer_free(&writer);
    }
}

static void one_wrong_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    uint8_t copy[64];
    for (size_t i = 0; i < RECORDINGS; i++) {
        const struct recording *r = &recordings[i];
        for (size_t bit = 0; bit < r->len * 8; bit++) {
            memcpy(copy, r->payload, r->len);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(read_payload(copy, r->len, "", 0), RDB_PAYLOAD_BAD_FOOTER);
        }
        for (size_t n = 0; n < r->len; n++) {
            assert_int_equal(read_payload(r->payload, n, "", 0), RDB_PAYLOAD_BAD_FOOTER);
        }
    }
}

/* Appends a right footer of the given version to a body; returns the length. */
static size_t seal(uint8_t *payload, const uint8_t *body, size_t n, uint16_t version)
{
    memcpy(payload, body, n);
    payload[n] = (uint8_t)version;
    payload[n + 1] = (uint8_t)(version >> 8);
    uint64_t checksum = crc64(0, payload, n + 2);
    for (size_t i = 0; i < 8; i++) {
        payload[n + 2 + i] = (uint8_t)(checksum >> (8 * i));
    }
    return n + RDB_FOOTER_BYTES;
}

static void versions_up_to_ours_are_read(void **state)
{
    (void)state;
    uint8_t payload[32];
    for (uint16_t version = 0; version <= RDB_VERSION_READ; version++) {
        size_t n = seal(payload, BYTES("\x00\x01\x61"), version);
        assert_int_equal(read_payload(payload, n, "a", 1), RDB_PAYLOAD_OK);
    }
    size_t n = seal(payload, BYTES("\x00\x01\x61"), RDB_VERSION_READ + 1);
    assert_int_equal(read_payload(payload, n, "a", 1), RDB_PAYLOAD_BAD_FOOTER);
    n = seal(payload, BYTES("\x00\x01\x61"), 0x0100);
    assert_int_equal(read_payload(payload, n, "a", 1), RDB_PAYLOAD_BAD_FOOTER);
}

static void a_malformed_value_with_a_right_checksum_is_refused(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *body;
        size_t len;
    } bodies[] = {
        {BYTES("")},                                             /* no type */
        {BYTES("\x00")},                                         /* no value */
        {BYTES("\x00\x05\x61\x62")},                             /* shorter than it says */
        {BYTES("\x00\x40")},                                     /* half a length */
        {BYTES("\x00\x80\x00\x00")},                             /* half a long length */
        {BYTES("\x00\x82\x00")},                                 /* no such length */
        {BYTES("\x00\xc4")},                                     /* no such encoding */
        {BYTES("\x00\xc2\x01\x02")},                             /* half an integer */
        {BYTES("\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff\x61")}, /* 16 exabytes */
        {BYTES("\x00\x80\x7f\xff\xff\xff\x61")},                 /* 2 GB */
        {BYTES("\x00\xc3\x02\x80\x7f\xff\xff\xff\x00\x61")},     /* two bytes that claim to become 2 GB */
        {BYTES("\x00\xc3\x01\x40\xff\x00")},                     /* LZF that ends early */
        {BYTES("\x00\xc3\x02\x05\x00\x61")},                     /* LZF that gives less than it says */
        {BYTES("\x00\xc3\x04\x02\x02\x61\x62\x63")},             /* LZF that gives more than it says */
        {BYTES("\x00\xc3\x02\x03\x20\x00")},                     /* LZF that refers to before its beginning */
        {BYTES("\x00\xc3\x00\x00")},                             /* LZF of nothing */
        {BYTES("\x00\xc3\xc0\x01")},                             /* an encoding where a length belongs */
    };
    uint8_t payload[64];
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t n = seal(payload, bodies[i].body, bodies[i].len, 10);
        if (read_payload(payload, n, "", 0) != RDB_PAYLOAD_BAD_FORMAT) {
            fail_msg("malformed value %zu was not refused", i);
        }
    }
}

static void a_string_above_the_readers_limit_is_refused(void **state)
{
    (void)state;
    struct rdb_reader reader;
    struct rdb_string string;
    rdb_reader_init(&reader,
                    "\x03"
                    "abc",
                    4, 3);
    assert_true(rdb_read_string(&reader, &string));
    rdb_reader_init(&reader,
                    "\x03"
                    "abc",
                    4, 2);
    assert_false(rdb_read_string(&reader, &string));
    assert_false(reader.no_memory);
}

static void a_failed_reader_stays_failed(void **state)
{
    (void)state;
    struct rdb_reader reader;
    uint32_t four;
    uint8_t one;
    rdb_reader_init(&reader, "abc", 3, MAX_STRING);
    assert_true(rdb_reader_ok(&reader));
    assert_false(rdb_read_u32(&reader, &four));
    assert_false(rdb_read_u8(&reader, &one));
    assert_false(rdb_reader_ok(&reader));
    assert_int_equal(rdb_reader_left(&reader), 3);
}

static void a_count_that_cannot_be_true_is_refused(void **state)
{
    (void)state;
    struct rdb_reader reader;
    size_t count;
    rdb_reader_init(&reader,
                    "\x03"
                    "abc",
                    4, MAX_STRING);
    assert_true(rdb_read_count(&reader, 1, &count));
    assert_int_equal(count, 3);
    rdb_reader_init(&reader,
                    "\x03"
                    "abc",
                    4, MAX_STRING);
    assert_false(rdb_read_count(&reader, 2, &count));
    rdb_reader_init(&reader,
                    "\x80\xff\xff\xff\xff"
                    "abc",
                    8, MAX_STRING);
    assert_false(rdb_read_count(&reader, 1, &count));
}

static void lengths_and_fixed_widths_come_back(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0,         63, 64, 16383, 16384, UINT32_MAX, (uint64_t)UINT32_MAX + 1,
                                       UINT64_MAX};
    static const size_t bytes[] = {1, 1, 2, 2, 5, 5, 9, 9};
    struct rdb_writer writer;
    rdb_writer_init(&writer, false);
    for (size_t i = 0; i < 8; i++) {
        rdb_writer_clear(&writer);
        rdb_write_length(&writer, lengths[i]);
        assert_int_equal(writer.len, bytes[i]);
        struct rdb_reader reader;
        uint64_t length;
        rdb_reader_init(&reader, writer.bytes, writer.len, MAX_STRING);
        assert_true(rdb_read_length(&reader, &length));
        assert_true(length == lengths[i]);
        assert_int_equal(rdb_reader_left(&reader), 0);
    }
    rdb_writer_clear(&writer);
    rdb_write_u32(&writer, 0x01020304);
    rdb_write_double(&writer, -1.5);
    size_t len;
    uint8_t *taken = rdb_writer_take(&writer, &len);
    assert_int_equal(len, 12);
    assert_memory_equal(taken, "\x04\x03\x02\x01", 4);
    struct rdb_reader reader;
    double d;
    rdb_reader_init(&reader, taken + 4, 8, MAX_STRING);
    assert_true(rdb_read_double(&reader, &d));
    assert_true(d == -1.5);
    free(taken);
    rdb_writer_free(&writer);
}

static void errors_have_the_words_of_redis(void **state)
{
    (void)state;
    assert_null(rdb_payload_error(RDB_PAYLOAD_OK));
    assert_string_equal(rdb_payload_error(RDB_PAYLOAD_BAD_FOOTER),
                        "DUMP payload version or checksum are wrong");
    assert_string_equal(rdb_payload_error(RDB_PAYLOAD_BAD_FORMAT), "Bad data format");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_of_redis_are_read),
        cmocka_unit_test(payloads_are_written_as_redis_writes_them),
        cmocka_unit_test(strings_of_every_length_class_come_back),
        cmocka_unit_test(integers_are_stored_as_their_text),
        cmocka_unit_test(one_wrong_bit_anywhere_is_noticed),
        cmocka_unit_test(versions_up_to_ours_are_read),
        cmocka_unit_test(a_malformed_value_with_a_right_checksum_is_refused),
        cmocka_unit_test(a_string_above_the_readers_limit_is_refused),
        cmocka_unit_test(a_failed_reader_stays_failed),
        cmocka_unit_test(a_count_that_cannot_be_true_is_refused),
        cmocka_unit_test(lengths_and_fixed_widths_come_back),
        cmocka_unit_test(errors_have_the_words_of_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
