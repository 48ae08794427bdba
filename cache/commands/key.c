/*
 * The commands about keys of any type: there or not, of which type, removed, renamed, moved, copied.
 *
 * Those that name two keys or two databases run alone; a value changes its key or database without being copied.
 */
#include "commands/key.h"

#include "commands/block.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/type.h"

struct entry *key_look_silently(struct call *c, const struct key *key)
{
    struct entry *e = key_peek(c, key);
    *(e != NULL ? &c->worker->hits : &c->worker->misses) += 1;
    return e;
}

struct entry *key_look(struct call *c, const struct key *key)
{
    struct entry *e = key_look_silently(c, key);
    if (e == NULL) {
        key_event(c, key, EVENT_KEY_MISS, "keymiss");
    }
    return e;
}

/* ---- there, used, of which type, removed ------------------------------------------------------------- */

static void run_exists(struct call *c)
{
    int64_t found = 0;
    for (size_t i = 1; i < c->argc; i++) {
        struct key key = call_key(c, i);
        found += key_look(c, &key) != NULL;
    }
    reply_int(c->reply, found);
}

/* Notes the use itself: CLIENT NO-TOUCH does not hold for the command whose purpose it is. */
static void run_touch(struct call *c)
{
    int64_t found = 0;
    for (size_t i = 1; i < c->argc; i++) {
        struct key key = call_key(c, i);
        struct entry *e = key_look(c, &key);
        if (e != NULL) {
            access_touch(&c->server->access, e, c->now, worker_random(c->worker));
            found++;
        }
    }
    reply_int(c->reply, found);
}

static void run_type(struct call *c)
{
    struct key key = call_key(c, 1);
    const struct entry *e = key_look(c, &key);
    reply_status(c->reply, e != NULL ? type_of(e)->name : "none");
}

/* DEL and UNLINK: either leaves what takes long to free to the reaper. */
static void run_del(struct call *c)
{
    int64_t removed = 0;
    for (size_t i = 1; i < c->argc; i++) {
        struct key key = call_key(c, i);
        if (key_delete(c, &key)) {
            key_changed(c, &key, 1, EVENT_GENERIC, "del");
            removed++;
        }
    }
    reply_int(c->reply, removed);
}

/* ---- renamed, moved, copied -------------------------------------------------------------------------- */

/* Whether the key lives in that database; neither a hit nor a use. */
static bool lives_in(struct call *c, struct db *db, const struct key *key)
{
    return db_find(db, key->hash, key->name, c->now, &c->worker->store) != NULL;
}

/* RENAME, or (only_new) RENAMENX. */
static void rename_key(struct call *c, bool only_new)
{
    struct key from = call_key(c, 1);
    struct key to = call_key(c, 2);
    if (key_use(c, &from) == NULL) {
        reply_error(c->reply, "ERR no such key");
        return;
    }
    bool same = slice_equal(from.name, to.name);
    if (only_new && (same || lives_in(c, c->db, &to))) {
        reply_int(c->reply, 0);
        return;
    }
    if (!same) {
        if (!db_move(c->db, from.hash, from.name, c->db, to.hash, to.name, c->now)) {
            call_out_of_memory(c);
            return;
        }
        block_signal(c, c->db, &to);
        key_event(c, &to, EVENT_NEW, "new");
        key_changed(c, &from, 1, EVENT_GENERIC, "rename_from");
        key_changed(c, &to, 0, EVENT_GENERIC, "rename_to");
    }
    if (only_new) {
        reply_int(c->reply, 1);
    } else {
        reply_ok(c->reply);
    }
}

static void run_rename(struct call *c)
{
    rename_key(c, false);
}

static void run_renamenx(struct call *c)
{
    rename_key(c, true);
}

static void same_object(struct call *c)
{
    reply_error(c->reply, "ERR source and destination objects are the same");
}

static void run_move(struct call *c)
{
    struct key key = call_key(c, 1);
    struct db *to = call_db(c, c->argv[2]);
    if (to == NULL) {
        return;
    }
    if (to == c->db) {
        same_object(c);
        return;
    }
    if (key_use(c, &key) == NULL || lives_in(c, to, &key)) {
        reply_int(c->reply, 0);
        return;
    }
    if (!db_move(c->db, key.hash, key.name, to, key.hash, key.name, c->now)) {
        call_out_of_memory(c);
        return;
    }
    block_signal(c, to, &key);
    key_event_in(c, to, &key, EVENT_NEW, "new");
    key_changed(c, &key, 1, EVENT_GENERIC, "move_from");
    key_changed_in(c, to, &key, 0, EVENT_GENERIC, "move_to");
    reply_int(c->reply, 1);
}

