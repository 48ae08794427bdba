/*
 * The load on a replicated set: some dozens of clients in one thread, each with connections to all nodes, and the history of what they
 * asked and were told (client.h) on standard output. One thread and one clock, so that an acknowledgement at one node and a
 * read at another are in the order that the history says, within the few microseconds between them.
 *
 *     load SEED PACE_US WRITERS ROLE=COUNT,... PID:PORT ...
 *
 * WRITERS are the numbers of the nodes that are sent writes ("0" or "0,1,2"). It ends when its standard input does, or after ten
 * minutes.
 */
#include "client.h"
#include "roles.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { CLIENTS = 256, EVENTS = 64, LONGEST_S = 600, BUFFER = 1 << 20 };

static struct client clients[CLIENTS];
static int client_count;

static void add_clients(const char *name, int count, uint64_t seed)
{
    const struct role *role = role_named(name);
    if (role == NULL || client_count + count > CLIENTS) {
        fprintf(stderr, "load: no such role, or too many clients: %s\n", name);
        exit(1);
    }
    for (; count > 0; count--) {
        struct client *c = &clients[client_count];
        *c = (struct client){.number = client_count++, .role = role};
        c->random = seed * 1000003 + (uint64_t)c->number;
        c->patience = (pick(c, 3) == 0 ? 20000 : 300 + pick(c, 700)) * (int64_t)MS;
        for (int node = 0; node < NODES; node++) {
            c->links[node] = (struct link){.fd = -1, .client = c};
        }
        role_begin(c);
    }
}

static void add_roles(char *text, uint64_t seed)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(word, '=');
        if (equals != NULL) {
            *equals = '\0';
            add_clients(word, atoi(equals + 1), seed);
        }
    }
}

static void read_options(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "load SEED PACE_US WRITERS ROLE=COUNT,... PID:PORT ...\n");
        exit(2);
    }
    pace = atoll(argv[2]) * 1000;
    char *rest = NULL;
    for (char *word = strtok_r(argv[3], ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        writers[writer_count++] = atoi(word);
    }
    for (int place = 5; place < argc; place++) {
        node_open(&nodes[node_count++], argv[place]);
    }
    add_roles(argv[4], strtoull(argv[1], NULL, 10));
}

/* When the next client has something to do by itself. */
static int64_t next_moment(void)
{
    int64_t next = INT64_MAX;
    for (int place = 0; place < client_count; place++) {
        const struct client *c = &clients[place];
        int64_t moment = c->busy ? c->op.sent + c->patience : c->wake_at;
        next = moment < next ? moment : next;
    }
    return next;
}

static void wait_and_read(int epoll)
{
    struct epoll_event events[EVENTS];
    int64_t left = next_moment() - now();
    left = left < 0 ? 0 : left > 10 * (int64_t)MS ? 10 * (int64_t)MS : left;
    struct timespec patience = {.tv_nsec = left};
    int count = epoll_pwait2(epoll, events, EVENTS, &patience, NULL);
    for (int place = 0; place < count; place++) {
        client_readable(events[place].data.ptr);
    }
}

static bool is_over(int64_t end)
{
    struct pollfd input = {.fd = 0, .events = POLLIN | POLLHUP};
    return now() > end || poll(&input, 1, 0) > 0;
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setvbuf(stdout, NULL, _IOFBF, BUFFER);
    read_options(argc, argv);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t end = now() + LONGEST_S * 1000 * (int64_t)MS;
    while (!is_over(end)) {
        for (int place = 0; place < client_count; place++) {
            client_step(&clients[place], epoll);
        }
        wait_and_read(epoll);
    }
    for (int place = 0; place < client_count; place++) {
        client_end(&clients[place]);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
