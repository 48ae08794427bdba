#include "replication/upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "clock.h"
#include "memory.h"
#include "types/number.h"

enum {
    KEEP_OUT = 64 * 1024,
    KEEPALIVE = 5 /* seconds */,
    LOST_AFTER = 10000 /* ms without an acknowledgement by the peer's kernel */
};

/* ---- its end ------------------------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *handle)
{
    struct upstream *u = handle->data;
    reply_free(&u->out);
    mem_free(u, sizeof *u);
}

/* Takes all batches out, the one that was not sent last. */
static struct batch *take_batches(struct upstream *u)
{
    if (u->gathering != NULL) {
        u->gathering->unsent = true;
        *(u->last != NULL ? &u->last->next : &u->first) = u->gathering;
    }
    struct batch *batches = u->first;
    u->first = u->last = u->gathering = NULL;
    for (struct batch *batch = batches; batch != NULL; batch = batch->next) {
        batch->lost = true;
        batch->unsent = batch->unsent || u->drains;
    }
    return batches;
}

void upstream_close(struct upstream *u, const char *reason)
{
    if (u->state == UPSTREAM_GONE || uv_is_closing((uv_handle_t *)&u->tcp)) {
        return; /* the latter: the loop itself is ending */
    }
    u->state = UPSTREAM_GONE;
    u->hooks->lost(u, take_batches(u), reason);
    uv_close((uv_handle_t *)&u->tcp, on_closed);
}

void batch_free(struct batch *batch)
{
    reply_free(&batch->replies);
    mem_free(batch, sizeof *batch);
}

/* ---- replies ------------------------------------------------------------------------------------------ */

