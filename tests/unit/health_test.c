/* `ordinal ping` against a server of one connection that says what the test wants. */
#include "health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct server {
    int listener;
    char port[8];
    size_t wanted; /* bytes to read before the answer; 0: only accept */
    const char *answer;
    char request[512];
    size_t received;
    pthread_t thread;
    char output[1024]; /* what the probe printed */
};

/* Accepts once, reads the request, answers, and holds the connection until the probe closes it. */
static void *serve(void *arg)
{
    struct server *server = arg;
    int fd = accept(server->listener, NULL, NULL);
    if (fd < 0) {
        return NULL;
    }
    while (server->received < server->wanted) {
        ssize_t got =
            read(fd, server->request + server->received, sizeof server->request - 1 - server->received);
        if (got <= 0) {
            break;
        }
        server->received += (size_t)got;
    }
    if (server->answer == NULL) {
        close(fd);
        return NULL;
    }
    size_t size = strlen(server->answer);
    if (send(fd, server->answer, size, MSG_NOSIGNAL) == (ssize_t)size) {
        char rest[64];
        while (read(fd, rest, sizeof rest) > 0) {}
    }
    close(fd);
    return NULL;
}

static int set_up(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(server->port, sizeof server->port, "%d", ntohs(address.sin_port));
    *state = server;
    return 0;
}

static int tear_down(void **state)
{
    struct server *server = *state;
    close(server->listener);
    free(server);
    return 0;
}

