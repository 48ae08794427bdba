/* See sockets.h. */
#include "sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_ADDRESS   20000
#define MOST_EXPECTED 128

void sockets_allow_many(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int socket_open(uint16_t port, uint32_t number)
{
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    int on = 1;
    setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    uint32_t from = INADDR_LOOPBACK + number / PER_ADDRESS;
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

int socket_send(int connection, const char *text)
{
    size_t bytes = strlen(text);
    return send(connection, text, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : -1;
}

int socket_expect(int connection, const char *text)
{
    char reply[MOST_EXPECTED];
    size_t bytes = strlen(text);
    if (bytes > sizeof reply || recv(connection, reply, bytes, MSG_WAITALL) != (ssize_t)bytes)
        return -1;
    if (memcmp(reply, text, bytes) == 0)
        return 0;
    errno = EPROTO;
    return -1;
}
