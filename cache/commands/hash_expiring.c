/*
 * HSETEX, HGETEX and HGETDEL: fields that are set with a deadline, and fields that are read and get one, lose theirs, or go.
 */
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/hash_fields.h"
#include "commands/hash_value.h"
#include "commands/propagate.h"

/* ---- HSETEX --------------------------------------------------------------------------------------------- */

struct setting {
    bool only_new, only_existing, keep, timed;
    int64_t deadline;
    size_t first, count; /* of pairs, in argv */
};

/* "FIELDS numfields field value …" from argv[at] on. */
static bool parse_pairs(struct call *c, size_t at, struct setting *s)
{
    int64_t count;
    if (at + 3 >= c->argc) {
        reply_error(c->reply, "ERR wrong number of arguments for 'hsetex' command");
        return false;
    }
    if (!call_int_range(c, c->argv[at + 1], 1, INT32_MAX, "ERR invalid number of fields", &count)) {
        return false;
    }
    if ((uint64_t)count * 2 != c->argc - at - 2) {
        reply_error(c->reply, "ERR wrong number of arguments for 'hsetex' command");
        return false;
    }
    s->first = at + 2;
    s->count = (size_t)count;
    return true;
}

/* KEEPTTL, or EX, PX, EXAT or PXAT with its number, at argv[*at], which moves to the last word of it. */
static bool parse_expiry(struct call *c, size_t *at, struct setting *s)
{
    enum expiry_unit unit = EXPIRY_SECONDS;
    bool absolute = false;
    struct slice word = c->argv[*at];
    bool keep = slice_is(word, "keepttl");
    if (!keep && !hash_fields_expiry_word(c, *at, &unit, &absolute)) {
        reply_errorf(c->reply, "ERR unknown argument: %.*s", (int)(word.len < 128 ? word.len : 128),
                     word.ptr);
        return false;
    }
    if (s->timed || s->keep) {
        reply_error(c->reply, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        return false;
    }
    s->keep = keep;
    s->timed = !keep;
    *at += !keep;
    return keep || hash_fields_deadline(c, c->argv[*at], unit, absolute, &s->deadline);
}

static bool parse_condition(struct call *c, struct slice word, struct setting *s)
{
    if (s->only_new || s->only_existing) {
        reply_error(c->reply, "ERR Only one of FXX or FNX arguments can be specified");
        return false;
    }
    s->only_new = slice_is(word, "fnx");
    s->only_existing = !s->only_new;
    return true;
}

static bool parse_setting(struct call *c, struct setting *s)
{
    bool good = true;
    *s = (struct setting){.deadline = ITEM_NO_DEADLINE};
    for (size_t i = 2; good && i < c->argc; i++) {
        struct slice word = c->argv[i];
        if (slice_is(word, "fields")) {
            return parse_pairs(c, i, s);
        }
        bool condition = slice_is(word, "fnx") || slice_is(word, "fxx");
        good = condition ? parse_condition(c, word, s) : parse_expiry(c, &i, s);
    }
    if (good) {
        reply_error(c->reply, "ERR wrong number of arguments for 'hsetex' command");
    }
    return false;
}

/* FNX: none of the fields is there; FXX: all of them are. */
static bool condition_holds(const struct call *c, const struct entry *e, const struct setting *s)
{
    if (!s->only_new && !s->only_existing) {
        return true;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct listpack_value value;
        bool there = e != NULL && hash_value_get(e, c->argv[s->first + 2 * i], c->now, &value);
        if (there != s->only_existing) {
            return false;
        }
    }
    return true;
}

/* With a deadline that has passed: as if the fields were set, and expired at once. */
static void set_gone(struct call *c, const struct key *key, struct entry *e, const struct setting *s)
{
    propagate_nothing(c);
    propagate_begin(c->worker);
    for (size_t i = 0; e != NULL && i < s->count; i++) {
        struct slice field = c->argv[s->first + 2 * i];
        if (hash_value_remove(e, field, c->now)) {
            propagate(c, SLICE("HDEL"), key->name, field);
        }
    }
    propagate_end(c->worker);
    bool emptied = e == NULL || hash_value_trim(c, key, e);
    key_changed(c, key, s->count, EVENT_HASH, "hset");
    key_event(c, key, EVENT_HASH, "hdel");
    if (emptied) {
        key_event(c, key, EVENT_GENERIC, "del");
    }
}

static bool set_keeping(struct call *c, const struct key *key, struct entry *e, const struct setting *s)
{
    bool good = true;
    for (size_t i = 0; good && i < s->count; i++) {
        const struct slice *pair = &c->argv[s->first + 2 * i];
        good = hash_value_update(c, key, &e, pair[0], pair[1]);
    }
    return good;
}

static bool set_fields(struct call *c, const struct key *key, struct entry *e, const struct setting *s)
{
    const struct slice *pairs = &c->argv[s->first];
    uint64_t created;
    if (s->timed) {
        return hash_value_set_timed(c, key, &e, pairs, s->count, s->deadline);
    }
    return s->keep ? set_keeping(c, key, e, s) : hash_value_set(c, key, &e, pairs, s->count, &created);
}

/* Logs what was set as HSET, which takes deadlines away, and then those that the fields have. */
static void propagate_fields_set(struct call *c, const struct key *key, const struct setting *s)
{
    if (propagate_is_on(c)) {
        const struct entry *e = key_peek(c, key);
        propagate_begin(c->worker);
        propagate_with(c, &c->argv[s->first], 2 * s->count, SLICE("HSET"), key->name);
        for (size_t i = 0; i < s->count; i++) {
            hash_fields_propagate_deadline(c, key, e, c->argv[s->first + 2 * i]);
        }
        propagate_end(c->worker);
    }
}

static void run_hsetex(struct call *c)
{
    struct key key = call_key(c, 1);
    struct setting s;
    bool wrong;
    if (!parse_setting(c, &s)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    if (!condition_holds(c, e, &s)) {
        reply_int(c->reply, 0);
        return;
    }
    if (s.timed && s.deadline <= c->now) {
        set_gone(c, &key, e, &s);
    } else if (set_fields(c, &key, e, &s)) {
        propagate_fields_set(c, &key, &s);
        key_changed(c, &key, s.count, EVENT_HASH, "hset");
        if (s.timed) {
            key_event(c, &key, EVENT_HASH, "hexpire");
        }
    } else {
        key_changed(c, &key, s.count, EVENT_HASH, NULL); /* some fields may be set */
        return;
    }
    reply_int(c->reply, 1);
}

/* ---- HGETEX --------------------------------------------------------------------------------------------- */

struct getting {
    bool timed, persist;
    int64_t deadline;
    size_t first; /* field, in argv */
};

static bool parse_getting(struct call *c, struct getting *g)
{
    enum expiry_unit unit = EXPIRY_SECONDS;
    bool absolute = false;
    size_t at = 2;
    *g = (struct getting){.deadline = ITEM_NO_DEADLINE};
    if (slice_is(c->argv[2], "persist")) {
        g->persist = true;
        at = 3;
    } else if (hash_fields_expiry_word(c, 2, &unit, &absolute)) {
        g->timed = true;
        at = 4;
        if (!hash_fields_deadline(c, c->argv[3], unit, absolute, &g->deadline)) {
            return false;
        }
    }
    return hash_fields_parse(c, at, HASH_FIELDS_NUMBER, &g->first);
}

/* What became of a field's deadline. */
enum got { GOT_UNCHANGED, GOT_CHANGED, GOT_REMOVED, GOT_FAILED };

/* Replies with a field's value, then does with its deadline what is asked for. */
static enum got get_field(struct call *c, const struct key *key, struct entry **e, struct slice field,
                          const struct getting *g)
{
    struct listpack_value value;
    if (*e == NULL || !hash_value_get(*e, field, c->now, &value)) {
        reply_null(c->reply);
        return GOT_UNCHANGED;
    }
    hash_value_reply(c->reply, &value);
    if (g->timed && g->deadline <= c->now) {
        hash_value_remove(*e, field, c->now);
        return GOT_REMOVED;
    }
    if (!g->timed && (!g->persist || hash_value_deadline(*e, field) == ENTRY_NO_DEADLINE)) {
        return GOT_UNCHANGED;
    }
    if (!hash_value_expire(c, key, e, field, g->deadline)) {
        return GOT_FAILED;
    }
    if (g->persist) {
        hash_fields_propagate_persist(c, key, *e, field);
    }
    return GOT_CHANGED;
}

/* Logs what became of the fields that HGETEX has read; those of them that are not there do not mind. (PERSIST: get_field.) */
static void propagate_got(struct call *c, const struct key *key, const struct getting *g, uint64_t changed,
                          uint64_t removed)
{
    char digits[NUMBER_I64_MAX_CHARS];
    const struct slice *fields = &c->argv[g->first];
    size_t count = c->argc - g->first;
    if (removed > 0) {
        propagate_with(c, fields, count, SLICE("HDEL"), key->name);
    } else if (changed > 0 && !g->persist) {
        propagate_with(c, fields - 2, count + 2, SLICE("HPEXPIREAT"), key->name,
                       propagate_deadline(g->deadline, digits));
    }
}

/* Tells of fields that have changed, and of those that were removed. */
static void got(struct call *c, const struct key *key, struct entry *e, uint64_t changed, uint64_t removed,
                const char *event)
{
    if (e != NULL) {
        hash_value_timed(c, key, e);
    }
    bool emptied = removed > 0 && hash_value_trim(c, key, e);
    if (changed > 0) {
        key_changed(c, key, changed, EVENT_HASH, event);
    }
    if (removed > 0) {
        key_elements_removed(c, key, removed, EVENT_HASH, "hdel", emptied);
    }
}

static void run_hgetex(struct call *c)
{
    struct key key = call_key(c, 1);
    uint64_t counts[GOT_FAILED + 1] = {0};
    struct getting g;
    bool wrong;
    if (!parse_getting(c, &g)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong) {
        return;
    }
    size_t start = c->reply->len;
    reply_array(c->reply, (int64_t)(c->argc - g.first));
    propagate_begin(c->worker);
    for (size_t i = g.first; i < c->argc && counts[GOT_FAILED] == 0; i++) {
        counts[get_field(c, &key, &e, c->argv[i], &g)]++;
    }
    propagate_end(c->worker);
    if (counts[GOT_FAILED] > 0) { /* the error takes the place of the array */
        c->reply->len = start;
        call_out_of_memory(c);
    }
    propagate_got(c, &key, &g, counts[GOT_CHANGED], counts[GOT_REMOVED]);
    got(c, &key, e, counts[GOT_CHANGED], counts[GOT_REMOVED], g.persist ? "hpersist" : "hexpire");
}

/* ---- HGETDEL -------------------------------------------------------------------------------------------- */

static void run_hgetdel(struct call *c)
{
    struct key key = call_key(c, 1);
    struct listpack_value value;
    uint64_t removed = 0;
    size_t first;
    bool wrong;
    struct entry *e = key_write_type(c, &key, TYPE_HASH, &wrong);
    if (wrong || !hash_fields_parse(c, 2, HASH_FIELDS_NUMBER, &first)) {
        return;
    }
    reply_array(c->reply, (int64_t)(c->argc - first));
    for (size_t i = first; i < c->argc; i++) {
        if (e != NULL && hash_value_get(e, c->argv[i], c->now, &value)) {
            hash_value_reply(c->reply, &value);
            hash_value_remove(e, c->argv[i], c->now);
            removed++;
        } else {
            reply_null(c->reply);
        }
    }
    if (removed > 0) {
        propagate_with(c, c->argv + first, c->argc - first, SLICE("HDEL"), key.name);
    }
    got(c, &key, e, 0, removed, NULL);
}

#define FOR_EACH_FIELD "O(N), N being the number of fields that are given."

const struct command hash_expiring_commands[] = {
    {
        .name = "hgetdel",
        .run = run_hgetdel,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE}},
        .group = GROUP_HASH,
        .since = "8.0.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Returns the values of fields of a hash and deletes the fields.",
        .syntax = "key FIELDS numfields field [field ...]",
    },
    {
        .name = "hgetex",
        .run = run_hgetex,
        .arity = -5,
        .flags = CMD_WRITE | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "8.0.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Returns the values of fields of a hash, and sets or removes the fields' expiration time.",
        .syntax =
            "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | "
            "PERSIST] FIELDS numfields field [field ...]",
    },
    {
        .name = "hsetex",
        .run = run_hsetex,
        .arity = -6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_HASH,
        .since = "8.0.0",
        .complexity = FOR_EACH_FIELD,
        .summary = "Sets the values of fields of a hash, and, if asked for, the fields' expiration time.",
        .syntax = "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                  "PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]",
    },
    {0},
};
