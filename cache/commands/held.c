#include "commands/held.h"

#include "memory.h"

struct held {
    struct blocked blocked; /* first: the client knows it by this */
    struct message message;
    struct held_list *list;
    struct held *next;
    struct reply reply;
};

void held_init(struct held_list *list)
{
    list->first = NULL;
    pthread_mutex_init(&list->lock, NULL);
}

static void timed_out(struct client *client)
{
    (void)client; /* it waits without a limit, and CLIENT UNBLOCK does not end it */
}

static void left(struct blocked *blocked)
{
    struct held *held = (struct held *)blocked;
    struct held_list *list = held->list;
    pthread_mutex_lock(&list->lock);
    struct held **link = &list->first;
    while (*link != held) {
        link = &(*link)->next;
    }
    *link = held->next;
    pthread_mutex_unlock(&list->lock);
}

bool held_wait(struct call *c, struct held_list *list)
{
    struct held *held = mem_alloc(sizeof *held);
    if (held == NULL) {
        call_out_of_memory(c);
        return false;
    }
    memset(held, 0, sizeof *held);
    held->blocked.size = sizeof *held;
    held->blocked.timed_out = timed_out;
    held->blocked.left = left;
    held->blocked.fixed = true;
    held->list = list;
    pthread_mutex_lock(&list->lock);
    held->next = list->first;
    list->first = held;
    pthread_mutex_unlock(&list->lock);
    client_block_by(c->client, &held->blocked, 0);
    return true;
}

bool held_any(struct held_list *list)
{
    pthread_mutex_lock(&list->lock);
    bool any = list->first != NULL;
    pthread_mutex_unlock(&list->lock);
    return any;
}

/* On the client's own loop. */
static void deliver(struct loop *loop, void *argument)
{
    (void)loop;
    struct held *held = argument;
    struct reply reply = held->reply;
    client_answer(&held->blocked, &reply); /* frees it */
    reply_free(&reply);
}

void held_answer(struct held_list *list, const char *error)
{
    pthread_mutex_lock(&list->lock);
    struct held *next, *first = list->first;
    list->first = NULL;
    pthread_mutex_unlock(&list->lock);
    for (struct held *held = first; held != NULL; held = next) {
        struct client *client = held->blocked.client;
        next = held->next;
        held->reply.resp = client->conn->resp;
        if (error != NULL) {
            reply_error(&held->reply, error);
        } else {
            reply_ok(&held->reply);
        }
        client_claim(&held->blocked);
        loop_post_lent(client->worker->loop, &held->message, deliver, held);
    }
}
