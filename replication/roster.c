/*
 * The roster. Its lag in time needs no clock but this node's: of each member that lacks bytes one place in the log is marked,
 * with the time at which the member was found short of it. Once the member has passed the mark it gets a new one, or none
 * when it has all. So the lag is the age of the mark: it grows while a member stands still, and stays about a round trip
 * while it follows.
 */
#include "replication/roster.h"

#include <stdio.h>
#include <string.h>

/* ---- places (under the lock) ------------------------------------------------------------------------- */

/* Where the ordinal is, or would be. */
static size_t place_of(const struct roster *r, int ordinal)
{
    size_t at = 0;
    while (at < r->count && r->places[at].member.ordinal < ordinal) {
        at++;
    }
    return at;
}

static struct roster_place *find(struct roster *r, int ordinal)
{
    size_t at = place_of(r, ordinal);
    return at < r->count && r->places[at].member.ordinal == ordinal ? &r->places[at] : NULL;
}

static struct roster_place *find_master(struct roster *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->places[i].member.role == ROSTER_MASTER) {
            return &r->places[i];
        }
    }
    return NULL;
}

static bool insert(struct roster *r, int ordinal, const struct endpoint *endpoint)
{
    size_t at = place_of(r, ordinal);
    if (r->count == ROSTER_MEMBERS) {
        return false;
    }
    struct roster_place *place = &r->places[at];
    memmove(place + 1, place, (r->count - at) * sizeof *place);
    *place = (struct roster_place){.member = {.ordinal = ordinal, .port = endpoint->port, .offset = -1}};
    memcpy(place->member.host, endpoint->host, sizeof place->member.host);
    r->count++;
    return true;
}

static void take_out(struct roster *r, size_t at)
{
    struct roster_place *place = &r->places[at];
    r->count--;
    memmove(place, place + 1, (r->count - at) * sizeof *place);
}

static bool add(struct roster *r, int ordinal)
{
    struct endpoint endpoint = {0};
    if (find(r, ordinal) != NULL) {
        return true;
    }
    return r->identity.kind == IDENTITY_POD && ordinal >= 0 && ordinal <= IDENTITY_ORDINAL_MAX &&
           identity_member(&r->identity, ordinal, &endpoint) && insert(r, ordinal, &endpoint);
}

/* ---- lag (under the lock) ---------------------------------------------------------------------------- */

/* After the offset of a member, or of the master, has changed. */
static void mark(struct roster_place *place, int64_t end, int64_t now)
{
    int64_t offset = place->member.offset;
    if (end < 0 || offset < 0 || offset >= end) {
        place->mark_time = 0;
    } else if (place->mark_time == 0 || offset >= place->mark_offset) {
        place->mark_offset = end;
        place->mark_time = now;
    }
}

static void mark_all(struct roster *r, int64_t end, int64_t now)
{
    for (size_t i = 0; i < r->count; i++) {
        mark(&r->places[i], end, now);
    }
}

static int64_t end_of(struct roster *r)
{
    const struct roster_place *master = find_master(r);
    return master != NULL ? master->member.offset : -1;
}

static struct roster_member copy(const struct roster_place *place, int64_t end, int64_t now)
{
    struct roster_member member = place->member;
    bool known = end >= 0 && member.offset >= 0;
    int64_t lag = end > member.offset ? end - member.offset : 0;
    int64_t age = now > place->mark_time ? now - place->mark_time : 0;
    member.lag_bytes = known ? lag : -1;
    member.lag_ms = !known ? -1 : lag == 0 || place->mark_time == 0 ? 0 : age;
    return member;
}

/* ---- life -------------------------------------------------------------------------------------------- */

static bool name_member(const void *identity, int number, struct lookup_target *out)
{
    struct endpoint member = {.port = 0};
    bool named = identity_member(identity, number, &member);
    if (named) {
        memcpy(out->host, member.host, sizeof out->host);
        out->port = member.port;
    }
    return named;
}

void roster_init(struct roster *r, const struct identity *identity)
{
    *r = (struct roster){.identity = *identity};
    uv_mutex_init(&r->lock);
    r->namer = (struct lookup_namer){name_member, &r->identity, ROSTER_NAMED};
    for (size_t i = 0; identity->kind == IDENTITY_LISTED && i < identity->count; i++) {
        insert(r, (int)i, &identity->listed[i]);
    }
    if (identity->kind == IDENTITY_POD) {
        add(r, 0);
        add(r, identity->ordinal);
    }
    roster_set_master(r, 0);
}

