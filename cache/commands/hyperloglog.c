/*
 * HyperLogLogs: PFADD, PFCOUNT, PFMERGE. (PFDEBUG and PFSELFTEST: hyperloglog_debug.c.)
 *
 * A value may be any string that begins as one, so the rest of it is found to be corrupt only on the way: then the command stops
 * with an error, and what it changed until there stays, as in Redis.
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/hyperloglog_value.h"
#include "commands/propagate.h"
#include "commands/value.h"
#include "types/hyperloglog_sparse.h"

/* ---- PFADD -------------------------------------------------------------------------------------------- */

static struct hll_hit hit_of(struct slice element)
{
    return hll_hit(element.ptr, element.len);
}

/* Whether some element's rank is too high for the sparse encoding: one in four billion. A single element may fail for want of
 * memory without harm, but it has to be known here all the same. */
static bool any_high(const struct call *c)
{
    for (size_t i = 2; i < c->argc; i++) {
        if (hit_of(c->argv[i]).rank > HLL_SPARSE_MAX_RANK) {
            return true;
        }
    }
    return false;
}

/* Adds all elements; false when the value is corrupt. */
static bool add_all(struct call *c, struct hll_edit *edit, uint64_t *changes)
{
    for (size_t i = 2; i < c->argc; i++) {
        enum hll_status status = hll_edit_raise(edit, hit_of(c->argv[i]));
        if (status == HLL_CORRUPT) {
            return false;
        }
        *changes += status == HLL_CHANGED;
    }
    return true;
}

static void run_pfadd(struct call *c)
{
    struct key key = call_key(c, 1);
    struct hll_edit edit;
    struct entry *e = key_write(c, &key);
    if (e != NULL && !hll_entry_check(c, e)) {
        return;
    }
    uint64_t changes = e == NULL;
    if (!hll_edit_begin(c, &key, e, c->argc - 2, any_high(c), &edit)) {
        return;
    }
    bool good = add_all(c, &edit, &changes);
    if (changes > 0) {
        hll_cache_drop(hll_edit_bytes(&edit));
    }
    hll_edit_end(&edit);
    if (!good) {
        propagate_as_it_came(c);
        hll_reply_corrupt(c);
        return;
    }
    if (changes > 0) {
        key_changed(c, &key, changes, EVENT_STRING, "pfadd");
    }
    reply_int(c->reply, changes > 0);
}

/* ---- PFCOUNT ------------------------------------------------------------------------------------------ */

/* The count of one key is kept in its value. */
static void count_one(struct call *c)
{
    struct key key = call_key(c, 1);
    struct value_run run;
    uint64_t count;
    const struct entry *e = key_read(c, &key);
    if (e == NULL) {
        reply_int(c->reply, 0);
        return;
    }
    if (!hll_entry_check(c, e)) {
        return;
    }
    if (!hll_cached(hll_entry_head(e), &count)) {
        if (!value_hold(e, &run)) {
            call_out_of_memory(c);
            return;
        }
        bool good = hll_count((const uint8_t *)run.bytes.ptr, run.bytes.len, &count);
        value_release(&run);
        if (!good) {
            hll_reply_corrupt(c);
            return;
        }
        if (db_may_overwrite(c->db, key.hash, key.name)) { /* else it is kept another time */
            hll_cache(hll_entry_head(e), count);
            key_changed(c, &key, 1, EVENT_STRING, NULL);
        }
    }
    reply_int(c->reply, (int64_t)count);
}

/* Merges the keys from argv[1] on. False, with the error replied, when one is no HyperLogLog. */
static bool merge_keys(struct call *c, uint8_t *registers, bool *any_dense)
{
    for (size_t i = 1; i < c->argc; i++) {
        struct key key = call_key(c, i);
        const struct entry *e = key_read(c, &key);
        if (e == NULL) {
            continue;
        }
        if (!hll_entry_check(c, e)) {
            return false;
        }
        *any_dense |= hll_is_dense(hll_entry_head(e));
        if (!hll_entry_merge(c, e, registers)) {
            return false;
        }
    }
    return true;
}

static void run_pfcount(struct call *c)
{
    uint8_t registers[HLL_REGISTERS];
    bool any_dense = false;
    if (c->argc == 2) {
        count_one(c);
        return;
    }
    memset(registers, 0, sizeof registers);
    if (merge_keys(c, registers, &any_dense)) {
        reply_int(c->reply, (int64_t)hll_count_registers(registers));
    }
}

/* ---- PFMERGE ------------------------------------------------------------------------------------------ */

/* How many registers are set, and whether one is too high for the sparse encoding. */
static size_t count_set(const uint8_t *registers, bool *high)
{
    size_t set = 0;
    *high = false;
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        set += registers[i] > 0;
        *high |= registers[i] > HLL_SPARSE_MAX_RANK;
    }
    return set;
}

static bool raise_all(struct hll_edit *edit, const uint8_t *registers)
{
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        struct hll_hit hit = {(uint16_t)i, registers[i]};
        if (hit.rank > 0 && hll_edit_raise(edit, hit) == HLL_CORRUPT) {
            return false;
        }
    }
    return true;
}

/* The destination counts as a source, so what was merged is at least what it has. */
static void run_pfmerge(struct call *c)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    struct key key = call_key(c, 1);
    struct hll_edit edit;
    bool any_dense = false, high;
    if (!merge_keys(c, registers, &any_dense)) {
        return;
    }
    size_t set = count_set(registers, &high);
    if (!hll_edit_begin(c, &key, key_write(c, &key), set, any_dense || high, &edit)) {
        return;
    }
    bool good = any_dense ? hll_edit_to_dense(&edit) : raise_all(&edit, registers);
    if (good && any_dense) {
        hll_dense_set_all(hll_edit_bytes(&edit), registers);
    }
    hll_cache_drop(hll_edit_bytes(&edit));
    hll_edit_end(&edit);
    if (!good) {
        propagate_as_it_came(c);
        hll_reply_corrupt(c);
        return;
    }
    key_changed(c, &key, 1, EVENT_STRING, "pfadd");
    reply_ok(c->reply);
}

const struct command hyperloglog_commands[] = {
    {
        .name = "pfadd",
        .run = run_pfadd,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_INSERT}},
        .group = GROUP_HYPERLOGLOG,
        .since = "2.8.9",
        .complexity = "O(1) for each element.",
        .summary = "Adds elements to a HyperLogLog, which is made if the key is missing.",
        .syntax = "key [element [element ...]]",
    },
    {
        .name = "pfcount",
        .run = run_pfcount,
        .arity = -2,
        .flags = CMD_READONLY | CMD_MAY_REPLICATE,
        .keys = {{1, -1, 1, KEY_RW | KEY_ACCESS}},
        .group = GROUP_HYPERLOGLOG,
        .since = "2.8.9",
        .complexity = "O(1) for one key, whose count is kept. O(N) with N the number of keys, and a much "
                      "larger constant, for several.",
        .summary = "Estimates how many different elements HyperLogLogs have seen together.",
        .syntax = "key [key ...]",
    },
    {
        .name = "pfmerge",
        .run = run_pfmerge,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_INSERT}, {2, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HYPERLOGLOG,
        .since = "2.8.9",
        .complexity = "O(N) with N the number of keys, with a large constant.",
        .summary = "Merges HyperLogLogs into one.",
        .syntax = "destkey [sourcekey [sourcekey ...]]",
    },
    {0},
};
