#include "net/hold.h"

#include "net/output.h"

enum {
    MERGE_MOST = 64 * 1024
}; /* blocks that become due together are written together up to so many bytes */

_Static_assert(HOLD_MARKS == sizeof((struct net *)NULL)->marks / sizeof((struct net *)NULL)->marks[0],
               "struct net has room for every mark");

/* A loop says that it holds, then looks at the marks again before it sleeps (hold_flush_due); here what counts is set, then it is
 * looked whether the loop holds: one of the two sees the other. */
static void wake_holders(struct net *net, const struct loop *self)
{
    for (int i = 0; i < net->count; i++) {
        if (&net->loops[i] != self && atomic_load(&net->loops[i].holds)) {
            loop_wake(&net->loops[i]);
        }
    }
}

static uint32_t bit_of(enum hold_mark which)
{
    return UINT32_C(1) << which;
}

void hold_on(struct net *net, enum hold_mark which)
{
    atomic_fetch_or(&net->holding, bit_of(which));
}

void hold_off(struct net *net, enum hold_mark which)
{
    atomic_fetch_and(&net->holding, ~bit_of(which));
    wake_holders(net, NULL);
}

void hold_release(struct net *net, enum hold_mark which, uint64_t offset, const struct loop *self)
{
    atomic_store(&net->marks[which], offset);
    wake_holders(net, self);
}

void hold_relax(struct net *net, bool relaxed)
{
    atomic_store(&net->relaxed, relaxed);
    wake_holders(net, NULL);
}

struct due {
    uint64_t until, own;
};

/* The offsets that output must wait for now. */
static struct due due_of(struct conn *conn)
{
    const struct net *net = conn->loop->net;
    struct due due = {0, 0};
    if (atomic_load(&net->holding) != 0) {
        due.until = net->hooks.due(conn, &due.own);
    }
    return due;
}

static bool is_due(const struct net *net, uint64_t until, uint64_t own)
{
    uint32_t holding = atomic_load(&net->holding);
    uint64_t for_disk = atomic_load(&net->relaxed) ? own : until;
    return ((holding & bit_of(HOLD_DISK)) == 0 || for_disk <= atomic_load(&net->marks[HOLD_DISK])) &&
           ((holding & bit_of(HOLD_REPLICAS)) == 0 || own <= atomic_load(&net->marks[HOLD_REPLICAS]));
}

/* Whether output may go out at once. */
static bool passes(const struct conn *conn, const struct due *due)
{
    return conn->hold == NULL && is_due(conn->loop->net, due->until, due->own);
}

/* ---- what is held ------------------------------------------------------------------------------------ */

static void join(struct conn *conn)
{
    struct loop *loop = conn->loop;
    conn->next_held = NULL;
    *(loop->held != NULL ? &loop->held_end->next_held : &loop->held) = conn;
    loop->held_end = conn;
    atomic_store(&loop->holds, true);
}

static void append(struct conn *conn, struct block *block, const struct due *due)
{
    block->next = NULL;
    block->until = due->until;
    block->own = due->own;
    if (conn->hold == NULL) {
        conn->hold = block;
        join(conn);
    } else {
        conn->hold_end->next = block;
    }
    conn->hold_end = block;
    counter_add(&conn->held_bytes, (int64_t)block->len);
    output_check_limits(conn);
}

bool hold_block(struct conn *conn, struct block *block)
{
    struct due due = due_of(conn);
    if (passes(conn, &due)) {
        return false;
    }
    append(conn, block, &due);
    return true;
}

bool hold_reply(struct conn *conn, size_t from, size_t to)
{
    struct due due = due_of(conn);
    if (passes(conn, &due)) {
        return false;
    }
    struct block *block = output_take(conn, from, to);
    if (block != NULL) {
        append(conn, block, &due);
    }
    return true;
}

static void leave(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct conn *before = NULL;
    for (struct conn *other = loop->held; other != conn; other = other->next_held) {
        before = other;
    }
    *(before != NULL ? &before->next_held : &loop->held) = conn->next_held;
    if (loop->held_end == conn) {
        loop->held_end = before;
    }
}

void hold_drop(struct conn *conn)
{
    if (conn->hold == NULL) {
        return;
    }
    leave(conn);
    struct block *next;
    for (struct block *block = conn->hold; block != NULL; block = next) {
        next = block->next;
        output_free_block(conn, block);
    }
    conn->hold = conn->hold_end = NULL;
    counter_set(&conn->held_bytes, 0);
}

/* ---- going out --------------------------------------------------------------------------------------- */

static bool first_is_due(const struct conn *conn)
{
    return conn->hold != NULL && is_due(conn->loop->net, conn->hold->until, conn->hold->own);
}

/* Takes the first block out, with those behind it that are due as well, as far as they fit into one write. */
static struct block *take_due(struct conn *conn)
{
    struct block *first = conn->hold;
    size_t len = first->len;
    conn->hold = first->next;
    while (first_is_due(conn) && len + conn->hold->len <= MERGE_MOST) {
        struct block *second = conn->hold;
        len += second->len;
        if (!output_merge(conn, first, second)) {
            break;
        }
        conn->hold = second->next;
        output_free_block(conn, second);
    }
    return first;
}

static void send_due(struct conn *conn)
{
    while (first_is_due(conn)) {
        struct block *block = take_due(conn);
        counter_add(&conn->held_bytes, -(int64_t)block->len);
        output_send_block(conn, block);
    }
}

/* The list is taken as a whole first: a connection that was throttled is served again, and may hold anew. */
void hold_flush_due(struct loop *loop)
{
    struct conn *next;
    struct conn *list = loop->held;
    loop->held = NULL;
    for (struct conn *conn = list; conn != NULL; conn = next) {
        next = conn->next_held;
        send_due(conn);
        if (conn->hold != NULL) {
            join(conn);
        }
        output_done(conn);
        output_unthrottle(conn);
    }
    atomic_store(&loop->holds, loop->held != NULL);
}
