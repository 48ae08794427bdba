/*
 * DUMP and RESTORE: a value as bytes in the RDB format, so that it can be carried to another server and back.
 */
#include "commands/expiry.h"
#include "commands/groups.h"
#include "commands/value.h"
#include "persist/rdb_payload.h"

static void run_dump(struct call *c)
{
    struct key key = call_key(c, 1);
    const struct entry *e = key_read(c, &key);
    if (e == NULL) {
        reply_null(c->reply);
        return;
    }
    struct rdb_writer writer;
    struct value_run value;
    if (!value_hold(e, &value)) {
        call_out_of_memory(c);
        return;
    }
    rdb_writer_init(&writer, c->server->config->rdbcompression);
    if (rdb_payload_write_string(&writer, value.bytes.ptr, value.bytes.len)) {
        reply_bulk(c->reply, writer.bytes, writer.len);
    } else {
        call_out_of_memory(c);
    }
    rdb_writer_free(&writer);
    value_release(&value);
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

/* The string in the payload argv[3]; it may point into the argument. Replies with the error when there is none. */
static bool read_payload(struct call *c, struct rdb_string *value)
{
    struct rdb_reader reader;
    uint8_t type;
    struct slice payload = c->argv[3];
    size_t max = (size_t)c->server->config->proto_max_bulk_len;
    enum rdb_payload_status status = rdb_payload_open(&reader, payload.ptr, payload.len, max, &type);
    if (status == RDB_PAYLOAD_OK) {
        status = type == RDB_TYPE_STRING ? rdb_payload_read_string(&reader, value) : RDB_PAYLOAD_BAD_FORMAT;
    }
    if (status != RDB_PAYLOAD_OK) {
        reply_errorf(c->reply, "ERR %s", rdb_payload_error(status));
        return false;
    }
    return true;
}

/* The access clock that the options ask for, where the policy keeps one of that kind. */
static uint32_t restored_access(const struct call *c, const struct restore_options *options)
{
    if (c->server->access.lfu && options->frequency >= 0) {
        return access_from_frequency((unsigned)options->frequency, c->now);
    }
    if (!c->server->access.lfu && options->idle >= 0) {
        return access_from_idle(options->idle, c->now);
    }
    return call_access(c);
}

static void run_restore(struct call *c)
{
    struct restore_options options;
    struct rdb_string value;
    int64_t deadline;
    struct key key = call_key(c, 1);
    if (!parse_restore_options(c, &options)) {
        return;
    }
    if (!options.replace && key_write(c, &key) != NULL) {
        reply_error(c->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!parse_ttl(c, options.absolute, &deadline) || !read_payload(c, &value)) {
        return;
    }
    if (deadline <= c->now) { /* ABSTTL in the past: as if restored and expired at once */
        call_changed(c, key_delete(c, &key));
        reply_ok(c->reply);
    } else if (key_put(c, &key, value_from_rdb(key.name, &value, deadline, restored_access(c, &options)))) {
        call_changed(c, 1);
        reply_ok(c->reply);
    }
    rdb_string_free(&value);
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
