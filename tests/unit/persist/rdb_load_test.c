/*
 * Loading RDB files: what is read whatever the pieces in which it comes, what is refused and where, what is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commands/type.h"
#include "memory.h"
#include "persist/crc64.h"
#include "persist/rdb_load.h"
#include "store/reaper.h"

enum { DBS = 4 };

static struct server server;
static struct config config;
static struct rdb_load_progress progress;
static struct rdb_load_result result;
static struct rdb_load_options options;
static struct store_stats stats;
static char skipped_names[256];
static int entered;

/* ---- a file by hand -------------------------------------------------------------------------------------------- */

static struct rdb_writer file;

static void begin_file(const char *header)
{
    rdb_writer_free(&file);
    rdb_writer_init(&file, false);
    rdb_write_bytes(&file, header, strlen(header));
}

static void put_text(const char *text)
{
    rdb_write_string(&file, text, strlen(text));
}

static void put_key(unsigned type, const char *key)
{
    rdb_write_u8(&file, (uint8_t)type);
    put_text(key);
}

static void put_string(const char *key, const char *value)
{
    put_key(RDB_TYPE_STRING, key);
    put_text(value);
}

static void put_db(uint64_t number)
{
    rdb_write_u8(&file, RDB_OPCODE_SELECT_DB);
    rdb_write_length(&file, number);
}

static void put_deadline(int64_t wall)
{
    rdb_write_u8(&file, RDB_OPCODE_EXPIRE_MS);
    rdb_write_u64(&file, (uint64_t)wall);
}

