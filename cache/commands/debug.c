/*
 * DEBUG: what test suites ask of a server beyond its commands. The dispatcher lets it through only as
 * `enable-debug-command` says, which is `no` by default.
 *
 * Its subcommands are no commands of the table, as in Redis: COMMAND and INFO know only "debug". They run alone, so that
 * DEBUG SLEEP holds up every loop, as it holds up the one thread of Redis.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "commands/cron.h"
#include "commands/call.h"
#include "commands/debug_protocol.h"
#include "commands/digest.h"
#include "commands/groups.h"
#include "commands/reload.h"
#include "commands/type.h"
#include "logger.h"
#include "persist/rdb_payload.h"
#include "persist/rdb_writer.h"
#include "types/glob.h"
#include "types/number.h"

/* A number at the front of an argument, 0 where there is none. */
static double number_of(struct slice arg)
{
    char text[64];
    size_t len = arg.len < sizeof text - 1 ? arg.len : sizeof text - 1;
    memcpy(text, arg.ptr, len);
    text[len] = '\0';
    return strtod(text, NULL);
}

/* The entry of argv[2]; replies with an error when there is none. */
static struct entry *entry_named(struct call *c)
{
    struct key key = call_key(c, 2);
    struct entry *e = key_peek(c, &key);
    if (e == NULL) {
        reply_error(c->reply, "ERR no such key");
    }
    return e;
}

static void run_accepted(struct call *c)
{
    reply_ok(c->reply);
}

/* ---- values and keys -------------------------------------------------------------------------------- */

/* Bytes of the value in a snapshot. */
static bool serialized_length(struct call *c, const struct entry *e, size_t *len)
{
    struct rdb_writer writer;
    rdb_writer_init(&writer, c->server->config->rdbcompression);
    type_of(e)->save(&writer, e);
    *len = writer.len;
    bool good = rdb_writer_ok(&writer);
    rdb_writer_free(&writer);
    return good;
}

/* Also what is past its deadline, as long as it lies there. */
static const struct entry *entry_present(struct call *c)
{
    int64_t now = c->now;
    c->now = ENTRY_NOTHING_DUE;
    const struct entry *e = entry_named(c);
    c->now = now;
    return e;
}

static void run_object(struct call *c)
{
    char text[256];
    size_t len;
    const struct entry *e = entry_present(c);
    if (e == NULL) {
        return;
    }
    if (!serialized_length(c, e, &len)) {
        call_out_of_memory(c);
        return;
    }
    snprintf(text, sizeof text,
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%lld",
             (const void *)e, type_of(e)->encoding(e), len, entry_access(e),
             c->server->access.lfu ? 0LL : (long long)access_idle_seconds(e, c->now));
    reply_status(c->reply, text);
}

/* LISTPACK and QUICKLIST: how the value is laid out, written to the log. */
static void run_layout(struct call *c)
{
    bool packed = slice_is(c->argv[1], "listpack");
    const struct entry *e = entry_named(c);
    if (e == NULL) {
        return;
    }
    const char *encoding = type_of(e)->encoding(e);
    if (strcmp(encoding, packed ? "listpack" : "quicklist") != 0) {
        reply_error(c->reply,
                    packed ? "ERR Not a listpack encoded object." : "ERR Not a quicklist encoded object.");
        return;
    }
    logger_notice("DEBUG: %s of %llu elements, %zu bytes with its key", encoding,
                  (unsigned long long)type_of(e)->length(e), entry_memory(e));
    reply_status(c->reply,
                 packed ? "Listpack structure printed on stdout" : "Quicklist structure printed on stdout");
}

static void run_digest(struct call *c)
{
    char text[DIGEST_TEXT];
    struct digest digest = digest_keyspace(&c->server->keyspace, c->now);
    digest_text(&digest, text);
    reply_status(c->reply, text);
}

static void run_digest_value(struct call *c)
{
    char text[DIGEST_TEXT];
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        struct key key = call_key(c, i);
        const struct entry *e = key_peek(c, &key);
        struct digest digest = {{0}};
        if (e != NULL) {
            digest = digest_value(e);
        }
        digest_text(&digest, text);
        reply_status(c->reply, text);
    }
}

/* ---- filling and reloading -------------------------------------------------------------------------- */

enum { MAX_PREFIX = 256, MAX_VALUE = 64 * 1024 * 1024 };

/* Sets key `number` of POPULATE unless it is there. `value` has room for the value's text, zero bytes behind it. */
static bool populate_key(struct call *c, struct slice prefix, int64_t number, char *value, size_t size)
{
    char name[MAX_PREFIX + 32], text[32];
    int len = snprintf(name, sizeof name, "%.*s:%lld", (int)prefix.len, prefix.ptr, (long long)number);
    int text_len = snprintf(text, sizeof text, "value:%lld", (long long)number);
    struct slice key_name = {name, (size_t)len};
    struct key key = {key_name, keyspace_hash(&c->server->keyspace, key_name)};
    if (key_peek(c, &key) != NULL) {
        return true;
    }
    size_t value_len = size > 0 ? size : (size_t)text_len;
    memcpy(value, text, (size_t)text_len < value_len ? (size_t)text_len : value_len);
    return key_set_string(c, &key, (struct slice){value, value_len}, ENTRY_NO_DEADLINE);
}

