/*
 * Unions, intersections and differences of sorted sets, and of sets, whose members count as if they had score 1.
 *
 * The sources are taken from the smallest to the largest, as in Redis: the sum of scores depends on their order.
 */
#include <math.h>
#include <stdlib.h>

#include "commands/groups.h"
#include "commands/set_value.h"
#include "commands/zset_value.h"
#include "memory.h"

enum combination { UNION, INTERSECTION, DIFFERENCE };
enum aggregate { SUM, MIN, MAX };

struct source {
    const struct entry *e; /* NULL: no such key */
    double weight;
    uint64_t count;
    size_t order; /* among the arguments */
};

/* What is asked. */
struct combine {
    enum combination how;
    enum aggregate aggregate;
    bool stores, counts;
    bool with_scores;
    uint64_t limit; /* of ZINTERCARD; 0: none */
    struct source *sources;
    size_t count;
    struct zset *result;
    size_t longest; /* member of the result */
};

/* ---- sources ---------------------------------------------------------------------------------------------- */

/* Walks through a source's members and their scores. */
struct source_walk {
    const struct source *source;
    struct set_iterator set;
    struct zset_place place;
    bool begun;
    char room[NUMBER_I64_MAX_CHARS];
};

static bool source_next(struct source_walk *walk, struct slice *member, double *score)
{
    const struct entry *e = walk->source->e;
    *score = 1;
    if (e == NULL) {
        return false;
    }
    if (entry_type(e) == TYPE_SET) {
        if (!walk->begun) {
            set_begin(&walk->set, e);
            walk->begun = true;
        }
        return set_next(&walk->set, member);
    }
    if (walk->begun) {
        zset_place_next(&walk->place);
    } else {
        walk->place = zset_value_at(e, 0);
        walk->begun = true;
    }
    if (!zset_place_is(&walk->place)) {
        return false;
    }
    *member = zset_place_member(&walk->place, walk->room);
    *score = zset_place_score(&walk->place);
    return true;
}

static bool source_score(const struct source *source, struct slice member, double *score)
{
    *score = 1;
    if (source->e == NULL) {
        return false;
    }
    return entry_type(source->e) == TYPE_SET ? set_has(source->e, member)
                                             : zset_value_score(source->e, member, score);
}

static int by_count(const void *a, const void *b)
{
    const struct source *left = a;
    const struct source *right = b;
    if (left->count != right->count) {
        return left->count < right->count ? -1 : 1;
    }
    return left->order < right->order ? -1 : 1;
}

/* ---- combining -------------------------------------------------------------------------------------------- */

/* Infinity times 0, and infinity minus infinity, count as 0. */
static double weighed(const struct source *source, double score)
{
    double product = source->weight * score;
    return isnan(product) ? 0 : product;
}

static double aggregated(enum aggregate how, double a, double b)
{
    double sum = a + b;
    switch (how) {
    case MIN: return b < a ? b : a;
    case MAX: return b > a ? b : a;
    default: return isnan(sum) ? 0 : sum;
    }
}

/* Puts a member into the result, or adds to the score that it has there. False when there is no memory. */
static bool gather(struct combine *q, struct slice member, double score)
{
    bool added;
    struct dict_item *it = zset_gather(q->result, member, score, &added);
    if (it != NULL && !added) {
        zset_item_set_score(it, aggregated(q->aggregate, zset_item_score(it), score));
    }
    q->longest = member.len > q->longest ? member.len : q->longest;
    return it != NULL;
}

static bool unite(struct combine *q)
{
    struct slice member;
    double score;
    for (size_t i = 0; i < q->count; i++) {
        struct source_walk walk = {.source = &q->sources[i]};
        while (source_next(&walk, &member, &score)) {
            if (!gather(q, member, weighed(&q->sources[i], score))) {
                return false;
            }
        }
    }
    return true;
}

/* Whether a member of the first source is in all others; *score becomes the score of the intersection. */
static bool in_all(const struct combine *q, struct slice member, double *score)
{
    double other;
    *score = weighed(&q->sources[0], *score);
    for (size_t i = 1; i < q->count; i++) {
        if (!source_score(&q->sources[i], member, &other)) {
            return false;
        }
        *score = aggregated(q->aggregate, *score, q->sources[i].weight * other);
    }
    return true;
}

static bool in_another(const struct combine *q, struct slice member)
{
    double score;
    for (size_t i = 1; i < q->count; i++) {
        if (source_score(&q->sources[i], member, &score)) {
            return true;
        }
    }
    return false;
}

static bool sift(struct combine *q)
{
    struct source_walk walk = {.source = &q->sources[0]};
    struct slice member;
    double score;
    while (source_next(&walk, &member, &score)) {
        bool stays = q->how == DIFFERENCE ? !in_another(q, member) : in_all(q, member, &score);
        if (stays && !gather(q, member, score)) {
            return false;
        }
    }
    return true;
}

