/* Clients that wait in BRPOP, to see what one costs the server and how soon a push wakes it.
 *
 *   blocked PORT COUNT own|one     lets COUNT clients wait, each on a list of its own or all on one, prints how
 *                                  many, and then, for each line with a number N on its standard input, pushes
 *                                  N values, one after the other, for ten seconds at most, and prints how long
 *                                  the wakes took, as JSON
 *
 * Each push must wake the right client and nobody else: the one whose list it is, or of those that wait on one
 * list the one that has waited longest. A woken client waits again, so on one list they come in turn. Measured
 * is the time from the LPUSH to the reply that the waiting client gets. Where the system allows it the program
 * takes real time priority, since its own wait for the processor would be read as the server's. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "histogram.h"
#include "sockets.h"

#define TEXT_BYTES  128
#define WAKE_MS     10000 /* a client that is not woken in this time never will be */
#define PUSH_NS     UINT64_C(10000000000)
#define LIST_FORMAT "queue:%08" PRIu32
#define LIST_BYTES  14

static uint32_t count;
static int *clients;
static bool own_lists;
static uint32_t pushed;
static int pusher;
static int waiters; /* the epoll of all clients */
static histogram latencies;

static void fail(const char *what)
{
    fprintf(stderr, "blocked: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void client_wait(uint32_t client)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "*3\r\n$5\r\nBRPOP\r\n$%d\r\n" LIST_FORMAT "\r\n$1\r\n0\r\n", LIST_BYTES,
             own_lists ? client : 0);
    if (socket_send(clients[client], text) < 0)
        fail("BRPOP");
}

/* Lets the clients wait, one after the other: each PONG says that the server has read what was sent before. */
static uint32_t clients_open(uint16_t port)
{
    for (uint32_t client = 0; client < count; client++) {
        clients[client] = socket_open(port, client);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = client};
        if (clients[client] < 0 || epoll_ctl(waiters, EPOLL_CTL_ADD, clients[client], &event) < 0)
            return client;
        client_wait(client);
        if (socket_send(pusher, "*1\r\n$4\r\nPING\r\n") < 0 || socket_expect(pusher, "+PONG\r\n") < 0)
            fail("PING");
    }
    return count;
}

/* The client that the next push must wake: clients in an order that jumps about, or in turn. */
static uint32_t next_client(void)
{
    return own_lists ? (uint32_t)(pushed * UINT64_C(2654435761) % count) : pushed % count;
}

/* Waits until a client has something to read; that must be this one, and what it was waiting for. */
static void expect_wake(uint32_t client, uint64_t since)
{
    struct epoll_event events[2];
    int ready = epoll_wait(waiters, events, 2, WAKE_MS);
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "*2\r\n$%d\r\n" LIST_FORMAT "\r\n$10\r\n%010" PRIu32 "\r\n", LIST_BYTES,
             own_lists ? client : 0, pushed);
    if (ready != 1 || events[0].data.u32 != client || socket_expect(clients[client], text) < 0) {
        fprintf(stderr, "blocked: push %" PRIu32 " did not wake client %" PRIu32 ", and it alone\n", pushed,
                client);
        exit(1);
    }
    histogram_record(&latencies, now_ns() - since);
}

static void push(void)
{
    uint32_t client = next_client();
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "*3\r\n$5\r\nLPUSH\r\n$%d\r\n" LIST_FORMAT "\r\n$10\r\n%010" PRIu32 "\r\n",
             LIST_BYTES, own_lists ? client : 0, pushed);
    uint64_t start = now_ns();
    if (socket_send(pusher, text) < 0)
        fail("LPUSH");
    expect_wake(client, start);
    if (socket_expect(pusher, ":1\r\n") < 0)
        fail("LPUSH: not the length that it should have");
    pushed++;
    client_wait(client);
}

int main(int argc, char **argv)
{
    if (argc != 4 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: blocked PORT COUNT own|one\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[1]);
    count = (uint32_t)atoi(argv[2]);
    own_lists = strcmp(argv[3], "own") == 0;
    clients = calloc(count, sizeof *clients);
    waiters = epoll_create1(EPOLL_CLOEXEC);
    sockets_allow_many();
    pusher = socket_open(port, 0);
    if (!clients || waiters < 0 || pusher < 0)
        fail("start");
    struct sched_param priority = {.sched_priority = 10};
    int real_time = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    printf("%" PRIu32 "\n", clients_open(port));
    fflush(stdout);
    char line[TEXT_BYTES];
    while (fgets(line, sizeof line, stdin)) {
        histogram_clear(&latencies);
        uint64_t end = now_ns() + PUSH_NS;
        for (uint32_t pushes = (uint32_t)atoi(line); pushes > 0 && now_ns() < end; pushes--)
            push();
        printf("{\"pushes\": %" PRIu64 ", \"real_time\": %s, ", latencies.count,
               real_time ? "true" : "false");
        histogram_print(&latencies, stdout);
        printf("}\n");
        fflush(stdout);
    }
    return 0;
}
