/* Holds connections open and idle, to see what one costs the server.
 *
 *   hold PORT COUNT     opens them, asks each for a PONG, prints how many it has, and keeps them until its
 *                       standard input ends
 *
 * Each has spoken once, since servers give a connection its buffers at the first request: a connection that
 * never said a word costs less and is nobody's. A source address has some 28,000 ports, so the connections
 * come from 127.0.0.1, 127.0.0.2, … */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_ADDRESS 20000
#define PING        "*1\r\n$4\r\nPING\r\n"
#define PONG        "+PONG\r\n"

/* Opens one connection to the port from a loopback address; -1 when the system or the server refuses. */
static int connection_open(uint16_t port, uint32_t from)
{
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    int on = 1;
    setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(connection, (struct sockaddr *)&source, sizeof source) < 0 ||
        connect(connection, (struct sockaddr *)&server, sizeof server) < 0) {
        close(connection);
        return -1;
    }
    return connection;
}

static int connection_ping(int connection)
{
    char reply[sizeof PONG];
    if (send(connection, PING, strlen(PING), MSG_NOSIGNAL) != (ssize_t)strlen(PING))
        return 0;
    ssize_t size = recv(connection, reply, strlen(PONG), MSG_WAITALL);
    return size == (ssize_t)strlen(PONG) && memcmp(reply, PONG, strlen(PONG)) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: hold PORT COUNT\n");
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    uint32_t wanted = (uint32_t)atoi(argv[2]);
    uint32_t held = 0;
    for (; held < wanted; held++) {
        int connection = connection_open((uint16_t)atoi(argv[1]), INADDR_LOOPBACK + held / PER_ADDRESS);
        if (connection < 0 || !connection_ping(connection)) {
            fprintf(stderr, "hold: connection %" PRIu32 ": %s\n", held + 1, strerror(errno));
            break;
        }
    }
    printf("%" PRIu32 "\n", held);
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return held == wanted ? 0 : 1;
}
