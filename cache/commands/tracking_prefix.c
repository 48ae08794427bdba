#include "commands/tracking_prefix.h"

#include "commands/tracking.h"
#include "memory.h"

bool prefix_overlaps(struct slice a, struct slice b)
{
    return memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len) == 0;
}

static struct prefix *find(const struct prefixes *prefixes, struct slice name)
{
    struct prefix *prefix = prefixes->first;
    while (prefix != NULL && !slice_equal(prefix_name(prefix), name)) {
        prefix = prefix->next;
    }
    return prefix;
}

static struct prefix *prefix_new(struct prefixes *prefixes, struct slice name)
{
    struct prefix *prefix = mem_alloc(sizeof *prefix + name.len);
    if (prefix != NULL) {
        *prefix = (struct prefix){.next = prefixes->first, .len = name.len};
        memcpy(prefix->name, name.ptr, name.len);
        prefixes->first = prefix;
        prefixes->count++;
    }
    return prefix;
}

static void prefix_free(struct prefixes *prefixes, struct prefix *prefix)
{
    struct prefix **link = &prefixes->first;
    while (*link != prefix) {
        link = &(*link)->next;
    }
    *link = prefix->next;
    prefixes->count--;
    mem_free(prefix, sizeof *prefix + prefix->len);
}

bool prefix_add(struct prefixes *prefixes, struct tracker *tracker, struct slice name)
{
    for (const struct membership *m = tracker->first; m != NULL; m = m->next_of_tracker) {
        if (slice_equal(prefix_name(m->prefix), name)) {
            return true;
        }
    }
    struct membership *m = mem_alloc(sizeof *m);
    if (m == NULL) {
        return false;
    }
    struct prefix *prefix = find(prefixes, name);
    prefix = prefix != NULL ? prefix : prefix_new(prefixes, name);
    if (prefix == NULL) {
        mem_free(m, sizeof *m);
        return false;
    }
    *m = (struct membership){.prefix = prefix, .tracker = tracker, .next = prefix->first};
    if (prefix->first != NULL) {
        prefix->first->previous = m;
    }
    prefix->first = m;
    *(tracker->last != NULL ? &tracker->last->next_of_tracker : &tracker->first) = m;
    tracker->last = m;
    return true;
}

void prefix_leave_all(struct prefixes *prefixes, struct tracker *tracker)
{
    struct membership *next;
    for (struct membership *m = tracker->first; m != NULL; m = next) {
        next = m->next_of_tracker;
        *(m->previous != NULL ? &m->previous->next : &m->prefix->first) = m->next;
        if (m->next != NULL) {
            m->next->previous = m->previous;
        }
        if (m->prefix->first == NULL) {
            prefix_free(prefixes, m->prefix);
        }
        mem_free(m, sizeof *m);
    }
    tracker->first = tracker->last = NULL;
}
