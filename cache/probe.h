/*
 * A client of one question, for the modes of `ordinal` that ask a running server (`ordinal ping`, `ordinal status`): plain
 * sockets and one deadline for all that it does. It is not a part of the server's machinery, so that it works when that
 * machinery does not.
 *
 *   -h HOST  -p PORT  -s SOCKET  -a PASSWORD  -t MILLISECONDS
 *
 * The password may also come from ORDINAL_REQUIREPASS(_FILE) or REDIS_PASSWORD(_FILE), the port from ORDINAL_PORT: in the
 * server's own container it needs no arguments.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_LINE_SIZE 512

struct probe {
    const char *host;
    const char *socket;   /* path of a Unix socket, or NULL */
    const char *password; /* "": none */
    char port[8];
    bool ready;       /* --ready was given */
    int timeout;      /* milliseconds */
    int64_t deadline; /* milliseconds of clock.h; of probe_connect */
};

struct probe_mode {
    const char *usage;               /* "ordinal ping [-h HOST] …" */
    bool takes_ready;                /* --ready is an option */
    int (*run)(struct probe *probe); /* gives the exit status */
};

/* Reads the environment and the options (argv[0] is the mode's name) and runs the mode. Gives its exit status, 1 with a line
 * on standard output for a bad environment, 2 with the usage on standard error for bad options. */
int probe_main(int argc, char **argv, const struct probe_mode *mode);

/* Prints "host:port", or the socket's path. */
void probe_print_server(const struct probe *probe);

/* Prints "server: what: reason" of an errno, in a line. Gives 1. */
int probe_failed(const struct probe *probe, const char *what, int error);

/* Starts the time and connects. -1 after a line that says why not. The caller closes the descriptor. */
int probe_connect(struct probe *probe);

/* Sends a request in RESP, with AUTH before it where there is a password, in one write; and reads the first line of its
 * answer (that of AUTH is passed over), without its end. False with errno, ETIMEDOUT at the deadline. */
bool probe_ask(const struct probe *probe, int fd, const char *request, char line[PROBE_LINE_SIZE]);

/* Reads so many bytes. False as above. */
bool probe_read(const struct probe *probe, int fd, char *data, size_t size);

/* What a server sent may be anything: control characters become '?', or they would reach somebody's terminal. */
void probe_make_printable(char *line);

#endif