static void end_file(void)
{
    rdb_write_u8(&file, RDB_OPCODE_EOF);
    rdb_write_u64(&file, crc64(0, file.bytes, file.len));
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* Memory that comes in pieces. */
struct pieces {
    const uint8_t *bytes;
    size_t len, at, piece;
    int error; /* at the end, instead of the end */
};

static ssize_t read_piece(void *context, void *buffer, size_t n)
{
    struct pieces *p = context;
    size_t left = p->len - p->at;
    size_t size = p->piece < n ? p->piece : n;
    size = size < left ? size : left;
    if (size == 0 && p->error != 0) {
        errno = p->error;
        return -1;
    }
    if (size > 0) {
        memcpy(buffer, p->bytes + p->at, size);
    }
    p->at += size;
    return (ssize_t)size;
}

static enum rdb_payload_status load_value(void *context, struct rdb_reader *reader, enum rdb_type rdb_type,
                                          const struct entry_head *head, struct entry **e)
{
    const struct type *type = type_of_rdb(rdb_type);
    assert_ptr_equal(context, &server);
    return type != NULL ? type->load(&server, reader, rdb_type, head, e) : RDB_PAYLOAD_BAD_FORMAT;
}

static void note_skipped(void *context, enum rdb_skipped what, int db, struct slice name)
{
    size_t len = strlen(skipped_names);
    (void)context;
    snprintf(skipped_names + len, sizeof skipped_names - len, "%d:%d:%.*s ", (int)what, db, (int)name.len,
             name.ptr);
}

static void enter(void *context)
{
    (void)context;
    assert_int_equal(entered++, 0);
}

static void leave(void *context)
{
    (void)context;
    assert_int_equal(--entered, 0);
}

static enum rdb_load_status load_pieces(const uint8_t *bytes, size_t len, size_t piece, int error)
{
    struct pieces pieces = {bytes, len, 0, piece, error};
    for (int i = 0; i < DBS; i++) {
        db_flush(&server.keyspace.dbs[i]);
    }
    skipped_names[0] = '\0';
    options.source = (struct rdb_source){&pieces, read_piece, len};
    rdb_load(&options, &result);
    free(result.rest);
    return result.status;
}

static enum rdb_load_status load(void)
{
    assert_true(rdb_writer_ok(&file));
    return load_pieces(file.bytes, file.len, SIZE_MAX, 0);
}

static struct entry *find(int db, const char *key)
{
    struct slice name = {key, strlen(key)};
    return db_find(&server.keyspace.dbs[db], keyspace_hash(&server.keyspace, name), name, clock_now(),
                   &stats);
}

static void assert_value(int db, const char *key, const char *value)
{
    const struct entry *e = find(db, key);
    assert_non_null(e);
    assert_int_equal(entry_value_len(e), strlen(value));
    assert_memory_equal(entry_area(e), value, strlen(value));
}

static void assert_refused(const char *reason)
{
    assert_int_equal(load(), RDB_LOAD_REFUSED);
    if (strstr(result.reason, reason) == NULL) {
        fail_msg("\"%s\" does not tell \"%s\"", result.reason, reason);
    }
}

static int set_up(void **state)
{
    (void)state;
    mem_thread_init();
    clock_init();
    config_init_defaults(&config);
    entry_set_ops(&type_entry_ops);
    keyspace_init(&server.keyspace, DBS, 1);
    server.config = &config;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reaper_start(); /* which frees what is handed to it */
    for (int i = 0; i < DBS; i++) {
        db_free(&server.keyspace.dbs[i]);
    }
    reaper_stop();
    free(server.keyspace.dbs);
    config_free(&config);
    rdb_writer_free(&file);
    return 0;
}

static int set_options(void **state)
{
    (void)state;
    options = (struct rdb_load_options){
        .keyspace = &server.keyspace,
        .hooks =
            {.context = &server, .load = load_value, .skipped = note_skipped, .enter = enter, .leave = leave},
        .checksum = true,
        .whole = true,
        .progress = &progress,
    };
    return 0;
}

/* ---- what is read -------------------------------------------------------------------------------------------------- */

static void put_everything(void)
{
    char value[700];
    memset(value, 'v', sizeof value);
    begin_file("REDIS0010");
    rdb_write_u8(&file, RDB_OPCODE_AUX);
    put_text("redis-ver");
    put_text("7.0.15");
    put_db(0);
    rdb_write_u8(&file, RDB_OPCODE_RESIZE_DB);
    rdb_write_length(&file, 100);
    rdb_write_length(&file, 1);
    for (int i = 0; i < 100; i++) {
        char key[24], text[24];
        snprintf(key, sizeof key, "key:%d", i);
        snprintf(text, sizeof text, "value:%d", i);
        put_string(key, text);
    }
    put_db(2);
    put_deadline(clock_to_wall(clock_now()) + 100000);
    put_key(RDB_TYPE_HASH, "hash");
    rdb_write_length(&file, 200);
    for (int i = 0; i < 200; i++) {
        char field[24];
        snprintf(field, sizeof field, "f%d", i);
        put_text(field);
        rdb_write_string(&file, value, sizeof value);
    }
    put_string("last", "one");
    end_file();
}

static void everything_is_read_whatever_the_pieces(void **state)
{
    static const size_t pieces[] = {SIZE_MAX, 100000, 4096, 333, 7, 1};
    (void)state;
    put_everything();
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        assert_int_equal(load_pieces(file.bytes, file.len, pieces[i], 0), RDB_LOAD_DONE);
        assert_int_equal(result.offset, file.len);
        assert_int_equal(db_size(&server.keyspace.dbs[0]), 100);
        assert_int_equal(db_size(&server.keyspace.dbs[2]), 2);
        assert_value(0, "key:57", "value:57");
        assert_value(2, "last", "one");
        const struct entry *hash = find(2, "hash");
        assert_int_equal(type_of(hash)->length(hash), 200);
        assert_in_range(entry_deadline(hash), clock_now() + 50000, clock_now() + 100000);
        assert_int_equal(progress.loaded, 102);
        assert_int_equal(progress.bytes, file.len);
        assert_int_equal(progress.total, file.len);
    }
}

