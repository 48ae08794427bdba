#include "commands/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "clock.h"
#include "commands/dispatch.h"
#include "commands/errorstats.h"
#include "memory.h"

static void free_text(char **text)
{
    if (*text != NULL) {
        mem_free(*text, strlen(*text) + 1);
        *text = NULL;
    }
}

static void free_texts(struct client *client)
{
    free_text(&client->name);
    free_text(&client->lib_name);
    free_text(&client->lib_version);
    free_text(&client->peer);
    free_text(&client->local);
}

/* Addresses are asked for once, here: later another loop may want them (CLIENT LIST) while this one closes the socket. */
static bool note_addresses(struct client *client)
{
    char text[160];
    conn_peer(client->conn, text, sizeof text);
    if (!client_set_text(&client->peer, (struct slice){text, strlen(text)})) {
        return false;
    }
    conn_name(client->conn, text, sizeof text);
    client->fd = conn_fd(client->conn);
    return client_set_text(&client->local, (struct slice){text, strlen(text)});
}

struct client *client_new(struct conn *conn)
{
    struct worker *w = conn->loop->worker;
    struct client *client = mem_alloc(sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    *client = (struct client){
        .conn = conn,
        .worker = w,
        .id = atomic_fetch_add_explicit(&w->server->next_client_id, 1, memory_order_relaxed),
        .db = &w->server->keyspace.dbs[0],
        .created = clock_now(),
    };
    if (!note_addresses(client)) {
        free_texts(client);
        mem_free(client, sizeof *client);
        return NULL;
    }
    client_set_authenticated(client, w->server->config->requirepass[0] == '\0');
    return client;
}

/* ---- a wait ------------------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct blocked *blocked = handle->data;
    blocked->timed = false;
    if (blocked->over) {
        mem_free(blocked, blocked->size);
    }
}

static void close_timer(struct blocked *blocked)
{
    if (blocked->timed && !uv_is_closing((uv_handle_t *)&blocked->timer)) {
        uv_close((uv_handle_t *)&blocked->timer, on_timer_closed);
    }
}

static void free_blocked(struct blocked *blocked)
{
    blocked->over = true;
    if (blocked->timed) {
        close_timer(blocked);
    } else {
        mem_free(blocked, blocked->size);
    }
}

static void leave(struct blocked *blocked)
{
    if (blocked->left != NULL) {
        blocked->left(blocked);
    }
}

static void end_block(struct client *client)
{
    struct blocked *blocked = client->blocked;
    client->blocked = NULL;
    client->flags &=
        ~(uint32_t)(CLIENT_BLOCKED | CLIENT_WOKEN | CLIENT_WOKEN_BY_ERROR | CLIENT_WOKEN_BY_ROLE);
    free_blocked(blocked);
}

/* The wait of a client that is gone. */
static void forsake(struct client *client)
{
    struct blocked *blocked = client->blocked;
    if (blocked->claimed) { /* it is the message's */
        blocked->client = NULL;
        close_timer(blocked);
        return;
    }
    if (client_waits(client)) {
        leave(blocked);
    }
    end_block(client);
}

void client_free(struct client *client)
{
    if (client->blocked != NULL) {
        forsake(client);
    }
    free_texts(client);
    mem_free(client, sizeof *client);
}

void client_closing(struct client *client)
{
    if (client->blocked != NULL) {
        atomic_store(&client->blocked->closing, true);
    }
}

bool client_set_text(char **text, struct slice value)
{
    char *copy = NULL;
    if (value.len > 0) {
        copy = mem_alloc(value.len + 1);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, value.ptr, value.len);
        copy[value.len] = '\0';
    }
    free_text(text);
    *text = copy;
    return true;
}

bool client_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '!' || name.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Redis's: who has given no password yet and reads no replies gets no memory for them. */
static const struct conn_limit unauthenticated_limit = {.hard = 1024};

