/* Listens to a channel on a number of connections, and checks that each gets every message whole.
 *
 *   listen PORT COUNT VALUE_BYTES     subscribes all to the channel of load's mix `publish`, prints `ready`,
 *                                     and reads until its standard input has ended and nothing more comes;
 *                                     then prints the least and the most messages that a connection got
 *
 * A message is checked byte for byte, but for the digits in which it differs from others. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

#define CHANNEL       "bench:channel"
#define NUMBER_BYTES  16 /* the digits at the start of a value */
#define RECEIVE_BYTES (256 * 1024)
#define EVENTS        128
#define QUIET_MS      300 /* nothing for so long after the end: that was all */

struct listener {
    int socket;
    uint64_t messages;
    size_t tail_bytes;
    char *tail; /* the beginning of a message whose end has not come */
};

static char *message; /* what each is, its digits apart */
static size_t message_bytes;
static size_t number_at;
static char *received;

static void fail(const char *what)
{
    fprintf(stderr, "listen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory)
        fail("memory");
    return memory;
}

static void message_lay_out(size_t value_bytes)
{
    message = allocate(value_bytes + 128);
    number_at = (size_t)sprintf(message, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(CHANNEL),
                                CHANNEL, value_bytes);
    memset(message + number_at, 'x', value_bytes);
    memcpy(message + number_at + value_bytes, "\r\n", 2);
    message_bytes = number_at + value_bytes + 2;
}

static bool message_is_whole(const char *data)
{
    size_t rest = number_at + NUMBER_BYTES;
    return memcmp(data, message, number_at) == 0 && strspn(data + number_at, "0123456789") >= NUMBER_BYTES &&
           memcmp(data + rest, message + rest, message_bytes - rest) == 0;
}

static void listener_read(struct listener *self)
{
    memcpy(received, self->tail, self->tail_bytes);
    ssize_t size = recv(self->socket, received + self->tail_bytes, RECEIVE_BYTES, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0)
        fail(size == 0 ? "the server closed a connection" : "recv");
    size_t all = self->tail_bytes + (size_t)size;
    size_t at = 0;
    for (; all - at >= message_bytes; at += message_bytes, self->messages++)
        if (!message_is_whole(received + at))
            fail("not the message that was sent");
    self->tail_bytes = all - at;
    memcpy(self->tail, received + at, self->tail_bytes);
}

static void listener_open(struct listener *self, uint16_t port, uint32_t number, int poll)
{
    self->socket = socket_open(port, number);
    self->tail = allocate(message_bytes);
    char subscribe[128];
    char subscribed[128];
    snprintf(subscribe, sizeof subscribe, "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n", strlen(CHANNEL),
             CHANNEL);
    snprintf(subscribed, sizeof subscribed, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:1\r\n", strlen(CHANNEL),
             CHANNEL);
    if (self->socket < 0 || socket_send(self->socket, subscribe) < 0 ||
        socket_expect(self->socket, subscribed) < 0)
        fail("subscribe");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = self};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, self->socket, &event) < 0)
        fail("epoll_ctl");
}

/* Reads what comes until standard input has ended and all is quiet. */
static void listen_until_end(int poll)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        fail("standard input");
    struct epoll_event events[EVENTS];
    bool ended = false;
    int ready;
    while ((ready = epoll_wait(poll, events, EVENTS, ended ? QUIET_MS : -1)) != 0) {
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) {
                listener_read(events[i].data.ptr);
            } else {
                ended = true;
                epoll_ctl(poll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 || atoi(argv[3]) < NUMBER_BYTES) {
        fprintf(stderr, "usage: listen PORT COUNT VALUE_BYTES\n");
        return 2;
    }
    uint32_t count = (uint32_t)atoi(argv[2]);
    message_lay_out((size_t)atoi(argv[3]));
    received = allocate(RECEIVE_BYTES + message_bytes);
    struct listener *listeners = allocate(count * sizeof *listeners);
    sockets_allow_many();
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < count; i++)
        listener_open(&listeners[i], (uint16_t)atoi(argv[1]), i, poll);
    printf("ready\n");
    fflush(stdout);
    listen_until_end(poll);
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        least = listeners[i].messages < least ? listeners[i].messages : least;
        most = listeners[i].messages > most ? listeners[i].messages : most;
    }
    printf("{\"listeners\": %" PRIu32 ", \"least\": %" PRIu64 ", \"most\": %" PRIu64 "}\n", count, least,
           most);
    return 0;
}