/* How many members an intersection has, counted no further than the limit. */
static uint64_t count_intersection(const struct combine *q)
{
    struct source_walk walk = {.source = &q->sources[0]};
    struct slice member;
    double score;
    uint64_t found = 0;
    while ((q->limit == 0 || found < q->limit) && source_next(&walk, &member, &score)) {
        found += in_all(q, member, &score);
    }
    return found;
}

/* ---- arguments -------------------------------------------------------------------------------------------- */

/* Reads WEIGHTS, AGGREGATE, WITHSCORES or LIMIT at argv[*i], which moves to the last word of it. False when it is none,
 * or the error has been replied (*replied). */
static bool take_option(struct call *c, struct combine *q, size_t *i, bool *replied)
{
    struct slice word = c->argv[*i];
    size_t left = c->argc - *i - 1;
    bool weighs = q->how != DIFFERENCE && !q->counts;
    if (weighs && left >= q->count && slice_is(word, "weights")) {
        for (size_t k = 0; k < q->count; k++) {
            struct slice weight = c->argv[++*i];
            if (!number_parse_double(weight.ptr, weight.len, &q->sources[k].weight)) {
                reply_error(c->reply, "ERR weight value is not a float");
                *replied = true;
                return false;
            }
        }
    } else if (weighs && left >= 1 && slice_is(word, "aggregate")) {
        word = c->argv[++*i];
        bool min = slice_is(word, "min");
        bool max = slice_is(word, "max");
        q->aggregate = min ? MIN : max ? MAX : SUM;
        return min || max || slice_is(word, "sum");
    } else if (!q->stores && !q->counts && slice_is(word, "withscores")) {
        q->with_scores = true;
    } else if (q->counts && left >= 1 && slice_is(word, "limit")) {
        int64_t limit;
        *replied = !call_int_range(c, c->argv[++*i], 0, INT64_MAX, "ERR LIMIT can't be negative", &limit);
        q->limit = *replied ? 0 : (uint64_t)limit;
        return !*replied;
    } else {
        return false;
    }
    return true;
}

static bool parse_options(struct call *c, struct combine *q, size_t from)
{
    for (size_t i = from; i < c->argc; i++) {
        bool replied = false;
        if (!take_option(c, q, &i, &replied)) {
            if (!replied) {
                call_syntax_error(c);
            }
            return false;
        }
    }
    return true;
}

/* Looks the keys from argv[first] on up; false when one holds another type, and the error is replied. */
static bool find_sources(struct call *c, struct combine *q, size_t first)
{
    for (size_t i = 0; i < q->count; i++) {
        struct key key = call_key(c, first + i);
        const struct entry *e = key_read(c, &key);
        if (e != NULL && entry_type(e) != TYPE_ZSET && entry_type(e) != TYPE_SET) {
            call_wrong_type(c);
            return false;
        }
        uint64_t count = e != NULL ? type_of(e)->length(e) : 0;
        q->sources[i] = (struct source){e, 1, count, i};
    }
    return true;
}

/* The number of keys at argv[at]. */
static bool parse_count(struct call *c, size_t at, size_t *count)
{
    int64_t keys;
    if (!call_int(c, c->argv[at], &keys)) {
        return false;
    }
    if (keys < 1) {
        reply_errorf(c->reply, "ERR at least 1 input key is needed for '%s' command", c->command->name);
        return false;
    }
    if ((uint64_t)keys > c->argc - at - 1) {
        call_syntax_error(c);
        return false;
    }
    *count = (size_t)keys;
    return true;
}

/* ---- the commands ----------------------------------------------------------------------------------------- */

static bool make_result(struct call *c, struct combine *q)
{
    q->result = zset_value_new(c->server);
    bool made = q->result != NULL && (q->how == UNION ? unite(q) : sift(q)) && zset_order(q->result);
    if (!made) {
        zset_free(q->result);
        call_out_of_memory(c);
    }
    return made;
}

static void reply_result(struct call *c, const struct combine *q)
{
    enum zset_reply_form form = zset_reply_form(c->reply, q->with_scores);
    struct zset_place place = {.at = ztree_at(&q->result->tree, 0)};
    reply_array(c->reply, (int64_t)zset_count(q->result) * (form == ZSET_REPLY_FLAT ? 2 : 1));
    for (; zset_place_is(&place); zset_place_next(&place)) {
        zset_place_reply(c->reply, &place, form);
    }
}

static void finish(struct call *c, struct combine *q)
{
    static const char *const events[] = {"zunionstore", "zinterstore", "zdiffstore"};
    if (q->how != DIFFERENCE) {
        qsort(q->sources, q->count, sizeof *q->sources, by_count);
    }
    if (q->counts) {
        reply_int(c->reply, (int64_t)count_intersection(q));
        return;
    }
    if (!make_result(c, q)) {
        return;
    }
    if (q->stores) {
        struct key to = call_key(c, 1);
        zset_value_store(c, &to, q->result, q->longest, 1, events[q->how]);
    } else {
        reply_result(c, q);
        zset_free(q->result);
    }
}

