/*
 * One connection of a client to a node: the socket is made in the network namespace of the node's host and goes to its loopback, so no
 * fault of the network touches it. Requests and replies; whether it is open is seen when it is used.
 */
#ifndef ORDINAL_LOAD_LINK_H
#define ORDINAL_LOAD_LINK_H

#include <stdbool.h>
#include <stddef.h>

/* A node: the descriptor of its host's network namespace, and its port. */
struct node {
    int namespace;
    int port;
};

struct link {
    int fd; /* -1: closed */
    char *in;
    size_t in_len, in_room;
    struct client *client;
};

/* Opens a node's namespace by the process that holds it ("PID:PORT"); ends the program when there is none. */
void node_open(struct node *node, const char *text);

/* Connects, non-blocking from then on; false when the node does not accept. */
bool link_open(struct link *link, const struct node *node);
void link_close(struct link *link);

/* Sends all of a request, which is small; false when the connection is broken. */
bool link_send(struct link *link, const char *bytes, size_t len);

/* Reads what has come; false when the node has closed the connection. */
bool link_receive(struct link *link);

/* Forgets the first `len` bytes that came. */
void link_forget(struct link *link, size_t len);

#endif