/* Runs the probe with its standard output in server->output. */
static int ping(struct server *server, char **argv, int argc)
{
    char path[] = "/tmp/ordinal-health-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(file, STDOUT_FILENO);
    int status = health_ping(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    ssize_t size = pread(file, server->output, sizeof server->output - 1, 0);
    server->output[size < 0 ? 0 : size] = '\0';
    close(file);
    unlink(path);
    return status;
}

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL}), (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static const char plain_request[] = "*1\r\n$4\r\nPING\r\n";
static const char auth_request[] = "*2\r\n$4\r\nAUTH\r\n$4\r\np\"ss\r\n*1\r\n$4\r\nPING\r\n";

/* A probe of a server that answers so; ready adds --ready, password adds -a. */
static int probe(struct server *server, const char *answer, bool ready, bool password)
{
    server->answer = answer;
    server->wanted = password ? sizeof auth_request - 1 : sizeof plain_request - 1;
    server->received = 0;
    memset(server->request, 0, sizeof server->request);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    char *argv[10] = {"ping", "-p", server->port, "-t", "20000"};
    int argc = 5;
    if (ready) {
        argv[argc++] = "--ready";
    }
    if (password) {
        argv[argc++] = "-a";
        argv[argc++] = "p\"ss";
    }
    int status = ping(server, argv, argc);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    return status;
}

static void a_pong_is_alive_and_ready(void **state)
{
    struct server *server = *state;
    char expected[64];
    snprintf(expected, sizeof expected, "127.0.0.1:%s: PONG in ", server->port);
    assert_int_equal(probe(server, "+PONG\r\n", false, false), 0);
    assert_string_equal(server->request, plain_request);
    assert_memory_equal(server->output, expected, strlen(expected));
    assert_ptr_equal(strchr(server->output, '\n'), server->output + strlen(server->output) - 1);
    assert_int_equal(probe(server, "+PONG\r\n", true, false), 0);
}

static void a_password_goes_first(void **state)
{
    struct server *server = *state;
    assert_int_equal(probe(server, "+OK\r\n+PONG\r\n", true, true), 0);
    assert_string_equal(server->request, auth_request);
}

static void a_server_that_answers_with_an_error_is_alive_but_not_ready(void **state)
{
    struct server *server = *state;
    static const char loading[] = "-LOADING Redis is loading the dataset in memory\r\n";
    assert_int_equal(probe(server, loading, false, false), 0);
    assert_non_null(strstr(server->output, ": alive: LOADING Redis is loading"));
    assert_int_equal(probe(server, loading, true, false), 1);
    assert_non_null(strstr(server->output, ": not ready: LOADING Redis is loading"));
    assert_int_equal(probe(server, "-WRONGPASS x\r\n-NOAUTH Authentication required.\r\n", false, true), 0);
    assert_int_equal(probe(server, "-WRONGPASS x\r\n-NOAUTH Authentication required.\r\n", true, true), 1);
}

static void another_kind_of_server_is_not_alive(void **state)
{
    struct server *server = *state;
    assert_int_equal(probe(server, "HTTP/1.1 400 \x1b[31mBad\r\n\r\n", false, false), 1);
    assert_non_null(strstr(server->output, "not the answer of a Redis server: HTTP/1.1 400 ?[31mBad"));
}

static void a_closed_connection_is_a_failure(void **state)
{
    struct server *server = *state;
    assert_int_equal(probe(server, NULL, false, false), 1);
    assert_non_null(strstr(server->output, ": connected: Connection reset by peer"));
}

/* The kernel accepts for a listener that nobody serves. */
static void a_silent_server_is_a_failure_at_the_deadline(void **state)
{
    struct server *server = *state;
    assert_int_equal(ping(server, ARGS("ping", "-p", server->port, "-t", "30")), 1);
    assert_non_null(strstr(server->output, ": connected: no answer within 30 ms\n"));
}

static void nobody_there_is_a_failure(void **state)
{
    struct server *server = *state;
    close(server->listener);
    assert_int_equal(ping(server, ARGS("ping", "-h", "127.0.0.1", "-p", server->port)), 1);
    assert_non_null(strstr(server->output, ": can't connect: Connection refused\n"));
    assert_int_equal(ping(server, ARGS("ping", "-s", "/nonexistent/socket")), 1);
    assert_string_equal(server->output, "/nonexistent/socket: can't connect: No such file or directory\n");
}

static void the_environment_gives_port_and_password(void **state)
{
    struct server *server = *state;
    server->answer = "+OK\r\n+PONG\r\n";
    server->wanted = sizeof auth_request - 1;
    assert_int_equal(setenv("ORDINAL_PORT", server->port, 1), 0);
    assert_int_equal(setenv("REDIS_PASSWORD", "p\"ss", 1), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    int status = ping(server, ARGS("ping", "--ready", "-t", "20000"));
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    unsetenv("ORDINAL_PORT");
    unsetenv("REDIS_PASSWORD");
    assert_int_equal(status, 0);
    assert_string_equal(server->request, auth_request);
}

static void a_unix_socket_is_asked(void **state)
{
    struct server *server = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/ordinal-health-%s-%d", server->port,
             (int)getpid());
    close(server->listener);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    server->answer = "+PONG\r\n";
    server->wanted = sizeof plain_request - 1;
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    int status = ping(server, ARGS("ping", "-s", address.sun_path, "-t", "20000"));
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    unlink(address.sun_path);
    assert_int_equal(status, 0);
}

static void bad_arguments_are_told_apart_from_a_failed_probe(void **state)
{
    struct server *server = *state;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int saved = dup(STDERR_FILENO);
    dup2(null, STDERR_FILENO);
    int statuses[] = {
        ping(server, ARGS("ping", "-x", "1")), ping(server, ARGS("ping", "-p", "70000")),
        ping(server, ARGS("ping", "-p")),      ping(server, ARGS("ping", "-t", "0")),
        ping(server, ARGS("ping", "host")),
    };
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        assert_int_equal(statuses[i], 2);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pong_is_alive_and_ready),
        TEST(a_password_goes_first),
        TEST(a_server_that_answers_with_an_error_is_alive_but_not_ready),
        TEST(another_kind_of_server_is_not_alive),
        TEST(a_closed_connection_is_a_failure),
        TEST(a_silent_server_is_a_failure_at_the_deadline),
        TEST(nobody_there_is_a_failure),
        TEST(the_environment_gives_port_and_password),
        TEST(a_unix_socket_is_asked),
        TEST(bad_arguments_are_told_apart_from_a_failed_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