static void run_populate(struct call *c)
{
    static const char positive[] = "ERR value is out of range, must be positive";
    struct slice prefix = c->argc > 3 ? c->argv[3] : SLICE("key");
    int64_t count, size = 0;
    if (!call_int_range(c, c->argv[2], 0, INT64_MAX, positive, &count) ||
        (c->argc > 4 && !call_int_range(c, c->argv[4], 0, MAX_VALUE, positive, &size))) {
        return;
    }
    prefix.len = prefix.len < MAX_PREFIX ? prefix.len : MAX_PREFIX;
    char *value = calloc(1, (size_t)size + 32);
    bool good = value != NULL;
    for (int64_t i = 0; i < count && good; i++) {
        good = populate_key(c, prefix, i, value, (size_t)size);
    }
    if (good) {
        reply_ok(c->reply);
    } else if (value == NULL) {
        call_out_of_memory(c);
    }
    free(value);
}

/* RELOAD [NOSAVE] [NOFLUSH] [MERGE] */
static void run_reload(struct call *c)
{
    struct reload_options options = {.save = true, .flush = true};
    for (size_t i = 2; i < c->argc; i++) {
        if (slice_is(c->argv[i], "merge")) {
            options.merge = true;
        } else if (slice_is(c->argv[i], "noflush")) {
            options.flush = false;
        } else if (slice_is(c->argv[i], "nosave")) {
            options.save = false;
        } else {
            reply_error(c->reply, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
            return;
        }
    }
    reload_run(c, &options);
}

static void run_load_aof(struct call *c)
{
    reload_run_aof(c);
}

/* ---- the server ------------------------------------------------------------------------------------- */

static void run_sleep(struct call *c)
{
    double seconds = number_of(c->argv[2]);
    seconds = seconds > 0 && seconds < 1e6 ? seconds : 0;
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0) {}
    reply_ok(c->reply);
}

static void run_set_active_expire(struct call *c)
{
    cron_set_sweeping(number_of(c->argv[2]) != 0);
    reply_ok(c->reply);
}

static void run_skip_checksum(struct call *c)
{
    rdb_payload_set_skip_checksum(number_of(c->argv[2]) != 0);
    reply_ok(c->reply);
}

static void run_pause_cron(struct call *c)
{
    cron_set_paused(number_of(c->argv[2]) != 0);
    reply_ok(c->reply);
}

static void run_change_repl_id(struct call *c)
{
    logger_notice("Changing the replication ID for DEBUG CHANGE-REPL-ID");
    history_renew(c->server);
    reply_ok(c->reply);
}

/* The words of a command as they are, which replicas get, and the append-only file; nothing is run here. */
static void run_replicate(struct call *c)
{
    struct reply command = {.resp = 2};
    reply_array(&command, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        reply_bulk_slice(&command, c->argv[i]);
    }
    if (command.failed) {
        call_out_of_memory(c);
    } else {
        if (log_is_on(&c->server->log)) {
            log_append_raw(&c->server->log, c->worker->loop->index, command.data, command.len);
        }
        reply_ok(c->reply);
    }
    reply_free(&command);
}

static void run_log(struct call *c)
{
    logger_warning("DEBUG LOG: %.*s", (int)(c->argv[2].len < 1024 ? c->argv[2].len : 1024), c->argv[2].ptr);
    reply_ok(c->reply);
}

static void run_crash(struct call *c)
{
    logger_warning("Crashing for DEBUG %s", slice_is(c->argv[1], "segfault") ? "SEGFAULT" : "PANIC");
    if (slice_is(c->argv[1], "segfault")) {
        raise(SIGSEGV);
    }
    abort();
}

/* ---- replies ---------------------------------------------------------------------------------------- */

static void run_error(struct call *c)
{
    reply_errorf(c->reply, "%.*s", (int)(c->argv[2].len < 1000 ? c->argv[2].len : 1000), c->argv[2].ptr);
}

static void run_stringmatch(struct call *c)
{
    struct slice pattern = c->argv[2];
    struct slice text = c->argv[3];
    reply_int(c->reply, glob_match(pattern.ptr, pattern.len, text.ptr, text.len, false));
}

/* A size with a unit, above 0 and below 4 GB: 100, 100b, 1kb, 2g. */
static bool is_packed_threshold(struct slice arg)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    size_t digits = 0;
    int64_t value;
    while (digits < arg.len && arg.ptr[digits] >= '0' && arg.ptr[digits] <= '9') {
        digits++;
    }
    if (!number_parse_i64(arg.ptr, digits, &value)) {
        return false;
    }
    struct slice unit = {arg.ptr + digits, arg.len - digits};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (slice_is(unit, units[i].unit)) {
            return value < ((int64_t)1 << 32) / units[i].bytes;
        }
    }
    return false;
}