const char *upstream_refusal(const char *reply, size_t len)
{
    static const struct {
        struct slice code;
        const char *reply;
    } refusals[] = {
        {SLICE("-LOADING "), "-LOADING Redis is loading the dataset in memory\r\n"},
        {SLICE("-DRAINING "), "-DRAINING The master is about to end\r\n"},
        {SLICE("-READONLY "), "-READONLY You can't write against a read only replica.\r\n"},
        {SLICE("-MASTERDOWN "),
         "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct slice code = refusals[i].code;
        if (len >= code.len && memcmp(reply, code.ptr, code.len) == 0) {
            return refusals[i].reply;
        }
    }
    return NULL;
}

static void end_greeting(struct upstream *u)
{
    if (u->peek[0] == '-') {
        char reason[UPSTREAM_REASON];
        size_t len = u->peeked > 3 ? u->peeked - 3 : 0; /* without type and line end */
        snprintf(reason, sizeof reason, "it refuses: %.*s", (int)len, u->peek + 1);
        upstream_close(u, reason);
    } else if (--u->greetings == 0) {
        u->state = UPSTREAM_READY;
        u->hooks->ready(u);
    }
}

/* *2 $40 <id of the history> :<offset> */
static bool read_offset(struct batch *batch, const char *reply, size_t len)
{
    static const char head[] = "*2\r\n$40\r\n";
    enum { HEAD = sizeof head - 1, NUMBER_AT = HEAD + HISTORY_ID + 3 };
    if (len <= NUMBER_AT + 2 || memcmp(reply, head, HEAD) != 0 || reply[NUMBER_AT - 1] != ':') {
        return false;
    }
    memcpy(batch->id, reply + HEAD, HISTORY_ID);
    return number_parse_i64(reply + NUMBER_AT, len - NUMBER_AT - 2, &batch->offset);
}

static void end_batch(struct upstream *u, struct batch *batch)
{
    if (!read_offset(batch, u->peek, u->peeked)) {
        upstream_close(u, "it does not know how far this node's writes have come");
        return;
    }
    u->first = batch->next;
    u->last = u->first != NULL ? u->last : NULL;
    batch->next = NULL;
    u->hooks->answered(u, batch);
}

/* The reply of the parcel that is due is complete. */
static void end_parcel(struct batch *batch)
{
    struct parcel *p = batch->due;
    p->flags |= PARCEL_ANSWERED;
    p->reply_len = batch->replies.len - p->reply_from;
    batch->due = p->next_in_batch;
    batch->skip = batch->due != NULL ? parcel_skips(batch->due) : 0;
    if (batch->due != NULL) {
        batch->due->reply_from = batch->replies.len;
    }
}

static void end_reply(struct upstream *u)
{
    struct batch *batch = u->first;
    if (u->state == UPSTREAM_OPENING) {
        end_greeting(u);
    } else if (batch == NULL) {
        upstream_close(u, "it sends what nobody has asked for");
    } else if (batch->due == NULL) {
        end_batch(u, batch);
    } else if (batch->skip > 0) {
        batch->skip--;
        if (upstream_refusal(u->peek, u->peeked) != NULL) {
            batch->due->flags |= PARCEL_ABORTED;
        }
    } else if (batch->replies.failed) {
        upstream_close(u, "there is no memory for its replies");
    } else {
        end_parcel(batch);
    }
    u->peeked = 0;
}

/* Keeps bytes of the reply that is under way. */
static void keep(struct upstream *u, const char *bytes, size_t len)
{
    struct batch *batch = u->first;
    if (u->state == UPSTREAM_READY && batch != NULL && batch->due != NULL && batch->skip == 0) {
        reply_raw(&batch->replies, bytes, len);
        return;
    }
    size_t room = sizeof u->peek - u->peeked;
    memcpy(u->peek + u->peeked, bytes, len < room ? len : room);
    u->peeked += len < room ? len : room;
}

static void take(struct upstream *u, const char *bytes, size_t len)
{
    while (len > 0 && u->state != UPSTREAM_GONE) {
        enum resp_skim_status status;
        size_t used = resp_skim(&u->skim, bytes, len, &status);
        if (!resp_skim_is_push(&u->skim)) {
            keep(u, bytes, used);
        } else if (memmem(bytes, used, "draining", 8) != NULL) {
            u->drains = true;
        }
        bytes += used;
        len -= used;
        if (status == RESP_SKIM_REPLY) {
            end_reply(u);
        } else if (status == RESP_SKIM_INVALID) {
            upstream_close(u, "it sends what is no RESP");
        }
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    const struct upstream *u = handle->data;
    *buf = uv_buf_init(u->area, UPSTREAM_AREA);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct upstream *u = stream->data;
    if (count < 0) {
        upstream_close(u, count == UV_EOF ? "it has closed the connection" : uv_strerror((int)count));
    } else if (count > 0) {
        u->active = clock_now();
        take(u, buf->base, (size_t)count);
    }
}

/* ---- writing ------------------------------------------------------------------------------------------ */

struct unsent {
    uv_write_t write;
    char *data;
    size_t cap;
};

static void on_written(uv_write_t *write, int status)
{
    struct unsent *unsent = write->data;
    struct upstream *u = write->handle->data;
    mem_free(unsent->data, unsent->cap);
    mem_free(unsent, sizeof *unsent);
    if (status < 0) {
        upstream_close(u, uv_strerror(status));
    } else {
        u->active = clock_now();
    }
}

/* Hands what is gathered, of which the kernel has taken the first bytes, to libuv. */
static bool queue_rest(struct upstream *u, size_t sent)
{
    struct unsent *unsent = mem_alloc(sizeof *unsent);
    if (unsent == NULL) {
        return false;
    }
    *unsent = (struct unsent){.data = u->out.data, .cap = u->out.cap};
    unsent->write.data = unsent;
    uv_buf_t buf = {u->out.data + sent, u->out.len - sent};
    u->out = (struct reply){.resp = 2};
    if (uv_write(&unsent->write, (uv_stream_t *)&u->tcp, &buf, 1, on_written) < 0) {
        mem_free(unsent->data, unsent->cap);
        mem_free(unsent, sizeof *unsent);
        return false;
    }
    return true;
}

/* Writes what stands in u->out. False: not a byte of it was written, and the connection is of no use any more. */
static bool write_out(struct upstream *u, const char **reason)
{
    uv_buf_t buf = {u->out.data, u->out.len};
    int status = u->tcp.write_queue_size > 0 ? 0 : uv_try_write((uv_stream_t *)&u->tcp, &buf, 1);
    if (status < 0 && status != UV_EAGAIN) {
        *reason = uv_strerror(status);
        return false;
    }
    size_t sent = status > 0 ? (size_t)status : 0;
    if (sent < u->out.len) {
        *reason = "there is no memory";
        return queue_rest(u, sent) || sent > 0;
    }
    reply_reset(&u->out, KEEP_OUT);
    return true;
}

/* ---- batches ------------------------------------------------------------------------------------------ */

static struct batch *batch_new(struct upstream *u)
{
    struct batch *batch = mem_alloc(sizeof *batch);
    if (batch != NULL) {
        memset(batch, 0, sizeof *batch);
        batch->upstream = u->number;
    }
    return batch;
}

/* What must go up before the parcel, so that the connection is as its client is. Returns how many replies that gives. */
static uint32_t add_state(struct upstream *u, const struct parcel *p)
{
    uint32_t replies = 0;
    if (!u->shared && u->told != p->client->id) { /* for CLIENT LIST there */
        reply_array(&u->out, 4);
        reply_bulk_string(&u->out, "REPLCONF");
        reply_bulk_string(&u->out, "forward");
        reply_bulk_string(&u->out, u->node);
        reply_bulk_string(&u->out, p->client->peer);
        replies++;
    }
    if (u->resp != p->resp) {
        reply_array(&u->out, 2);
        reply_bulk_string(&u->out, "HELLO");
        reply_bulk_int(&u->out, p->resp);
        replies++;
    }
    if (u->db != p->db) {
        reply_array(&u->out, 2);
        reply_bulk_string(&u->out, "SELECT");
        reply_bulk_int(&u->out, p->db);
        replies++;
    }
    if ((p->flags & PARCEL_OFFSET) != 0) {
        reply_array(&u->out, 3);
        reply_bulk_string(&u->out, "REPLCONF");
        reply_bulk_string(&u->out, "write-offset");
        reply_bulk_int(&u->out, (int64_t)p->offset);
        replies++;
    }
    return replies;
}

bool upstream_add(struct upstream *u, struct parcel *p)
{
    size_t before = u->out.len;
    struct batch *batch = u->gathering != NULL ? u->gathering : batch_new(u);
    if (batch == NULL) {
        return false;
    }
    uint32_t state = add_state(u, p);
    reply_raw(&u->out, p->bytes, p->len);
    if (u->out.failed) {
        u->out.failed = false;
        u->out.len = before;
        if (u->gathering == NULL) {
            mem_free(batch, sizeof *batch);
        }
        return false;
    }
    p->prefix = state;
    p->flags &= ~(uint32_t)(PARCEL_ANSWERED | PARCEL_REFUSED | PARCEL_ABORTED);
    p->next_in_batch = NULL;
    *(batch->last != NULL ? &batch->last->next_in_batch : &batch->first) = p;
    batch->last = p;
    u->gathering = batch;
    u->told = p->client->id;
    u->resp = p->resp;
    u->db = p->db_after == p->db ? p->db : -1; /* a transaction may come to nothing */
    return true;
}

void upstream_flush(struct upstream *u)
{
    struct batch *batch = u->gathering;
    const char *reason = "there is no memory";
    REPLY_LITERAL(&u->out, "*2\r\n$8\r\nREPLCONF\r\n$12\r\nwrite-offset\r\n");
    if (u->out.failed || !write_out(u, &reason)) {
        upstream_close(u, reason);
        return;
    }
    batch->since = clock_now();
    batch->due = batch->first;
    batch->skip = parcel_skips(batch->due);
    u->gathering = NULL;
    if (u->first == NULL) {
        u->active = batch->since;
    }
    *(u->last != NULL ? &u->last->next : &u->first) = batch;
    u->last = batch;
}

bool upstream_is_stuck(struct upstream *u, int64_t before)
{
    if (u->unwritten != u->tcp.write_queue_size) { /* the master takes what it is sent */
        u->unwritten = u->tcp.write_queue_size;
        u->active = clock_now();
    }
    if (u->state == UPSTREAM_OPENING) {
        return u->active < before;
    }
    const struct batch *batch = u->first;
    bool waits = batch != NULL && batch->due != NULL && (batch->due->flags & PARCEL_WAITS) != 0;
    return batch != NULL && !waits && u->active < before;
}

/* ---- its beginning ------------------------------------------------------------------------------------ */

static void greet(struct upstream *u, const struct upstream_options *options)
{
    bool user = options->user[0] != '\0';
    if (options->password[0] != '\0') {
        reply_array(&u->out, user ? 3 : 2);
        reply_bulk_string(&u->out, "AUTH");
        if (user) {
            reply_bulk_string(&u->out, options->user);
        }
        reply_bulk_string(&u->out, options->password);
        u->greetings++;
    }
    reply_array(&u->out, 3);
    reply_bulk_string(&u->out, "REPLCONF");
    reply_bulk_string(&u->out, "forward");
    reply_bulk_string(&u->out, options->node);
    /* A master with fewer databases would run what follows a SELECT in the wrong one. */
    reply_array(&u->out, 2);
    reply_bulk_string(&u->out, "SELECT");
    reply_bulk_int(&u->out, options->databases - 1);
    u->greetings += 2;
    u->db = options->databases - 1;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct upstream *u = connect->data;
    const char *reason = status < 0 ? uv_strerror(status) : "";
    if (u->state == UPSTREAM_GONE) {
        return;
    }
    int timeout = LOST_AFTER;
    uv_os_fd_t fd;
    if (status == 0 && uv_fileno((uv_handle_t *)&u->tcp, &fd) == 0) {
        uv_tcp_nodelay(&u->tcp, 1);
        uv_tcp_keepalive(&u->tcp, 1, KEEPALIVE);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    }
    if (status < 0 || uv_read_start((uv_stream_t *)&u->tcp, on_alloc, on_read) < 0 ||
        !write_out(u, &reason)) {
        upstream_close(u, reason);
    }
}

struct upstream *upstream_open(struct loop *loop, const struct upstream_options *options,
                               const struct upstream_hooks *hooks, void *owner, char *area)
{
    struct upstream *u = mem_alloc(sizeof *u);
    if (u == NULL) {
        return NULL;
    }
    memset(u, 0, sizeof *u);
    u->hooks = hooks;
    u->owner = owner;
    u->area = area;
    u->shared = options->shared;
    u->node = options->node;
    u->resp = u->out.resp = 2;
    u->active = clock_now();
    resp_skim_init(&u->skim);
    greet(u, options);
    uv_tcp_init(&loop->uv, &u->tcp);
    u->tcp.data = u;
    u->connect.data = u;
    if (u->out.failed || uv_tcp_connect(&u->connect, &u->tcp, options->address, on_connected) < 0) {
        u->state = UPSTREAM_GONE;
        uv_close((uv_handle_t *)&u->tcp, on_closed);
        return NULL;
    }
    return u;
}
