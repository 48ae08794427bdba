/*
 * Fuzzes what RESTORE reads: payloads of every type of value. An input is taken twice: as a payload with its footer, which mostly
 * ends at the checksum, and as a body that gets a right footer here, which is what an attacker would send; and each
 * under two sets of limits, so that the same bytes become small values and large ones. What was read must then do all that is
 * asked of any value: name its encoding, be measured, copied, digested, written and read again, and be the same.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commands/digest.h"
#include "commands/dump.h"
#include "memory.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STRING = 1 << 20 };

/* Two servers that have no more than what values are read by. */
static struct server roomy, tight;
static struct config roomy_config, tight_config;

static const struct entry_head head = {{"key", 3}, ENTRY_NO_DEADLINE, 0};

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    mem_thread_init();
    clock_init();
    entry_set_ops(&type_entry_ops);
    config_init_defaults(&roomy_config);
    config_init_defaults(&tight_config);
    roomy_config.proto_max_bulk_len = tight_config.proto_max_bulk_len = MAX_STRING;
    tight_config.hash_max_listpack_entries = tight_config.set_max_listpack_entries = 2;
    tight_config.set_max_intset_entries = tight_config.zset_max_listpack_entries = 2;
    tight_config.list_max_listpack_size = 2;
    roomy.config = &roomy_config;
    tight.config = &tight_config;
    return 0;
}

/* A score of -0 is 0 in a small sorted set, here as in Redis: so their digests are only compared within a form. */
static void check_same(const struct entry *a, const struct entry *b)
{
    struct digest x = digest_value(a), y = digest_value(b);
    bool comparable = entry_type(a) != TYPE_ZSET || entry_form(a) == entry_form(b);
    check(!comparable || memcmp(x.bytes, y.bytes, sizeof x.bytes) == 0);
    check(type_of(a)->length(a) == type_of(b)->length(b));
}

static void check_copy(const struct server *server, const struct entry *e)
{
    struct entry *copy = type_of(e)->copy(server, e, &head);
    check(copy != NULL);
    check_same(e, copy);
    entry_free(copy);
}

/* The value written by us must be read again, by a server with either limits, and be the same. */
static void check_round_trip(const struct entry *e)
{
    const struct server *const servers[] = {&roomy, &tight};
    for (int i = 0; i < 2; i++) {
        struct rdb_writer writer;
        struct entry *again;
        rdb_writer_init(&writer, i == 0);
        check(dump_write(&writer, e));
        struct slice payload = {(const char *)writer.bytes, writer.len};
        check(dump_read(servers[i], payload, &head, &again) == RDB_PAYLOAD_OK);
        check_same(e, again);
        entry_free(again);
        rdb_writer_free(&writer);
    }
}

static void read_payload(const struct server *server, const uint8_t *payload, size_t size)
{
    struct entry *e;
    if (dump_read(server, (struct slice){(const char *)payload, size}, &head, &e) != RDB_PAYLOAD_OK) {
        return;
    }
    check(type_of(e)->encoding(e) != NULL);
    check(entry_type(e) == TYPE_STRING || type_of(e)->length(e) > 0);
    check(entry_memory(e) > 0);
    check_copy(server, e);
    check_round_trip(e);
    entry_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_payload(&roomy, data, size);
    struct rdb_writer body;
    rdb_writer_init(&body, false);
    rdb_write_bytes(&body, data, size);
    check(rdb_payload_end(&body));
    read_payload(&roomy, body.bytes, body.len);
    read_payload(&tight, body.bytes, body.len);
    rdb_writer_free(&body);
    return 0;
}
