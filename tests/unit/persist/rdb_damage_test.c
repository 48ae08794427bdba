/*
 * The sample files of real servers, damaged in every place: cut short within every record, and with one bit of each byte turned over.
 * With the checksum none is taken; without it some are, and what was loaded then must be sound. (The sanitizers' builds of this test
 * are those that count.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commands/digest.h"
#include "commands/type.h"
#include "memory.h"
#include "persist/rdb_load.h"
#include "store/reaper.h"

enum { DBS = 16, MOST = 1 << 20 };

static struct server server;
static struct config config;
static struct rdb_load_progress progress;
static uint8_t bytes[MOST];

struct source {
    size_t at, len;
};

static ssize_t read_source(void *context, void *buffer, size_t n)
{
    struct source *source = context;
    size_t left = source->len - source->at;
    size_t size = n < left ? n : left;
    memcpy(buffer, bytes + source->at, size);
    source->at += size;
    return (ssize_t)size;
}

static enum rdb_payload_status load_value(void *context, struct rdb_reader *reader, enum rdb_type rdb_type,
                                          const struct entry_head *head, struct entry **e)
{
    const struct type *type = type_of_rdb(rdb_type);
    (void)context;
    return type != NULL ? type->load(&server, reader, rdb_type, head, e) : RDB_PAYLOAD_BAD_FORMAT;
}

static void look(void *context, struct entry *e, uint64_t hash)
{
    (void)context;
    (void)hash;
    assert_non_null(type_of(e)->encoding(e));
    assert_true(entry_memory(e) > 0);
    digest_value(e);
}

static enum rdb_load_status load(size_t len, bool checksum)
{
    struct source source = {0, len};
    struct rdb_load_result result;
    struct rdb_load_options options = {
        .source = {&source, read_source, len},
        .keyspace = &server.keyspace,
        .hooks = {.context = &server, .load = load_value},
        .checksum = checksum,
        .whole = true,
        .progress = &progress,
    };
    rdb_load(&options, &result);
    free(result.rest);
    for (int i = 0; i < DBS; i++) {
        if (db_size(&server.keyspace.dbs[i]) > 0) {
            if (result.status == RDB_LOAD_DONE) {
                db_each(&server.keyspace.dbs[i], look, NULL);
            }
            db_flush(&server.keyspace.dbs[i]);
        }
    }
    return result.status;
}

static size_t read_sample(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_true(len > 1000 && len < MOST);
    return len;
}

/* Calls for each sample; there must be some. */
static void each_sample(void (*visit)(size_t len))
{
    glob_t found;
    assert_int_equal(glob("tests/rdb/samples/*-lru.rdb", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t len = read_sample(found.gl_pathv[i]);
        assert_int_equal(load(len, true), RDB_LOAD_DONE);
        visit(len);
    }
    globfree(&found);
}

static void cut(size_t len)
{
    static size_t begin; /* another one of each three for each sample */
    for (size_t cut_len = begin++; cut_len < len; cut_len += 3) {
        assert_int_equal(load(cut_len, cut_len % 2 != 0), RDB_LOAD_REFUSED);
    }
}

static void no_prefix_is_taken(void **state)
{
    (void)state;
    each_sample(cut);
}

static void turn(size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t bit = (uint8_t)(1 << (i * 5 + len) % 8);
        bytes[i] ^= bit;
        if (i % 3 == 0) {
            load(len, false);
        } else {
            assert_int_equal(load(len, true), RDB_LOAD_REFUSED);
        }
        bytes[i] ^= bit;
    }
}

static void no_turned_bit_is_overlooked(void **state)
{
    (void)state;
    each_sample(turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_prefix_is_taken),
        cmocka_unit_test(no_turned_bit_is_overlooked),
    };
    mem_thread_init();
    clock_init();
    config_init_defaults(&config);
    entry_set_ops(&type_entry_ops);
    keyspace_init(&server.keyspace, DBS, 1);
    server.config = &config;
    reaper_start();
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < DBS; i++) {
        db_free(&server.keyspace.dbs[i]);
    }
    reaper_stop();
    config_free(&config);
    free(server.keyspace.dbs);
    return failures;
}
