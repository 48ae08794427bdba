/* The health probe: connects, asks, looks at the first line of the answer, all before one deadline.
 *
 * It is a client of its own on plain sockets and not a part of the server's machinery, so that it works when
 * that machinery does not. AUTH and PING leave in one write: a probe costs the server one turn of a loop.
 */
#include "health.h"

#include "clock.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_SIZE 512

struct probe {
    const char *host;
    const char *socket; /* path of a Unix socket, or NULL */
    const char *password;
    char port[8];
    bool ready;
    int timeout;      /* milliseconds */
    int64_t deadline; /* milliseconds of clock.h */
};

static void print_server(const struct probe *probe)
{
    if (probe->socket != NULL) {
        printf("%s", probe->socket);
    } else {
        printf(strchr(probe->host, ':') != NULL ? "[%s]:%s" : "%s:%s", probe->host, probe->port);
    }
}

static int failed(const struct probe *probe, const char *what, int error)
{
    print_server(probe);
    if (error == ETIMEDOUT) {
        printf(": %s: no answer within %d ms\n", what, probe->timeout);
    } else {
        printf(": %s: %s\n", what, strerror(error));
    }
    return 1;
}

/* ---- the connection ------------------------------------------------------------------------------------ */

/* Waits until the descriptor is ready. False with errno, ETIMEDOUT at the deadline. */
static bool wait_for(const struct probe *probe, int fd, short events)
{
    for (;;) {
        int64_t left = probe->deadline - clock_now();
        struct pollfd entry = {.fd = fd, .events = events};
        int count = left > 0 ? poll(&entry, 1, (int)left) : 0;
        if (count > 0) {
            return true;
        }
        if (count == 0) {
            errno = ETIMEDOUT;
            return false;
        }
        if (errno != EINTR) {
            return false;
        }
    }
}

/* A connected, non-blocking socket, or -1 with errno. */
static int connect_to(const struct probe *probe, int family, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int error = connect(fd, address, size) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t length = sizeof error;
        if (!wait_for(probe, fd, POLLOUT)) {
            error = errno;
        } else {
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
        }
    }
    if (error != 0) {
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int connect_unix(const struct probe *probe)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(probe->socket) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, probe->socket);
    return connect_to(probe, AF_UNIX, (const struct sockaddr *)&address, sizeof address);
}

/* Tries each address that the name has. */
static int connect_tcp(const struct probe *probe, const char **why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int code = getaddrinfo(probe->host, probe->port, &hints, &found);
    if (code != 0) {
        *why = gai_strerror(code);
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = connect_to(probe, at->ai_family, at->ai_addr, at->ai_addrlen);
    }
    int error = errno;
    freeaddrinfo(found);
    errno = error;
    return fd;
}

