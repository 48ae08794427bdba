#include "commands/dump.h"

#include "commands/change.h"
#include "commands/expiry.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "logger.h"

bool dump_write(struct rdb_writer *writer, const struct entry *e)
{
    const struct type *type = type_of(e);
    rdb_payload_begin(writer, type->rdb_type(e));
    type->save(writer, e);
    return rdb_payload_end(writer);
}

enum rdb_payload_status dump_read(const struct server *server, struct slice payload,
                                  const struct entry_head *head, struct entry **e)
{
    struct rdb_reader reader;
    uint8_t code;
    size_t max = (size_t)server->config->proto_max_bulk_len;
    enum rdb_payload_status status = rdb_payload_open(&reader, payload.ptr, payload.len, max, &code);
    const struct type *type = status == RDB_PAYLOAD_OK ? type_of_rdb((enum rdb_type)code) : NULL;
    if (type == NULL) {
        return status != RDB_PAYLOAD_OK ? status : RDB_PAYLOAD_BAD_FORMAT;
    }
    return type->load(server, &reader, (enum rdb_type)code, head, e);
}

static void run_dump(struct call *c)
{
    struct key key = call_key(c, 1);
    const struct entry *e = key_read(c, &key);
    if (e == NULL) {
        reply_null(c->reply);
        return;
    }
    struct rdb_writer writer;
    rdb_writer_init(&writer, c->server->config->rdbcompression);
    if (dump_write(&writer, e)) {
        reply_bulk(c->reply, writer.bytes, writer.len);
    } else {
        call_out_of_memory(c);
    }
    rdb_writer_free(&writer);
}

/* ---- RESTORE ----------------------------------------------------------------------------------------- */

struct restore_options {
    bool replace, absolute;
    int64_t idle, frequency; /* -1: not given */
};

static bool parse_idle(struct call *c, struct slice arg, struct restore_options *options)
{
    if (!call_int(c, arg, &options->idle)) {
        return false;
    }
    if (options->idle < 0) {
        reply_error(c->reply, "ERR Invalid IDLETIME value, must be >= 0");
        return false;
    }
    return true;
}

static bool parse_frequency(struct call *c, struct slice arg, struct restore_options *options)
{
    if (!call_int(c, arg, &options->frequency)) {
        return false;
    }
    if (options->frequency < 0 || options->frequency > 255) {
        reply_error(c->reply, "ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
    }
    return true;
}

static bool parse_restore_options(struct call *c, struct restore_options *options)
{
    *options = (struct restore_options){.idle = -1, .frequency = -1};
    for (size_t i = 4; i < c->argc; i++) {
        struct slice word = c->argv[i];
        bool argument = i + 1 < c->argc;
        if (slice_is(word, "replace")) {
            options->replace = true;
        } else if (slice_is(word, "absttl")) {
            options->absolute = true;
        } else if (slice_is(word, "idletime") && argument && options->frequency == -1) {
            if (!parse_idle(c, c->argv[++i], options)) {
                return false;
            }
        } else if (slice_is(word, "freq") && argument && options->idle == -1) {
            if (!parse_frequency(c, c->argv[++i], options)) {
                return false;
            }
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* The deadline that argv[2] stands for, 0 being none. */
static bool parse_ttl(struct call *c, bool absolute, int64_t *deadline)
{
    int64_t ttl;
    if (!call_int(c, c->argv[2], &ttl)) {
        return false;
    }
    if (ttl < 0) {
        reply_error(c->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    *deadline = ENTRY_NO_DEADLINE;
    if (ttl > 0 && !expiry_deadline(c, ttl, EXPIRY_MILLISECONDS, absolute, deadline)) {
        *deadline = ENTRY_NO_DEADLINE - 1; /* too far away to be told: as far as can be */
    }
    return true;
}

/* The payload argv[3] as an entry. Replies with the error and returns NULL when it holds none. */
static struct entry *read_payload(struct call *c, const struct entry_head *head)
{
    struct entry *e;
    enum rdb_payload_status status = dump_read(c->server, c->argv[3], head, &e);
    if (status != RDB_PAYLOAD_OK) {
        if (status == RDB_PAYLOAD_BAD_FORMAT) {
            logger_verbose("RESTORE refused a payload of %zu bytes: integrity check failed", c->argv[3].len);
        }
        reply_errorf(c->reply, "ERR %s", rdb_payload_error(status));
        return NULL;
    }
    return e;
}

/* The access clock that the options ask for, where the policy keeps one of that kind. */
static uint32_t restored_access(const struct call *c, const struct restore_options *options)
{
    if (c->server->access.lfu && options->frequency >= 0) {
        return access_from_frequency((unsigned)options->frequency, call_clock(c));
    }
    if (!c->server->access.lfu && options->idle >= 0) {
        return access_from_idle(options->idle, call_clock(c));
    }
    return call_access(c);
}

/* A payload whose deadline has passed already: as if restored and expired at once. */
static void restore_late(struct call *c, const struct key *key)
{
    if (key_delete(c, key)) {
        propagate(c, SLICE("DEL"), key->name);
        key_changed(c, key, 1, EVENT_GENERIC, "del");
    }
    reply_ok(c->reply);
}

/* A time to live is logged as a deadline. */
static void propagate_restore(struct call *c, const struct key *key, const struct restore_options *options,
                              int64_t deadline)
{
    char digits[NUMBER_I64_MAX_CHARS];
    if (deadline == ENTRY_NO_DEADLINE || options->absolute) {
        return;
    }
    propagate_with(c, c->argv + 4, c->argc - 4, SLICE("RESTORE"), key->name,
                   propagate_deadline(deadline, digits), c->argv[3], SLICE("ABSTTL"));
}

static void run_restore(struct call *c)
{
    struct restore_options options;
    int64_t deadline;
    struct key key = call_key(c, 1);
    if (!parse_restore_options(c, &options)) {
        return;
    }
    if (!options.replace && key_use(c, &key) != NULL) {
        reply_error(c->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!parse_ttl(c, options.absolute, &deadline)) {
        return;
    }
    struct entry_head head = {key.name, deadline, restored_access(c, &options)};
    struct entry *e = read_payload(c, &head);
    if (e == NULL) {
        return;
    }
    bool replaces = key_peek(c, &key) != NULL;
    if (deadline <= c->now) { /* ABSTTL */
        entry_free(e);
        restore_late(c, &key);
    } else if (key_put(c, &key, e)) {
        propagate_restore(c, &key, &options, deadline);
        if (replaces) { /* for Redis the old key was deleted, and this is another one */
            key_event(c, &key, EVENT_NEW, "new");
        }
        key_changed(c, &key, 1, EVENT_GENERIC, "restore");
        reply_ok(c->reply);
    }
}

const struct command dump_commands[] = {
    {
        .name = "dump",
        .run = run_dump,
        .arity = 2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GENERIC,
        .since = "2.6.0",
        .complexity = "O(N), N being the length of the value.",
        .summary = "Returns a serialized representation of the value stored at a key.",
        .syntax = "key",
        .tips = "nondeterministic_output",
    },
    {
        .name = "restore",
        .run = run_restore,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "2.6.0",
        .complexity = "O(N), N being the length of the value.",
        .summary = "Creates a key from the serialized representation of a value.",
        .syntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
        .history =
            "3.0.0\tThe option REPLACE.\n5.0.0\tThe option ABSTTL.\n5.0.0\tThe options IDLETIME and FREQ.",
        .categories = "dangerous",
    },
    {0},
};
