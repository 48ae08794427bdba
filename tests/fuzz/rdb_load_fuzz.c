/*
 * Fuzzes what the server reads at start: whole RDB files. The checksum is not looked at, so that what an input changes is read and
 * not refused at the end. Each input is taken in one piece and in small ones, which must come to the same; what was loaded must
 * name its encoding and be measured, and all of it is freed again. An entry's hash must be that under which it is found.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commands/type.h"
#include "memory.h"
#include "persist/rdb_load.h"
#include "store/reaper.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DBS = 4 };

static struct server server;
static struct config config;
static struct rdb_load_progress progress;

struct pieces {
    const uint8_t *bytes;
    size_t left, piece;
};

static ssize_t read_piece(void *context, void *buffer, size_t n)
{
    struct pieces *p = context;
    size_t size = p->piece < p->left ? p->piece : p->left;
    size = size < n ? size : n;
    memcpy(buffer, p->bytes, size);
    p->bytes += size;
    p->left -= size;
    return (ssize_t)size;
}

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static enum rdb_payload_status load_value(void *context, struct rdb_reader *reader, enum rdb_type rdb_type,
                                          const struct entry_head *head, struct entry **e)
{
    const struct type *type = type_of_rdb(rdb_type);
    (void)context;
    return type != NULL ? type->load(&server, reader, rdb_type, head, e) : RDB_PAYLOAD_BAD_FORMAT;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    mem_thread_init();
    clock_init();
    config_init_defaults(&config);
    entry_set_ops(&type_entry_ops);
    keyspace_init(&server.keyspace, DBS, 1);
    server.config = &config;
    reaper_start();
    return 0;
}

static void look(void *context, struct entry *e, uint64_t hash)
{
    uint64_t *sum = context;
    check(type_of(e)->encoding(e) != NULL);
    check(entry_memory(e) > 0);
    check(hash == keyspace_hash(&server.keyspace, entry_key(e)));
    *sum += hash ^ type_of(e)->length(e);
}

/* Loads the input, and adds up what there is then. */
static uint64_t load(const uint8_t *data, size_t size, size_t piece, struct rdb_load_result *result)
{
    struct pieces pieces = {data, size, piece};
    struct rdb_load_options options = {
        .source = {&pieces, read_piece, size},
        .keyspace = &server.keyspace,
        .hooks = {.context = &server, .load = load_value},
        .keep_expired = size % 2 != 0,
        .replace = size % 3 == 0,
        .whole = true,
        .progress = &progress,
    };
    rdb_load(&options, result);
    free(result->rest);
    uint64_t sum = progress.loaded;
    for (int i = 0; i < DBS; i++) {
        db_each(&server.keyspace.dbs[i], look, &sum);
        db_flush(&server.keyspace.dbs[i]);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rdb_load_result whole, pieces;
    uint64_t a = load(data, size, SIZE_MAX, &whole);
    check(whole.offset <= size);
    check(whole.status == RDB_LOAD_DONE || whole.reason[0] != '\0');
    uint64_t b = load(data, size, 61, &pieces);
    check(whole.status == pieces.status);
    check(whole.status != RDB_LOAD_DONE || a == b);
    return 0;
}