static bool parse_copy_options(struct call *c, struct db **to, bool *replace)
{
    *to = c->db;
    *replace = false;
    for (size_t i = 3; i < c->argc; i++) {
        if (slice_is(c->argv[i], "replace")) {
            *replace = true;
        } else if (slice_is(c->argv[i], "db") && i + 1 < c->argc) {
            *to = call_db(c, c->argv[++i]);
            if (*to == NULL) {
                return false;
            }
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

static void run_copy(struct call *c)
{
    struct db *to_db;
    bool replace;
    struct key from = call_key(c, 1);
    struct key to = call_key(c, 2);
    if (!parse_copy_options(c, &to_db, &replace)) {
        return;
    }
    if (to_db == c->db && slice_equal(from.name, to.name)) {
        same_object(c);
        return;
    }
    bool taken = lives_in(c, to_db, &to); /* first: this may take a dead entry out of the source's shard */
    const struct entry *e = key_read(c, &from);
    if (e == NULL || (taken && !replace)) {
        reply_int(c->reply, 0);
        return;
    }
    struct entry_head head = {to.name, entry_deadline(e), call_access(c)};
    struct entry *copy = type_of(e)->copy(c->server, e, &head);
    if (copy == NULL || !db_put(to_db, to.hash, copy, c->now)) {
        call_out_of_memory(c);
        return;
    }
    block_signal(c, to_db, &to);
    key_event_in(c, to_db, &to, EVENT_NEW, "new");
    key_changed_in(c, to_db, &to, 1, EVENT_GENERIC, "copy_to");
    reply_int(c->reply, 1);
}

#define SUM_OVER_SHARDS "request_policy:multi_shard response_policy:agg_sum"

const struct command key_commands[] = {
    {
        .name = "copy",
        .run = run_copy,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}, {2, 2, 1, KEY_OW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "6.2.0",
        .complexity = "O(1) for strings; O(N) for collections, N being the number of their elements.",
        .summary = "Copies the value of a key to a new key.",
        .syntax = "source destination [DB destination-db] [REPLACE]",
    },
    {
        .name = "del",
        .run = run_del,
        .arity = -2,
        .flags = CMD_WRITE,
        .keys = {{1, -1, 1, KEY_RM | KEY_DELETE}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of keys. Large values are freed by another thread.",
        .summary = "Deletes one or more keys.",
        .syntax = "key [key ...]",
        .tips = SUM_OVER_SHARDS,
    },
    {
        .name = "exists",
        .run = run_exists,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, -1, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(N), N being the number of keys.",
        .summary = "Determines whether one or more keys exist.",
        .syntax = "key [key ...]",
        .history = "3.0.3\tSeveral keys may be given.",
        .tips = SUM_OVER_SHARDS,
    },
    {
        .name = "move",
        .run = run_move,
        .arity = 3,
        .flags =
            CMD_WRITE | CMD_FAST | CMD_ALONE, /* the same key of another database has a lock of its own */
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Moves a key to another database.",
        .syntax = "key db",
    },
    {
        .name = "rename",
        .run = run_rename,
        .arity = 3,
        .flags = CMD_WRITE,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}, {2, 2, 1, KEY_OW | KEY_UPDATE}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Renames a key and overwrites the destination.",
        .syntax = "key newkey",
    },
    {
        .name = "renamenx",
        .run = run_renamenx,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}, {2, 2, 1, KEY_OW | KEY_INSERT}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Renames a key only when the target key name doesn't exist.",
        .syntax = "key newkey",
        .history = "3.2.0\tTwo equal names are no longer an error.",
    },
    {
        .name = "touch",
        .run = run_touch,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, -1, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "3.2.1",
        .complexity = "O(N), N being the number of keys.",
        .summary = "Notes a use of keys, and returns how many of them exist.",
        .syntax = "key [key ...]",
        .tips = SUM_OVER_SHARDS,
    },
    {
        .name = "type",
        .run = run_type,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO}},
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Determines the type of value stored at a key.",
        .syntax = "key",
    },
    {
        .name = "unlink",
        .run = run_del,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, -1, 1, KEY_RM | KEY_DELETE}},
        .group = GROUP_GENERIC,
        .since = "4.0.0",
        .complexity = "O(N), N being the number of keys. Large values are freed by another thread.",
        .summary = "Deletes one or more keys without waiting until their memory is free.",
        .syntax = "key [key ...]",
        .tips = SUM_OVER_SHARDS,
    },
    {0},
};
