/*
 * MGET, MSET and MSETNX: string values of several keys. Keys are taken in waves, whose entries are fetched together, so
 * that their cache misses overlap as those of a batch of commands do (dispatch.c).
 */
#include "commands/call.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/value.h"

enum { WAVE = 16 };

/* The next keys from argv[at] on, each `step` after the one before; at most WAVE. Returns how many. */
static size_t take_wave(const struct call *c, size_t at, size_t step, struct key *keys)
{
    size_t count = 0;
    for (; at < c->argc && count < WAVE; at += step) {
        keys[count] = call_key(c, at);
        const struct shard *s = db_shard(c->db, keys[count].hash);
        if (s != NULL) {
            shard_prefetch(s, keys[count].hash);
        }
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        const struct shard *s = db_shard(c->db, keys[i].hash);
        if (s != NULL) {
            shard_prefetch_entry(s, keys[i].hash, 1);
        }
    }
    return count;
}

static void run_mget(struct call *c)
{
    struct key keys[WAVE];
    reply_array(c->reply, (int64_t)c->argc - 1);
    for (size_t at = 1; at < c->argc; at += WAVE) {
        size_t count = take_wave(c, at, 1, keys);
        for (size_t i = 0; i < count; i++) {
            const struct entry *e = key_read(c, &keys[i]);
            if (e != NULL && entry_type(e) == TYPE_STRING) {
                value_reply(c->reply, e);
            } else {
                reply_null(c->reply);
            }
        }
    }
}

/* Sets all pairs. False, and the error is replied, when there is no memory for one. */
static bool set_all(struct call *c)
{
    struct key keys[WAVE];
    for (size_t at = 1; at < c->argc; at += WAVE * 2) {
        size_t count = take_wave(c, at, 2, keys);
        for (size_t i = 0; i < count; i++) {
            if (!key_set_string(c, &keys[i], c->argv[at + 2 * i + 1], ENTRY_NO_DEADLINE)) {
                return false;
            }
            key_changed(c, &keys[i], 1, EVENT_STRING, "set");
        }
    }
    return true;
}

static bool any_exists(struct call *c)
{
    struct key keys[WAVE];
    for (size_t at = 1; at < c->argc; at += WAVE * 2) {
        size_t count = take_wave(c, at, 2, keys);
        for (size_t i = 0; i < count; i++) {
            if (key_use(c, &keys[i]) != NULL) {
                return true;
            }
        }
    }
    return false;
}

static bool in_pairs(struct call *c)
{
    if (c->argc % 2 == 0) {
        reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->command->name);
        return false;
    }
    return true;
}

static void run_mset(struct call *c)
{
    if (in_pairs(c) && set_all(c)) {
        reply_ok(c->reply);
    }
}

static void run_msetnx(struct call *c)
{
    if (!in_pairs(c)) {
        return;
    }
    if (any_exists(c)) {
        reply_int(c->reply, 0);
    } else if (set_all(c)) {
        reply_int(c->reply, 1);
    }
}

const struct command mset_commands[] = {
    {
        .name = "mget",
        .run = run_mget,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_STRING,
        .since = "1.0.0",
        .complexity = "O(N) with N the number of keys.",
        .summary = "Returns the string values of several keys.",
        .syntax = "key [key ...]",
        .tips = "request_policy:multi_shard",
    },
    {
        .name = "mset",
        .run = run_mset,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, -1, 2, KEY_OW | KEY_UPDATE}},
        .group = GROUP_STRING,
        .since = "1.0.1",
        .complexity = "O(N) with N the number of keys.",
        .summary = "Sets the string values of several keys at once.",
        .syntax = "key value [key value ...]",
        .tips = "request_policy:multi_shard response_policy:all_succeeded",
    },
    {
        .name = "msetnx",
        .run = run_msetnx,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, -1, 2, KEY_OW | KEY_INSERT}},
        .group = GROUP_STRING,
        .since = "1.0.1",
        .complexity = "O(N) with N the number of keys.",
        .summary = "Sets the string values of several keys at once when none of them exists.",
        .syntax = "key value [key value ...]",
        .tips = "request_policy:multi_shard response_policy:agg_min",
    },
    {0},
};
