/*
 * Members at random: SPOP and SRANDMEMBER. Every member has the same chance (set_random), and so has every choice of several
 * that must be different.
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/propagate.h"
#include "commands/set_value.h"
#include "store/reaper.h"

static void reply_members(struct call *c, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    for (set_begin(&it, e); set_next(&it, &member);) {
        reply_bulk_slice(c->reply, member);
    }
}

/* ---- SPOP ---------------------------------------------------------------------------------------------- */

/* After members were popped. */
static void popped(struct call *c, const struct key *key, bool emptied, uint64_t count)
{
    if (emptied) {
        key_delete(c, key);
    }
    key_elements_removed(c, key, count, EVENT_SET, "spop", emptied);
}

static void pop_one(struct call *c, const struct key *key, struct entry *e)
{
    struct set_edit s = set_edit_key(c, key, e);
    size_t start = c->reply->len;
    set_pop(&s, c->worker, c->reply);
    propagate_replied(c, start, 1, SLICE("SREM"), key->name);
    popped(c, key, set_count(s.e) == 0, 1);
}

static void pop_several(struct call *c, const struct key *key, struct entry *e, uint64_t count)
{
    struct set_edit s = set_edit_key(c, key, e);
    uint64_t members = set_count(e);
    if (count >= members) {
        reply_set(c->reply, (int64_t)members);
        reply_members(c, e);
        propagate(c, SLICE("DEL"), key->name);
        popped(c, key, true, members);
        return;
    }
    reply_set(c->reply, (int64_t)count);
    size_t start = c->reply->len;
    for (uint64_t i = 0; i < count; i++) {
        set_pop(&s, c->worker, c->reply);
    }
    propagate_replied(c, start, count, SLICE("SREM"), key->name);
    popped(c, key, false, count);
}

static void run_spop(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t count = 0;
    bool wrong;
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 3 &&
        !call_int_range(c, c->argv[2], 0, INT64_MAX, "ERR value is out of range, must be positive", &count)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_SET, &wrong);
    if (wrong) {
        return;
    }
    if (c->argc == 2 && e == NULL) {
        reply_null(c->reply);
    } else if (c->argc == 2) {
        pop_one(c, &key, e);
    } else if (e == NULL || count == 0) {
        reply_set(c->reply, 0);
    } else {
        pop_several(c, &key, e, (uint64_t)count);
    }
}

/* ---- SRANDMEMBER --------------------------------------------------------------------------------------- */

/* Any members, the same one perhaps several times. A count can ask for more than any memory holds: such a reply fails, which
 * closes the connection. */
static void choose_any(struct call *c, const struct entry *e, uint64_t count)
{
    char digits[NUMBER_I64_MAX_CHARS];
    size_t start = c->reply->len;
    reply_array(c->reply, (int64_t)count);
    for (uint64_t i = 0; i < count && call_reply_within_limit(c, start); i++) {
        reply_bulk_slice(c->reply, set_random(e, c->worker, digits));
    }
}

/* Different members, one walk through all: each is taken with the chance of what is wanted still among what comes still. */
static void choose_walking(struct call *c, const struct entry *e, uint64_t count)
{
    struct set_iterator it;
    struct slice member;
    uint64_t left = set_count(e);
    for (set_begin(&it, e); count > 0 && set_next(&it, &member); left--) {
        uint64_t at = (uint64_t)((unsigned __int128)worker_random(c->worker) * left >> 64);
        if (at < count) {
            reply_bulk_slice(c->reply, member);
            count--;
        }
    }
}

/* Different members, few of many: thrown for until there are enough. `chosen` keeps those that there are. */
static bool choose_throwing(struct call *c, const struct entry *e, uint64_t count)
{
    char digits[NUMBER_I64_MAX_CHARS];
    struct entry_head head = {entry_key(e), ENTRY_NO_DEADLINE, 0};
    struct set_edit chosen = set_edit_new(c->server, &head);
    enum set_result result = SET_SAME;
    while (count > 0 && result != SET_NO_MEMORY) {
        struct slice member = set_random(e, c->worker, digits);
        result = set_add(&chosen, member);
        if (result == SET_CHANGED) {
            reply_bulk_slice(c->reply, member);
            count--;
        }
    }
    if (chosen.e != NULL) {
        reaper_free_entry(chosen.e);
    }
    return result != SET_NO_MEMORY;
}

static void choose_different(struct call *c, const struct entry *e, uint64_t count)
{
    enum {
        FEW = 3
    }; /* a third of a large set: from there on a walk costs less than throws that hit what is chosen */
    uint64_t members = set_count(e);
    size_t before = c->reply->len;
    count = count < members ? count : members;
    reply_array(c->reply, (int64_t)count);
    if (count == members) {
        reply_members(c, e);
    } else if (set_form(e) != SET_TABLE || count > members / FEW) {
        choose_walking(c, e, count);
    } else if (!choose_throwing(c, e, count)) {
        c->reply->len = before;
        call_out_of_memory(c);
    }
}

static void choose_several(struct call *c, const struct entry *e, int64_t count)
{
    if (e == NULL || count == 0) {
        reply_array(c->reply, 0);
    } else if (count < 0) {
        choose_any(c, e, (uint64_t)-count);
    } else {
        choose_different(c, e, (uint64_t)count);
    }
}

static void run_srandmember(struct call *c)
{
    struct key key = call_key(c, 1);
    char digits[NUMBER_I64_MAX_CHARS];
    int64_t count = 0;
    bool wrong;
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 3 && !call_signed_count(c, c->argv[2], &count)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_SET, &wrong);
    if (wrong) {
        return;
    }
    if (c->argc == 3) {
        choose_several(c, e, count);
    } else if (e != NULL) {
        reply_bulk_slice(c->reply, set_random(e, c->worker, digits));
    } else {
        reply_null(c->reply);
    }
}

const struct command set_random_commands[] = {
    {
        .name = "spop",
        .run = run_spop,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(1) without a count, else O(N), N being the count.",
        .summary = "Removes one or more random members of a set and returns them.",
        .syntax = "key [count]",
        .history = "3.2.0\tA count may be given.",
        .tips = "nondeterministic_output",
    },
    {
        .name = "srandmember",
        .run = run_srandmember,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = "O(1) without a count, else O(N), N being the count without its sign.",
        .summary = "Returns one or more random members of a set.",
        .syntax = "key [count]",
        .history = "2.6.0\tA count may be given.",
        .tips = "nondeterministic_output",
    },
    {0},
};