static void combine(struct call *c, struct combine q)
{
    size_t at = q.stores ? 2 : 1;
    if (!parse_count(c, at, &q.count)) {
        return;
    }
    size_t bytes = q.count * sizeof *q.sources;
    q.sources = mem_alloc(bytes);
    if (q.sources == NULL) {
        call_out_of_memory(c);
        return;
    }
    if (find_sources(c, &q, at + 1) && parse_options(c, &q, at + 1 + q.count)) {
        finish(c, &q);
    }
    mem_free(q.sources, bytes);
}

static void run_zunion(struct call *c)
{
    combine(c, (struct combine){.how = UNION});
}

static void run_zinter(struct call *c)
{
    combine(c, (struct combine){.how = INTERSECTION});
}

static void run_zdiff(struct call *c)
{
    combine(c, (struct combine){.how = DIFFERENCE});
}

static void run_zintercard(struct call *c)
{
    combine(c, (struct combine){.how = INTERSECTION, .counts = true});
}

static void run_zunionstore(struct call *c)
{
    combine(c, (struct combine){.how = UNION, .stores = true});
}

static void run_zinterstore(struct call *c)
{
    combine(c, (struct combine){.how = INTERSECTION, .stores = true});
}

static void run_zdiffstore(struct call *c)
{
    combine(c, (struct combine){.how = DIFFERENCE, .stores = true});
}

/* clang-format off */
#define READS_KEYS                                                                                           \
    .flags = CMD_READONLY | CMD_MOVABLE_KEYS, .keys = {{1, 0, 1, KEY_RO | KEY_ACCESS | KEY_COUNTED}},        \
    .group = GROUP_SORTED_SET
#define STORES_KEYS                                                                                          \
    .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS,                                                     \
    .keys = {{1, 1, 1, KEY_OW | KEY_UPDATE}, {2, 0, 1, KEY_RO | KEY_ACCESS | KEY_COUNTED}},                  \
    .group = GROUP_SORTED_SET
/* clang-format on */

#define OF_UNION \
    "O(N)+O(M*log(M)), N being the number of members in all sources and M of those in the result."
#define OF_INTERSECTION \
    "O(N*K)+O(M*log(M)), N being the number of members in the smallest source, K of sources and M of members in the result."
#define OF_DIFFERENCE \
    "O(N*K)+O(M*log(M)), N being the number of members in the first source, K of sources and M of members in the result."
#define WEIGHED "[WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]"

const struct command zset_combine_commands[] = {
    {
        .name = "zdiff",
        .run = run_zdiff,
        .arity = -3,
        READS_KEYS,
        .since = "6.2.0",
        .complexity = OF_DIFFERENCE,
        .summary = "Returns the members of the first sorted set that are in no other.",
        .syntax = "numkeys key [key ...] [WITHSCORES]",
    },
    {
        .name = "zdiffstore",
        .run = run_zdiffstore,
        .arity = -4,
        STORES_KEYS,
        .since = "6.2.0",
        .complexity = OF_DIFFERENCE,
        .summary = "Stores the members of the first sorted set that are in no other.",
        .syntax = "destination numkeys key [key ...]",
    },
    {
        .name = "zinter",
        .run = run_zinter,
        .arity = -3,
        READS_KEYS,
        .since = "6.2.0",
        .complexity = OF_INTERSECTION,
        .summary = "Returns the members that are in all of several sorted sets.",
        .syntax = "numkeys key [key ...] " WEIGHED " [WITHSCORES]",
    },
    {
        .name = "zintercard",
        .run = run_zintercard,
        .arity = -3,
        READS_KEYS,
        .since = "7.0.0",
        .complexity = "O(N*K), N being the number of members in the smallest source and K of sources.",
        .summary = "Returns the number of members that are in all of several sorted sets.",
        .syntax = "numkeys key [key ...] [LIMIT limit]",
    },
    {
        .name = "zinterstore",
        .run = run_zinterstore,
        .arity = -4,
        STORES_KEYS,
        .since = "2.0.0",
        .complexity = OF_INTERSECTION,
        .summary = "Stores the members that are in all of several sorted sets.",
        .syntax = "destination numkeys key [key ...] " WEIGHED,
    },
    {
        .name = "zunion",
        .run = run_zunion,
        .arity = -3,
        READS_KEYS,
        .since = "6.2.0",
        .complexity = OF_UNION,
        .summary = "Returns the members that are in any of several sorted sets.",
        .syntax = "numkeys key [key ...] " WEIGHED " [WITHSCORES]",
    },
    {
        .name = "zunionstore",
        .run = run_zunionstore,
        .arity = -4,
        STORES_KEYS,
        .since = "2.0.0",
        .complexity = OF_UNION,
        .summary = "Stores the members that are in any of several sorted sets.",
        .syntax = "destination numkeys key [key ...] " WEIGHED,
    },
    {0},
};
