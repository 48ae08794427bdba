#include "client.h"

#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { REFUSED_REST = 3 * MS, SECOND = 1000000000 };

struct node nodes[NODES];
int node_count;
int writers[NODES], writer_count;
int64_t pace;

/* Errors after which nothing has been done. */
static const char *const refusals[] = {"READONLY", "LOADING",   "MASTERDOWN", "NOREPLICAS", "EXECABORT",
                                       "MISCONF",  "WRONGTYPE", "DRAINING",   "OOM",        "BUSY"};

int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* splitmix64 */
uint32_t pick(struct client *c, uint32_t below)
{
    uint64_t z = c->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

int pick_writer(struct client *c)
{
    return writers[pick(c, (uint32_t)writer_count)];
}

int pick_reader(struct client *c)
{
    return (int)pick(c, (uint32_t)node_count);
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

static void put(struct client *c, const char *bytes, size_t len)
{
    if (c->request_len + len > sizeof c->request) {
        fprintf(stderr, "load: a request is too long\n");
        exit(1);
    }
    memcpy(c->request + c->request_len, bytes, len);
    c->request_len += len;
}

/* One command of words between blanks. */
static void put_command(struct client *c, char *words)
{
    char *list[32];
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        list[count++] = word;
    }
    char head[32];
    put(c, head, (size_t)snprintf(head, sizeof head, "*%zu\r\n", count));
    for (size_t place = 0; place < count; place++) {
        put(c, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", strlen(list[place])));
        put(c, list[place], strlen(list[place]));
        put(c, "\r\n", 2);
    }
    if (count > 1) {
        snprintf(c->op.key, sizeof c->op.key, "%s", list[1]);
    }
    if (count > 2) {
        snprintf(c->op.argument, sizeof c->op.argument, "%s", list[2]);
    }
}

void client_ask(struct client *c, const char *kind, int node, const char *format, ...)
{
    char text[REQUEST / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->op = (struct op){.kind = kind, .node = node};
    c->request_len = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        put_command(c, line);
        c->op.replies++;
    }
}

void client_rest(struct client *c, int64_t nanoseconds)
{
    c->wake_at = now() + pick(c, (uint32_t)(2 * nanoseconds + 1));
}

/* ---- the life of an operation --------------------------------------------------------------------------------- */

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

static void op_record(const struct client *c)
{
    const struct op *op = &c->op;
    if (op->kind != NULL) {
        printf("%d %s %d %s %s %lld %lld %c %s\n", c->number, op->kind, op->node, or_dash(op->key),
               or_dash(op->argument), (long long)op->sent, (long long)op->replied, op->outcome,
               or_dash(op->value));
    }
}

static void op_end(struct client *c, char outcome)
{
    c->op.outcome = outcome;
    c->op.replied = now();
    c->busy = false;
    op_record(c);
    if (outcome == '!' || outcome == '?') {
        client_rest(c, REFUSED_REST);
    } else {
        client_rest(c, pace);
    }
    c->role->told(c);
}

/* Ends an operation of which no reply will come. */
static void op_lose(struct client *c, const char *why)
{
    snprintf(c->op.value, sizeof c->op.value, "%s", why);
    link_close(&c->links[c->op.node]);
    op_end(c, '?');
}

static void op_begin(struct client *c, int epoll)
{
    struct link *link = &c->links[c->op.node];
    if (link->fd < 0) {
        if (!link_open(link, &nodes[c->op.node])) {
            c->op.outcome = '!';
            client_rest(c, REFUSED_REST);
            c->role->told(c);
            return;
        }
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = link};
        epoll_ctl(epoll, EPOLL_CTL_ADD, link->fd, &event);
    }
    c->busy = true;
    c->op.sent = now();
    if (!link_send(link, c->request, c->request_len)) {
        op_lose(c, "closed");
    }
}

void client_step(struct client *c, int epoll)
{
    int64_t moment = now();
    if (c->busy && moment - c->op.sent > c->patience) {
        op_lose(c, "gave_up");
    } else if (!c->busy && moment >= c->wake_at) {
        c->op.replies = 0;
        c->role->ask(c);
        if (c->op.replies > 0) {
            op_begin(c, epoll);
        }
    }
}

static bool is_refusal(const char *error)
{
    for (size_t place = 0; place < sizeof refusals / sizeof refusals[0]; place++) {
        if (strncmp(error, refusals[place], strlen(refusals[place])) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes the replies that have come off the link; ends the operation with the last one. */
static void take_replies(struct client *c, struct link *link)
{
    size_t len;
    while (c->busy && (len = reply_length(link->in, link->in_len)) > 0) {
        if (--c->op.replies == 0) {
            char outcome = (c->role->value ? c->role->value : reply_text)(link->in, c->op.value, TEXT);
            link_forget(link, len);
            op_end(c, outcome == '!' && !is_refusal(c->op.value) ? '?' : outcome);
        } else {
            link_forget(link, len);
        }
    }
}

void client_readable(struct link *link)
{
    struct client *c = link->client;
    if (link->fd < 0) {
        return;
    }
    bool open = link_receive(link);
    bool mine = c->busy && link == &c->links[c->op.node];
    if (mine) {
        take_replies(c, link);
    }
    if (!open && mine && c->busy) {
        op_lose(c, "closed");
    } else if (!open) {
        link_close(link);
    }
}

void client_end(struct client *c)
{
    if (c->busy) {
        snprintf(c->op.value, sizeof c->op.value, "gave_up");
        c->op.outcome = '?';
        c->op.replied = now();
        op_record(c);
    }
}
