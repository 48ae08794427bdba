#include "commands/tracking_message.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands/client.h"
#include "commands/outbox.h"
#include "memory.h"

/* A key that was changed, for clients in BCAST mode. */
struct changed {
    int64_t by; /* id of the client that did it, or 0 */
    size_t len;
    size_t order; /* of its change among the others */
    char *name;
};

struct broadcast {
    struct changed *items;
    size_t count, cap;
    bool lost; /* there was no memory to note some key */
};

enum { KEEP_ITEMS = 1024 };

void tracking_message_init(struct server *server)
{
    for (int i = 0; i <= server->net.count; i++) {
        server->workers[i].broadcast = mem_must(sizeof(struct broadcast));
        *server->workers[i].broadcast = (struct broadcast){0};
    }
}

static void empty(struct broadcast *b, size_t keep)
{
    for (size_t i = 0; i < b->count; i++) {
        mem_free(b->items[i].name, b->items[i].len + 1);
    }
    b->count = 0;
    b->lost = false;
    if (b->cap > keep) {
        mem_free(b->items, b->cap * sizeof *b->items);
        *b = (struct broadcast){0};
    }
}

void tracking_message_free(struct server *server)
{
    for (int i = 0; i <= server->net.count; i++) {
        empty(server->workers[i].broadcast, 0);
        mem_free(server->workers[i].broadcast, sizeof(struct broadcast));
    }
}

/* ---- one message --------------------------------------------------------------------------------------- */

/* The body of a message in both forms in which it is sent, made when they are first needed. */
struct message_forms {
    struct slice body;
    bool failed;             /* there was no memory for the body */
    struct push *direct;     /* to the client itself: a push of RESP3 */
    struct push *redirected; /* to another one, which RESP2 reaches as a subscriber */
};

#define DIRECT     ">2\r\n$10\r\ninvalidate\r\n"
#define REDIRECTED "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"

/* NULL: no memory. */
static struct push *form_of(struct message_forms *forms, bool redirected)
{
    struct push **push = redirected ? &forms->redirected : &forms->direct;
    if (*push == NULL && !forms->failed) {
        *push = push_new(redirected ? SLICE(REDIRECTED) : SLICE(""), SLICE(DIRECT), forms->body.len);
        if (*push != NULL) {
            (*push)->if_subscribed = redirected;
            memcpy(push_body(*push), forms->body.ptr, forms->body.len);
        }
    }
    return *push;
}

static void forms_drop(struct message_forms *forms)
{
    if (forms->direct != NULL) {
        push_drop(forms->direct);
    }
    if (forms->redirected != NULL) {
        push_drop(forms->redirected);
    }
}

/* Sends a push, or NULL where there was no memory for it. A tracker that misses one is closed by its loop before long
 * (client_limits.c). */
static void send_push(struct worker *w, struct tracker *tracker, struct push *push, struct tracker *target)
{
    if (push == NULL || !outbox_add(w, push, &target->address)) {
        atomic_store_explicit(&tracker->missed, true, memory_order_relaxed);
    }
}

/* Tells a client that its messages reach nobody any more, each time when one would have been sent. */
static void send_broken(struct worker *w, struct tracker *tracker)
{
    char body[32];
    int len = snprintf(body, sizeof body, ":%lld\r\n", (long long)tracker->redirect);
    struct push *push = push_new(SLICE(""), SLICE(">2\r\n$21\r\ntracking-redir-broken\r\n"), (size_t)len);
    atomic_store_explicit(&tracker->broken, true, memory_order_relaxed);
    if (push != NULL) {
        memcpy(push_body(push), body, (size_t)len);
    }
    send_push(w, tracker, push, tracker);
    if (push != NULL) {
        push_drop(push);
    }
}

/* Sends a message to a tracker, or where that one redirects it to. */
static void send_to(struct worker *w, struct tracker *tracker, struct message_forms *forms)
{
    struct tracker *target = tracker;
    if (tracker->redirect != 0) {
        target = tracker_find(w->server, tracker->redirect);
        if (target == NULL) {
            send_broken(w, tracker);
            return;
        }
    }
    send_push(w, tracker, form_of(forms, tracker->redirect != 0), target);
}

/* ---- keys of the table ----------------------------------------------------------------------------------- */

