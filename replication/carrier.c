#include "replication/carrier.h"

#include <stdio.h>

#include "clock.h"
#include "commands/tracking_message.h"
#include "logger.h"
#include "memory.h"
#include "replication/forward.h"
#include "replication/node.h"

enum {
    BACKOFF_MIN = 20, /* ms */
    BACKOFF_MAX = 500,
    REFUSED_FOR = 50,     /* ms until what the master refused is sent again */
    OPENING_MOST = 3000,  /* ms that a connection may take to open … */
    OPENING_AT_ONCE = 64, /* … and so many at a time */
    POOL_MOST = 16,       /* connections that are nobody's … */
    POOL_IDLE_MS = 10000, /* … and for how long they are kept */
};

static const char uncertain[] =
    "-UNCERTAIN The connection to the master was lost before its reply came: the command may have run, or not\r\n";
static const char timed_out[] =
    "-MASTERDOWN The master could not be reached within forward-timeout: the command has not run\r\n";
static const char promoted[] =
    "-TRYAGAIN This node has become the master before the command was sent: it has not run\r\n";

static struct server *server_of(const struct carrier *k)
{
    return k->worker->server;
}

static void enter(const struct carrier *k)
{
    gate_enter(&server_of(k)->gate, k->worker->loop->index);
}

static void leave(const struct carrier *k)
{
    gate_leave(&server_of(k)->gate, k->worker->loop->index);
}

/* The carry is looked at before the loop polls. */
static void touch(struct carry *carry)
{
    if (!carry->touched) {
        carry->touched = true;
        carry->next_touched = carry->carrier->touched;
        carry->carrier->touched = carry;
    }
}

/* ---- connections -------------------------------------------------------------------------------------- */

/* Those who wait for a connection look for one. */
static void touch_waiting(struct carrier *k)
{
    for (struct carry *carry = k->carries; carry != NULL; carry = carry->next) {
        if (carry->unsent != NULL) {
            touch(carry);
        }
    }
}

static void on_ready(struct upstream *u)
{
    struct carrier *k = u->owner;
    k->backoff = 0;
    k->attempt_at = 0;
    k->opening--;
    if (u->carry != NULL) {
        touch(u->carry);
    }
    if (u->carry == NULL || k->opening == OPENING_AT_ONCE / 2) {
        touch_waiting(k);
    }
}

static void add_answered(struct carrier *k, struct batch *batch)
{
    batch->next = NULL;
    *k->end = batch;
    k->end = &batch->next;
}

static void on_answered(struct upstream *u, struct batch *batch)
{
    batch->since = clock_now();
    add_answered(u->owner, batch);
}

static void leave_pool(struct carrier *k, const struct upstream *u)
{
    struct upstream **link = &k->pool;
    while (*link != NULL && *link != u) {
        link = &(*link)->next_pooled;
    }
    if (*link != NULL) {
        *link = u->next_pooled;
        k->pooled--;
    }
}

static void leave_gathering(struct carrier *k, const struct upstream *u)
{
    struct upstream **link = &k->gathering;
    while (*link != NULL && *link != u) {
        link = &(*link)->next_gathering;
    }
    if (*link != NULL) {
        *link = u->next_gathering;
    }
}

/* The client's connection is gone: what it watched may have changed, unless it was about to forget that. */
static void lose(struct carry *carry)
{
    bool ends = carry->last != NULL && (carry->last->flags & PARCEL_WATCHED) != 0;
    if (carry->watches && !ends) {
        atomic_store_explicit(&carry->client->touched, true, memory_order_relaxed);
    }
    carry->watches = false;
    carry->upstream = NULL;
    touch(carry);
}

/* The next attempt waits longer each time. */
static void back_off(struct carrier *k, const char *reason)
{
    if (k->backoff == 0) {
        logger_notice("Forwarding: the master cannot be reached: %s", reason);
    }
    k->backoff = k->backoff == 0 ? BACKOFF_MIN : k->backoff * 2;
    k->backoff = k->backoff > BACKOFF_MAX ? BACKOFF_MAX : k->backoff;
    k->attempt_at = clock_now() + k->backoff;
}