static void what_comes_behind_is_handed_over(void **state)
{
    struct pieces pieces;
    (void)state;
    begin_file("REDIS0009");
    put_string("a", "1");
    end_file();
    size_t len = file.len;
    rdb_write_bytes(&file, "*1\r\n$4\r\nPING\r\n", 14);
    pieces = (struct pieces){file.bytes, file.len, 0, SIZE_MAX, 0};
    options.whole = false;
    options.replace = true;
    options.source = (struct rdb_source){&pieces, read_piece, 0};
    rdb_load(&options, &result);
    assert_int_equal(result.status, RDB_LOAD_DONE);
    assert_int_equal(result.offset, len);
    assert_int_equal(result.rest_len, 14);
    assert_memory_equal(result.rest + result.rest_at, "*1\r\n$4\r\nPING\r\n", 14);
    free(result.rest);
}

static void a_file_of_valkey_has_deadlines_of_fields_in_type_22(void **state)
{
    int64_t wall = clock_to_wall(clock_now()) + 100000;
    (void)state;
    begin_file("VALKEY080");
    put_key(RDB_TYPE_HASH_2, "h");
    rdb_write_length(&file, 2);
    put_text("stays");
    put_text("1");
    rdb_write_u64(&file, UINT64_MAX);
    put_text("goes");
    put_text("2");
    rdb_write_u64(&file, (uint64_t)wall);
    end_file();
    assert_int_equal(load(), RDB_LOAD_DONE);
    const struct entry *e = find(0, "h");
    assert_non_null(e);
    assert_int_equal(type_of(e)->length(e), 2);
    assert_true((e->kind & ENTRY_TIMED_PARTS) != 0);
    assert_in_range(entry_parts_due(e), clock_from_wall(wall) - 2, clock_from_wall(wall) + 2);
    begin_file("REDIS0012");
    put_key(RDB_TYPE_HASH_2, "h");
    rdb_write_length(&file, 0);
    end_file();
    assert_refused("a hash of a pre-release of Redis 7.4");
}

static void uses_are_kept_in_the_access_clock(void **state)
{
    (void)state;
    begin_file("REDIS0009");
    rdb_write_u8(&file, RDB_OPCODE_IDLE);
    rdb_write_length(&file, 1000);
    put_string("idle", "v");
    put_string("fresh", "v");
    rdb_write_u8(&file, RDB_OPCODE_FREQUENCY);
    rdb_write_u8(&file, 77);
    put_string("often", "v");
    end_file();
    assert_int_equal(load(), RDB_LOAD_DONE);
    assert_in_range(access_idle_seconds(find(0, "idle"), clock_now()), 1000, 1010);
    assert_in_range(access_idle_seconds(find(0, "fresh"), clock_now()), 0, 10);
    options.access = (struct access_rules){.lfu = true, .log_factor = 10, .decay = 1};
    assert_int_equal(load(), RDB_LOAD_DONE);
    assert_int_equal(access_frequency(&options.access, find(0, "often"), clock_now()), 77);
    assert_int_equal(access_frequency(&options.access, find(0, "idle"), clock_now()), ACCESS_LFU_START);
}

static void keys_past_their_deadline_are_left_out_unless_asked_for(void **state)
{
    int64_t wall = clock_to_wall(clock_now());
    (void)state;
    begin_file("REDIS0003");
    put_deadline(wall - 1000);
    put_string("dead", "v");
    rdb_write_u8(&file, RDB_OPCODE_EXPIRE);
    rdb_write_u32(&file, 1000000000);
    put_key(RDB_TYPE_LIST, "dead too");
    rdb_write_length(&file, 1);
    put_text("x");
    put_deadline(-1);
    put_string("lives", "v");
    rdb_write_u8(&file, RDB_OPCODE_EXPIRE);
    rdb_write_u32(&file, (uint32_t)(wall / 1000 + 100));
    put_string("lives too", "v");
    rdb_write_u8(&file, RDB_OPCODE_EOF);
    assert_int_equal(load(), RDB_LOAD_DONE);
    assert_int_equal(db_size(&server.keyspace.dbs[0]), 2);
    assert_int_equal(progress.expired, 2);
    assert_int_equal(entry_deadline(find(0, "lives")), ENTRY_NO_DEADLINE);
    assert_in_range(entry_deadline(find(0, "lives too")), clock_now() + 50000, clock_now() + 101000);
    options.keep_expired = true;
    assert_int_equal(load(), RDB_LOAD_DONE);
    assert_int_equal(db_size(&server.keyspace.dbs[0]), 4);
    assert_int_equal(progress.expired, 0);
}

