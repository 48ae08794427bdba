/*
 * A name server for tests, on a port of loopback and in a thread of its own: it knows the records that a test gives it and
 * says NXDOMAIN to every other name. Records may change at any time.
 */
#ifndef TESTS_NAME_SERVER_H
#define TESTS_NAME_SERVER_H

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_RECORDS = 64, NAME_PACKET = 512 };

struct name_record {
    const char *name;
    int type;           /* ns_t_a, ns_t_aaaa, ns_t_srv; 0: the name is there, and has no record */
    const char *value;  /* an address, or a target */
    int port, priority; /* of an SRV record */
};

struct name_server {
    int fd, stream; /* datagrams, and connections of those who were told to come by TCP */
    int port;
    char address[64]; /* for struct lookup_options */
    pthread_t thread;
    pthread_mutex_t lock;
    struct name_record records[NAME_RECORDS];
    int count;
    bool mute;       /* takes questions and does not answer */
    int drop;        /* so many questions to come get no answer */
    int failure;     /* ns_r_servfail …: the answer to everything; 0: none */
    int size;        /* of an answer by datagram; what is longer is cut, and marked so */
    int questions;   /* that came */
    int connections; /* of TCP that came */
};

static inline void name_add(struct name_server *server, struct name_record record)
{
    pthread_mutex_lock(&server->lock);
    server->records[server->count++] = record;
    pthread_mutex_unlock(&server->lock);
}

static inline void name_clear(struct name_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->count = 0;
    pthread_mutex_unlock(&server->lock);
}

static inline void name_mute(struct name_server *server, bool mute)
{
    pthread_mutex_lock(&server->lock);
    server->mute = mute;
    pthread_mutex_unlock(&server->lock);
}

static inline void name_drop(struct name_server *server, int drop)
{
    pthread_mutex_lock(&server->lock);
    server->drop = drop;
    pthread_mutex_unlock(&server->lock);
}

static inline void name_fail(struct name_server *server, int failure)
{
    pthread_mutex_lock(&server->lock);
    server->failure = failure;
    pthread_mutex_unlock(&server->lock);
}

static inline int name_questions(struct name_server *server)
{
    pthread_mutex_lock(&server->lock);
    int questions = server->questions;
    pthread_mutex_unlock(&server->lock);
    return questions;
}

static inline int name_connections(struct name_server *server)
{
    pthread_mutex_lock(&server->lock);
    int connections = server->connections;
    pthread_mutex_unlock(&server->lock);
    return connections;
}

/* "a.b" as DNS writes it; returns where it ends. */
static inline uint8_t *name_put(uint8_t *at, const char *name)
{
    while (*name != '\0') {
        size_t label = strcspn(name, ".");
        *at++ = (uint8_t)label;
        memcpy(at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    *at++ = 0;
    return at;
}

static inline uint8_t *name_put16(uint8_t *at, int value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *name_put_record(uint8_t *at, const struct name_record *record)
{
    at = name_put16(at, 0xC00C); /* the name of the question */
    at = name_put16(name_put16(at, record->type), ns_c_in);
    at = name_put16(name_put16(at, 0), 60);
    uint8_t *length = at;
    at += 2;
    if (record->type == ns_t_a) {
        inet_pton(AF_INET, record->value, at);
        at += 4;
    } else if (record->type == ns_t_aaaa) {
        inet_pton(AF_INET6, record->value, at);
        at += 16;
    } else {
        at = name_put16(name_put16(name_put16(at, record->priority), 0), record->port);
        at = name_put(at, record->value);
    }
    name_put16(length, (int)(at - length - 2));
    return at;
}

/* Makes an answer of a question; returns its size, 0 for none. */
static inline size_t name_answer(struct name_server *server, const uint8_t *question, size_t asked,
                                 uint8_t *answer)
{
    char name[256] = "";
    const uint8_t *in = question + 12;
    size_t len = 0;
    while (*in != 0) {
        len += (size_t)snprintf(name + len, sizeof name - len, "%s%.*s", len > 0 ? "." : "", *in,
                                (const char *)in + 1);
        in += 1 + *in;
    }
    int type = in[1] << 8 | in[2];
    size_t head = (size_t)(in + 5 - question);
    int answers = 0, known = 0;
    memcpy(answer, question, head < asked ? head : asked);
    uint8_t *out = answer + head;
    for (int i = 0; i < server->count; i++) {
        if (strcasecmp(server->records[i].name, name) == 0) {
            known++;
            if (server->records[i].type == type) {
                out = name_put_record(out, &server->records[i]);
                answers++;
            }
        }
    }
    int code = server->failure != 0 ? server->failure : known > 0 ? ns_r_noerror : ns_r_nxdomain;
    name_put16(answer + 2, 0x8580 | code);
    name_put16(name_put16(name_put16(answer + 6, answers), 0), 0);
    return (size_t)(out - answer);
}

static inline void name_serve_stream(struct name_server *server)
{
    uint8_t question[NAME_PACKET], answer[16384];
    int fd = accept(server->stream, NULL, NULL);
    server->connections++;
    if (recv(fd, question, 2, MSG_WAITALL) == 2) {
        size_t asked = (size_t)(question[0] << 8 | question[1]);
        if (asked <= sizeof question && recv(fd, question, asked, MSG_WAITALL) == (ssize_t)asked) {
            size_t size = name_answer(server, question, asked, answer + 2);
            name_put16(answer, (int)size);
            send(fd, answer, size + 2, MSG_NOSIGNAL);
        }
    }
    close(fd);
}

static inline void *name_serve(void *context)
{
    struct name_server *server = context;
    uint8_t question[NAME_PACKET], answer[16384];
    struct sockaddr_in from;
    for (;;) {
        socklen_t from_size = sizeof from;
        ssize_t got =
            recvfrom(server->fd, question, sizeof question, 0, (struct sockaddr *)&from, &from_size);
        if (got < 12) { /* an empty datagram asks it to stop */
            return NULL;
        }
        pthread_mutex_lock(&server->lock);
        server->questions++;
        bool silent = server->mute || server->drop > 0;
        server->drop -= server->drop > 0;
        size_t size = silent ? 0 : name_answer(server, question, (size_t)got, answer);
        bool cut = size > (size_t)server->size;
        if (cut) {
            answer[2] |= 0x02; /* TC: come by TCP */
            name_put16(answer + 6, 0);
            size = 12 + strlen((char *)answer + 12) + 5;
        }
        if (size > 0) {
            sendto(server->fd, answer, size, 0, (struct sockaddr *)&from, from_size);
        }
        if (cut) {
            name_serve_stream(server);
        }
        pthread_mutex_unlock(&server->lock);
    }
}

static inline void name_server_start(struct name_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *server = (struct name_server){.size = NAME_PACKET};
    pthread_mutex_init(&server->lock, NULL);
    server->stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(server->stream, (struct sockaddr *)&address, sizeof address);
    listen(server->stream, 8);
    getsockname(server->stream, (struct sockaddr *)&address, &size);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bind(server->fd, (struct sockaddr *)&address, sizeof address);
    server->port = ntohs(address.sin_port);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%d", server->port);
    pthread_create(&server->thread, NULL, name_serve, server);
}

static inline void name_server_stop(struct name_server *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)server->port),
    };
    sendto(server->fd, "", 0, 0, (struct sockaddr *)&address, sizeof address);
    pthread_join(server->thread, NULL);
    pthread_mutex_destroy(&server->lock);
    close(server->fd);
    close(server->stream);
}

#endif
