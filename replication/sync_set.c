#include "replication/sync_set.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

/* How much longer the master takes a lease for than the replica does. */
static int64_t margin(int64_t lease)
{
    enum { DRIFT = 64, LEAST_MS = 2 };
    return lease / DRIFT + LEAST_MS;
}

static struct sync_member *find(struct sync_set *set, struct slice id)
{
    for (int i = 0; i < set->count; i++) {
        struct sync_member *member = &set->members[i];
        if (slice_equal(id, (struct slice){member->id, strlen(member->id)})) {
            return member;
        }
    }
    return NULL;
}

static void drop(struct sync_set *set, struct sync_member *member)
{
    *member = set->members[--set->count];
}

void sync_set_init(struct sync_set *set, int64_t now, int64_t lease)
{
    memset(set, 0, sizeof *set);
    pthread_mutex_init(&set->lock, NULL);
    if (lease > 0) {
        set->members[set->count++] =
            (struct sync_member){.lease_end = now + lease + margin(lease), .granted = true};
    }
}

void sync_set_free(struct sync_set *set)
{
    pthread_mutex_destroy(&set->lock);
}

bool sync_set_join(struct sync_set *set, struct slice id, uint64_t acked, uint64_t log_end, int64_t now,
                   int64_t lease)
{
    pthread_mutex_lock(&set->lock);
    struct sync_member *member = find(set, id);
    bool fits = id.len <= SYNC_SET_ID && id.len > 0 && (member != NULL || set->count < SYNC_SET_MOST);
    if (fits && member == NULL) {
        member = &set->members[set->count++];
        *member = (struct sync_member){.joined = log_end, .lease_end = now + lease};
        memcpy(member->id, id.ptr, id.len);
    }
    if (fits) {
        member->acked = acked;
        member->attached = true;
    }
    pthread_mutex_unlock(&set->lock);
    return fits;
}

bool sync_set_acked(struct sync_set *set, struct slice id, uint64_t offset)
{
    pthread_mutex_lock(&set->lock);
    struct sync_member *member = find(set, id);
    if (member != NULL && offset > member->acked) {
        member->acked = offset;
    }
    pthread_mutex_unlock(&set->lock);
    return member != NULL;
}

bool sync_set_grant(struct sync_set *set, struct slice id, uint64_t sent, int64_t now, int64_t lease)
{
    pthread_mutex_lock(&set->lock);
    struct sync_member *member = find(set, id);
    bool may = member != NULL && member->attached && sent >= member->joined;
    if (may) {
        member->lease_end = now + lease + margin(lease);
        member->granted = true;
    }
    pthread_mutex_unlock(&set->lock);
    return may;
}

/* Who was never granted a lease answers nothing. */
void sync_set_detach(struct sync_set *set, struct slice id)
{
    pthread_mutex_lock(&set->lock);
    struct sync_member *member = find(set, id);
    if (member != NULL && !member->granted) {
        drop(set, member);
    } else if (member != NULL) {
        member->attached = false;
    }
    pthread_mutex_unlock(&set->lock);
}

void sync_set_leave(struct sync_set *set, struct slice id)
{
    pthread_mutex_lock(&set->lock);
    struct sync_member *member = find(set, id);
    if (member != NULL) {
        drop(set, member);
    }
    pthread_mutex_unlock(&set->lock);
}

int sync_set_expire(struct sync_set *set, int64_t now)
{
    int dropped = 0;
    pthread_mutex_lock(&set->lock);
    for (int i = set->count - 1; i >= 0; i--) {
        struct sync_member *member = &set->members[i];
        if (member->lease_end <= now) {
            set->dropped += member->id[0] != '\0';
            drop(set, member);
            dropped++;
        }
    }
    pthread_mutex_unlock(&set->lock);
    return dropped;
}

/* The greatest first. */
static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

/* What `replicas` of the members have. With too few of them: nothing new. */
static uint64_t had_by(const struct sync_set *set, int replicas)
{
    uint64_t acked[SYNC_SET_MOST] = {0};
    for (int i = 0; i < set->count; i++) {
        acked[i] = set->members[i].acked;
    }
    qsort(acked, (size_t)set->count, sizeof *acked, compare);
    return replicas <= 0 ? LOG_ALL : replicas <= set->count ? acked[replicas - 1] : 0;
}

uint64_t sync_set_mark(struct sync_set *set, enum write_ack level, int replicas)
{
    pthread_mutex_lock(&set->lock);
    uint64_t had = level == WRITE_ACK_MASTER ? LOG_ALL
                   : level == WRITE_ACK_ALL  ? had_by(set, set->count)
                                             : had_by(set, replicas);
    if (had != LOG_ALL && had > set->mark) {
        set->mark = had;
    }
    uint64_t mark = had == LOG_ALL ? LOG_ALL : set->mark;
    pthread_mutex_unlock(&set->lock);
    return mark;
}

int sync_set_attached(struct sync_set *set)
{
    int attached = 0;
    pthread_mutex_lock(&set->lock);
    for (int i = 0; i < set->count; i++) {
        attached += set->members[i].attached;
    }
    pthread_mutex_unlock(&set->lock);
    return attached;
}

bool sync_set_find(struct sync_set *set, struct slice id, struct sync_member *member)
{
    pthread_mutex_lock(&set->lock);
    const struct sync_member *found = find(set, id);
    if (found != NULL) {
        *member = *found;
    }
    pthread_mutex_unlock(&set->lock);
    return found != NULL;
}