/* ---- what is left out ------------------------------------------------------------------------------------------------ */

static void put_stream(unsigned type, const char *key)
{
    put_key(type, key);
    rdb_write_length(&file, 1);
    put_text("0123456789abcdef");
    put_text("a listpack");
    for (int i = 0; i < (type == RDB_TYPE_STREAM_LISTPACKS ? 3 : 8); i++) {
        rdb_write_length(&file, 100000);
    }
    rdb_write_length(&file, 1); /* groups */
    put_text("group");
    for (int i = 0; i < (type == RDB_TYPE_STREAM_LISTPACKS ? 2 : 3); i++) {
        rdb_write_length(&file, 5);
    }
    rdb_write_length(&file, 1); /* pending */
    rdb_write_bytes(&file, "0123456789abcdef", 16);
    rdb_write_u64(&file, 1);
    rdb_write_length(&file, 3);
    rdb_write_length(&file, 1); /* consumers */
    put_text("consumer");
    rdb_write_u64(&file, 1);
    if (type == RDB_TYPE_STREAM_LISTPACKS_3) {
        rdb_write_u64(&file, 2);
    }
    rdb_write_length(&file, 1);
    rdb_write_bytes(&file, "0123456789abcdef", 16);
}

static void put_module_parts(void)
{
    rdb_write_length(&file, RDB_MODULE_UINT);
    rdb_write_length(&file, 70000);
    rdb_write_length(&file, RDB_MODULE_FLOAT);
    rdb_write_u32(&file, 1);
    rdb_write_length(&file, RDB_MODULE_DOUBLE);
    rdb_write_u64(&file, 1);
    rdb_write_length(&file, RDB_MODULE_STRING);
    put_text("text");
    rdb_write_length(&file, RDB_MODULE_END);
}

static void what_is_not_supported_is_left_out_and_told(void **state)
{
    (void)state;
    begin_file("REDIS0011");
    rdb_write_u8(&file, RDB_OPCODE_FUNCTION);
    put_text("#!lua");
    rdb_write_u8(&file, RDB_OPCODE_MODULE_AUX);
    rdb_write_length(&file, UINT64_MAX / 3);
    rdb_write_length(&file, RDB_MODULE_UINT);
    rdb_write_length(&file, 1);
    put_module_parts();
    rdb_write_u8(&file, RDB_OPCODE_SLOT_INFO);
    for (int i = 0; i < 3; i++) {
        rdb_write_length(&file, 16000);
    }
    put_db(1);
    put_stream(RDB_TYPE_STREAM_LISTPACKS, "s1");
    put_stream(RDB_TYPE_STREAM_LISTPACKS_2, "s2");
    put_stream(RDB_TYPE_STREAM_LISTPACKS_3, "s3");
    put_key(RDB_TYPE_MODULE_2, "m");
    rdb_write_length(&file, UINT64_MAX / 3);
    put_module_parts();
    put_string("kept", "v");
    end_file();
    for (size_t piece = 1; piece < 40; piece += 19) {
        assert_int_equal(load_pieces(file.bytes, file.len, piece, 0), RDB_LOAD_DONE);
        assert_string_equal(skipped_names, "2:0:#!lua 1:0: 0:1:s1 0:1:s2 0:1:s3 1:1:m ");
        assert_value(1, "kept", "v");
        assert_int_equal(progress.loaded, 1);
        assert_int_equal(progress.skipped[RDB_SKIPPED_STREAM], 3);
    }
}

