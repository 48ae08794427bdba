#include "commands/pause.h"

#include "clock.h"
#include "commands/transaction.h"

/*
 * A pause that is over is 0 again: the hot path looks at that alone. pause_all stands for a pause that lasts.
 */

/* The pause that clients have asked for: while another purpose pauses writes it waits beside that one. */
static void set_until(struct server *server, int64_t until)
{
    if (server->paused_for != 0) {
        server->pause_asked = until;
    } else {
        atomic_store(&server->pause_until, until);
        keyspace_freeze(&server->keyspace, KEYSPACE_PAUSED, until != 0);
    }
}

void pause_begin(struct server *server, int64_t timeout, bool all)
{
    int64_t now = clock_now();
    int64_t until = timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
    int64_t current = server->paused_for != 0 ? server->pause_asked : atomic_load(&server->pause_until);
    bool lasting = current > now;
    atomic_store(&server->pause_all, all || (lasting && atomic_load(&server->pause_all)));
    set_until(server, lasting && current > until ? current : until);
}

static void check_now(struct loop *loop, void *unused)
{
    (void)unused;
    pause_check(loop->worker);
}

void pause_wake(struct server *server)
{
    for (int i = 0; i < server->net.count; i++) {
        loop_post(&server->net.loops[i], check_now, NULL); /* without it, the cron does the same soon */
    }
}

void pause_end(struct server *server)
{
    set_until(server, 0);
    pause_wake(server);
}

void pause_for(struct server *server, enum pause_purpose why, bool begin)
{
    int64_t now = clock_now();
    uint32_t before = server->paused_for;
    if (begin && before == 0) {
        int64_t current = atomic_load(&server->pause_until);
        server->pause_asked = current > now ? current : 0;
        if (current <= now) {
            atomic_store(&server->pause_all, false);
        }
        set_until(server, INT64_MAX);
    }
    server->paused_for = begin ? before | why : before & ~(uint32_t)why;
    if (before != 0 && server->paused_for == 0) {
        set_until(server, server->pause_asked > now ? server->pause_asked : 0);
        pause_wake(server);
    }
}

/* CLIENT and its subcommands, UNPAUSE among them. */
static bool is_exempt(const struct command *command)
{
    const struct command *parent = command_parent(command);
    return strcmp(parent != NULL ? parent->name : command->name, "client") == 0;
}

bool pause_holds(struct client *client, const struct command *command)
{
    struct server *server = client->worker->server;
    bool writes =
        command != NULL && (transaction_flags(client, command) & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0;
    if (clock_now() >= atomic_load(&server->pause_until) || (client->flags & CLIENT_REPLICA) != 0 ||
        (!writes && !atomic_load(&server->pause_all)) || (command != NULL && is_exempt(command))) {
        return false;
    }
    pause_hold(client);
    return true;
}

void pause_hold(struct client *client)
{
    if ((client->flags & CLIENT_PAUSED) == 0) {
        client->flags |= CLIENT_PAUSED;
        client->next_paused = client->worker->paused;
        client->worker->paused = client;
    }
    conn_stall(client->conn);
}

void pause_forget(struct client *client)
{
    struct client **link = &client->worker->paused;
    while (*link != client) {
        link = &(*link)->next_paused;
    }
    *link = client->next_paused;
    client->flags &= ~(uint32_t)CLIENT_PAUSED;
}

void pause_check(struct worker *w)
{
    struct server *server = w->server;
    int64_t until = atomic_load(&server->pause_until);
    if ((until == 0 && w->paused == NULL) || (until != 0 && clock_now() < until)) {
        return;
    }
    /* A client that is held again at once goes to the new list. */
    struct client *next;
    struct client *list = w->paused;
    gate_enter(&server->gate, w->loop->index); /* in here no new pause can begin */
    if (until != 0 && atomic_compare_exchange_strong(&server->pause_until, &until, 0)) {
        keyspace_freeze(&server->keyspace, KEYSPACE_PAUSED,
                        false); /* and commands need not look at it any more */
    }
    w->paused = NULL;
    for (struct client *client = list; client != NULL; client = next) {
        next = client->next_paused;
        client->flags &= ~(uint32_t)CLIENT_PAUSED;
    }
    gate_leave(&server->gate, w->loop->index);
    for (struct client *client = list; client != NULL; client = next) {
        next = client->next_paused;
        conn_resume(client->conn);
    }
}