static void on_lost(struct upstream *u, struct batch *batches, const char *reason)
{
    struct carrier *k = u->owner;
    struct batch *next;
    *u->link = u->next;
    if (u->next != NULL) {
        u->next->link = u->link;
    }
    counter_add(&k->connections, -1);
    k->opening -= u->greetings > 0;
    leave_pool(k, u);
    leave_gathering(k, u);
    for (int i = 0; i < 2; i++) {
        k->shared[i] = k->shared[i] == u ? NULL : k->shared[i];
    }
    for (struct batch *batch = batches; batch != NULL; batch = next) {
        next = batch->next;
        batch->since = clock_now();
        add_answered(k, batch);
    }
    for (struct carry *carry = k->carries; carry != NULL; carry = carry->next) {
        if (carry->upstream == u) {
            lose(carry);
        }
    }
    if (reason != NULL && u->greetings > 0) {
        back_off(k, reason);
    } else if (reason != NULL && batches != NULL) {
        logger_notice("Forwarding: the connection to the master was lost: %s", reason);
    }
}

static const struct upstream_hooks hooks = {on_ready, on_answered, on_lost};

/* Opens a connection to where the master is, unless the last attempt was just now. */
static struct upstream *open_upstream(struct carrier *k, bool shared)
{
    struct server *server = server_of(k);
    struct sockaddr_storage address;
    uint64_t place;
    if (clock_now() < k->attempt_at || k->opening >= OPENING_AT_ONCE ||
        !forward_master(k->forward, &address, &place)) {
        return NULL;
    }
    enter(k); /* where settings do not change */
    struct upstream_options options = {
        .address = (const struct sockaddr *)&address,
        .user = server->config->masteruser,
        .password = node_password(node_of(server)),
        .node = server->run_id,
        .databases = server->keyspace.count,
        .shared = shared,
    };
    struct upstream *u = upstream_open(k->worker->loop, &options, &hooks, k, k->area);
    leave(k);
    if (u == NULL) {
        back_off(k, "no connection can be opened");
        return NULL;
    }
    counter_add(&k->opened, 1);
    counter_add(&k->connections, 1);
    k->opening++;
    u->place = place;
    u->number = (uint64_t)counter_get(&k->opened);
    u->next = k->upstreams;
    u->link = &k->upstreams;
    if (u->next != NULL) {
        u->next->link = &u->next;
    }
    k->upstreams = u;
    return u;
}

static bool leads_there(const struct carrier *k, const struct upstream *u)
{
    return forward_is_place(k->forward, u->place);
}

/* A connection that the client has for itself. */
static struct upstream *own_upstream(struct carrier *k, struct carry *carry)
{
    struct upstream *u = k->pool;
    if (u != NULL && leads_there(k, u)) {
        leave_pool(k, u);
    } else {
        u = open_upstream(k, false);
    }
    if (u != NULL) {
        u->carry = carry;
    }
    return u;
}

/* The one that all share who speak this protocol; NULL: there is none yet. */
static struct upstream *shared_upstream(struct carrier *k, int resp)
{
    struct upstream **u = &k->shared[resp == 3];
    if (*u == NULL || !leads_there(k, *u)) { /* the old one, if any, ends what it has */
        *u = open_upstream(k, true);
    }
    return *u != NULL && upstream_is_ready(*u) ? *u : NULL;
}

/* The client needs its connection no more. */
static void release(struct carry *carry)
{
    struct carrier *k = carry->carrier;
    struct upstream *u = carry->upstream;
    carry->upstream = NULL;
    if (u->shared) {
        return;
    }
    u->carry = NULL;
    if (!upstream_is_ready(u) || upstream_is_busy(u) || !leads_there(k, u) || k->pooled >= POOL_MOST) {
        upstream_close(u, NULL);
        return;
    }
    u->active = clock_now();
    u->next_pooled = k->pool;
    k->pool = u;
    k->pooled++;
}

/* ---- a client's parcels ------------------------------------------------------------------------------- */

