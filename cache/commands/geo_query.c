#include "commands/geo_query.h"

#include "commands/geo.h"

/* What became of an option: it is none of these, its words were taken, or an error was replied. */
enum taken { TAKEN_NOT, TAKEN, TAKEN_WRONG };

struct parser {
    struct call *c;
    enum geo_form form;
    bool may_store;
    const struct entry *e;
    struct geo_query *query;
    size_t at; /* the option's word; moved to the last of its words */
    bool from_member, from_position;
};

static bool is_search(const struct parser *p)
{
    return p->form == GEO_SEARCH || p->form == GEO_SEARCH_STORE;
}

/* Whether the option has this name and at least so many words behind it, of which the call takes that many. */
static bool option(struct parser *p, const char *name, size_t words)
{
    return slice_is(p->c->argv[p->at], name) && p->at + words < p->c->argc;
}

static enum taken take(struct parser *p, size_t words, bool good)
{
    p->at += words;
    return good ? TAKEN : TAKEN_WRONG;
}

/* ---- centre and shape --------------------------------------------------------------------------------- */

static bool read_member(const struct parser *p, size_t at)
{
    if (p->e != NULL && !geo_member(p->e, p->c->argv[at], &p->query->shape.center)) {
        reply_error(p->c->reply, "ERR could not decode requested zset member");
        return false;
    }
    return true;
}

static bool read_radius(const struct parser *p, size_t at)
{
    struct geo_shape *shape = &p->query->shape;
    shape->box = false;
    if (!geo_number(p->c, p->c->argv[at], "ERR need numeric radius", &shape->radius)) {
        return false;
    }
    if (shape->radius < 0) {
        reply_error(p->c->reply, "ERR radius cannot be negative");
        return false;
    }
    return geo_unit(p->c, p->c->argv[at + 1], &shape->unit);
}

static bool read_box(const struct parser *p, size_t at)
{
    struct geo_shape *shape = &p->query->shape;
    shape->box = true;
    if (!geo_number(p->c, p->c->argv[at], "ERR need numeric width", &shape->width) ||
        !geo_number(p->c, p->c->argv[at + 1], "ERR need numeric height", &shape->height)) {
        return false;
    }
    if (shape->width < 0 || shape->height < 0) {
        reply_error(p->c->reply, "ERR height or width cannot be negative");
        return false;
    }
    return geo_unit(p->c, p->c->argv[at + 2], &shape->unit);
}

static enum taken take_center(struct parser *p)
{
    if (!p->from_position && option(p, "frommember", 1)) {
        p->from_member = true;
        return take(p, 1, read_member(p, p->at + 1));
    }
    if (!p->from_member && option(p, "fromlonlat", 2)) {
        p->from_position = true;
        return take(p, 2, geo_position(p->c, p->at + 1, &p->query->shape.center));
    }
    return TAKEN_NOT;
}

static enum taken take_shape(struct parser *p)
{
    const struct geo_shape *shape = &p->query->shape;
    bool none = shape->unit == 0;
    if ((none || !shape->box) && option(p, "byradius", 2)) {
        return take(p, 2, read_radius(p, p->at + 1));
    }
    if ((none || shape->box) && option(p, "bybox", 3)) {
        return take(p, 3, read_box(p, p->at + 1));
    }
    return TAKEN_NOT;
}

/* ---- options ------------------------------------------------------------------------------------------ */

static enum taken take_flag(struct parser *p)
{
    struct geo_query *query = p->query;
    if (option(p, "withdist", 0)) {
        query->with_distance = true;
    } else if (option(p, "withhash", 0)) {
        query->with_hash = true;
    } else if (option(p, "withcoord", 0)) {
        query->with_position = true;
    } else if (option(p, "any", 0)) {
        query->any = true;
    } else if (option(p, "asc", 0)) {
        query->sort = GEO_NEAREST;
    } else if (option(p, "desc", 0)) {
        query->sort = GEO_FARTHEST;
    } else {
        return TAKEN_NOT;
    }
    return TAKEN;
}

static enum taken take_count(struct parser *p)
{
    if (!option(p, "count", 1)) {
        return TAKEN_NOT;
    }
    if (!call_int(p->c, p->c->argv[p->at + 1], &p->query->count)) {
        return TAKEN_WRONG;
    }
    if (p->query->count <= 0) {
        reply_error(p->c->reply, "ERR COUNT must be > 0");
        return TAKEN_WRONG;
    }
    return take(p, 1, true);
}

static enum taken take_store(struct parser *p)
{
    if (p->form == GEO_SEARCH_STORE && option(p, "storedist", 0)) {
        p->query->store_distance = true;
        return TAKEN;
    }
    bool distance = option(p, "storedist", 1);
    if (is_search(p) || !p->may_store || !(distance || option(p, "store", 1))) {
        return TAKEN_NOT;
    }
    p->query->store_distance = distance;
    p->query->store = p->at + 1;
    return take(p, 1, true);
}

static enum taken take_option(struct parser *p)
{
    enum taken taken = take_flag(p);
    if (taken == TAKEN_NOT) {
        taken = take_count(p);
    }
    if (taken == TAKEN_NOT) {
        taken = take_store(p);
    }
    if (taken == TAKEN_NOT && is_search(p)) {
        taken = take_center(p);
    }
    return taken == TAKEN_NOT && is_search(p) ? take_shape(p) : taken;
}

static bool take_options(struct parser *p)
{
    for (; p->at < p->c->argc; p->at++) {
        enum taken taken = take_option(p);
        if (taken == TAKEN_NOT) {
            call_syntax_error(p->c);
        }
        if (taken != TAKEN) {
            return false;
        }
    }
    return true;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

/* What stands before the options. */
static bool take_fixed(struct parser *p)
{
    switch (p->form) {
    case GEO_SEARCH: p->at = 2; return true;
    case GEO_SEARCH_STORE:
        p->at = 3;
        p->query->store = 1;
        return true;
    case GEO_RADIUS: p->at = 6; return geo_position(p->c, 2, &p->query->shape.center) && read_radius(p, 4);
    case GEO_RADIUS_MEMBER: p->at = 5; return p->e == NULL || (read_member(p, 2) && read_radius(p, 3));
    }
    return false;
}

/* What is missing, or does not go together. */
static bool check(const struct parser *p)
{
    const struct geo_query *query = p->query;
    struct reply *r = p->c->reply;
    struct slice name = p->c->argv[0];
    if (query->store > 0 && (query->with_distance || query->with_hash || query->with_position)) {
        reply_errorf(r, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     is_search(p) ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    } else if (is_search(p) && !p->from_member && !p->from_position) {
        reply_errorf(r, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                     (int)name.len, name.ptr);
    } else if (is_search(p) && query->shape.unit == 0) {
        reply_errorf(r, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", (int)name.len,
                     name.ptr);
    } else if (query->any && query->count == 0) {
        reply_error(r, "ERR the ANY argument requires COUNT argument");
    } else {
        return true;
    }
    return false;
}

bool geo_query_parse(struct call *c, enum geo_form form, bool may_store, const struct entry *e,
                     struct geo_query *query)
{
    struct parser p = {.c = c, .form = form, .may_store = may_store, .e = e, .query = query};
    *query = (struct geo_query){.sort = GEO_UNSORTED};
    return take_fixed(&p) && take_options(&p) && check(&p);
}