void roster_free(struct roster *r)
{
    uv_mutex_destroy(&r->lock);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

void roster_view(struct roster *r, int64_t now, struct roster_view *view)
{
    view->kind = r->identity.kind;
    view->self = r->identity.ordinal;
    uv_mutex_lock(&r->lock);
    int64_t end = end_of(r);
    for (size_t i = 0; i < r->count; i++) {
        view->members[i] = copy(&r->places[i], end, now);
    }
    view->count = r->count;
    uv_mutex_unlock(&r->lock);
}

size_t roster_count(struct roster *r)
{
    uv_mutex_lock(&r->lock);
    size_t count = r->count;
    uv_mutex_unlock(&r->lock);
    return count;
}

bool roster_member(struct roster *r, int ordinal, int64_t now, struct roster_member *out)
{
    uv_mutex_lock(&r->lock);
    const struct roster_place *place = find(r, ordinal);
    if (place != NULL) {
        *out = copy(place, end_of(r), now);
    }
    uv_mutex_unlock(&r->lock);
    return place != NULL;
}

bool roster_master(struct roster *r, int64_t now, struct roster_member *out)
{
    uv_mutex_lock(&r->lock);
    const struct roster_place *place = find_master(r);
    if (place != NULL) {
        *out = copy(place, place->member.offset, now);
    }
    uv_mutex_unlock(&r->lock);
    return place != NULL;
}

const char *roster_service(const struct roster *r)
{
    return r->identity.kind == IDENTITY_POD ? r->identity.service : NULL;
}

bool roster_lookup(struct roster *r, int ordinal, struct lookup *lookup, lookup_done done)
{
    struct roster_member member;
    char name[IDENTITY_HOST_SIZE + 1];
    if (!roster_member(r, ordinal, 0, &member)) {
        return false;
    }
    snprintf(name, sizeof name, "%s%s", member.host, r->identity.kind == IDENTITY_POD ? "." : "");
    lookup_host(lookup, name, member.port, done);
    return true;
}

void roster_lookup_service(struct roster *r, struct lookup *lookup, lookup_done done)
{
    lookup_members(lookup, r->identity.service, &r->namer, done);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

/* Lags are counted from now on by another's offset, so old marks mean nothing. */
static void change_master(struct roster *r, struct roster_place *place)
{
    struct roster_place *before = find_master(r);
    if (before == place) {
        return;
    }
    if (before != NULL) {
        before->member.role = ROSTER_REPLICA;
    }
    if (place != NULL) {
        place->member.role = ROSTER_MASTER;
    }
    for (size_t i = 0; i < r->count; i++) {
        r->places[i].mark_time = 0;
    }
}

bool roster_set_master(struct roster *r, int ordinal)
{
    uv_mutex_lock(&r->lock);
    struct roster_place *place = find(r, ordinal);
    if (place != NULL) {
        change_master(r, place);
    }
    uv_mutex_unlock(&r->lock);
    return place != NULL;
}

void roster_set_no_master(struct roster *r)
{
    uv_mutex_lock(&r->lock);
    change_master(r, NULL);
    uv_mutex_unlock(&r->lock);
}

bool roster_set_state(struct roster *r, int ordinal, enum roster_state state)
{
    uv_mutex_lock(&r->lock);
    struct roster_place *place = find(r, ordinal);
    if (place != NULL) {
        place->member.state = state;
    }
    uv_mutex_unlock(&r->lock);
    return place != NULL;
}

bool roster_seen(struct roster *r, int ordinal, int64_t offset, int64_t now)
{
    uv_mutex_lock(&r->lock);
    struct roster_place *place = find(r, ordinal);
    if (place != NULL) {
        place->member.offset = offset;
        place->member.last_seen = now;
        if (place->member.role == ROSTER_MASTER) {
            mark_all(r, offset, now);
        } else {
            mark(place, end_of(r), now);
        }
    }
    uv_mutex_unlock(&r->lock);
    return place != NULL;
}

/* ---- a pod's members --------------------------------------------------------------------------------- */

bool roster_add(struct roster *r, int ordinal)
{
    uv_mutex_lock(&r->lock);
    bool done = r->identity.kind == IDENTITY_POD && add(r, ordinal);
    uv_mutex_unlock(&r->lock);
    return done;
}

static bool is_listed(const struct roster *r, int ordinal, const struct lookup_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (identity_ordinal_of(&r->identity, targets[i].host) == ordinal) {
            return true;
        }
    }
    return false;
}

/* Ordinal 0 stays in any case: it is whom the others look for. */
static bool may_leave(const struct roster *r, const struct roster_member *member)
{
    return member->ordinal != r->identity.ordinal && member->ordinal != 0 && member->role != ROSTER_MASTER &&
           (member->state == ROSTER_UNKNOWN || member->state == ROSTER_GONE);
}

static int drop_unlisted(struct roster *r, const struct lookup_target *targets, size_t count)
{
    int dropped = 0;
    for (size_t i = r->count; i-- > 0;) {
        const struct roster_member *member = &r->places[i].member;
        if (may_leave(r, member) && !is_listed(r, member->ordinal, targets, count)) {
            take_out(r, i);
            dropped++;
        }
    }
    return dropped;
}

int roster_take_service(struct roster *r, const struct lookup_target *targets, size_t count)
{
    if (r->identity.kind != IDENTITY_POD) {
        return 0;
    }
    uv_mutex_lock(&r->lock);
    int changed = drop_unlisted(r, targets, count);
    for (size_t i = 0; i < count; i++) {
        size_t before = r->count;
        add(r, identity_ordinal_of(&r->identity, targets[i].host));
        changed += r->count > before;
    }
    uv_mutex_unlock(&r->lock);
    return changed;
}
