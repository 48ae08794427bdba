/*
 * MONITOR. A line is written once, by the loop that runs the command, and posted to each loop that has monitors, this one
 * too: from inside one connection's commands nothing may be sent to another. Mailboxes keep the order, so a
 * monitor sees each connection's commands as they ran.
 */
#include "commands/monitor.h"

#include <stdio.h>

#include "clock.h"
#include "commands/groups.h"
#include "commands/redact.h"
#include "memory.h"

/* ---- a line ----------------------------------------------------------------------------------------- */

struct monitor_line {
    size_t len;
    char text[];
};

static void put_escaped(struct reply *out, unsigned char byte)
{
    static const char letters[] = "\a\b\t\n\r\"\\";
    static const char names[] = "abtnr\"\\";
    const char *letter = byte != 0 ? strchr(letters, byte) : NULL;
    char text[8];
    int len;
    if (letter != NULL) {
        len = snprintf(text, sizeof text, "\\%c", names[letter - letters]);
    } else if (byte >= 32 && byte < 127) {
        len = snprintf(text, sizeof text, "%c", byte);
    } else {
        len = snprintf(text, sizeof text, "\\x%02x", byte);
    }
    reply_raw(out, text, (size_t)len);
}

static void put_argument(struct reply *out, struct slice argument)
{
    REPLY_LITERAL(out, " \"");
    for (size_t i = 0; i < argument.len; i++) {
        put_escaped(out, (unsigned char)argument.ptr[i]);
    }
    REPLY_LITERAL(out, "\"");
}

static void put_line(const struct call *c, struct reply *out)
{
    char head[256];
    const struct client *client = c->client;
    int64_t us = clock_wall_us();
    int peer_len = (int)strlen(client->peer) - (client->conn->local ? 2 : 0); /* without ":0" */
    int len = snprintf(head, sizeof head, "+%lld.%06lld [%d %s%.*s]", (long long)(us / 1000000),
                       (long long)(us % 1000000), client->db->id, client->conn->local ? "unix:" : "",
                       peer_len, client->peer);
    reply_raw(out, head, (size_t)len);
    for (size_t i = 0; i < c->argc; i++) {
        put_argument(out, redact_argument(c, i) ? SLICE(REDACTED) : c->argv[i]);
    }
    REPLY_LITERAL(out, "\r\n");
}

/* ---- delivery --------------------------------------------------------------------------------------- */

static void deliver(struct loop *loop, void *argument)
{
    struct monitor_line *line = argument;
    const struct worker *w = loop->worker;
    for (struct client *client = w->monitors; client != NULL; client = client->next_monitor) {
        if (counter_get(&client->conn->unsent) > CONN_MAX_UNSENT) { /* it reads too slowly to be kept */
            counter_add(&loop->closed_for_output, 1);
            conn_close(client->conn);
        } else {
            conn_send(client->conn, line->text, line->len);
        }
    }
    mem_free(line, sizeof *line + line->len);
}

static void post(struct loop *loop, const struct reply *text)
{
    struct monitor_line *line = mem_alloc(sizeof *line + text->len);
    if (line == NULL) {
        return;
    }
    line->len = text->len;
    memcpy(line->text, text->data, text->len);
    if (!loop_post(loop, deliver, line)) {
        mem_free(line, sizeof *line + line->len);
    }
}

void monitor_feed(struct call *c)
{
    struct server *server = c->server;
    struct reply text = {.resp = 2};
    if ((c->command->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)) != 0) {
        return;
    }
    put_line(c, &text);
    for (int i = 0; i < server->net.count && !text.failed; i++) {
        if (counter_get(&server->workers[i].monitoring) > 0) {
            post(&server->net.loops[i], &text);
        }
    }
    reply_free(&text);
}

/* ---- the command ------------------------------------------------------------------------------------ */

void monitor_forget(struct client *client)
{
    struct worker *w = client->worker;
    struct client **link = &w->monitors;
    while (*link != client) {
        link = &(*link)->next_monitor;
    }
    *link = client->next_monitor;
    client->flags &= ~(uint32_t)CLIENT_MONITOR;
    counter_add(&w->monitoring, -1);
    atomic_fetch_sub(&w->server->monitors, 1);
}

static void run_monitor(struct call *c)
{
    struct client *client = c->client;
    struct worker *w = c->worker;
    if (c->may_not_block) {
        reply_error(c->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if ((client->flags & CLIENT_MONITOR) != 0) {
        return; /* Redis replies nothing either */
    }
    client->flags |= CLIENT_MONITOR;
    client->next_monitor = w->monitors;
    w->monitors = client;
    counter_add(&w->monitoring, 1);
    atomic_fetch_add(&c->server->monitors, 1);
    reply_ok(c->reply);
}

const struct command monitor_commands[] = {
    {
        .name = "monitor",
        .run = run_monitor,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_LOCAL,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .summary = "Shows all commands that the server runs, as they run.",
    },
    {0},
};
