/*
 * Intersection, union and difference of sets, replied, counted or stored.
 *
 * A result that is stored is built as a set of nobody's and put in its place at the end, so that the destination may be one of
 * the sources, and is what it was when memory runs out.
 */
#include <stdlib.h>

#include "commands/change.h"
#include "commands/groups.h"
#include "commands/set_value.h"
#include "memory.h"
#include "store/reaper.h"

/* The sets of a command. */
struct operands {
    const struct entry **sets; /* NULL: no such key */
    size_t count;
    bool missing; /* one at least is not there */
};

/* Where members of the result go. */
struct result {
    struct call *c;
    enum { RESULT_REPLIED, RESULT_COUNTED, RESULT_STORED } kind;
    uint64_t count;
    uint64_t limit;         /* members after which the work is done; 0: none */
    struct key destination; /* of RESULT_STORED … */
    struct set_edit set;    /* … and what is put there */
};

static void operands_free(struct operands *o)
{
    mem_free(o->sets, o->count * sizeof(*o->sets));
}

/* Finds the sets of keys argv[from] on; replies with an error and returns false when one is no set, or without memory. */
static bool operands_find(struct call *c, size_t from, size_t count, struct operands *o)
{
    *o = (struct operands){.sets = mem_alloc(count * sizeof(*o->sets)), .count = count};
    if (o->sets == NULL) {
        call_out_of_memory(c);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct key key = call_key(c, from + i);
        bool wrong;
        o->sets[i] = key_read_type(c, &key, TYPE_SET, &wrong);
        o->missing |= o->sets[i] == NULL;
        if (wrong) {
            operands_free(o);
            return false;
        }
    }
    return true;
}

static uint64_t count_of(const struct entry *e)
{
    return e != NULL ? set_count(e) : 0;
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = count_of(*(const struct entry *const *)a);
    uint64_t y = count_of(*(const struct entry *const *)b);
    return x < y ? -1 : x > y;
}

static int by_count_down(const void *a, const void *b)
{
    return by_count(b, a);
}

/* ---- results ------------------------------------------------------------------------------------------- */

static struct result result_begin(struct call *c)
{
    return (struct result){.c = c, .kind = RESULT_REPLIED};
}

/* A result that is put at argv[1]. */
static struct result result_stored(struct call *c)
{
    struct result r = {.c = c, .kind = RESULT_STORED, .destination = call_key(c, 1)};
    struct entry_head head = {r.destination.name, ENTRY_NO_DEADLINE, call_access(c)};
    r.set = set_edit_new(c->server, &head);
    return r;
}

/* Takes a member; false without memory. */
static bool result_take(struct result *r, struct slice member)
{
    r->count++;
    if (r->kind == RESULT_REPLIED) {
        reply_bulk_slice(r->c->reply, member);
    }
    return r->kind != RESULT_STORED || set_add(&r->set, member) != SET_NO_MEMORY;
}

static bool result_full(const struct result *r)
{
    return r->limit != 0 && r->count == r->limit;
}

/* Takes all members of a set. */
static bool result_take_all(struct result *r, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    for (set_begin(&it, e); set_next(&it, &member);) {
        if (!result_take(r, member)) {
            return false;
        }
    }
    return true;
}

/* Puts the result in the place of the destination, and replies with the number of its members. `event` is the command's. */
static void store(struct result *r, const char *event)
{
    struct call *c = r->c;
    if (r->set.e == NULL) {
        if (key_delete(c, &r->destination)) {
            key_changed(c, &r->destination, 1, EVENT_GENERIC, "del");
        }
        reply_int(c->reply, 0);
        return;
    }
    int64_t count = (int64_t)set_count(r->set.e);
    if (key_put(c, &r->destination, r->set.e)) {
        key_changed(c, &r->destination, 1, EVENT_SET, event);
        reply_int(c->reply, count);
    }
}

/* Ends a result whose members were replied from `before` on. `made` is false when there was no memory. */
static void result_end(struct result *r, size_t before, bool made)
{
    struct call *c = r->c;
    if (!made) {
        if (r->set.e != NULL) {
            reaper_free_entry(r->set.e);
        }
        c->reply->len = before;
        call_out_of_memory(c);
    } else if (r->kind == RESULT_REPLIED) {
        reply_fill_set(c->reply, before, (int64_t)r->count);
    } else if (r->kind == RESULT_COUNTED) {
        reply_int(c->reply, (int64_t)r->count);
    } else {
        store(r, c->command->name);
    }
}

/* ---- intersection -------------------------------------------------------------------------------------- */

