#include "commands/outbox.h"

#include <stdlib.h>

#include "commands/client.h"
#include "memory.h"

enum { FIRST_CAP = 16, SCRATCH_KEEP = 64 * 1024, SCRATCH_MAX = 256 * 1024 };

struct delivery {
    struct push *push;
    struct audience *audience;
};

struct batch {
    struct batch *next; /* in the receiver's inbox: the one that came before */
    uint32_t count, cap;
    struct delivery items[];
};

struct outbox {
    _Alignas(64) _Atomic(struct batch *) inbox; /* from other workers, newest first */
    _Alignas(64) bool any;                      /* something stands in `to` */
    struct batch *taken;                        /* out of the inbox, newest first, but not delivered yet */
    struct reply scratch[2];                    /* a run of pushes in RESP2 and in RESP3 */
    struct batch *to[];                         /* by loop */
};

static size_t outbox_size(const struct server *server)
{
    size_t size = sizeof(struct outbox) + (size_t)server->net.count * sizeof(struct batch *);
    return (size + 63) / 64 * 64;
}

static size_t batch_size(uint32_t cap)
{
    return sizeof(struct batch) + cap * sizeof(struct delivery);
}

void outbox_init(struct server *server)
{
    for (int i = 0; i <= server->net.count; i++) {
        server->workers[i].outbox = mem_alloc_lines(outbox_size(server));
        if (server->workers[i].outbox == NULL) {
            abort();
        }
    }
}

static void batch_free(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        push_drop(batch->items[i].push);
    }
    mem_free(batch, batch_size(batch->cap));
}

void outbox_free(struct server *server)
{
    for (int i = 0; i <= server->net.count; i++) {
        struct outbox *outbox = server->workers[i].outbox;
        struct batch *next;
        for (struct batch *batch = outbox->inbox; batch != NULL;
             batch = next) { /* `taken` is empty between turns */
            next = batch->next;
            batch_free(batch);
        }
        for (int k = 0; k < server->net.count; k++) {
            if (outbox->to[k] != NULL) {
                batch_free(outbox->to[k]);
            }
        }
        reply_free(&outbox->scratch[0]);
        reply_free(&outbox->scratch[1]);
        mem_free(outbox, outbox_size(server));
    }
}

/* A batch with room for one more; NULL, and the batch stays as it was, when there is no memory. */
static struct batch *batch_room(struct batch *batch)
{
    if (batch != NULL && batch->count < batch->cap) {
        return batch;
    }
    uint32_t cap = batch != NULL ? batch->cap * 2 : FIRST_CAP;
    struct batch *larger = batch != NULL ? mem_realloc(batch, batch_size(batch->cap), batch_size(cap))
                                         : mem_alloc(batch_size(cap));
    if (larger != NULL) {
        larger->count = batch != NULL ? larger->count : 0;
        larger->cap = cap;
    }
    return larger;
}

bool outbox_add(struct worker *w, struct push *push, struct audience *audience)
{
    struct outbox *outbox = w->outbox;
    struct batch *batch = batch_room(outbox->to[audience->loop]);
    if (batch == NULL) {
        return false;
    }
    push_keep(push);
    batch->items[batch->count++] = (struct delivery){push, audience};
    outbox->to[audience->loop] = batch;
    outbox->any = true;
    return true;
}

/* ---- delivery ----------------------------------------------------------------------------------------- */

static bool may_have(const struct conn *conn, const struct push *push)
{
    const struct client *client = conn->client;
    return !push->if_subscribed || conn->resp > 2 || client->subscriber != NULL;
}

/* How many deliveries from the first on are for the same audience and small enough to be copied together. */
static uint32_t run_length(const struct delivery *items, uint32_t count)
{
    uint32_t length = 0;
    size_t bytes = 0;
    while (length < count && items[length].audience == items->audience &&
           !items[length].push->if_subscribed && items[length].push->body < PUSH_SHARED) {
        bytes += items[length].push->body + UINT8_MAX;
        if (bytes > SCRATCH_MAX) {
            break;
        }
        length++;
    }
    return length;
}

/* Writes a run of pushes as a protocol has them, once for all who speak it. False: no memory. */
static bool write_run(struct reply *out, const struct delivery *items, uint32_t count, int resp)
{
    if (out->len > 0) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slice head = push_head(items[i].push, resp);
        if (head.len > 0) {
            reply_raw(out, head.ptr, head.len);
            reply_raw(out, push_body(items[i].push), items[i].push->body);
        }
    }
    bool written = !out->failed;
    out->len = written ? out->len : 0; /* a part of it is nobody's */
    out->failed = false;
    return written;
}

