#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "logger.h"
#include "memory.h"
#include "net/conn.h"

enum { ACCEPTS_A_TURN = 128 };

struct listener {
    struct listener *next;
    uv_poll_t poll;
    int fd;
    int spare;      /* a descriptor to give up, so that a connection can be refused when there are no more */
    int64_t warned; /* when it last said that descriptors are short */
    char *path;     /* of a Unix socket */
    struct net *net;
};

/* ---- accepting -------------------------------------------------------------------------------------- */

/* Connections of a loop: open, or dealt out to it and still on their way. */
static int64_t load_of(const struct loop *loop)
{
    int64_t on_their_way = counter_get(&loop->dealt) - counter_get(&loop->received);
    return counter_get(&loop->connections) + (on_their_way > 0 ? on_their_way : 0);
}

static struct loop *emptiest(const struct net *net)
{
    struct loop *best = &net->loops[0];
    for (int i = 1; i < net->count; i++) {
        if (load_of(&net->loops[i]) < load_of(best)) {
            best = &net->loops[i];
        }
    }
    return best;
}

static int64_t open_connections(const struct net *net)
{
    int64_t sum = 0;
    for (int i = 0; i < net->count; i++) {
        sum += load_of(&net->loops[i]);
    }
    return sum;
}

static void refuse(int fd, const char *line)
{
    /* The peer may be gone, or its window full: it has been told as well as it can be. */
    ssize_t ignored = send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    close(fd);
}

static void open_tcp_here(struct loop *loop, void *fd)
{
    conn_open(loop, (int)(intptr_t)fd, false);
}

static void open_local_here(struct loop *loop, void *fd)
{
    conn_open(loop, (int)(intptr_t)fd, true);
}

static void deal(struct listener *listener, int fd, const struct sockaddr *peer)
{
    struct net *net = listener->net;
    net->hooks.enter(&net->loops[0]); /* it looks at settings, which another loop may be changing */
    const char *refusal = net->hooks.admit(net, peer);
    net->hooks.leave(&net->loops[0]);
    if (refusal == NULL &&
        open_connections(net) >= atomic_load_explicit(&net->max_connections, memory_order_relaxed)) {
        refusal = "-ERR max number of clients reached\r\n";
        counter_add(&net->rejected, 1);
    }
    if (refusal != NULL) {
        refuse(fd, refusal);
        return;
    }
    struct loop *loop = emptiest(net);
    counter_add(&loop->dealt, 1);
    if (loop->index == 0) {
        conn_open(loop, fd, listener->path != NULL);
    } else if (!loop_post(loop, listener->path != NULL ? open_local_here : open_tcp_here,
                          (void *)(intptr_t)fd)) {
        counter_add(&loop->dealt, -1);
        close(fd);
    }
}

/* No descriptor is free: one is given up to accept the connection and close it, so that the peer need not
 * wait and the listening socket does not stay readable for ever. */
static void turn_away(struct listener *listener)
{
    int64_t now = clock_now();
    counter_add(&listener->net->accept_errors, 1);
    if (listener->spare >= 0) {
        close(listener->spare);
    }
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (now - listener->warned >= 1000) { /* once a second: there may be thousands */
        listener->warned = now;
        logger_warning("A connection was closed: no file descriptor is free (see maxclients and ulimit -n)");
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            deal(listener, fd, (struct sockaddr *)&peer);
        } else if (errno == EMFILE || errno == ENFILE) {
            turn_away(listener);
            if (listener->spare < 0) {
                return; /* somebody was faster: not even this one is free. The next poll tries again */
            }
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static struct listener *add(struct net *net, int fd)
{
    struct listener *listener = mem_must(sizeof *listener);
    *listener = (struct listener){.next = net->listeners, .fd = fd, .net = net};
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_poll_init(&net->loops[0].uv, &listener->poll, fd);
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    net->listeners = listener;
    return listener;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address = {.in6 = {0}};
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

static int listen_on(const struct addrinfo *info, int backlog)
{
    int yes = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, backlog) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int listener_open_tcp(struct net *net, const char *address, int port, int backlog, char *error,
                      size_t error_size)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    char service[16];
    const char *node = address;
    if (strcmp(address, "*") == 0) {
        node = "0.0.0.0";
    } else if (strcmp(address, "::*") == 0) {
        node = "::";
    }
    snprintf(service, sizeof service, "%d", port);
    int status = getaddrinfo(node, service, &hints, &list);
    if (status != 0) {
        snprintf(error, error_size, "cannot resolve '%s': %s", address, gai_strerror(status));
        return UV_EAI_NONAME;
    }
    int fd = listen_on(list, backlog);
    freeaddrinfo(list);
    if (fd < 0) {
        snprintf(error, error_size, "cannot listen on %s:%d: %s", address, port, strerror(-fd));
        return fd;
    }
    add(net, fd);
    net->port = net->port != 0 ? net->port : bound_port(fd);
    return 0;
}

int listener_open_unix(struct net *net, const char *path, unsigned mode, int backlog, char *error,
                       size_t error_size)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat old;
    if (strlen(path) >= sizeof un.sun_path) {
        snprintf(error, error_size, "the path of a Unix socket is too long (%zu bytes at most): %s",
                 sizeof un.sun_path - 1, path);
        return UV_ENAMETOOLONG;
    }
    memcpy(un.sun_path, path, strlen(path));
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode)) {
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof un) != 0 || listen(fd, backlog) != 0 ||
        (mode != 0 && chmod(path, mode) != 0)) {
        int code = -errno;
        snprintf(error, error_size, "cannot listen on %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    struct listener *listener = add(net, fd);
    listener->path = mem_must(strlen(path) + 1);
    memcpy(listener->path, path, strlen(path) + 1);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    close(listener->fd);
    close(listener->spare);
    if (listener->path != NULL) {
        mem_free(listener->path, strlen(listener->path) + 1);
    }
    mem_free(listener, sizeof *listener);
}

void listener_close_all(struct net *net)
{
    struct listener *next;
    for (struct listener *listener = net->listeners; listener != NULL; listener = next) {
        next = listener->next;
        if (listener->path != NULL) {
            unlink(listener->path);
        }
        uv_close((uv_handle_t *)&listener->poll, on_closed);
    }
    net->listeners = NULL;
}