/* Whether all sets but the first have a member. */
static bool in_others(const struct operands *o, struct slice member)
{
    for (size_t i = 1; i < o->count; i++) {
        if (o->sets[i] != o->sets[0] && !set_has(o->sets[i], member)) {
            return false;
        }
    }
    return true;
}

/* Members of the smallest set that all the others have. */
static bool intersect(struct operands *o, struct result *r)
{
    struct set_iterator it;
    struct slice member;
    if (o->missing) {
        return true;
    }
    qsort(o->sets, o->count, sizeof(*o->sets), by_count);
    for (set_begin(&it, o->sets[0]); !result_full(r) && set_next(&it, &member);) {
        if (in_others(o, member) && !result_take(r, member)) {
            return false;
        }
    }
    return true;
}

/* ---- union --------------------------------------------------------------------------------------------- */

/* Adds all members of a set to another. */
static bool add_all(struct set_edit *to, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    for (set_begin(&it, e); set_next(&it, &member);) {
        if (set_add(to, member) == SET_NO_MEMORY) {
            return false;
        }
    }
    return true;
}

/* A set for work that is linked nowhere; its entry is freed by its owner. */
static struct set_edit working_set(const struct result *r)
{
    struct entry_head head = {r->c->argv[0], ENTRY_NO_DEADLINE, 0};
    return set_edit_new(r->c->server, &head);
}

/* A union is its own working set when it is stored. */
static bool unite(struct operands *o, struct result *r)
{
    bool stored = r->kind == RESULT_STORED;
    struct set_edit all = stored ? r->set : working_set(r);
    bool made = true;
    for (size_t i = 0; i < o->count && made; i++) {
        made = o->sets[i] == NULL || add_all(&all, o->sets[i]);
    }
    if (stored) {
        r->set = all;
        return made;
    }
    if (all.e != NULL) {
        made = made && result_take_all(r, all.e);
        reaper_free_entry(all.e);
    }
    return made;
}

/* ---- difference ---------------------------------------------------------------------------------------- */

/* Whether it is cheaper to look each member of the first set up in the others than to take their members away from a copy of
 * it. As Redis reckons: a look-up counts half, since it ends at the first set that has the member. */
static bool looking_up_is_cheaper(const struct operands *o)
{
    uint64_t look_ups = 0, members = 0;
    for (size_t i = 0; i < o->count; i++) {
        look_ups += count_of(o->sets[0]);
        members += count_of(o->sets[i]);
    }
    return look_ups / 2 <= members;
}

static bool in_any_other(const struct operands *o, struct slice member)
{
    for (size_t i = 1; i < o->count; i++) {
        if (o->sets[i] != NULL && set_has(o->sets[i], member)) {
            return true;
        }
    }
    return false;
}

static bool subtract_by_look_up(struct operands *o, struct result *r)
{
    struct set_iterator it;
    struct slice member;
    qsort(o->sets + 1, o->count - 1, sizeof(*o->sets), by_count_down); /* the largest has most of them */
    for (set_begin(&it, o->sets[0]); set_next(&it, &member);) {
        if (!in_any_other(o, member) && !result_take(r, member)) {
            return false;
        }
    }
    return true;
}

/* Removes all members of a set from another, as long as there is one. */
static void remove_all(struct set_edit *from, const struct entry *e)
{
    struct set_iterator it;
    struct slice member;
    for (set_begin(&it, e); set_count(from->e) > 0 && set_next(&it, &member);) {
        set_remove(from, member);
    }
}

static bool subtract_from_copy(struct operands *o, struct result *r)
{
    struct set_edit rest = working_set(r);
    bool made = add_all(&rest, o->sets[0]);
    for (size_t i = 1; i < o->count && made; i++) {
        if (o->sets[i] != NULL) {
            remove_all(&rest, o->sets[i]);
        }
    }
    made = made && result_take_all(r, rest.e); /* a copy, in the form that fits what is left */
    if (rest.e != NULL) {
        reaper_free_entry(rest.e);
    }
    return made;
}

static bool subtract(struct operands *o, struct result *r)
{
    if (o->sets[0] == NULL) {
        return true;
    }
    for (size_t i = 1; i < o->count; i++) {
        if (o->sets[i] == o->sets[0]) {
            return true; /* a set without itself */
        }
    }
    return looking_up_is_cheaper(o) ? subtract_by_look_up(o, r) : subtract_from_copy(o, r);
}

/* ---- commands ------------------------------------------------------------------------------------------ */

