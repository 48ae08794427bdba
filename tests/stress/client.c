/*
 * A client of the stress test: asks in pipelines, and reads replies whose form and type it checks.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int server_port;
_Atomic int64_t requests_sent, replies_seen, connections_made;

uint32_t pick(struct client *c, uint32_t below)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (uint32_t)(c->random >> 32) % below;
}

void must_grow(char **data, size_t *cap, size_t need)
{
    if (need > *cap) {
        *cap = need * 2;
        *data = realloc(*data, *cap);
        if (*data == NULL) {
            broken("no memory for the test itself");
        }
    }
}

void put(struct client *c, const char *bytes, size_t len)
{
    must_grow(&c->out, &c->out_cap, c->out_len + len);
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

void put_argument(struct client *c, const char *bytes, size_t len)
{
    char head[32];
    put(c, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len));
    put(c, bytes, len);
    put(c, "\r\n", 2);
}

void ask(struct client *c, const char *allowed, const char *format, ...)
{
    char line[512], head[32];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    int words = 1;
    for (const char *at = line; *at != '\0'; at++) {
        words += *at == ' ';
    }
    put(c, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", words));
    for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;) {
        for (char *tilde = word; (tilde = strchr(tilde, '~')) != NULL;) {
            *tilde = ' ';
        }
        put_argument(c, word, strlen(word));
    }
    c->allowed[c->count++] = allowed;
}

void hang_up(struct client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    c->in_at = c->in_len = c->out_len = 0;
    c->count = 0;
}

bool dial(struct client *c)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int yes = 1;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    hang_up(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&in, sizeof in) != 0) {
        hang_up(c);
        return false;
    }
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    atomic_fetch_add(&connections_made, 1);
    return true;
}

bool send_all(struct client *c, size_t len)
{
    size_t sent = 0;
    while (sent < len) {
        ssize_t n = send(c->fd, c->out + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            broken("the server takes no bytes for %d s", PATIENCE_S);
        }
        if (n <= 0) {
            return false;
        }
        sent += (size_t)n;
    }
    c->out_len = 0;
    return true;
}

bool receive_more(struct client *c, const char *waited_for)
{
    if (c->in_at > 0) {
        memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
        c->in_len -= c->in_at;
        c->in_at = 0;
    }
    must_grow(&c->in, &c->in_cap, c->in_len + 64 * 1024);
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
    if (n < 0 && errno == EAGAIN) {
        broken("no reply for %d s; expected one of [%s]", PATIENCE_S, waited_for);
    }
    c->in_len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

size_t reply_length(const char *from, size_t len)
{
    const char *newline = memchr(from, '\n', len);
    if (newline == NULL) {
        return 0;
    }
    size_t at = (size_t)(newline + 1 - from);
    if (at < 3 || newline[-1] != '\r' || strchr("+-:$*%~>_#,=(", from[0]) == NULL) {
        broken("no reply at all: %.*s", (int)(at < 100 ? at : 100), from);
    }
    long long number = strtoll(from + 1, NULL, 10);
    if (from[0] == '$' || from[0] == '=') {
        size_t all = number < 0 ? at : at + (size_t)number + 2;
        if (all <= len && number >= 0 && memcmp(from + all - 2, "\r\n", 2) != 0) {
            broken("a bulk string without its end");
        }
        return all <= len ? all : 0;
    }
    if (strchr("*%~>", from[0]) != NULL) {
        for (long long i = from[0] == '%' ? number * 2 : number; i > 0; i--) {
            size_t item = at < len ? reply_length(from + at, len - at) : 0;
            if (item == 0) {
                return 0;
            }
            at += item;
        }
    }
    return at;
}

const char *read_reply(struct client *c, const char *allowed, size_t *len)
{
    while (c->in_at == c->in_len || (*len = reply_length(c->in + c->in_at, c->in_len - c->in_at)) == 0) {
        if (!receive_more(c, allowed)) {
            return NULL;
        }
    }
    const char *reply = c->in + c->in_at;
    c->in_at += *len;
    if (reply[0] == '>') { /* RESP3: something that another client did */
        return read_reply(c, allowed, len);
    }
    atomic_fetch_add_explicit(&replies_seen, 1, memory_order_relaxed);
    if (strchr(allowed, reply[0]) == NULL) {
        broken("expected one of [%s], came: %.*s", allowed, (int)(*len < 200 ? *len : 200), reply);
    }
    return reply;
}

bool exchange(struct client *c)
{
    size_t len;
    atomic_fetch_add_explicit(&requests_sent, c->count, memory_order_relaxed);
    bool open = send_all(c, c->out_len);
    for (int i = 0; i < c->count && open; i++) {
        open = read_reply(c, c->allowed[i], &len) != NULL;
    }
    c->count = 0;
    return open;
}
