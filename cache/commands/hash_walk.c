/*
 * HSCAN and HRANDFIELD: a hash's fields some at a time, or at random. Every field has the same chance, and so has every choice
 * of several that must be different.
 */
#include "commands/groups.h"
#include "commands/hash_value.h"
#include "commands/scan.h"
#include "memory.h"

/* ---- HSCAN ---------------------------------------------------------------------------------------------- */

static void scan_pair(struct scan *scan, const struct hash_pair *pair)
{
    char room[NUMBER_I64_MAX_CHARS];
    struct slice field = listpack_text(&pair->field, room);
    if (!scan_matches(scan, field)) {
        return;
    }
    reply_bulk_slice(scan->c->reply, field);
    scan->replied++;
    if (!scan->no_values) {
        hash_value_reply(scan->c->reply, &pair->value);
        scan->replied++;
    }
}

static void scan_item(void *context, struct dict_item *it)
{
    struct scan *scan = context;
    if (hash_item_lives(it, scan->c->now)) {
        struct hash_pair pair = hash_value_pair(it);
        scan_pair(scan, &pair);
    }
}

/* One step; a small hash is scanned in one. Returns the next cursor. */
static uint64_t scan_hash(struct scan *scan, const struct entry *e)
{
    if (!hash_value_is_small(e)) {
        const struct hash *h = entry_object(e);
        return dict_scan(&h->dict, scan->cursor, scan->count, scan_item, scan);
    }
    struct hash_iterator at = hash_value_iterate(e, scan->c->now);
    struct hash_pair pair;
    while (hash_value_next(&at, &pair)) {
        scan_pair(scan, &pair);
    }
    return 0;
}

static void run_hscan(struct call *c)
{
    scan_collection(c, TYPE_HASH, scan_hash);
}

/* ---- HRANDFIELD ----------------------------------------------------------------------------------------- */

/* A hash of which fields are drawn. */
struct draw {
    struct call *c;
    const struct entry *e;
    uint64_t fields;
    bool values;
};

static void reply_pair(const struct draw *d, const struct hash_pair *pair)
{
    if (d->values && d->c->reply->resp == 3) {
        reply_array(d->c->reply, 2);
    }
    hash_value_reply(d->c->reply, &pair->field);
    if (d->values) {
        hash_value_reply(d->c->reply, &pair->value);
    }
}

static void reply_head(const struct draw *d, uint64_t count)
{
    bool flat = d->values && d->c->reply->resp == 2;
    reply_array(d->c->reply, (int64_t)(flat ? 2 * count : count));
}

static uint64_t random_below(const struct draw *d, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)worker_random(d->c->worker) * limit >> 64);
}

/* Any field. */
static struct hash_pair draw_any(const struct draw *d)
{
    if (hash_value_is_small(d->e)) {
        struct packed run = small_run(d->e);
        size_t field = packed_skip(&run, PACKED_FIRST, HASH_EACH * random_below(d, d->fields));
        return (struct hash_pair){packed_read(&run, field), packed_read(&run, packed_after(&run, field))};
    }
    uint64_t state = worker_random(d->c->worker);
    return hash_value_pair(hash_random(entry_object(d->e), d->c->now, &state));
}

/* Whether most draws would hit fields that are past their deadlines and not swept yet. */
static bool mostly_dead(const struct draw *d)
{
    const struct hash *h = entry_object(d->e);
    return dict_count(&h->dict) / 2 > d->fields;
}

/* As draw_several, among the fields that live, which a walk finds first. False when there is no memory to note them. */
static bool draw_living(const struct draw *d, uint64_t count, size_t start)
{
    const struct hash *h = entry_object(d->e);
    const struct dict_item **living = mem_alloc(d->fields * sizeof(*living));
    struct dict_iterator at = {0};
    uint64_t found = 0;
    if (living == NULL) {
        return false;
    }
    for (const struct dict_item *it; found < d->fields && (it = dict_next(&h->dict, &at)) != NULL;) {
        living[found] = it;
        found += hash_item_lives(it, d->c->now);
    }
    for (uint64_t i = 0; i < count && call_reply_within_limit(d->c, start); i++) {
        struct hash_pair pair = hash_value_pair(living[random_below(d, found)]);
        reply_pair(d, &pair);
    }
    mem_free(living, d->fields * sizeof(*living));
    return true;
}