struct carry *carry_of(struct carrier *k, struct client *client)
{
    struct carry *carry = client->carry;
    if (carry == NULL) {
        carry = mem_alloc(sizeof *carry);
        if (carry == NULL) {
            return NULL;
        }
        *carry = (struct carry){.client = client, .carrier = k, .next = k->carries, .link = &k->carries};
        if (carry->next != NULL) {
            carry->next->link = &carry->next;
        }
        k->carries = carry;
        client->carry = carry;
    }
    return carry;
}

static bool is_full(const struct carry *carry, unsigned part)
{
    return carry->count >= CARRY_MOST / part || carry->bytes >= CARRY_MOST_BYTES / part;
}

void carry_take(struct carry *carry, struct parcel *p)
{
    p->carry = carry;
    p->next = NULL;
    *(carry->last != NULL ? &carry->last->next : &carry->first) = p;
    carry->last = p;
    carry->unsent = carry->unsent != NULL ? carry->unsent : p;
    carry->count++;
    carry->bytes += p->len;
    counter_add(&carry->carrier->carried, 1);
    counter_add(&carry->carrier->waiting, 1);
    touch(carry);
    if (is_full(carry, 1)) {
        carry->stalled = true;
        conn_stall(carry->client->conn);
    }
}

void carry_wait(struct carry *carry)
{
    carry->stalled = carry->to_the_last = true;
    conn_stall(carry->client->conn);
}

void carry_free(struct carry *carry)
{
    struct carrier *k = carry->carrier;
    struct parcel *next;
    for (struct parcel *p = carry->first; p != carry->unsent; p = next) {
        next = p->next;
        p->carry = NULL; /* its batch's from here on */
        if ((p->flags & PARCEL_REFUSED) != 0) {
            parcel_free(p);
        }
    }
    for (struct parcel *p = carry->unsent; p != NULL; p = next) {
        next = p->next;
        counter_add(&k->waiting, -1);
        parcel_free(p);
    }
    if (carry->upstream != NULL) {
        if (carry->watches && !carry->upstream->shared) {
            upstream_close(carry->upstream, NULL);
        } else {
            release(carry);
        }
    }
    struct carry **link = &k->touched;
    while (carry->touched && *link != carry) {
        link = &(*link)->next_touched;
    }
    if (carry->touched) {
        *link = carry->next_touched;
    }
    *carry->link = carry->next;
    if (carry->next != NULL) {
        carry->next->link = carry->link;
    }
    carry->client->carry = NULL;
    mem_free(carry, sizeof *carry);
}

/* ---- replies ------------------------------------------------------------------------------------------ */

/* Replies to one client that lie behind one another: they go out at once. */
struct run {
    struct carry *carry;
    const char *bytes;
    size_t len;
};

static void end_run(struct run *run)
{
    if (run->len > 0) {
        conn_send(run->carry->client->conn, run->bytes, run->len);
    }
    run->len = 0;
}

static void add_run(struct run *run, struct carry *carry, const char *bytes, size_t len)
{
    if (run->len > 0 && run->carry == carry && run->bytes + run->len == bytes) {
        run->len += len;
        return;
    }
    end_run(run);
    *run = (struct run){carry, bytes, len};
}

/* A transaction has left its client's database another one. */
static void follow_select(const struct carry *carry, const struct parcel *p, const char *reply)
{
    if (p->db_after != p->db && reply[0] == '*' && reply[1] != '-') {
        enter(carry->carrier);
        carry->client->db = &server_of(carry->carrier)->keyspace.dbs[p->db_after];
        leave(carry->carrier);
    }
}

/* A key that was read at the master is not in this node's table of who has read what: nothing would tell the client when it changes. */
static void forget_cached(const struct carry *carry)
{
    struct carrier *k = carry->carrier;
    enter(k);
    if (carry->client->tracker != NULL) {
        tracking_send_flush(k->worker, carry->client->tracker);
    }
    leave(k);
    loop_wake(k->worker->loop); /* what was sent is looked at before the loop sleeps */
}