static void collections_of_nothing_are_left_out(void **state)
{
    static const uint8_t listpack[] = {7, 0, 0, 0, 0, 0, 0xff};
    static const uint8_t ziplist[] = {11, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0xff};
    static const uint8_t intset[] = {2, 0, 0, 0, 0, 0, 0, 0};
    (void)state;
    begin_file("REDIS0010");
    for (unsigned type = RDB_TYPE_LIST; type <= RDB_TYPE_ZSET_2; type++) {
        put_key(type, "no elements");
        rdb_write_length(&file, 0);
    }
    put_key(RDB_TYPE_HASH_LISTPACK, "no fields");
    rdb_write_string(&file, listpack, sizeof listpack);
    put_key(RDB_TYPE_ZSET_ZIPLIST, "no members");
    rdb_write_string(&file, ziplist, sizeof ziplist);
    put_key(RDB_TYPE_SET_INTSET, "no integers");
    rdb_write_string(&file, intset, sizeof intset);
    put_key(RDB_TYPE_LIST_QUICKLIST_2, "no nodes");
    rdb_write_length(&file, 1);
    rdb_write_length(&file, 2);
    rdb_write_string(&file, listpack, sizeof listpack);
    put_string("kept", "v");
    end_file();
    assert_int_equal(load(), RDB_LOAD_DONE);
    assert_int_equal(progress.skipped[RDB_SKIPPED_EMPTY], 9);
    assert_int_equal(db_size(&server.keyspace.dbs[0]), 1);
}

/* ---- what is refused -------------------------------------------------------------------------------------------------- */

static void headers_that_are_not_known_are_refused(void **state)
{
    static const char *const headers[] = {"",          "REDIS",     "REDIS0000", "REDIS0013", "REDIS9999",
                                          "REDIS00 9", "redis0009", "VALKEY079", "VALKEY081", "RUBBISHxx"};
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        begin_file(headers[i]);
        if (strlen(headers[i]) == 9) {
            end_file();
        }
        assert_refused("while reading the header");
        assert_true(result.offset <= 9);
    }
}

static void a_refusal_tells_where_what_and_why(void **state)
{
    (void)state;
    begin_file("REDIS0010");
    put_string("a", "1");
    size_t at = file.len;
    rdb_write_u8(&file, 200);
    end_file();
    assert_refused("while reading the next record: there is no type and no opcode 200");
    assert_int_equal(result.offset, at);

    begin_file("REDIS0010");
    put_db(3);
    put_key(RDB_TYPE_HASH_LISTPACK, "the key");
    put_text("no listpack");
    at = file.len;
    end_file();
    assert_refused(
        "while reading the value of key 'the key' in database 3 (a hash as a listpack): its content is damaged");
    assert_int_equal(result.offset, at);

    begin_file("REDIS0010");
    put_db(DBS);
    end_file();
    assert_refused("database 4 is beyond the setting `databases` (4)");

    begin_file("REDIS0010");
    put_key(RDB_TYPE_MODULE, "old");
    end_file();
    assert_refused("a module's value of a pre-release of Redis 4.0");

    begin_file("REDIS0010");
    put_key(RDB_TYPE_LIST, "l");
    rdb_write_u8(&file, 0xc0);
    end_file();
    assert_refused("a length or an encoding is none that there is");
}

static void a_key_that_is_there_twice_is_refused_unless_it_may_be_replaced(void **state)
{
    (void)state;
    begin_file("REDIS0010");
    put_string("a", "1");
    put_string("b", "1");
    size_t at = file.len;
    put_string("a", "2");
    end_file();
    assert_refused("the key 'a' of database 0 is there already");
    assert_int_equal(result.offset, at);
    options.replace = true;
    assert_int_equal(load(), RDB_LOAD_DONE);
    assert_value(0, "a", "2");
}

static void a_wrong_checksum_is_refused_unless_it_is_not_looked_at(void **state)
{
    (void)state;
    begin_file("REDIS0010");
    put_string("a", "1");
    rdb_write_u8(&file, RDB_OPCODE_EOF);
    rdb_write_u64(&file, 1);
    assert_refused("while reading the checksum: it is 0000000000000001, and that of the file's bytes is ");
    assert_int_equal(result.offset, file.len - 8);
    options.checksum = false;
    assert_int_equal(load(), RDB_LOAD_DONE);
    options.checksum = true;
    memset(file.bytes + file.len - 8, 0, 8);
    assert_int_equal(load(), RDB_LOAD_DONE); /* written with rdbchecksum no */
}