void tracking_send_key(struct worker *w, const struct client *by, const struct tracked_key *key)
{
    struct reply body = {.resp = 2};
    reply_array(&body, 1);
    reply_bulk(&body, key->name, key->len);
    struct message_forms forms = {.body = {body.data, body.len}, .failed = body.failed};
    for (uint32_t i = 0; i < key->count; i++) {
        struct tracker *tracker = tracker_find(w->server, key->ids[i]);
        if (tracker == NULL || !tracker->on || (tracker->options & TRACKING_BCAST) != 0 ||
            ((tracker->options & TRACKING_NOLOOP) != 0 && tracker->client == by)) {
            continue;
        }
        send_to(w, tracker, &forms);
    }
    forms_drop(&forms);
    reply_free(&body);
}

/* Null in the protocol of the client that tracks, even where another one gets it: as Redis has it. */
void tracking_send_flush(struct worker *w, struct tracker *tracker)
{
    bool resp2 = tracker->client->conn->resp == 2;
    struct message_forms forms = {.body = resp2 ? SLICE("$-1\r\n") : SLICE("_\r\n")};
    send_to(w, tracker, &forms);
    forms_drop(&forms);
}

/* ---- broadcast ------------------------------------------------------------------------------------------- */

bool tracking_broadcast_pending(const struct worker *w)
{
    return w->broadcast->count > 0 || w->broadcast->lost;
}

void tracking_broadcast_key(struct worker *w, const struct client *by, struct slice name)
{
    struct broadcast *b = w->broadcast;
    if (b->count == b->cap) {
        size_t cap = b->cap > 0 ? b->cap * 2 : 16;
        struct changed *items = mem_realloc(b->items, b->cap * sizeof *items, cap * sizeof *items);
        if (items == NULL) {
            b->lost = true;
            return;
        }
        b->items = items;
        b->cap = cap;
    }
    char *copy = mem_alloc(name.len + 1);
    if (copy == NULL) {
        b->lost = true;
        return;
    }
    memcpy(copy, name.ptr, name.len);
    b->items[b->count] = (struct changed){by != NULL ? by->id : 0, name.len, b->count, copy};
    b->count++;
}

static int by_name(const void *left, const void *right)
{
    const struct changed *a = left;
    const struct changed *b = right;
    int order = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
    if (order == 0 && a->len != b->len) {
        order = a->len < b->len ? -1 : 1;
    }
    return order != 0 ? order : a->order < b->order ? -1 : 1;
}

static bool same_name(const struct changed *a, const struct changed *b)
{
    return a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

/* Writes the keys with a prefix, each once, without those whose last change was made by a client (0: all). Returns how many. */
static int64_t write_keys(struct reply *out, const struct broadcast *b, struct slice prefix, int64_t except)
{
    size_t hole = reply_hole(out);
    int64_t count = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct changed *item = &b->items[i];
        bool last = i + 1 == b->count || !same_name(item, item + 1);
        if (last && item->len >= prefix.len && memcmp(item->name, prefix.ptr, prefix.len) == 0 &&
            (except == 0 || item->by != except)) {
            reply_bulk(out, item->name, item->len);
            count++;
        }
    }
    reply_fill_array(out, hole, count);
    return count;
}

/* One list of keys to all with a prefix but those in NOLOOP mode, each of which gets its own. */
static void broadcast_prefix(struct worker *w, const struct prefix *prefix)
{
    const struct broadcast *b = w->broadcast;
    struct reply all = {.resp = 2};
    bool any = write_keys(&all, b, prefix_name(prefix), 0) > 0;
    struct message_forms forms = {.body = {all.data, all.len}, .failed = all.failed || b->lost};
    for (struct membership *m = prefix->first; (any || b->lost) && m != NULL; m = m->next) {
        struct tracker *tracker = m->tracker;
        if ((tracker->options & TRACKING_NOLOOP) == 0 || b->lost) {
            send_to(w, tracker, &forms);
            continue;
        }
        struct reply own = {.resp = 2};
        if (write_keys(&own, b, prefix_name(prefix), tracker->client->id) > 0) {
            struct message_forms own_forms = {.body = {own.data, own.len}, .failed = own.failed};
            send_to(w, tracker, &own_forms);
            forms_drop(&own_forms);
        }
        reply_free(&own);
    }
    forms_drop(&forms);
    reply_free(&all);
}

void tracking_broadcast(struct worker *w, const struct prefixes *prefixes)
{
    struct broadcast *b = w->broadcast;
    if (b->count > 0) {
        qsort(b->items, b->count, sizeof *b->items, by_name);
    }
    for (const struct prefix *prefix = prefixes->first; prefix != NULL; prefix = prefix->next) {
        broadcast_prefix(w, prefix);
    }
    empty(b, KEEP_ITEMS);
}