/* Answers the first of a client's parcels, which ends there. */
static void answer(struct run *run, struct carry *carry, const char *reply, size_t len)
{
    struct parcel *p = carry->first;
    if ((p->flags & PARCEL_SILENT) == 0) {
        add_run(run, carry, reply, len);
    }
    follow_select(carry, p, reply);
    if ((p->flags & PARCEL_READS) != 0) {
        end_run(run);
        forget_cached(carry);
    }
    if ((p->flags & PARCEL_WATCHED) != 0) {
        carry->watches = false;
    }
    carry->first = p->next;
    carry->last = carry->first != NULL ? carry->last : NULL;
    carry->unsent = carry->unsent != p ? carry->unsent : p->next;
    carry->count--;
    carry->bytes -= p->len;
    touch(carry);
    parcel_free(p);
}

static void answer_text(struct run *run, struct carry *carry, const char *reply)
{
    answer(run, carry, reply, strlen(reply));
    end_run(run);
}

/* EXEC under watches that are gone: as if a key had changed. UNWATCH: done. */
static void answer_unwatched(struct run *run, struct carry *carry)
{
    bool exec = (carry->first->flags & PARCEL_EXEC) != 0;
    const char *nothing = carry->first->resp == 3 ? "_\r\n" : "*-1\r\n";
    answer_text(run, carry, exec ? nothing : "+OK\r\n");
}

/* What was refused before this parcel, which has run, cannot be sent again: that would change the order. */
static void answer_refused(struct run *run, struct carry *carry, const struct parcel *until)
{
    while (carry->first != until) {
        const char *refusal = carry->first->refusal;
        counter_add(&carry->carrier->refused, 1);
        answer_text(run, carry, refusal != NULL ? refusal : uncertain);
    }
}

/* Why a parcel of a batch has not run; *refusal: what the master said. False: it has, or nobody knows. */
static bool has_not_run(const struct batch *batch, const struct parcel *p, const char **refusal)
{
    *refusal = NULL;
    if ((p->flags & PARCEL_ANSWERED) == 0) {
        return batch->unsent;
    }
    *refusal = (p->flags & PARCEL_ABORTED) != 0
                   ? "-EXECABORT Transaction discarded because of previous errors.\r\n"
                   : upstream_refusal(batch->replies.data + p->reply_from, p->reply_len);
    return *refusal != NULL;
}

static void answer_parcel(struct run *run, const struct batch *batch, struct parcel *p)
{
    struct carry *carry = p->carry;
    const char *refusal;
    carry->sent--;
    touch(carry);
    if (has_not_run(batch, p, &refusal) && (p->flags & PARCEL_WATCHED) == 0) {
        p->flags |= PARCEL_REFUSED;
        p->refusal = refusal;
        return;
    }
    answer_refused(run, carry, p);
    if ((p->flags & PARCEL_ANSWERED) == 0 && !batch->unsent) {
        counter_add(&carry->carrier->uncertain, 1);
        answer_text(run, carry, uncertain);
    } else if ((p->flags & PARCEL_ANSWERED) == 0 || refusal != NULL) {
        answer_unwatched(run, carry);
    } else {
        answer(run, carry, batch->replies.data + p->reply_from, p->reply_len);
    }
}

static void hand_out(struct carrier *k, struct batch *batch)
{
    struct run run = {0};
    struct parcel *next;
    for (struct parcel *p = batch->first; p != NULL; p = next) {
        next = p->next_in_batch;
        counter_add(&k->sent, -1);
        if (p->carry != NULL) {
            answer_parcel(&run, batch, p);
        } else {
            parcel_free(p);
        }
    }
    end_run(&run);
    batch_free(batch);
}

/* Whether some reply tells of something that has run. */
static bool tells(const struct batch *batch)
{
    const struct parcel *p = batch->first;
    const char *refusal;
    while (p != NULL && (p->carry == NULL || has_not_run(batch, p, &refusal))) {
        p = p->next_in_batch;
    }
    return p != NULL;
}

/*
 * Whether this node has what a batch's replies tell of. Where the master's history is another one than this node's, which offsets say
 * nothing about, it has once it has taken up another history, which it does by a snapshot of then. Inside the gate.
 */
static bool is_applied(const struct server *server, struct batch *batch)
{
    const struct history *history = &server->history;
    if (batch->lost || !tells(batch)) {
        return true;
    }
    if (strcmp(batch->id, history->id) == 0) {
        return history_offset(server) >= batch->offset;
    }
    if (batch->own_id[0] == '\0') {
        memcpy(batch->own_id, history->id, sizeof batch->own_id);
    }
    return strcmp(batch->id, history->id2) == 0 || strcmp(batch->own_id, history->id) != 0;
}

