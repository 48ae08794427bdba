/* Connections to a server on this machine, more of them than one source address has ports for. */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

/* Allows this process as many open files as the system lets it have. */
void sockets_allow_many(void);

/* Opens the `number`-th connection to the port; -1, with errno, when the system or the server refuses. A
 * source address has some 28,000 ports, so the connections come from 127.0.0.1, 127.0.0.2, … */
int socket_open(uint16_t port, uint32_t number);

/* Sends all of the text; -1, with errno, when that fails. */
int socket_send(int connection, const char *text);

/* Waits for exactly these bytes; -1, with errno, when others come, or none. */
int socket_expect(int connection, const char *text);

#endif
