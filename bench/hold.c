/* Holds connections open and idle, to see what one costs the server.
 *
 *   hold PORT COUNT     opens them, asks each for a PONG, prints how many it has, and keeps them until its
 *                       standard input ends
 *
 * Each has spoken once, since servers give a connection its buffers at the first request: a connection that
 * never said a word costs less and is nobody's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sockets.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: hold PORT COUNT\n");
        return 2;
    }
    sockets_allow_many();
    uint32_t wanted = (uint32_t)atoi(argv[2]);
    uint32_t held = 0;
    for (; held < wanted; held++) {
        int connection = socket_open((uint16_t)atoi(argv[1]), held);
        if (connection < 0 || socket_send(connection, "*1\r\n$4\r\nPING\r\n") < 0 ||
            socket_expect(connection, "+PONG\r\n") < 0) {
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
