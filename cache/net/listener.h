/*
 * Listening sockets. Loop 0 accepts and deals each connection out to the loop that has the fewest.
 *
 * Threads: loop 0's, or before the threads start.
 */
#ifndef ORDINAL_NET_LISTENER_H
#define ORDINAL_NET_LISTENER_H

#include "net/loop.h"

/*
 * Listens on a TCP address ("127.0.0.1", "::1", "*" for every IPv4 address, "::*" for every IPv6 address, a
 * host's name) and port (1 .. 65535, or 0 for any free one). Returns 0, or a negative libuv code: *error then
 * says in words what failed.
 */
int listener_open_tcp(struct net *net, const char *address, int port, int backlog, char *error,
                      size_t error_size);

/* Listens on a Unix socket at `path`, which is removed first when it is a socket; `mode`: its permissions,
 * or 0 for the umask's. As above. */
int listener_open_unix(struct net *net, const char *path, unsigned mode, int backlog, char *error,
                       size_t error_size);

/* Stops listening everywhere, and removes Unix sockets' files. */
void listener_close_all(struct net *net);

#endif