/* Replies come in the order of their connection, also behind what is still waiting. */
static bool comes_later(const struct batch *first, const struct batch *batch)
{
    while (first != batch && first->upstream != batch->upstream) {
        first = first->next;
    }
    return first != batch;
}

/* What WAIT would ask for, and an append-only file that is synced always. Inside the gate. */
static void note_offset(const struct server *server, const struct batch *batch)
{
    uint64_t offset = history_to_log(&server->history, batch->offset);
    for (struct parcel *p = batch->first; p != NULL; p = p->next_in_batch) {
        if (p->carry != NULL && p->carry->client->write_offset < offset) {
            p->carry->client->write_offset = offset;
        }
    }
}

/* Takes those batches out whose replies may go; the rest waits. */
static struct batch *take_applied(struct carrier *k)
{
    struct batch *due = NULL, **due_end = &due;
    struct server *server = server_of(k);
    int64_t before = clock_now() - forward_timeout(k->forward);
    enter(k);
    k->end = &k->answered;
    while (*k->end != NULL) {
        struct batch *batch = *k->end;
        if ((!is_applied(server, batch) && batch->since > before) || comes_later(k->answered, batch)) {
            k->end = &batch->next;
            continue;
        }
        if (!batch->lost && strcmp(batch->id, server->history.id) == 0) {
            note_offset(server, batch);
        }
        *k->end = batch->next;
        batch->next = NULL;
        *due_end = batch;
        due_end = &batch->next;
    }
    leave(k);
    return due;
}

static void hand_out_applied(struct carrier *k)
{
    struct batch *next;
    if (k->answered == NULL) {
        return;
    }
    atomic_store(&k->awaits, true); /* before it is looked at: who applies more from here on wakes the loop */
    for (struct batch *batch = take_applied(k); batch != NULL; batch = next) {
        next = batch->next;
        hand_out(k, batch);
    }
    atomic_store(&k->awaits, k->answered != NULL);
}

/* ---- on their way ------------------------------------------------------------------------------------- */

/* The connection over which the next parcel may go now; NULL: none. */
static struct upstream *way_for(struct carry *carry, const struct parcel *p)
{
    struct carrier *k = carry->carrier;
    bool own = carry->watches || (p->flags & PARCEL_ALONE) != 0;
    if (carry->upstream == NULL) {
        if (carry->sent > 0 || clock_now() < carry->not_before) {
            return NULL;
        }
        carry->upstream = own ? own_upstream(k, carry) : shared_upstream(k, p->resp);
    }
    struct upstream *u = carry->upstream;
    return u != NULL && upstream_is_ready(u) && !(own && u->shared) ? u : NULL;
}

static bool send_parcel(struct carry *carry, struct parcel *p)
{
    struct carrier *k = carry->carrier;
    struct upstream *u = way_for(carry, p);
    bool gathers = u != NULL && u->gathering != NULL;
    if (u == NULL || !upstream_add(u, p)) {
        return false;
    }
    if (!gathers) {
        u->next_gathering = k->gathering;
        k->gathering = u;
    }
    carry->unsent = p->next;
    carry->sent++;
    counter_add(&k->waiting, -1);
    counter_add(&k->sent, 1);
    return true;
}

static void send_parcels(struct carry *carry)
{
    struct run run = {0};
    while (carry->unsent != NULL) {
        struct parcel *p = carry->unsent;
        if ((p->flags & PARCEL_WATCHED) != 0 && !carry->watches) { /* the connection that watched is gone */
            if (carry->first != p) {
                break;
            }
            counter_add(&carry->carrier->waiting, -1);
            answer_unwatched(&run, carry);
        } else if (!send_parcel(carry, p)) {
            break;
        }
    }
}

