/* The probe: asks a server something small a thousand times a second and keeps the longest wait.
 *
 * It shows what a client sees while the server does something long: grows a table, expires or flushes
 * millions of keys. Requests are due at fixed times, whether or not the last reply has come; one that had to
 * wait for its turn counts from when it was due, so that a stall of 100 ms is a hundred late replies and not
 * one. It runs until SIGTERM (or for SECONDS). It prints `ready` when it has its first reply, and one line of
 * JSON at the end.
 *
 *   probe PORT [RATE [SECONDS]]
 *
 * Requests are PING and GET of a key that does not exist, in turn. Where the system allows it the probe takes
 * real time priority, since its own wait for the processor would be read as the server's. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "histogram.h"

#define LATE_NS   UINT64_C(5000000) /* the target: a reply later than this is counted by itself */
#define NO_REPLY  "$-1\r\n"
#define PONG      "+PONG\r\n"
#define REPLY_MAX 64

static const char *const requests[] = {"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$9\r\nprobe:key\r\n"};
static const char *const replies[] = {PONG, NO_REPLY};
static volatile sig_atomic_t stopped;
static histogram latencies;

static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int probe_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connection;
}

/* Sends one request and waits for its reply; ends the program when it is not the expected one. */
static void probe_ask(int connection, size_t kind)
{
    size_t length = strlen(requests[kind]);
    if (send(connection, requests[kind], length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("send");
    char reply[REPLY_MAX];
    size_t wanted = strlen(replies[kind]);
    for (size_t size = 0; size < wanted;) {
        ssize_t got = recv(connection, reply + size, wanted - size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            fail("recv");
        size += (size_t)got;
    }
    if (memcmp(reply, replies[kind], wanted) != 0) {
        fprintf(stderr, "probe: unexpected reply '%.*s'\n", (int)wanted, reply);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: probe PORT [RATE [SECONDS]]\n");
        return 2;
    }
    uint64_t step = SECOND / (argc > 2 ? strtoull(argv[2], NULL, 10) : 1000);
    uint64_t seconds = argc > 3 ? strtoull(argv[3], NULL, 10) : 3600;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    struct sched_param priority = {.sched_priority = 10};
    int real_time = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;

    int connection = probe_connect((uint16_t)atoi(argv[1]));
    probe_ask(connection, 0);
    printf("ready\n");
    fflush(stdout);
    uint64_t start = now_ns();
    uint64_t late = 0;
    uint64_t worst_at = 0;
    for (uint64_t due = start; !stopped && due < start + seconds * SECOND; due += step) {
        sleep_until(due);
        if (stopped)
            break; /* the signal cut the sleep short: this one was not due yet */
        probe_ask(connection, latencies.count % 2);
        uint64_t waited = now_ns() - due;
        worst_at = waited > latencies.max ? due - start : worst_at;
        late += waited > LATE_NS;
        histogram_record(&latencies, waited);
    }
    printf("{\"probes\": %" PRIu64 ", \"above_5_ms\": %" PRIu64 ", \"worst_at_s\": %.3f, \"real_time\": %s, ",
           latencies.count, late, (double)worst_at / 1e9, real_time ? "true" : "false");
    histogram_print(&latencies, stdout);
    printf("}\n");
    return 0;
}
