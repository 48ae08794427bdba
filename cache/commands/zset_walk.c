/*
 * ZSCAN, and members at random.
 */
#include "commands/groups.h"
#include "commands/scan.h"
#include "commands/zset_range.h"

/* ---- ZSCAN ------------------------------------------------------------------------------------------------ */

static void reply_scanned(struct scan *scan, struct slice member, const char *score, size_t score_len)
{
    if (scan_matches(scan, member)) {
        reply_bulk_slice(scan->c->reply, member);
        reply_bulk(scan->c->reply, score, score_len);
        scan->replied += 2;
    }
}

/* Redis shows the scores of a large set with 17 digits here, and those of a small one as they stand in it. */
static void visit(void *context, struct dict_item *it)
{
    char text[NUMBER_DOUBLE_MAX_CHARS + 1];
    size_t len = number_format_double_17g(text, zset_item_score(it));
    reply_scanned(context, item_field(it), text, len);
}

static uint64_t scan_zset(struct scan *scan, const struct entry *e)
{
    char room[NUMBER_I64_MAX_CHARS], text[NUMBER_DOUBLE_MAX_CHARS + 1];
    if (!zset_value_is_small(e)) {
        const struct zset *z = entry_object(e);
        return dict_scan(&z->dict, scan->cursor, scan->count, visit, scan);
    }
    for (struct zset_place at = zset_value_at(e, 0); zset_place_is(&at); zset_place_next(&at)) {
        size_t len = number_format_double(text, zset_place_score(&at));
        reply_scanned(scan, zset_place_member(&at, room), text, len);
    }
    return 0;
}

static void run_zscan(struct call *c)
{
    scan_collection(c, TYPE_ZSET, scan_zset);
}

/* ---- ZRANDMEMBER ------------------------------------------------------------------------------------------ */

static uint64_t random_below(struct call *c, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)worker_random(c->worker) * limit >> 64);
}

/* Any members, the same one perhaps several times. */
static void choose_any(struct call *c, const struct entry *e, uint64_t count, enum zset_reply_form form)
{
    uint64_t members = zset_value_count(e);
    size_t start = c->reply->len;
    for (uint64_t i = 0; i < count && call_reply_within_limit(c, start); i++) {
        struct zset_place place = zset_value_at(e, random_below(c, members));
        zset_place_reply(c->reply, &place, form);
    }
}

/* Different members, one walk through all: each is taken with the chance of what is wanted still among what comes still. */
static void choose_walking(struct call *c, const struct entry *e, uint64_t count, enum zset_reply_form form)
{
    uint64_t left = zset_value_count(e);
    for (struct zset_place place = zset_value_at(e, 0); count > 0; zset_place_next(&place)) {
        if (random_below(c, left--) < count) {
            zset_place_reply(c->reply, &place, form);
            count--;
        }
    }
}

/* Different members, few of many: thrown for until there are enough. False when there is no memory to remember them. */
static bool choose_throwing(struct call *c, const struct entry *e, uint64_t count, enum zset_reply_form form)
{
    struct dict chosen;
    uint64_t members = zset_value_count(e);
    bool memory = true;
    dict_init(&chosen, c->server->keyspace.secret, KEYSPACE_SECRET);
    while (memory && dict_count(&chosen) < count) {
        uint64_t rank = random_below(c, members);
        struct slice name = {(const char *)&rank, sizeof rank};
        bool added;
        memory = dict_add(&chosen, &(struct item_parts){.field = name, .deadline = ITEM_NO_DEADLINE},
                          &added) != NULL;
        if (added) {
            struct zset_place place = zset_value_at(e, rank);
            zset_place_reply(c->reply, &place, form);
        }
    }
    dict_clear(&chosen);
    return memory;
}

/* False when there is no memory. */
static bool choose_different(struct call *c, const struct entry *e, uint64_t count, enum zset_reply_form form)
{
    enum { FEW = 8 }; /* a step of a walk is an eighth of the work of a throw */
    if (zset_value_is_small(e) || count > zset_value_count(e) / FEW) {
        choose_walking(c, e, count, form);
        return true;
    }
    return choose_throwing(c, e, count, form);
}

static void choose_several(struct call *c, const struct entry *e, int64_t count, bool with_scores)
{
    enum zset_reply_form form = zset_reply_form(c->reply, with_scores);
    uint64_t members = e != NULL ? zset_value_count(e) : 0;
    uint64_t wanted = count >= 0 ? (uint64_t)count : 0 - (uint64_t)count;
    size_t before = c->reply->len;
    wanted = members == 0 || (count > 0 && wanted > members) ? members : wanted;
    reply_array(c->reply, (int64_t)wanted * (form == ZSET_REPLY_FLAT ? 2 : 1));
    if (count < 0 && members > 0) {
        choose_any(c, e, wanted, form);
    } else if (wanted > 0 && !choose_different(c, e, wanted, form)) {
        c->reply->len = before;
        call_out_of_memory(c);
    }
}

/* The count and WITHSCORES. */
static bool parse_choice(struct call *c, int64_t *count)
{
    if (!call_signed_count(c, c->argv[2], count)) {
        return false;
    }
    if (c->argc > 4 || (c->argc == 4 && !slice_is(c->argv[3], "withscores"))) {
        call_syntax_error(c);
        return false;
    }
    if (c->argc == 4 && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        reply_error(c->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

static void run_zrandmember(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    int64_t count = 0;
    if (c->argc > 2 && !parse_choice(c, &count)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    if (c->argc > 2) {
        choose_several(c, e, count, c->argc == 4);
    } else if (e != NULL) {
        choose_any(c, e, 1, ZSET_REPLY_MEMBERS);
    } else {
        reply_null(c->reply);
    }
}

const struct command zset_walk_commands[] = {
    {
        .name = "zrandmember",
        .run = run_zrandmember,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SORTED_SET,
        .since = "6.2.0",
        .complexity = "O(N), N being the number of members returned.",
        .summary = "Returns members of a sorted set at random.",
        .syntax = "key [count [WITHSCORES]]",
        .tips = "nondeterministic_output",
    },
    {
        .name = "zscan",
        .run = run_zscan,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SORTED_SET,
        .since = "2.8.0",
        .complexity =
            "O(1) for every call; O(N) for an iteration from cursor 0 back to 0, N being the number of "
            "members in the sorted set.",
        .summary = "Iterates over the members of a sorted set and their scores.",
        .syntax = "key cursor [MATCH pattern] [COUNT count]",
        .tips = "nondeterministic_output",
    },
    {0},
};