static bool send_all(const struct probe *probe, int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN ? !wait_for(probe, fd, POLLOUT) : errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* One line of a reply without its end. Byte by byte: two short lines are all that ever comes. */
static bool read_line(const struct probe *probe, int fd, char *line)
{
    size_t size = 0;
    while (size < LINE_MAX_SIZE - 1) {
        ssize_t got = recv(fd, line + size, 1, 0);
        if (got == 1 && line[size] == '\n') {
            line[size > 0 && line[size - 1] == '\r' ? size - 1 : size] = '\0';
            return true;
        }
        if (got == 1) {
            size++;
        } else if (got == 0) {
            errno = ECONNRESET;
            return false;
        } else if (errno == EAGAIN ? !wait_for(probe, fd, POLLIN) : errno != EINTR) {
            return false;
        }
    }
    errno = EPROTO;
    return false;
}

/* ---- the question and the answer ----------------------------------------------------------------------- */

static bool ask(const struct probe *probe, int fd)
{
    char *request;
    size_t length = strlen(probe->password);
    int size = length == 0 ? asprintf(&request, "*1\r\n$4\r\nPING\r\n")
                           : asprintf(&request, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n*1\r\n$4\r\nPING\r\n",
                                      length, probe->password);
    if (size < 0) {
        errno = ENOMEM;
        return false;
    }
    bool done = send_all(probe, fd, request, (size_t)size);
    explicit_bzero(request, (size_t)size);
    free(request);
    return done;
}

/* What the server sent may be anything: a probe's line must not carry control characters into somebody's
 * terminal. */
static void make_printable(char *line)
{
    for (; *line != '\0'; line++) {
        if ((unsigned char)*line < 0x20 || *line == 0x7F) {
            *line = '?';
        }
    }
}

static int judge(const struct probe *probe, char *line, int64_t started)
{
    bool pong = strcmp(line, "+PONG") == 0;
    bool alive = pong || (line[0] == '-' && !probe->ready);
    make_printable(line);
    print_server(probe);
    if (pong) {
        printf(": PONG in %lld ms\n", (long long)(clock_now() - started));
    } else if (line[0] == '-') {
        printf(": %s: %s\n", alive ? "alive" : "not ready", line + 1);
    } else {
        printf(": not the answer of a Redis server: %.64s\n", line);
    }
    return alive ? 0 : 1;
}

static int run_probe(struct probe *probe)
{
    int64_t started = clock_now();
    probe->deadline = started + probe->timeout;
    const char *why = NULL;
    int fd = probe->socket != NULL ? connect_unix(probe) : connect_tcp(probe, &why);
    if (fd < 0 && why != NULL) {
        print_server(probe);
        printf(": %s\n", why);
        return 1;
    }
    if (fd < 0) {
        return failed(probe, "can't connect", errno);
    }
    char line[LINE_MAX_SIZE];
    bool answered = ask(probe, fd) && (probe->password[0] == '\0' || read_line(probe, fd, line)) &&
                    read_line(probe, fd, line);
    int error = errno;
    close(fd);
    return answered ? judge(probe, line, started) : failed(probe, "connected", error);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int usage(const char *wrong)
{
    fprintf(stderr,
            "%s\n"
            "usage: ordinal ping [-h HOST] [-p PORT | -s SOCKET] [-a PASSWORD] [-t MILLISECONDS] [--ready]\n",
            wrong);
    return 2;
}

static bool parse_int(const char *text, int max, int *out)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    *out = (int)number;
    return errno == 0 && end != text && *end == '\0' && number > 0 && number <= max;
}

static bool parse_option(struct probe *probe, const char *option, const char *value)
{
    int port;
    if (option[0] != '-' || option[1] == '\0' || option[2] != '\0') {
        return false;
    }
    switch (option[1]) {
    case 'h': probe->host = value; return true;
    case 's': probe->socket = value; return true;
    case 'a': probe->password = value; return true;
    case 't': return parse_int(value, 3600000, &probe->timeout);
    case 'p': snprintf(probe->port, sizeof probe->port, "%s", value); return parse_int(value, 65535, &port);
    default: return false;
    }
}

static bool parse_options(struct probe *probe, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ready") == 0) {
            probe->ready = true;
        } else if (i + 1 < argc && parse_option(probe, argv[i], argv[i + 1])) {
            i++;
        } else {
            return false;
        }
    }
    return true;
}

int health_ping(int argc, char **argv)
{
    struct config cfg;
    char err[CONFIG_ERR_SIZE];
    int status;
    config_init_defaults(&cfg);
    struct probe probe = {.host = "127.0.0.1", .timeout = 1000};
    if (!config_load_env(&cfg, environ, err, sizeof err)) {
        printf("%s\n", err);
        status = 1;
    } else {
        snprintf(probe.port, sizeof probe.port, "%d", cfg.port);
        probe.socket = cfg.unixsocket[0] != '\0' && cfg.port == 0 ? cfg.unixsocket : NULL;
        probe.password = cfg.requirepass;
        status = parse_options(&probe, argc, argv) ? run_probe(&probe) : usage("ordinal ping: bad arguments");
    }
    config_free(&cfg);
    return status;
}