/* Any fields, the same one perhaps several times. Ends early when the client has to be cut off anyway. */
static void draw_several(const struct draw *d, uint64_t count)
{
    size_t start = d->c->reply->len;
    reply_head(d, count);
    if (!hash_value_is_small(d->e) && mostly_dead(d)) {
        if (!draw_living(d, count, start)) {
            d->c->reply->len = start;
            call_out_of_memory(d->c);
        }
        return;
    }
    for (uint64_t i = 0; i < count && call_reply_within_limit(d->c, start); i++) {
        struct hash_pair pair = draw_any(d);
        reply_pair(d, &pair);
    }
}

/* Different fields, in one walk through all: each is taken with the chance of what is wanted still among what comes still. */
static void draw_walking(const struct draw *d, uint64_t count)
{
    struct hash_iterator at = hash_value_iterate(d->e, d->c->now);
    struct hash_pair pair;
    for (uint64_t left = d->fields; count > 0 && hash_value_next(&at, &pair); left--) {
        if (random_below(d, left) < count) {
            reply_pair(d, &pair);
            count--;
        }
    }
}

/* Different fields, few of a large hash: drawn until there are enough. False when there is no memory. */
static bool draw_few(const struct draw *d, uint64_t count)
{
    struct dict chosen;
    bool added = true;
    const struct dict_item *it = NULL;
    dict_init(&chosen, d->c->server->keyspace.secret, KEYSPACE_SECRET);
    while (count > 0) {
        struct hash_pair pair = draw_any(d);
        struct item_parts parts = {.field = pair.field.bytes, .deadline = ITEM_NO_DEADLINE};
        it = dict_add(&chosen, &parts, &added);
        if (it == NULL) {
            break;
        }
        if (added) {
            reply_pair(d, &pair);
            count--;
        }
    }
    dict_clear(&chosen);
    return count == 0;
}

static void draw_different(const struct draw *d, uint64_t count)
{
    enum {
        FEW = 3
    }; /* a third of a hash: from there on a walk costs less than draws that hit what was chosen */
    size_t start = d->c->reply->len;
    count = count < d->fields ? count : d->fields;
    reply_head(d, count);
    if (hash_value_is_small(d->e) || count > d->fields / FEW || mostly_dead(d)) {
        draw_walking(d, count);
    } else if (!draw_few(d, count)) {
        d->c->reply->len = start;
        call_out_of_memory(d->c);
    }
}

/* HRANDFIELD key count [WITHVALUES] */
static void run_with_count(struct call *c)
{
    struct key key = call_key(c, 1);
    int64_t count;
    bool wrong;
    if (!call_signed_count(c, c->argv[2], &count)) {
        return;
    }
    if (c->argc > 4 || (c->argc == 4 && !slice_is(c->argv[3], "withvalues"))) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 4 && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        reply_error(c->reply, "ERR value is out of range");
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL || count == 0) {
        reply_array(c->reply, 0);
        return;
    }
    struct draw d = {c, e, hash_value_count(e, c->now), c->argc == 4};
    if (count < 0) {
        draw_several(&d, 0 - (uint64_t)count);
    } else {
        draw_different(&d, (uint64_t)count);
    }
}

static void run_hrandfield(struct call *c)
{
    struct key key = call_key(c, 1);
    bool wrong;
    if (c->argc > 2) {
        run_with_count(c);
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL) {
        reply_null(c->reply);
        return;
    }
    struct draw d = {c, e, hash_value_count(e, c->now), false};
    struct hash_pair pair = draw_any(&d);
    hash_value_reply(c->reply, &pair.field);
}

const struct command hash_walk_commands[] = {
    {
        .name = "hrandfield",
        .run = run_hrandfield,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "6.2.0",
        .complexity = "O(N), N being the number of fields that are returned.",
        .summary = "Returns one or more random fields of a hash.",
        .syntax = "key [count [WITHVALUES]]",
        .tips = "nondeterministic_output",
    },
    {
        .name = "hscan",
        .run = run_hscan,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_HASH,
        .since = "2.8.0",
        .complexity =
            "O(1) for every call; O(N) for an iteration from cursor 0 back to 0, N being the number "
            "of fields of the hash.",
        .summary = "Iterates over the fields and values of a hash.",
        .syntax = "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        .history = "7.4.0\tThe option NOVALUES.",
        .tips = "nondeterministic_output",
    },
    {0},
};
