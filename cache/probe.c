/* A client of one question. AUTH and the request leave in one write: a probe costs the server one turn of a loop. */
#include "probe.h"

#include "clock.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void probe_print_server(const struct probe *probe)
{
    if (probe->socket != NULL) {
        printf("%s", probe->socket);
    } else {
        printf(strchr(probe->host, ':') != NULL ? "[%s]:%s" : "%s:%s", probe->host, probe->port);
    }
}

int probe_failed(const struct probe *probe, const char *what, int error)
{
    probe_print_server(probe);
    if (error == ETIMEDOUT) {
        printf(": %s: no answer within %d ms\n", what, probe->timeout);
    } else {
        printf(": %s: %s\n", what, strerror(error));
    }
    return 1;
}

void probe_make_printable(char *line)
{
    for (; *line != '\0'; line++) {
        if ((unsigned char)*line < 0x20 || *line == 0x7F) {
            *line = '?';
        }
    }
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

int probe_connect(struct probe *probe)
{
    const char *why = NULL;
    probe->deadline = clock_now() + probe->timeout;
    int fd = probe->socket != NULL ? connect_unix(probe) : connect_tcp(probe, &why);
    if (fd < 0 && why != NULL) {
        probe_print_server(probe);
        printf(": %s\n", why);
    } else if (fd < 0) {
        probe_failed(probe, "can't connect", errno);
    }
    return fd;
}

/* ---- the question and the answer ----------------------------------------------------------------------- */

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

bool probe_read(const struct probe *probe, int fd, char *data, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(fd, data, size, 0);
        if (got > 0) {
            data += got;
            size -= (size_t)got;
        } else if (got == 0) {
            errno = ECONNRESET;
            return false;
        } else if (errno == EAGAIN ? !wait_for(probe, fd, POLLIN) : errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* One line of a reply without its end. Byte by byte: two short lines are all that ever comes. */
static bool read_line(const struct probe *probe, int fd, char *line)
{
    for (size_t size = 0; size < PROBE_LINE_SIZE - 1; size++) {
        if (!probe_read(probe, fd, line + size, 1)) {
            return false;
        }
        if (line[size] == '\n') {
            line[size > 0 && line[size - 1] == '\r' ? size - 1 : size] = '\0';
            return true;
        }
    }
    errno = EPROTO;
    return false;
}

static bool send_request(const struct probe *probe, int fd, const char *request)
{
    char *text;
    size_t length = strlen(probe->password);
    int size = length == 0 ? asprintf(&text, "%s", request)
                           : asprintf(&text, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n%s", length, probe->password,
                                      request);
    if (size < 0) {
        errno = ENOMEM;
        return false;
    }
    bool done = send_all(probe, fd, text, (size_t)size);
    explicit_bzero(text, (size_t)size);
    free(text);
    return done;
}

bool probe_ask(const struct probe *probe, int fd, const char *request, char line[PROBE_LINE_SIZE])
{
    return send_request(probe, fd, request) && (probe->password[0] == '\0' || read_line(probe, fd, line)) &&
           read_line(probe, fd, line);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

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

static bool parse_options(struct probe *probe, const struct probe_mode *mode, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (mode->takes_ready && strcmp(argv[i], "--ready") == 0) {
            probe->ready = true;
        } else if (i + 1 < argc && parse_option(probe, argv[i], argv[i + 1])) {
            i++;
        } else {
            return false;
        }
    }
    return true;
}

int probe_main(int argc, char **argv, const struct probe_mode *mode)
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
        if (parse_options(&probe, mode, argc, argv)) {
            status = mode->run(&probe);
        } else {
            fprintf(stderr, "ordinal %s: bad arguments\nusage: %s\n", argv[0], mode->usage);
            status = 2;
        }
    }
    config_free(&cfg);
    return status;
}