/* Nothing is under way any more: what was refused is sent again, a little later. */
static void begin_again(struct carry *carry)
{
    if (carry->first != carry->unsent) {
        carry->not_before = clock_now() + REFUSED_FOR;
        for (struct parcel *p = carry->first; p != carry->unsent; p = p->next) {
            p->flags &= ~(uint32_t)PARCEL_REFUSED;
            counter_add(&carry->carrier->waiting, 1);
        }
        carry->unsent = carry->first;
    }
}

static void fail_unsent(struct carry *carry, const char *error)
{
    struct run run = {0};
    counter_add(&carry->carrier->waiting, -1);
    counter_add(&carry->carrier->timed_out, 1);
    answer_text(&run, carry, carry->first->refusal != NULL ? carry->first->refusal : error);
}

/* Serves the client's connection again once enough is answered. */
static void resume(struct carry *carry)
{
    bool goes_on = carry->to_the_last ? carry->first == NULL : !is_full(carry, 2);
    if (carry->stalled && goes_on) {
        carry->stalled = carry->to_the_last = false;
        conn_resume(carry->client->conn);
    }
}

static void settle(struct carry *carry)
{
    if (carry->client->conn->closing) {
        return;
    }
    if (carry->sent == 0) {
        begin_again(carry);
        if (carry->upstream != NULL && !carry->watches &&
            (upstream_is_ready(carry->upstream) || carry->first == NULL)) {
            release(carry);
        }
        while (carry->first != NULL && !forward_is_on(carry->carrier->forward)) {
            fail_unsent(carry, promoted);
        }
    }
    send_parcels(carry);
    resume(carry);
}

void carrier_before_poll(struct carrier *k)
{
    while (k->touched != NULL || k->answered != NULL || k->gathering != NULL) {
        hand_out_applied(k);
        while (k->touched != NULL) {
            struct carry *carry = k->touched;
            k->touched = carry->next_touched;
            carry->touched = false;
            settle(carry);
        }
        if (k->gathering == NULL) { /* what is left waits to be applied */
            break;
        }
        while (k->gathering != NULL) {
            struct upstream *u = k->gathering;
            k->gathering = u->next_gathering;
            upstream_flush(u);
        }
    }
}

/* ---- time --------------------------------------------------------------------------------------------- */

/* What is watched at a node that is the master no more may change elsewhere. */
static bool watches_in_vain(const struct carrier *k, const struct upstream *u)
{
    return u->carry != NULL && u->carry->watches && !upstream_is_busy(u) && !leads_there(k, u);
}

static void check_upstreams(struct carrier *k, int64_t now)
{
    struct upstream *next;
    for (struct upstream *u = k->upstreams; u != NULL; u = next) {
        next = u->next;
        bool unused = u->carry == NULL && !upstream_is_busy(u) && upstream_is_ready(u);
        bool wanted =
            forward_is_on(k->forward) && leads_there(k, u) && (u->shared || now - u->active <= POOL_IDLE_MS);
        int64_t timeout = forward_timeout(k->forward);
        if (!upstream_is_ready(u) && timeout > OPENING_MOST) {
            timeout = OPENING_MOST;
        }
        if (upstream_is_stuck(u, now - timeout)) {
            upstream_close(u, "it does not answer");
        } else if ((unused && !wanted) || (watches_in_vain(k, u))) {
            upstream_close(u, NULL);
        }
    }
}

/* Parcels that have waited too long. They are the client's first ones, as nothing is under way. */
static void check_parcels(struct carry *carry, int64_t now)
{
    int64_t before = now - forward_timeout(carry->carrier->forward);
    if (carry->unsent != NULL && !carry->client->conn->closing) {
        touch(carry);
        while (carry->sent == 0 && carry->first == carry->unsent && carry->first != NULL &&
               carry->first->since <= before) {
            fail_unsent(carry, timed_out);
        }
    }
}

void carrier_tick(struct carrier *k)
{
    int64_t now = clock_now();
    check_upstreams(k, now);
    for (struct carry *carry = k->carries; carry != NULL; carry = carry->next) {
        check_parcels(carry, now);
    }
}

void carrier_init(struct carrier *k, struct forward *forward, struct worker *worker)
{
    *k = (struct carrier){.forward = forward, .worker = worker, .area = mem_must(UPSTREAM_AREA)};
    k->end = &k->answered;
}
