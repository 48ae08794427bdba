#include "replication/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "replication/resolve.h"

static __attribute__((format(printf, 2, 3))) bool fail(struct link *link, const char *format, ...)
{
    va_list args;
    int number = errno;
    va_start(args, format);
    vsnprintf(link->error, sizeof link->error, format, args);
    va_end(args);
    errno = number;
    return false;
}

void link_init(struct link *link, int event, const struct link_hooks *hooks)
{
    link->fd = -1;
    link->event = event;
    link->hooks = *hooks;
    link->has_uv = false;
    link->timeout = 0;
    link->tick = LINK_TICK_MS;
    atomic_init(&link->last_io, clock_now());
    link->at = link->end = 0;
    link->error[0] = '\0';
}

void link_close(struct link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
}

/* ---- waiting --------------------------------------------------------------------------------------------- */

static void drain(int event)
{
    uint64_t count;
    while (read(event, &count, sizeof count) > 0) {}
}

/* Sleeps for a tick at most. False with an error: the link is not wanted any more, or its time is over. */
static bool sleep_once(struct link *link, short events, int64_t until, bool *ready)
{
    struct pollfd polled[] = {{link->fd, events, 0}, {link->event, POLLIN, 0}};
    int64_t rest = until - clock_now();
    int got = poll(polled, 2, (int)(rest <= 0 ? 0 : rest < link->tick ? rest : link->tick));
    if (got > 0 && polled[1].revents != 0) {
        drain(link->event);
    }
    if (!link->hooks.goes_on(link->hooks.context)) {
        errno = ECANCELED;
        return fail(link, "it is not wanted any more");
    }
    *ready = got > 0 && polled[0].revents != 0;
    if (!*ready && rest <= 0) {
        errno = ETIMEDOUT;
        return fail(link, "nothing has come for %lld ms", (long long)link->timeout);
    }
    return true;
}

/* Waits until the socket is ready. False with an error. */
static bool await(struct link *link, short events)
{
    int64_t until = clock_now() + link->timeout;
    int64_t told = clock_now();
    bool ready = false;
    while (!ready) {
        if (!sleep_once(link, events, until, &ready)) {
            return false;
        }
        int64_t now = clock_now();
        if (!ready && events == POLLIN && link->hooks.waits != NULL && now - told >= link->tick) {
            told = now;
            link->hooks.waits(link->hooks.context);
        }
    }
    return true;
}

/* ---- connecting ------------------------------------------------------------------------------------------ */

static bool bind_source(struct link *link, const char *source, int family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;
    if (getaddrinfo(source, NULL, &hints, &found) != 0) {
        return fail(link, "bind-source-addr %s is no address of this kind", source);
    }
    bool bound = bind(link->fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return bound || fail(link, "cannot be bound to %s: %s", source, strerror(errno));
}

static bool finish_connecting(struct link *link)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (!await(link, POLLOUT)) {
        return false;
    }
    getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    return error == 0 || fail(link, "%s", strerror(error));
}

static bool connect_to(struct link *link, const union lookup_address *address, const char *source)
{
    int on = 1;
    int family = address->any.sa_family;
    socklen_t size = family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
    link->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        return fail(link, "%s", strerror(errno));
    }
    bool good = source[0] == '\0' || bind_source(link, source, family);
    if (good && connect(link->fd, &address->any, size) != 0) {
        good = errno == EINPROGRESS ? finish_connecting(link) : fail(link, "%s", strerror(errno));
    }
    if (!good) {
        link_close(link);
        return false;
    }
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return true;
}

/* One for all attempts: descriptors that come and go cost more than the loop. */
static bool have_loop(struct link *link)
{
    int status = link->has_uv ? 0 : uv_loop_init(&link->uv);
    link->has_uv = status == 0;
    return status == 0 || fail(link, "%s", uv_strerror(status));
}

void link_free(struct link *link)
{
    link_close(link);
    if (link->has_uv) {
        uv_loop_close(&link->uv);
        link->has_uv = false;
    }
}

bool link_open(struct link *link, const struct link_address *to, int64_t timeout)
{
    const struct resolve_patience patience = {timeout, link->event, link->hooks.goes_on, link->hooks.context};
    struct lookup_target target;
    link->timeout = timeout < LINK_CONNECT_MS ? timeout : LINK_CONNECT_MS;
    link->tick = LINK_TICK_MS;
    link->at = link->end = 0;
    if (!have_loop(link) ||
        !resolve_host(&link->uv, to->host, to->port, &patience, &target, link->error, sizeof link->error)) {
        return false;
    }
    bool open = false;
    for (size_t i = 0; i < target.count && !open; i++) {
        open = connect_to(link, &target.addresses[i], to->source);
        if (!open && errno == ECANCELED) {
            break;
        }
    }
    link->timeout = timeout;
    atomic_store(&link->last_io, clock_now());
    return open;
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

bool link_write(struct link *link, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(link->fd, at, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            at += sent;
            len -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (!await(link, POLLOUT)) {
                return false;
            }
        } else if (errno != EINTR) {
            return fail(link, "%s", strerror(errno));
        }
    }
    return true;
}

/* From the socket alone. */
static ssize_t receive(struct link *link, void *buffer, size_t n)
{
    for (;;) {
        ssize_t got = recv(link->fd, buffer, n, 0);
        if (got > 0) {
            atomic_store_explicit(&link->last_io, clock_now(), memory_order_relaxed);
            return got;
        }
        if (got == 0) {
            fail(link, "the other end has closed the connection");
            return 0;
        }
        if (errno != EAGAIN && errno != EINTR) {
            fail(link, "%s", strerror(errno));
            return -1;
        }
        if (errno == EAGAIN && !await(link, POLLIN)) {
            return -1;
        }
    }
}

ssize_t link_read(struct link *link, void *buffer, size_t n)
{
    size_t held = link->end - link->at;
    if (held == 0) {
        if (!link->hooks.goes_on(link->hooks.context)) {
            errno = ECANCELED;
            fail(link, "it is not wanted any more");
            return -1;
        }
        return receive(link, buffer, n);
    }
    size_t taken = held < n ? held : n;
    memcpy(buffer, link->buffer + link->at, taken);
    link->at += taken;
    return (ssize_t)taken;
}

static bool fill_buffer(struct link *link)
{
    ssize_t got = receive(link, link->buffer, sizeof link->buffer);
    link->at = 0;
    link->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

bool link_await(struct link *link)
{
    return link->at < link->end || fill_buffer(link);
}

bool link_read_line(struct link *link, char *line, size_t size)
{
    size_t len = 0;
    for (;;) {
        if (link->at == link->end && !fill_buffer(link)) {
            return false;
        }
        char c = link->buffer[link->at++];
        if (c == '\n' && len > 0) {
            line[len] = '\0';
            return true;
        }
        if (c != '\n' && c != '\r') {
            if (len + 1 == size) {
                return fail(link, "a line of more than %zu bytes has come", size);
            }
            line[len++] = c;
        }
    }
}