void client_choose_limit(struct client *client)
{
    int class = (client->flags & CLIENT_REPLICA) != 0      ? CONFIG_CLASS_REPLICA
                : (client->flags & CLIENT_SUBSCRIBED) != 0 ? CONFIG_CLASS_PUBSUB
                                                           : CONFIG_CLASS_NORMAL;
    client->conn->limit =
        client->authenticated ? &client->worker->server->output_limits[class] : &unauthenticated_limit;
}

void client_set_authenticated(struct client *client, bool authenticated)
{
    client->authenticated = authenticated;
    client->conn->unauthenticated = !authenticated;
    client_choose_limit(client);
}

bool client_address_is_local(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_INET: return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    default: return true;
    }
}

bool client_is_local(const struct client *client)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    return client->conn->local || (getpeername(conn_fd(client->conn), (struct sockaddr *)&peer, &len) == 0 &&
                                   client_address_is_local((struct sockaddr *)&peer));
}

/* ---- blocking --------------------------------------------------------------------------------------- */

static void reply_unblocked(struct client *client)
{
    struct worker *w = client->worker;
    if ((client->flags & CLIENT_WOKEN_BY_ROLE) != 0) {
        reply_error(&w->loop->reply,
                    "UNBLOCKED force unblock from blocking operation, instance state changed "
                    "(master -> replica?)");
    } else {
        reply_error(&w->loop->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    }
    w->errors++;
    errorstats_note(w, SLICE("UNBLOCKED "));
}

/* Ends a wait whose command did not get what it waited for; unless it just did. */
static void end_wait(struct blocked *blocked)
{
    struct client *client = blocked->client;
    struct worker *w = client->worker;
    gate_enter(&w->server->gate, w->loop->index);
    bool ends = !blocked->claimed;
    if (ends) {
        bool failed = (client->flags & CLIENT_WOKEN_BY_ERROR) != 0;
        if (client_waits(client)) {
            leave(blocked);
        }
        w->loop->reply.resp = client->conn->resp;
        if (failed) {
            reply_unblocked(client);
        } else {
            blocked->timed_out(client);
        }
        dispatch_count_waited(w, client->last_command, failed);
    }
    gate_leave(&w->server->gate, w->loop->index);
    if (ends) {
        client_unblock(client);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct blocked *blocked = timer->data;
    if (blocked->client != NULL) {
        end_wait(blocked);
    }
}

bool client_block(struct client *client, int64_t timeout, void (*timed_out)(struct client *), void *state)
{
    struct blocked *blocked = mem_alloc(sizeof *blocked);
    if (blocked == NULL) {
        return false;
    }
    *blocked = (struct blocked){.timed_out = timed_out, .state = state, .size = sizeof *blocked};
    client_block_by(client, blocked, timeout);
    return true;
}

void client_block_by(struct client *client, struct blocked *blocked, int64_t timeout)
{
    blocked->client = client;
    blocked->silent = (client->flags & CLIENT_REPLY_SKIP) != 0;
    if (timeout > 0) {
        uv_loop_t *uv = &client->worker->loop->uv;
        uv_update_time(uv);
        uv_timer_init(uv, &blocked->timer);
        blocked->timer.data = blocked;
        blocked->timed = true;
        /* The loop's time is cut to whole milliseconds: one more, and no wait ends early. */
        uv_timer_start(&blocked->timer, on_timeout, (uint64_t)timeout + 1, 0);
    }
    client->blocked = blocked;
    client->flags |= CLIENT_BLOCKED;
    conn_stall(client->conn);
}

void client_claim(struct blocked *blocked)
{
    blocked->claimed = true;
    blocked->client->flags &= ~(uint32_t)CLIENT_BLOCKED;
}

void client_answer(struct blocked *blocked, const struct reply *reply)
{
    struct client *client = blocked->client;
    if (client == NULL) {
        free_blocked(blocked);
        return;
    }
    reply_raw(&client->worker->loop->reply, reply->data, reply->len);
    client->worker->loop->reply.failed |= reply->failed;
    client_unblock(client);
}

void client_unblock(struct client *client)
{
    if (client->blocked != NULL) {
        struct conn *conn = client->conn;
        struct worker *w = client->worker;
        gate_enter(&w->server->gate, w->loop->index);
        bool expelled = (client->flags & CLIENT_WOKEN_BY_ROLE) != 0;
        if (client->blocked->silent || (client->flags & CLIENT_REPLY_OFF) != 0) {
            w->loop->reply.len = w->loop->reply_base;
        }
        end_block(client);
        counter_set(&conn->last_active, clock_now()); /* it was not idle: it waited */
        gate_leave(&w->server->gate, w->loop->index);
        conn_flush(conn);
        if (expelled) {
            conn_close_after_write(conn);
        }
        conn_resume(conn);
    }
}

/* ---- what one loop wants of another's client --------------------------------------------------------- */

/* On the clients' own loop: does what their flags ask for. The flags are other threads' too, so they are read inside the
 * gate; waits are ended outside of it, where a connection may be served again. */
static void obey(struct loop *loop, void *unused)
{
    (void)unused;
    struct worker *w = loop->worker;
    struct blocked *due = NULL;
    gate_enter(&w->server->gate, loop->index);
    w->summoned = false;
    for (struct conn *conn = loop->conns; conn != NULL; conn = conn->next) {
        struct client *client = conn->client;
        if (client != NULL && (client->flags & CLIENT_KILLED) != 0) {
            conn_close(conn);
        } else if (client != NULL && (client->flags & CLIENT_WOKEN) != 0) {
            client->blocked->next_due = due;
            due = client->blocked;
        }
    }
    gate_leave(&w->server->gate, loop->index);
    struct blocked *next;
    for (; due != NULL; due = next) {
        next = due->next_due;
        end_wait(due);
    }
}

/* One message for all that is asked of a loop's clients until it comes. False: no memory for it. */
static bool summon(struct worker *w)
{
    if (!w->summoned) {
        w->summoned = loop_post(w->loop, obey, NULL);
    }
    return w->summoned;
}

void client_kill(struct worker *by, struct client *client)
{
    client->flags |= CLIENT_KILLED;
    if (client->worker == by) {
        conn_close(client->conn);
    } else {
        summon(client->worker); /* without it, the round of the client limits does the same soon */
    }
}

bool client_wake(struct client *client, bool with_error)
{
    if (!client_waits(client) || client->blocked->fixed || !summon(client->worker)) {
        return false;
    }
    leave(client->blocked);
    client->flags |= CLIENT_WOKEN | (with_error ? (uint32_t)CLIENT_WOKEN_BY_ERROR : 0);
    return true;
}

static void wake_by_role(void *context, struct client *client)
{
    (void)context;
    if (client_wake(client, true)) {
        client->flags |= CLIENT_WOKEN_BY_ROLE;
    }
}

void client_wake_all_by_role(struct server *server)
{
    client_each(server, wake_by_role, NULL);
}

void client_each(struct server *server, void (*visit)(void *context, struct client *client), void *context)
{
    for (int i = 0; i < server->net.count; i++) {
        for (struct conn *conn = server->net.loops[i].conns; conn != NULL; conn = conn->next) {
            struct client *client = conn->client;
            if (client != NULL && (client->flags & CLIENT_KILLED) == 0) {
                visit(context, client);
            }
        }
    }
}

struct search {
    int64_t id;
    struct client *found;
};

static void visit_id(void *context, struct client *client)
{
    struct search *search = context;
    if (client->id == search->id) {
        search->found = client;
    }
}

struct client *client_find(struct server *server, int64_t id)
{
    struct search search = {id, NULL};
    client_each(server, visit_id, &search);
    return search.found;
}
