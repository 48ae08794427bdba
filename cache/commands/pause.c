#include "commands/pause.h"

#include "clock.h"

bool pause_holds(struct client *client, const struct command *command)
{
    struct server *server = client->worker->server;
    bool writes = command != NULL && (command->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0;
    if (clock_now() >= atomic_load(&server->pause_until) || (!writes && !atomic_load(&server->pause_all)) ||
        (command != NULL && strcmp(command->name, "client") == 0) ||
        (command != NULL && command_parent(command) != NULL &&
         strcmp(command_parent(command)->name, "client") == 0)) {
        return false;
    }
    client->flags |= CLIENT_PAUSED;
    client->next_paused = client->worker->paused;
    client->worker->paused = client;
    conn_stall(client->conn);
    return true;
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
    if (w->paused == NULL || clock_now() < atomic_load(&w->server->pause_until)) {
        return;
    }
    /* A client that is held again at once goes to the new list. */
    struct client *next;
    struct client *list = w->paused;
    gate_enter(&w->server->gate, w->loop->index);
    w->paused = NULL;
    for (struct client *client = list; client != NULL; client = next) {
        next = client->next_paused;
        client->flags &= ~(uint32_t)CLIENT_PAUSED;
    }
    gate_leave(&w->server->gate, w->loop->index);
    for (struct client *client = list; client != NULL; client = next) {
        next = client->next_paused;
        conn_resume(client->conn);
    }
}