static void an_old_version_with_bytes_behind_its_end_is_refused(void **state)
{
    (void)state;
    begin_file("REDIS0010");
    put_string("a", "1");
    end_file();
    file.bytes[7] = '0';
    file.bytes[8] = '1';
    assert_refused("a file of version 1 has nothing behind its end mark");
}

static void a_read_that_fails_tells_its_error(void **state)
{
    (void)state;
    begin_file("REDIS0010");
    put_string("a", "1");
    assert_int_equal(load_pieces(file.bytes, file.len, 5, EIO), RDB_LOAD_REFUSED);
    assert_non_null(strstr(result.reason, "Input/output error"));
}

static bool stop(void *context)
{
    (void)context;
    return false;
}

static void a_load_stops_when_it_is_asked_to(void **state)
{
    (void)state;
    put_everything();
    options.hooks.goes_on = stop;
    assert_int_equal(load_pieces(file.bytes, file.len, 100, 0), RDB_LOAD_STOPPED);
}

/* No prefix, and no file with one other byte, is taken for the whole. */
static void no_damage_is_overlooked(void **state)
{
    (void)state;
    begin_file("REDIS0011");
    put_string("a", "1");
    put_stream(RDB_TYPE_STREAM_LISTPACKS_3, "s");
    put_deadline(clock_to_wall(clock_now()) + 1000000);
    put_key(RDB_TYPE_ZSET_2, "z");
    rdb_write_length(&file, 2);
    put_text("m");
    rdb_write_double(&file, 1.5);
    put_text("n");
    rdb_write_double(&file, 2.5);
    put_db(1);
    put_key(RDB_TYPE_SET, "s");
    rdb_write_length(&file, 2);
    put_text("x");
    put_text("12");
    end_file();
    assert_int_equal(load(), RDB_LOAD_DONE);
    for (size_t len = 0; len < file.len; len++) {
        assert_int_equal(load_pieces(file.bytes, len, SIZE_MAX, 0), RDB_LOAD_REFUSED);
        assert_true(result.offset <= len);
    }
    for (size_t i = 0; i < file.len; i++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            file.bytes[i] ^= (uint8_t)flip;
            assert_int_equal(load(), RDB_LOAD_REFUSED);
            file.bytes[i] ^= (uint8_t)flip;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everything_is_read_whatever_the_pieces, set_options),
        cmocka_unit_test_setup(what_comes_behind_is_handed_over, set_options),
        cmocka_unit_test_setup(a_file_of_valkey_has_deadlines_of_fields_in_type_22, set_options),
        cmocka_unit_test_setup(uses_are_kept_in_the_access_clock, set_options),
        cmocka_unit_test_setup(keys_past_their_deadline_are_left_out_unless_asked_for, set_options),
        cmocka_unit_test_setup(what_is_not_supported_is_left_out_and_told, set_options),
        cmocka_unit_test_setup(collections_of_nothing_are_left_out, set_options),
        cmocka_unit_test_setup(headers_that_are_not_known_are_refused, set_options),
        cmocka_unit_test_setup(a_refusal_tells_where_what_and_why, set_options),
        cmocka_unit_test_setup(a_key_that_is_there_twice_is_refused_unless_it_may_be_replaced, set_options),
        cmocka_unit_test_setup(a_wrong_checksum_is_refused_unless_it_is_not_looked_at, set_options),
        cmocka_unit_test_setup(an_old_version_with_bytes_behind_its_end_is_refused, set_options),
        cmocka_unit_test_setup(a_read_that_fails_tells_its_error, set_options),
        cmocka_unit_test_setup(a_load_stops_when_it_is_asked_to, set_options),
        cmocka_unit_test_setup(no_damage_is_overlooked, set_options),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