typedef bool algebra_fn(struct operands *o, struct result *r);

/* Runs one of the three on the keys argv[from] … */
static void run(struct call *c, algebra_fn *operation, size_t from, size_t count, struct result *r)
{
    struct operands o;
    size_t before = c->reply->len;
    if (operands_find(c, from, count, &o)) {
        bool made = operation(&o, r);
        operands_free(&o);
        result_end(r, before, made);
    }
}

static void run_replied(struct call *c, algebra_fn *operation)
{
    struct result r = result_begin(c);
    run(c, operation, 1, c->argc - 1, &r);
}

static void run_stored(struct call *c, algebra_fn *operation)
{
    struct result r = result_stored(c);
    run(c, operation, 2, c->argc - 2, &r);
}

static void run_sinter(struct call *c)
{
    run_replied(c, intersect);
}

static void run_sinterstore(struct call *c)
{
    run_stored(c, intersect);
}

static void run_sunion(struct call *c)
{
    run_replied(c, unite);
}

static void run_sunionstore(struct call *c)
{
    run_stored(c, unite);
}

static void run_sdiff(struct call *c)
{
    run_replied(c, subtract);
}

static void run_sdiffstore(struct call *c)
{
    run_stored(c, subtract);
}

/* SINTERCARD's keys argv[2] … and what stands behind them. */
static bool parse_sintercard(struct call *c, int64_t *keys, int64_t *limit)
{
    if (!call_int_range(c, c->argv[1], 1, INT64_MAX, "ERR numkeys should be greater than 0", keys)) {
        return false;
    }
    if (*keys > (int64_t)c->argc - 2) {
        reply_error(c->reply, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    for (size_t i = 2 + (size_t)*keys; i < c->argc; i += 2) {
        if (i + 1 == c->argc || !slice_is(c->argv[i], "limit")) {
            call_syntax_error(c);
            return false;
        }
        if (!call_int_range(c, c->argv[i + 1], 0, INT64_MAX, "ERR LIMIT can't be negative", limit)) {
            return false;
        }
    }
    return true;
}

static void run_sintercard(struct call *c)
{
    struct result r = {.c = c, .kind = RESULT_COUNTED};
    int64_t keys, limit = 0;
    if (parse_sintercard(c, &keys, &limit)) {
        r.limit = (uint64_t)limit;
        run(c, intersect, 2, (size_t)keys, &r);
    }
}

#define INTERSECTION_COMPLEXITY \
    "O(N*M) at worst, N being the number of members of the smallest set and M the number of sets."
#define ALL_MEMBERS_COMPLEXITY "O(N), N being the number of members of all sets together."

const struct command set_algebra_commands[] = {
    {
        .name = "sdiff",
        .run = run_sdiff,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = ALL_MEMBERS_COMPLEXITY,
        .summary = "Returns the difference of several sets.",
        .syntax = "key [key ...]",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sdiffstore",
        .run = run_sdiffstore,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}, {2, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = ALL_MEMBERS_COMPLEXITY,
        .summary = "Stores the difference of several sets in a key.",
        .syntax = "destination key [key ...]",
    },
    {
        .name = "sinter",
        .run = run_sinter,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = INTERSECTION_COMPLEXITY,
        .summary = "Returns the intersection of several sets.",
        .syntax = "key [key ...]",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sintercard",
        .run = run_sintercard,
        .arity = -3,
        .flags = CMD_READONLY | CMD_MOVABLE_KEYS,
        .keys = {{1, 0, 1, KEY_RO | KEY_ACCESS | KEY_COUNTED}},
        .group = GROUP_SET,
        .since = "7.0.0",
        .complexity = INTERSECTION_COMPLEXITY,
        .summary = "Returns the number of members of the intersection of several sets.",
        .syntax = "numkeys key [key ...] [LIMIT limit]",
    },
    {
        .name = "sinterstore",
        .run = run_sinterstore,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}, {2, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = INTERSECTION_COMPLEXITY,
        .summary = "Stores the intersection of several sets in a key.",
        .syntax = "destination key [key ...]",
    },
    {
        .name = "sunion",
        .run = run_sunion,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = ALL_MEMBERS_COMPLEXITY,
        .summary = "Returns the union of several sets.",
        .syntax = "key [key ...]",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "sunionstore",
        .run = run_sunionstore,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}, {2, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_SET,
        .since = "1.0.0",
        .complexity = ALL_MEMBERS_COMPLEXITY,
        .summary = "Stores the union of several sets in a key.",
        .syntax = "destination key [key ...]",
    },
    {0},
};
