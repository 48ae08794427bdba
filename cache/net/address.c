/*
 * Addresses of a connection's two ends, as text.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/conn.h"

void conn_format_address(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%d", host, ntohs(in6->sin6_port));
    } else {
        snprintf(text, size, "?:0");
    }
}

/* A Unix socket's clients have no name of their own: both ends go by the path that was connected to. */
static void format_local(const struct conn *conn, char *text, size_t size)
{
    struct sockaddr_un un = {0};
    socklen_t len = sizeof un;
    getsockname(conn_fd(conn), (struct sockaddr *)&un, &len);
    snprintf(text, size, "%s:0", un.sun_path[0] != '\0' ? un.sun_path : "?");
}

static void format_end(const struct conn *conn, bool peer, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (conn->local) {
        format_local(conn, text, size);
    } else if (peer) {
        getpeername(conn_fd(conn), (struct sockaddr *)&address, &len);
        conn_format_address(&address, text, size);
    } else {
        getsockname(conn_fd(conn), (struct sockaddr *)&address, &len);
        conn_format_address(&address, text, size);
    }
}

void conn_peer(const struct conn *conn, char *text, size_t size)
{
    format_end(conn, true, text, size);
}

void conn_name(const struct conn *conn, char *text, size_t size)
{
    format_end(conn, false, text, size);
}
