/* The pair: asks a master and its replica one thing after another, and keeps how long each took.
 *
 *   pair MASTER_PORT REPLICA_PORT MODE COUNT
 *
 *   fresh    SET at the master; as soon as the reply is here, GET at the replica, until it has the value. A first GET that has
 *            not is stale; the time is from the reply of SET to the reply that has the value.
 *   set      SET at the master
 *   wait     SET and WAIT 1 0 at the master, in one packet
 *   forward  SET at the replica
 *   ping     PING at the master
 *   paced    SET at the master, due a thousand times a second; one that had to wait counts from when it was due
 *
 * One line of JSON at the end. Values are numbers that increase, so that an old one is told from a new one. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "histogram.h"
#include "sockets.h"

#define PACE_NS     (SECOND / 1000)
#define DIGITS      12
#define REQUEST_MAX 160

static histogram latencies;
static uint64_t stale;

static void fail(const char *what)
{
    fprintf(stderr, "pair: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int pair_connect(const char *port)
{
    int connection = socket_open((uint16_t)atoi(port), 0);
    if (connection < 0)
        fail("connect");
    return connection;
}

/* Sends, and waits for exactly this reply. */
static void ask(int connection, const char *request, const char *reply)
{
    if (socket_send(connection, request) < 0 || socket_expect(connection, reply) < 0)
        fail(request);
}

static const char *set_request(uint64_t number)
{
    static char text[REQUEST_MAX];
    snprintf(text, sizeof text, "*3\r\n$3\r\nSET\r\n$8\r\npair:key\r\n$%d\r\n%0*" PRIu64 "\r\n", DIGITS,
             DIGITS, number);
    return text;
}

/* The number that the replica has now; a key that is not there yet is 0. */
static uint64_t replica_number(int connection)
{
    char reply[64];
    size_t size = 0;
    if (socket_send(connection, "*2\r\n$3\r\nGET\r\n$8\r\npair:key\r\n") < 0)
        fail("GET");
    for (;;) {
        ssize_t got = recv(connection, reply + size, sizeof reply - 1 - size, 0);
        if (got <= 0)
            fail("the replica's reply");
        size += (size_t)got;
        reply[size] = '\0';
        if (reply[0] == '-') {
            fprintf(stderr, "pair: the replica: %s\n", reply);
            exit(1);
        }
        if (strcmp(reply, "$-1\r\n") == 0)
            return 0;
        const char *value = strstr(reply, "\r\n");
        if (value != NULL && strlen(value) == DIGITS + 4)
            return strtoull(value + 2, NULL, 10);
    }
}

static void fresh(int master, int replica, uint64_t number)
{
    ask(master, set_request(number), "+OK\r\n");
    uint64_t began = now_ns();
    bool first = true;
    while (replica_number(replica) != number) {
        stale += first;
        first = false;
    }
    histogram_record(&latencies, now_ns() - began);
}

static void timed(int connection, const char *request, const char *reply)
{
    uint64_t began = now_ns();
    ask(connection, request, reply);
    histogram_record(&latencies, now_ns() - began);
}

static void set_and_wait(int master, uint64_t number)
{
    char both[2 * REQUEST_MAX];
    snprintf(both, sizeof both, "%s*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n", set_request(number));
    timed(master, both, "+OK\r\n:1\r\n");
}

static void paced(int master, uint64_t number, uint64_t due)
{
    sleep_until(due);
    ask(master, set_request(number), "+OK\r\n");
    histogram_record(&latencies, now_ns() - due);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: pair MASTER_PORT REPLICA_PORT fresh|set|wait|forward|ping|paced COUNT\n");
        return 2;
    }
    int master = pair_connect(argv[1]), replica = pair_connect(argv[2]);
    const char *mode = argv[3];
    uint64_t count = strtoull(argv[4], NULL, 10), start = now_ns();
    for (uint64_t number = 1; number <= count; number++) {
        if (strcmp(mode, "fresh") == 0)
            fresh(master, replica, number);
        else if (strcmp(mode, "set") == 0)
            timed(master, set_request(number), "+OK\r\n");
        else if (strcmp(mode, "wait") == 0)
            set_and_wait(master, number);
        else if (strcmp(mode, "forward") == 0)
            timed(replica, set_request(number), "+OK\r\n");
        else if (strcmp(mode, "ping") == 0)
            timed(master, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
        else
            paced(master, number, start + number * PACE_NS);
    }
    printf("{\"count\": %" PRIu64 ", \"stale\": %" PRIu64 ", ", count, stale);
    histogram_print(&latencies, stdout);
    printf("}\n");
    return 0;
}
