/*
 * Positions of members of sorted sets: GEOADD, GEODIST, GEOHASH, GEOPOS. (Searches: geo_search.c.)
 */
#include "commands/geo.h"

#include <math.h>
#include <stdio.h>

#include "commands/change.h"
#include "commands/groups.h"
#include "types/number.h"

bool geo_number(struct call *c, struct slice arg, const char *error, double *value)
{
    if (!number_parse_double(arg.ptr, arg.len, value)) {
        reply_error(c->reply, error);
        return false;
    }
    return true;
}

bool geo_position(struct call *c, size_t at, struct position *p)
{
    static const char error[] = "ERR value is not a valid float";
    if (!geo_number(c, c->argv[at], error, &p->longitude) ||
        !geo_number(c, c->argv[at + 1], error, &p->latitude)) {
        return false;
    }
    if (!position_valid(*p)) {
        reply_errorf(c->reply, "ERR invalid longitude,latitude pair %f,%f", p->longitude, p->latitude);
        return false;
    }
    return true;
}

bool geo_unit(struct call *c, struct slice word, double *metres)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (slice_is(word, units[i].name)) {
            *metres = units[i].metres;
            return true;
        }
    }
    reply_error(c->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_member(const struct entry *e, struct slice member, struct position *p)
{
    double score;
    if (e == NULL || !zset_value_score(e, member, &score)) {
        return false;
    }
    *p = geohash_position(score);
    return true;
}

void geo_reply_distance(struct reply *r, double distance)
{
    long long parts = llrint(distance * 10000);
    reply_bulkf(r, "%lld.%04lld", parts / 10000, parts % 10000);
}

/* A coordinate has more digits than other doubles: 17 behind the point. */
static void reply_coordinate(struct reply *r, double value)
{
    char text[NUMBER_LONG_DOUBLE_MAX_CHARS];
    size_t len = number_format_long_double_human(text, value);
    if (r->resp == 2) {
        reply_bulk(r, text, len);
        return;
    }
    REPLY_LITERAL(r, ",");
    reply_raw(r, text, len);
    REPLY_LITERAL(r, "\r\n");
}

void geo_reply_position(struct reply *r, struct position p)
{
    reply_array(r, 2);
    reply_coordinate(r, p.longitude);
    reply_coordinate(r, p.latitude);
}

/* ---- GEOADD ------------------------------------------------------------------------------------------- */

struct add {
    unsigned flags; /* enum zset_flag */
    bool count_changed;
    size_t first; /* the first longitude in argv */
};

static bool parse_add(struct call *c, struct add *add)
{
    struct position p;
    size_t i = 2;
    for (; i < c->argc; i++) {
        if (slice_is(c->argv[i], "nx")) {
            add->flags |= ZSET_NX;
        } else if (slice_is(c->argv[i], "xx")) {
            add->flags |= ZSET_XX;
        } else if (slice_is(c->argv[i], "ch")) {
            add->count_changed = true;
        } else {
            break;
        }
    }
    add->first = i;
    if (i == c->argc || (c->argc - i) % 3 != 0 || add->flags == (ZSET_NX | ZSET_XX)) {
        call_syntax_error(c);
        return false;
    }
    for (; i < c->argc; i += 3) {
        if (!geo_position(c, i, &p)) {
            return false;
        }
    }
    return true;
}

/* The arguments have been checked: so nothing is set when one of them is wrong. */
static double score_at(const struct call *c, size_t at)
{
    struct position p = {0, 0};
    number_parse_double(c->argv[at].ptr, c->argv[at].len, &p.longitude);
    number_parse_double(c->argv[at + 1].ptr, c->argv[at + 1].len, &p.latitude);
    return geohash_score(p);
}

static void run_geoadd(struct call *c)
{
    struct add add = {.flags = 0};
    struct key key = call_key(c, 1);
    enum zset_result result = ZSET_SAME;
    int64_t added = 0, changed = 0;
    bool wrong;
    if (!parse_add(c, &add)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    for (size_t i = add.first; i < c->argc && result != ZSET_NO_MEMORY; i += 3) {
        double score = score_at(c, i);
        result = zset_value_put(c, &key, &e, c->argv[i + 2], &score, add.flags);
        added += result == ZSET_ADDED;
        changed += result == ZSET_CHANGED;
    }
    if (added + changed > 0) {
        key_changed(c, &key, (uint64_t)(added + changed), EVENT_ZSET, "zadd");
    }
    if (result != ZSET_NO_MEMORY) {
        reply_int(c->reply, add.count_changed ? added + changed : added);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static void run_geodist(struct call *c)
{
    struct key key = call_key(c, 1);
    struct position a, b;
    double unit = 1;
    bool wrong;
    if (c->argc > 5) {
        call_syntax_error(c);
        return;
    }
    if (c->argc == 5 && !geo_unit(c, c->argv[4], &unit)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    if (geo_member(e, c->argv[2], &a) && geo_member(e, c->argv[3], &b)) {
        geo_reply_distance(c->reply, position_distance(a, b) / unit);
    } else {
        reply_null(c->reply);
    }
}

static void run_geohash(struct call *c)
{
    struct key key = call_key(c, 1);
    struct position p;
    char text[GEOHASH_TEXT_LEN];
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        if (geo_member(e, c->argv[i], &p)) {
            geohash_text(p, text);
            reply_bulk(c->reply, text, sizeof text);
        } else {
            reply_null(c->reply);
        }
    }
}

static void run_geopos(struct call *c)
{
    struct key key = call_key(c, 1);
    struct position p;
    bool wrong;
    const struct entry *e = key_read_type(c, &key, TYPE_ZSET, &wrong);
    if (wrong) {
        return;
    }
    reply_array(c->reply, (int64_t)c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        if (geo_member(e, c->argv[i], &p)) {
            geo_reply_position(c->reply, p);
        } else {
            reply_null_array(c->reply);
        }
    }
}

const struct command geo_commands[] = {
    {
        .name = "geoadd",
        .run = run_geoadd,
        .arity = -5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_UPDATE}},
        .group = GROUP_GEO,
        .since = "3.2.0",
        .complexity = "O(log(N)) for each member, N being the number of members in the sorted set.",
        .summary = "Adds members with their positions to a sorted set, or gives those that are there others.",
        .syntax = "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        .history = "6.2.0\tThe options `CH`, `NX` and `XX`.",
    },
    {
        .name = "geodist",
        .run = run_geodist,
        .arity = -4,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "3.2.0",
        .complexity = "O(1)",
        .summary = "Returns the distance between the positions of two members.",
        .syntax = "key member1 member2 [M | KM | FT | MI]",
    },
    {
        .name = "geohash",
        .run = run_geohash,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "3.2.0",
        .complexity = "O(1) for each member.",
        .summary = "Returns the positions of members as standard geohashes.",
        .syntax = "key [member [member ...]]",
    },
    {
        .name = "geopos",
        .run = run_geopos,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GEO,
        .since = "3.2.0",
        .complexity = "O(1) for each member.",
        .summary = "Returns longitudes and latitudes of members.",
        .syntax = "key [member [member ...]]",
    },
    {0},
};