static void deliver_one(const struct delivery *item)
{
    const struct audience *audience = item->audience;
    for (uint32_t i = 0; i < audience->count; i++) {
        if (may_have(audience->members[i].conn, item->push)) {
            conn_queue(audience->members[i].conn, item->push);
        }
    }
}

static void deliver_run(struct outbox *outbox, const struct delivery *items, uint32_t count)
{
    const struct audience *audience = items->audience;
    for (uint32_t i = 0; i < audience->count; i++) {
        struct conn *conn = audience->members[i].conn;
        struct reply *out = &outbox->scratch[conn->resp == 2 ? 0 : 1];
        if (!write_run(out, items, count, conn->resp)) {
            conn_close(conn); /* it would miss a part */
        } else if (out->len > 0) {
            conn_queue_bytes(conn, out->data, out->len);
        }
    }
    reply_reset(&outbox->scratch[0], SCRATCH_KEEP);
    reply_reset(&outbox->scratch[1], SCRATCH_KEEP);
}

/* Queues all of a batch for the connections of its loop, which is this one, and drops the references. */
static void deliver(struct worker *w, struct batch *batch)
{
    uint32_t run;
    for (uint32_t at = 0; at < batch->count; at += run) {
        run = run_length(&batch->items[at], batch->count - at);
        if (run <= 1) {
            run = 1;
            deliver_one(&batch->items[at]);
        } else {
            deliver_run(w->outbox, &batch->items[at], run);
        }
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        push_drop(batch->items[i].push);
    }
    batch->count = 0;
}

/* Takes what other workers have handed over. Nothing is taken at that time. */
static void take_inbox(struct worker *w)
{
    if (atomic_load_explicit(&w->outbox->inbox, memory_order_relaxed) != NULL) {
        w->outbox->taken = atomic_exchange_explicit(&w->outbox->inbox, NULL, memory_order_acquire);
    }
}

/* Delivers what is taken, oldest first. */
static void receive(struct worker *w)
{
    struct batch *newest = w->outbox->taken;
    struct batch *oldest = NULL;
    w->outbox->taken = NULL;
    while (newest != NULL) {
        struct batch *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct batch *next = oldest->next;
        deliver(w, oldest);
        batch_free(oldest);
        oldest = next;
    }
}

/* Hands a batch over to another worker. */
static void hand_over(struct worker *to, struct batch *batch)
{
    batch->next = atomic_load_explicit(&to->outbox->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&to->outbox->inbox, &batch->next, batch,
                                                  memory_order_release, memory_order_relaxed)) {
        /* batch->next now holds the newer head */
    }
    loop_wake(to->loop);
}

void outbox_hand_over(struct worker *w)
{
    struct outbox *outbox = w->outbox;
    for (int i = 0; outbox->any && i < w->server->net.count; i++) {
        struct batch *batch = outbox->to[i];
        if (i != w->loop->index && batch != NULL && batch->count > 0) {
            outbox->to[i] = NULL;
            hand_over(&w->server->workers[i], batch);
        }
    }
}

void outbox_before_poll(struct worker *w)
{
    struct outbox *outbox = w->outbox;
    take_inbox(w);
    if (outbox->taken == NULL && !outbox->any && w->loop->queued == NULL) {
        return;
    }
    /* The reply to a command that waited (block.h) was posted before what the command has set off was handed over. The client
     * may go on with a command that changes audiences: that one catches up with what is taken. */
    loop_run_messages(w->loop);
    receive(w);
    if (!outbox->any) {
        return;
    }
    gate_enter(&w->server->gate, w->loop->index); /* another one may be catching up */
    outbox->any = false;
    for (int i = 0; i < w->server->net.count; i++) {
        struct batch *batch = outbox->to[i];
        if (batch == NULL || batch->count == 0) {
            continue;
        }
        if (i == w->loop->index) { /* the batch itself stays for the next turn */
            deliver(w, batch);
        } else {
            outbox->to[i] = NULL;
            hand_over(&w->server->workers[i], batch);
        }
    }
    gate_leave(&w->server->gate, w->loop->index);
}

void outbox_catch_up(struct worker *w)
{
    receive(w);
    take_inbox(w);
    receive(w);
    for (int i = 0; i <= w->server->net.count; i++) {
        struct batch *batch = w->server->workers[i].outbox->to[w->loop->index];
        if (batch != NULL && batch->count > 0) {
            deliver(w, batch);
        }
    }
}