static void run_packed_threshold(struct call *c)
{
    if (is_packed_threshold(c->argv[2])) {
        reply_ok(c->reply);
    } else {
        reply_error(c->reply, "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    }
}

/* ---- the command ------------------------------------------------------------------------------------ */

static void run_help(struct call *c);

static const struct subcommand {
    const char *name;
    size_t least, most; /* arguments, the two names included */
    void (*run)(struct call *c);
    const char *arguments, *help; /* NULL: not in HELP */
} subcommands[] = {
    {"change-repl-id", 2, 2, run_change_repl_id, "", "Take another replication ID."},
    {"digest", 2, 2, run_digest, "", "Return a digest of all keys and values."},
    {"digest-value", 2, 1024, run_digest_value, " [<key> ...]",
     "Return digests of the values of these keys."},
    {"error", 3, 3, run_error, " <string>", "Reply with <string> as an error."},
    {"listpack", 3, 3, run_layout, " <key>", "Write to the log how large a value's listpack is."},
    {"loadaof", 2, 2, run_load_aof, "", "Empty the server, and load the append-only file."},
    {"log", 3, 3, run_log, " <message>", "Write <message> to the log."},
    {"object", 3, 4, run_object, " <key>", "Tell how the value of <key> is kept."},
    {"panic", 2, 2, run_crash, "", "Abort the process."},
    {"pause-cron", 3, 3, run_pause_cron, " <0|1>",
     "Stop periodic work: expiry, limits of clients, statistics."},
    {"populate", 3, 5, run_populate, " <count> [<prefix>] [<size>]",
     "Make <count> string keys <prefix>:<n> (default: key) with values of <size> bytes."},
    {"protocol", 3, 3, debug_protocol_run, " <type>",
     "Reply with a value of a type: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim, "
     "true, false."},
    {"quicklist", 3, 4, run_layout, " <key>", "Write to the log how large a value's quicklist is."},
    {"quicklist-packed-threshold", 3, 3, run_packed_threshold, " <size>", "Accepted; changes nothing."},
    {"reload", 2, 5, run_reload, " [NOSAVE] [NOFLUSH] [MERGE]",
     "Save the snapshot, empty the server, and load the snapshot again."},
    {"replicate", 3, 1024, run_replicate, " <command> [<arg> ...]",
     "Send a command to the replicas as it is, without running it."},
    {"replybuffer", 4, 4, run_accepted, " <PEAK-RESET-TIME|RESIZING> <value>", "Accepted; changes nothing."},
    {"segfault", 2, 2, run_crash, "", "Crash the process by SIGSEGV."},
    {"set-active-expire", 3, 3, run_set_active_expire, " <0|1>",
     "Free keys past their deadline in the background, or not."},
    {"set-disable-deny-scripts", 3, 3, run_accepted, " <0|1>", "Accepted; changes nothing."},
    {"set-skip-checksum-validation", 3, 3, run_skip_checksum, " <0|1>",
     "Let RESTORE read payloads whose checksum is wrong, or not."},
    {"sleep", 3, 3, run_sleep, " <seconds>", "Hold up every loop for so long. Decimals allowed."},
    {"stringmatch-len", 4, 4, run_stringmatch, " <pattern> <string>",
     "Whether the pattern matches, as 0 or 1."},
    {"help", 2, 2, run_help, NULL, NULL},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static void run_help(struct call *c)
{
    static char texts[SUBCOMMANDS][2][160]; /* filled anew each time, alone */
    const char *lines[2 * SUBCOMMANDS + 1];
    int count = 0;
    for (int i = 0; i < SUBCOMMANDS; i++) {
        const struct subcommand *sub = &subcommands[i];
        if (sub->help == NULL) {
            continue;
        }
        char *usage = texts[i][0];
        int len = snprintf(usage, sizeof texts[i][0], "%s%s", sub->name, sub->arguments);
        for (int k = 0; k < len && usage[k] != ' '; k++) {
            usage[k] = (char)(usage[k] >= 'a' && usage[k] <= 'z' ? usage[k] - 32 : usage[k]);
        }
        snprintf(texts[i][1], sizeof texts[i][1], "    %s", sub->help);
        lines[count++] = usage;
        lines[count++] = texts[i][1];
    }
    lines[count] = NULL;
    call_help(c, lines);
}

static void run_debug(struct call *c)
{
    for (int i = 0; i < SUBCOMMANDS; i++) {
        const struct subcommand *sub = &subcommands[i];
        if (slice_is(c->argv[1], sub->name) && c->argc >= sub->least && c->argc <= sub->most) {
            sub->run(c);
            return;
        }
    }
    call_subcommand_syntax(c);
}

const struct command debug_commands[] = {
    {
        .name = "debug",
        .run = run_debug,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for debugging commands.",
        .doc_flags = "syscmd",
    },
    {0},
};
