#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CONNECT_US = 50000, PIECE = 16384 };

void node_open(struct node *node, const char *text)
{
    char path[64];
    int pid;
    if (sscanf(text, "%d:%d", &pid, &node->port) != 2) {
        fprintf(stderr, "load: a node is PID:PORT, not %s\n", text);
        exit(1);
    }
    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    node->namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (node->namespace < 0) {
        perror(path);
        exit(1);
    }
}

bool link_open(struct link *link, const struct node *node)
{
    if (setns(node->namespace, CLONE_NEWNET) != 0) {
        perror("load: setns");
        exit(1);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)node->port)};
    struct timeval patience = {.tv_usec = CONNECT_US};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    link->in_len = 0;
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(link->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(link->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        fcntl(link->fd, F_SETFL, O_NONBLOCK) != 0) {
        link_close(link);
        return false;
    }
    return true;
}

void link_close(struct link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
}

bool link_send(struct link *link, const char *bytes, size_t len)
{
    return send(link->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool link_receive(struct link *link)
{
    for (;;) {
        if (link->in_room - link->in_len < PIECE) {
            link->in_room = link->in_room * 2 + PIECE;
            link->in = realloc(link->in, link->in_room);
            if (link->in == NULL) {
                perror("load");
                exit(1);
            }
        }
        ssize_t more = recv(link->fd, link->in + link->in_len, PIECE, 0);
        if (more <= 0) {
            return more < 0 && errno == EAGAIN;
        }
        link->in_len += (size_t)more;
        if (more < PIECE) {
            return true;
        }
    }
}

void link_forget(struct link *link, size_t len)
{
    link->in_len -= len;
    memmove(link->in, link->in + len, link->in_len);
}
