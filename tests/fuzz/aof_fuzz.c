/*
 * Fuzzes what loads an append-only file: the manifest and the files that it names, with all commands that they may hold. An input is
 * a flag byte, a manifest and two files, separated by 0xFF bytes ("\xFF"): as text they are what fuzzers change well. A set that was
 * refused names the file and gives a reason; one whose tail was cut off loads without a word the second time, and comes to the
 * same keys.
 */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "commands/block.h"
#include "commands/groups.h"
#include "commands/replay.h"
#include "commands/type.h"
#include "commands/watch.h"
#include "logger.h"
#include "memory.h"
#include "store/reaper.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DBS = 4, MAX_STRING = 1 << 20 };

static struct server server;
static struct config config;
static char folder[] = "/dev/shm/ordinal-aof-fuzz-XXXXXX";
static _Atomic uint64_t total, bytes;

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void remove_folder(void)
{
    static const char *const names[] = {"a.manifest", "base", "incr"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct logger_options quiet = {.level = LOGGER_NOTHING};
    (void)argc;
    (void)argv;
    mem_thread_init();
    clock_init();
    check(mkdtemp(folder) != NULL);
    atexit(remove_folder);
    logger_configure(&quiet);
    config_init_defaults(&config);
    config.proto_max_bulk_len = MAX_STRING;
    config.hash_max_listpack_entries = config.set_max_listpack_entries = config.zset_max_listpack_entries = 4;
    entry_set_ops(&type_entry_ops);
    groups_register();
    gate_init(&server.gate, 1);
    keyspace_init(&server.keyspace, DBS, 1);
    server.config = &config;
    server.net.count = 1;
    server.net.loops = calloc(1, sizeof *server.net.loops);
    server.watches = watch_table_new();
    log_init(&server.log, 1);
    block_init(&server);
    reaper_start();
    return 0;
}

/* A snapshot as a base is the business of another fuzzer. */
static enum aof_load_end refuse_snapshot(void *context, const char *path, int fd, uint64_t *behind)
{
    (void)context;
    (void)path;
    (void)fd;
    *behind = 0;
    return AOF_LOAD_REFUSED;
}

static void write_file(const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* The part of the input up to the next 0xFF, or its end. */
static size_t take(const uint8_t **data, size_t *left, const uint8_t **part)
{
    const uint8_t *end = memchr(*data, 0xff, *left);
    size_t size = end != NULL ? (size_t)(end - *data) : *left;
    *part = *data;
    *data += size + (end != NULL);
    *left -= size + (end != NULL);
    return size;
}

static void look(void *context, struct entry *e, uint64_t hash)
{
    uint64_t *sum = context;
    check(type_of(e)->encoding(e) != NULL);
    check(entry_memory(e) > 0);
    check(hash == keyspace_hash(&server.keyspace, entry_key(e)));
    *sum += 1 + type_of(e)->length(e);
}

/* Loads the set, and adds up what there is then. */
static uint64_t load(const struct aof_manifest *m, bool truncates, enum aof_load_end *end,
                     struct aof_load_result *result)
{
    struct replay *replay = replay_new(&server, true);
    struct aof_load_options options = {
        .folder = folder,
        .manifest = m,
        .truncates = truncates,
        .hooks = {replay, replay_begin, replay_run, replay_unfinished, refuse_snapshot, NULL},
        .total = &total,
        .bytes = &bytes,
    };
    uint64_t sum = 0;
    check(replay != NULL);
    *end = aof_load(&options, result);
    replay_free(replay);
    for (int i = 0; i < DBS; i++) {
        db_each(&server.keyspace.dbs[i], look, &sum);
        db_flush(&server.keyspace.dbs[i]);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[1024] = "";
    const uint8_t *part;
    struct aof_manifest m;
    struct aof_load_result result;
    enum aof_load_end end;
    if (size == 0) {
        return 0;
    }
    bool truncates = data[0] != '0', given = data[0] == 'm';
    data++;
    size--;
    if (given) { /* a manifest of the input's own */
        size_t len = take(&data, &size, &part);
        if (aof_manifest_parse("m", (const char *)part, len, &m, error, sizeof error) == AOF_MANIFEST_BAD) {
            check(error[0] != '\0');
            return 0;
        }
    } else {
        static const char usual[] = "file base seq 1 type b\nfile incr seq 1 type i\n";
        check(aof_manifest_parse("m", usual, sizeof usual - 1, &m, error, sizeof error) ==
              AOF_MANIFEST_LOADED);
    }
    char *text = aof_manifest_text(&m);
    check(text != NULL);
    free(text);
    size_t len = take(&data, &size, &part);
    write_file("base", part, len);
    write_file("incr", data, size);
    uint64_t sum = load(&m, truncates, &end, &result);
    if (end == AOF_LOAD_REFUSED) {
        check(result.file[0] != '\0');
    } else if (end == AOF_LOAD_DONE && result.truncated) {
        check(truncates);
        struct aof_load_result again;
        uint64_t same = load(&m, false, &end, &again);
        check(end == AOF_LOAD_DONE && !again.truncated && sum == same);
    }
    aof_manifest_free(&m);
    return 0;
}
