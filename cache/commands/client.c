#include "commands/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "clock.h"
#include "commands/monitor.h"
#include "commands/pause.h"
#include "memory.h"

bool client_opened(struct conn *conn)
{
    struct worker *w = conn->loop->worker;
    struct client *client = mem_alloc(sizeof *client);
    if (client == NULL) {
        return false;
    }
    *client = (struct client){
        .conn = conn,
        .worker = w,
        .id = atomic_fetch_add_explicit(&w->server->next_client_id, 1, memory_order_relaxed),
        .db = &w->server->keyspace.dbs[0],
        .created = clock_now(),
    };
    conn->client = client;
    conn->limit = &w->server->output_limits[CONFIG_CLASS_NORMAL];
    client_set_authenticated(client, w->server->config->requirepass[0] == '\0');
    return true;
}

static void free_text(char **text)
{
    if (*text != NULL) {
        mem_free(*text, strlen(*text) + 1);
        *text = NULL;
    }
}

static void on_block_closed(uv_handle_t *handle)
{
    struct blocked *blocked = handle->data;
    mem_free(blocked, sizeof *blocked);
}

static void end_block(struct client *client)
{
    struct blocked *blocked = client->blocked;
    client->blocked = NULL;
    client->flags &= ~(uint32_t)CLIENT_BLOCKED;
    blocked->client = NULL;
    uv_close((uv_handle_t *)&blocked->timer, on_block_closed);
}

void client_closed(struct conn *conn)
{
    struct client *client = conn->client;
    if (client == NULL) {
        return;
    }
    if (client->blocked != NULL) {
        end_block(client);
    }
    if ((client->flags & CLIENT_PAUSED) != 0) {
        pause_forget(client);
    }
    if ((client->flags & CLIENT_MONITOR) != 0) {
        monitor_forget(client);
    }
    client_limits_forget(client);
    free_text(&client->name);
    free_text(&client->lib_name);
    free_text(&client->lib_version);
    mem_free(client, sizeof *client);
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

void client_set_authenticated(struct client *client, bool authenticated)
{
    client->authenticated = authenticated;
    client->conn->unauthenticated = !authenticated;
}

bool client_is_local(const struct client *client)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    if (client->conn->local) {
        return true;
    }
    if (getpeername(conn_fd(client->conn), (struct sockaddr *)&peer, &len) != 0) {
        return false;
    }
    if (peer.ss_family == AF_INET) {
        return ntohl(((struct sockaddr_in *)&peer)->sin_addr.s_addr) >> 24 == 127;
    }
    return peer.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&peer)->sin6_addr);
}

/* ---- blocking --------------------------------------------------------------------------------------- */

static void on_timeout(uv_timer_t *timer)
{
    struct blocked *blocked = timer->data;
    struct client *client = blocked->client;
    if (client != NULL) {
        client->worker->loop->reply.resp = client->conn->resp;
        blocked->timed_out(client);
        client_unblock(client);
    }
}

bool client_block(struct client *client, int64_t timeout, void (*timed_out)(struct client *), void *state)
{
    struct blocked *blocked = mem_alloc(sizeof *blocked);
    if (blocked == NULL) {
        return false;
    }
    *blocked = (struct blocked){.client = client, .timed_out = timed_out, .state = state};
    uv_timer_init(&client->worker->loop->uv, &blocked->timer);
    blocked->timer.data = blocked;
    if (timeout > 0) {
        uv_update_time(&client->worker->loop->uv);
        uv_timer_start(&blocked->timer, on_timeout, (uint64_t)timeout, 0);
    }
    client->blocked = blocked;
    client->flags |= CLIENT_BLOCKED;
    conn_stall(client->conn);
    return true;
}

void client_unblock(struct client *client)
{
    if (client->blocked != NULL) {
        struct conn *conn = client->conn;
        struct worker *w = client->worker;
        gate_enter(&w->server->gate, w->loop->index);
        end_block(client);
        gate_leave(&w->server->gate, w->loop->index);
        conn_flush(conn);
        conn_resume(conn);
    }
}

void client_each(struct server *server, void (*visit)(void *context, struct client *client), void *context)
{
    for (int i = 0; i < server->net.count; i++) {
        for (struct conn *conn = server->net.loops[i].conns; conn != NULL; conn = conn->next) {
            if (conn->client != NULL) {
                visit(context, conn->client);
            }
        }
    }
}
