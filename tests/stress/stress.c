/*
 * A storm of clients over loopback, against servers that it starts and ends itself, for a given time. Each server lives through
 * an exact phase, in which nothing destroys keys and every promise can be counted (increments add up, a value is handed out by
 * GETDEL or to a client that waits for it once, a connection reads what it wrote), and a wild one of random commands, kills, pauses, monitors, slow readers and
 * connections that end in mid-request, in which every reply must still be well-formed, of a type that its command
 * has, and come at all. In every other life SIGTERM arrives in the middle of the latter, and the server must end with status 0; a
 * sanitizer's report makes that another one.
 *
 *     stress LOOPS SECONDS SEED wild|both SERVER [ARGUMENT ...]
 *
 * What is random comes from SEED; what the scheduler does with it is not repeated.
 */
#include "client.h"
#include "values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 12, COUNTERS = 4, TOKENS = 200000, BIG = 1 << 20, EXACT_MS = 1500, WILD_MS = 2500 };

static const char *server_loops;
static pid_t server_pid;
static uint64_t seed;
static _Atomic bool phase_over, server_ending;
static _Atomic int64_t increments[COUNTERS];
static _Atomic unsigned char taken[TOKENS];
static _Atomic int next_token;
static _Atomic unsigned char popped[TOKENS];
static _Atomic int next_task, tasks_popped;
static _Atomic int64_t closed_by_server;
static char big_value[BIG];
static char folder[] = "/tmp/ordinal-stress-XXXXXX"; /* where servers save their snapshots */

/* ---- odds and ends ---------------------------------------------------------------------------------- */

void broken(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "stress: BROKEN (seed %llu, loops %s): ", (unsigned long long)seed, server_loops);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    kill(server_pid, SIGABRT);
    _exit(1);
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
    struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&ts, NULL);
}

static void ask_set_big(struct client *c, uint32_t key)
{
    char name[32];
    put(c, "*3\r\n", 4);
    put_argument(c, "SET", 3);
    put_argument(c, name, (size_t)snprintf(name, sizeof name, "big:%u", key));
    put_argument(c, big_value, BIG - pick(c, 5000));
    c->allowed[c->count++] = "+-";
}

/* The reply of a single request in the exact phase, where the server closes nothing. */
static const char *answer(struct client *c, size_t *len)
{
    const char *allowed = c->allowed[0];
    c->count = 0;
    const char *reply = send_all(c, c->out_len) ? read_reply(c, allowed, len) : NULL;
    if (reply == NULL) {
        broken("the server closed a connection that did nothing wrong");
    }
    return reply;
}

/* What the last server has saved. */
static void remove_snapshots(void)
{
    char path[sizeof folder + 16];
    snprintf(path, sizeof path, "%s/dump.rdb", folder);
    unlink(path);
}

/* ---- the exact phase -------------------------------------------------------------------------------- */

static void increment(struct client *c)
{
    int counts[COUNTERS] = {0};
    int count = 1 + (int)pick(c, PIPELINE - 1);
    for (int i = 0; i < count; i++) {
        uint32_t which = pick(c, COUNTERS);
        counts[which]++;
        ask(c, ":", "INCR counter:%u", which);
    }
    if (!exchange(c)) {
        broken("the server closed a connection that did nothing wrong");
    }
    for (int i = 0; i < COUNTERS; i++) {
        atomic_fetch_add(&increments[i], counts[i]);
    }
}

static void hand_out(struct client *c)
{
    int token = atomic_fetch_add(&next_token, 1);
    if (token < TOKENS) {
        ask(c, "+$", "SET token:%u %d NX", pick(c, 8), token);
        size_t len;
        answer(c, &len); /* $-1: the last one is still there, and this one is never given out */
    }
}

static void take(struct client *c)
{
    size_t len;
    ask(c, "$", "GETDEL token:%u", pick(c, 8));
    const char *reply = answer(c, &len);
    if (reply[1] == '-') {
        return;
    }
    int token = atoi(strchr(reply, '\n') + 1);
    if (token < 0 || token >= TOKENS || atomic_exchange(&taken[token], 1) != 0) {
        broken("GETDEL gave out %d twice, or what nobody had set", token);
    }
}

/* Tasks for the queues that others wait for, one or several at once, straight or through another queue. */
static void push_tasks(struct client *c)
{
    int count = 1 + (int)pick(c, 5);
    int task = atomic_fetch_add(&next_task, count);
    if (task + count > TOKENS) {
        atomic_fetch_sub(&next_task, count);
        return;
    }
    for (int i = 0; i < count; i++) {
        ask(c, ":", "%s queue:%u %d", pick(c, 2) == 0 ? "LPUSH" : "RPUSH", pick(c, 6), task + i);
    }
    if (!exchange(c)) {
        broken("the server closed a connection that did nothing wrong");
    }
}

/* The element at the end of a reply; -1 when it is a null. */
static int last_number(const char *reply, size_t len)
{
    size_t at = len - 2;
    if (reply[1] == '-') {
        return -1;
    }
    while (reply[at - 1] != '\n') {
        at--;
    }
    return atoi(reply + at);
}

/* Waits for a task, in one of the ways that there are. */
static void pop_task(struct client *c)
{
    size_t len;
    uint32_t k = pick(c, 6), ms = 1 + pick(c, 20);
    bool moves = false;
    switch (pick(c, 5)) {
    case 0: ask(c, "*", "BLPOP queue:%u queue:%u 0.0%02u", k, pick(c, 6), ms); break;
    case 1: ask(c, "*", "BRPOP queue:%u 0.0%02u", k, ms); break;
    case 2: ask(c, "*", "BLMPOP 0.0%02u 2 queue:%u queue:%u RIGHT", ms, k, pick(c, 6)); break;
    case 3: ask(c, "*", "LMPOP 1 queue:%u LEFT", k); break;
    default: ask(c, "$*", "BLMOVE queue:%u queue:%u LEFT RIGHT 0.0%02u", k, pick(c, 6), ms); moves = true;
    }
    const char *reply = answer(c, &len);
    int task = last_number(reply, len);
    if (task < 0 || moves) {
        return;
    }
    if (task >= TOKENS || atomic_exchange(&popped[task], 1) != 0) {
        broken("task %d was given out twice, or nobody had pushed it", task);
    }
    atomic_fetch_add(&tasks_popped, 1);
}

/* A value of several sizes, set, changed and read back, by its only user. */
static void read_own(struct client *c)
{
    size_t len, size = 1 + pick(c, pick(c, 20) == 0 ? 200000 : 300);
    char name[32], tail[16], head[32];
    int name_len = snprintf(name, sizeof name, "own:%d:%u", c->number, pick(c, 10));
    int tail_len = snprintf(tail, sizeof tail, "%u", pick(c, 1000000));
    put(c, "*3\r\n", 4);
    put_argument(c, "SET", 3);
    put_argument(c, name, (size_t)name_len);
    put_argument(c, big_value, size);
    c->allowed[c->count++] = "+";
    ask(c, ":", "APPEND %s %s", name, tail);
    if (!exchange(c)) {
        broken("the server closed a connection that did nothing wrong");
    }
    ask(c, "$", "GET %s", name);
    const char *reply = answer(c, &len);
    int head_len = snprintf(head, sizeof head, "$%zu\r\n", size + (size_t)tail_len);
    if (len != (size_t)head_len + size + (size_t)tail_len + 2 || memcmp(reply, head, (size_t)head_len) != 0 ||
        memcmp(reply + head_len, big_value, size) != 0 ||
        memcmp(reply + (size_t)head_len + size, tail, (size_t)tail_len) != 0) {
        broken("%s is not what its only user wrote: %zu bytes", name, len);
    }
}

/* Cut requests, which must do nothing to others that are read in the same turn of a loop. */
static void cut_request(struct client *c)
{
    ask(c, ":", "INCR counter:0");
    ask(c, ":", "INCR counter:1");
    size_t all = c->out_len, cut = 1 + pick(c, (uint32_t)all - 1);
    char rest[256];
    memcpy(rest, c->out + cut, all - cut);
    if (!send_all(c, cut)) {
        broken("the server closed a connection that did nothing wrong");
    }
    sched_yield();
    put(c, rest, all - cut);
    if (!exchange(c)) {
        broken("the server closed a connection that sent a request in two pieces");
    }
    atomic_fetch_add(&increments[0], 1);
    atomic_fetch_add(&increments[1], 1);
}

/* Another snapshot, unless one is under way. */
static void save(struct client *c)
{
    size_t len;
    ask(c, "+-", "BGSAVE");
    answer(c, &len);
}

static void *exact_main(void *client)
{
    struct client *c = client;
    if (!dial(c)) {
        broken("cannot connect");
    }
    while (!atomic_load(&phase_over)) {
        switch (pick(c, 10)) {
        case 0: increment(c); break;
        case 1: hand_out(c); break;
        case 2: take(c); break;
        case 3: read_own(c); break;
        case 4: cut_request(c); break;
        case 5: push_tasks(c); break;
        case 6:
        case 7: pop_task(c); break;
        case 8: save(c); break;
        default:
            if (pick(c, 20) == 0 && !dial(c)) {
                broken("cannot connect again");
            }
        }
    }
    hang_up(c);
    return NULL;
}

/* What was pushed was popped, or is still there. */
static void check_tasks(struct client *c)
{
    long long left = 0;
    for (int i = 0; i < 6; i++) {
        size_t len;
        ask(c, ":", "LLEN queue:%d", i);
        left += atoll(answer(c, &len) + 1);
    }
    if (left + atomic_load(&tasks_popped) != atomic_load(&next_task)) {
        broken("of %d tasks %d were popped and %lld are left", atomic_load(&next_task),
               atomic_load(&tasks_popped), left);
    }
}

static void check_sums(struct client *c)
{
    if (!dial(c)) {
        broken("cannot connect");
    }
    for (int i = 0; i < COUNTERS; i++) {
        size_t len;
        ask(c, "$", "GET counter:%d", i);
        const char *reply = answer(c, &len);
        long long is = reply[1] == '-' ? 0 : atoll(strchr(reply, '\n') + 1);
        if (is != atomic_load(&increments[i])) {
            broken("counter:%d is %lld after %lld increments", i, is, (long long)atomic_load(&increments[i]));
        }
    }
    check_tasks(c);
    hang_up(c);
}

/* ---- the wild phase --------------------------------------------------------------------------------- */

static void ask_about_strings(struct client *c)
{
    uint32_t k = pick(c, 12), n = pick(c, 1000);
    switch (pick(c, 16)) {
    case 0: ask(c, "+-", "SET k:%u %u", k, n); break;
    case 1: ask(c, "+-", "SET k:%u %u PX %u", k, n, 1 + pick(c, 20)); break;
    case 2: ask(c, "$-_", "GET k:%u", k); break;
    case 3: ask(c, "$-_", "GETDEL k:%u", k); break;
    case 4: ask(c, ":-", "INCR k:%u", k); break;
    case 5: ask(c, ":-", "APPEND k:%u %u", k, n); break;
    case 6: ask(c, ":-", "SETRANGE k:%u %u xyz", k, pick(c, 5000)); break;
    case 7: ask(c, "*-", "BITFIELD k:%u SET u8 %u 7 INCRBY u16 9 1 GET i5 3", k, n); break;
    case 8: ask(c, "*-", "MGET k:%u k:%u big:%u k:9", k, n % 12, n % 3); break;
    case 9: ask(c, "+-", "MSET k:%u 1 k:%u 2 k:3 %u", k, n % 12, n); break;
    case 10: ask(c, ":-", "SETBIT k:%u %u 1", k, n); break;
    case 11: ask(c, ":-", "BITOP XOR k:%u k:%u k:%u", k, n % 12, n % 7); break;
    case 12: ask(c, "$-_", "GETEX k:%u PX %u", k, 1 + n % 9); break;
    case 13: ask(c, "$-_", "GET big:%u", n % 3); break;
    case 14: ask(c, "$*%-", "LCS k:%u k:%u", k, n % 12); break;
    default:
        if (pick(c, 10) == 0) {
            ask_set_big(c, k % 3);
        } else {
            ask(c, "$-_", "GETRANGE big:%u %u %u", n % 3, n, n * 700);
        }
    }
}

static void ask_about_keys(struct client *c)
{
    uint32_t k = pick(c, 12), n = pick(c, 1000);
    switch (pick(c, 16)) {
    case 0: ask(c, ":-", "EXPIRE k:%u %u", k, n % 3); break;
    case 1: ask(c, ":-", "PEXPIRE k:%u %u", k, n % 30); break;
    case 2: ask(c, "+-", "RENAME k:%u k:%u", k, n % 12); break;
    case 3: ask(c, ":-", "COPY k:%u k:%u DB %u REPLACE", k, n % 12, n % 4); break;
    case 4: ask(c, ":-", "DEL k:%u k:%u big:%u", k, n % 12, n % 3); break;
    case 5: ask(c, "*-", "SCAN %u COUNT %u", n, 1 + n); break;
    case 6: ask(c, "*-", "KEYS *"); break;
    case 7: ask(c, "+-", "FLUSHDB %s", n % 2 == 0 ? "ASYNC" : "SYNC"); break;
    case 8: ask(c, "+-", "SWAPDB %u %u", n % 4, k % 4); break;
    case 9: ask(c, "+-", "SELECT %u", n % 4); break;
    case 10: ask(c, ":-", "MOVE k:%u %u", k, n % 4); break;
    case 11: ask(c, "$-_", "DUMP k:%u", k); break;
    case 12: ask(c, ":-", "UNLINK big:%u k:%u", n % 3, k); break;
    case 13: ask(c, ":-", "EXISTS k:%u k:%u", k, n % 12); break;
    case 14: ask(c, "$-_", "RANDOMKEY"); break;
    default: ask(c, ":-", "PTTL k:%u", k);
    }
}

static void ask_about_lists(struct client *c)
{
    uint32_t k = pick(c, 6), n = pick(c, 1000);
    switch (pick(c, 16)) {
    case 0: ask(c, "*-_", "BLPOP list:%u list:%u 0.0%02u", k, n % 6, n % 30 + 1); break;
    case 1: ask(c, "*-_", "BRPOP list:%u 0.0%02u", k, n % 30 + 1); break;
    case 2: ask(c, "$*-_", "BLMOVE list:%u list:%u LEFT LEFT 0.0%02u", k, n % 6, n % 30 + 1); break;
    case 3: ask(c, "*-_", "BLMPOP 0.0%02u 2 list:%u list:%u LEFT COUNT 3", n % 30 + 1, k, n % 6); break;
    case 4: ask(c, "$-_", "LPOP list:%u", k); break;
    case 5: ask(c, "*$-_", "RPOP list:%u %u", k, n); break;
    case 6: ask(c, ":-", "LREM list:%u %d %u", k, (int)(n % 7) - 3, n); break;
    case 7: ask(c, "+-", "LTRIM list:%u %u -%u", k, n % 9, n % 5 + 1); break;
    case 8: ask(c, "*-", "LRANGE list:%u 0 -1", k); break;
    case 9: ask(c, ":-", "LINSERT list:%u BEFORE %u new", k, n % 50); break;
    case 10: ask(c, "+-", "LSET list:%u %u a~longer~value", k, n % 50); break;
    case 11: ask(c, "+-", "RENAME list:%u list:%u", k, n % 6); break;
    case 12: ask(c, ":-", "COPY list:%u list:%u REPLACE", k, n % 6); break;
    case 13: ask(c, ":-", "RPUSH list:%u %u %u %u %u %u", k, n % 50, n, n, n % 3, n); break;
    default: ask(c, ":-", "LPUSH list:%u %u", k, n % 50);
    }
}

static void ask_about_server(struct client *c)
{
    uint32_t n = pick(c, 1000);
    switch (pick(c, 24)) {
    case 0: ask(c, "$=-", "CLIENT LIST"); break;
    case 1: ask(c, ":+-", "CLIENT KILL ID %lld", (long long)atomic_load(&connections_made) - n % 12); break;
    case 2: ask(c, "+-", "CLIENT PAUSE %u %s", n % 15, n % 2 == 0 ? "WRITE" : "ALL"); break;
    case 3: ask(c, "+-", "CLIENT UNPAUSE"); break;
    case 4:
        ask(c, ":-", "CLIENT UNBLOCK %lld %s", (long long)atomic_load(&connections_made) - n % 12,
            n % 2 == 0 ? "ERROR" : "TIMEOUT");
        break;
    case 5: ask(c, "+-", "CONFIG SET maxmemory %s", n % 3 == 0 ? "0" : n % 3 == 1 ? "20mb" : "8mb"); break;
    case 6:
        ask(c, "+-", "CONFIG SET maxmemory-policy %s", n % 2 == 0 ? "allkeys-lru" : "volatile-ttl");
        break;
    case 7: ask(c, "$=-", "INFO everything"); break;
    case 8: ask(c, "+-", "DEBUG SLEEP 0"); break;
    case 9: ask(c, ":-", "WAIT 1 %u", 1 + n % 10); break;
    case 10: ask(c, "+-", "CONFIG SET maxmemory-clients %s", n % 2 == 0 ? "0" : "4mb"); break;
    case 11: ask(c, "+-", "CONFIG SET requirepass %s", n % 2 == 0 ? "" : "stress"); break;
    case 12: ask(c, "+-", "CLIENT SETNAME name%u", n); break;
    case 13: ask(c, "+-", "CONFIG SET slowlog-log-slower-than %u", n); break;
    case 14: ask(c, "*-", "SLOWLOG GET 5"); break;
    case 15: ask(c, "*%-", "LATENCY HISTOGRAM"); break;
    case 16: ask(c, "*%-", "MEMORY STATS"); break;
    case 17: ask(c, "+-", "CONFIG RESETSTAT"); break;
    case 18: ask(c, "*%-", "HELLO %u", 2 + n % 2); break;
    case 19: ask(c, "*-", "COMMAND GETKEYS MSET a 1 b 2"); break;
    case 20: ask(c, "+-", "RESET"); break;
    case 21: ask(c, "+$-", "DEBUG DIGEST"); break;
    case 22: ask(c, "*-", "TIME"); break;
    default: ask(c, "+-", "CONFIG SET client-output-buffer-limit normal~%u~0~0", n % 2 * 3000000);
    }
}

static void ask_anything(struct client *c)
{
    uint32_t what = pick(c, 100);
    if (what < 40) {
        ask_about_strings(c);
    } else if (what < 60) {
        ask_about_lists(c);
    } else if (what < 85) {
        ask_about_keys(c);
    } else {
        ask_about_server(c);
    }
}

/* Reads a monitor's lines for a moment, then leaves. */
static void watch(struct client *c)
{
    struct timeval moment = {.tv_usec = 100000};
    ask(c, "+-", "MONITOR");
    if (!exchange(c)) {
        return;
    }
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    for (int i = 0; i < 50; i++) {
        size_t len = c->in_len > c->in_at ? reply_length(c->in + c->in_at, c->in_len - c->in_at) : 0;
        if (len > 0) {
            if (strchr("+>", c->in[c->in_at]) == NULL) { /* what it does itself, or keys that it tracks */
                broken("a monitor sees %.*s", (int)(len < 200 ? len : 200), c->in + c->in_at);
            }
            c->in_at += len;
            continue;
        }
        must_grow(&c->in, &c->in_cap, c->in_len + 64 * 1024);
        ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
        if (n <= 0) {
            break;
        }
        c->in_len += (size_t)n;
    }
    hang_up(c);
}

/* Asks for megabytes, and reads them late, in part, or not at all. */
static void read_slowly(struct client *c)
{
    for (int i = 0; i < 30; i++) {
        ask(c, "$-_", "GET big:%u", pick(c, 3));
    }
    if (pick(c, 2) == 0) {
        c->count = 0;
        send_all(c, c->out_len);
        sleep_ms((int)pick(c, 30));
        receive_more(c, "$");
        hang_up(c);
        return;
    }
    int count = c->count;
    c->count = 0;
    bool open = send_all(c, c->out_len);
    sleep_ms((int)pick(c, 50));
    c->count = open ? count : 0;
    if (!exchange(c)) {
        hang_up(c);
    }
}

/* A pipeline; sometimes the connection ends within it, or without waiting for replies. */
static void storm(struct client *c)
{
    int count = 1 + (int)pick(c, pick(c, 4) == 0 ? PIPELINE - 1 : 12);
    ask(c, "+-", "AUTH default stress");
    for (int i = 1; i < count; i++) {
        if (count - i > TRANSACTION_MOST && pick(c, 20) == 0) {
            int before = c->count;
            ask_transaction(c);
            i += c->count - before - 1;
        } else {
            ask_anything(c);
        }
    }
    uint32_t end = pick(c, 30);
    if (end == 0) {
        send_all(c, pick(c, (uint32_t)c->out_len));
        hang_up(c);
    } else if (end == 1) {
        send_all(c, c->out_len);
        hang_up(c);
    } else if (!exchange(c)) {
        atomic_fetch_add(&closed_by_server, 1);
        hang_up(c);
    }
}

static void *wild_main(void *client)
{
    struct client *c = client;
    while (!atomic_load(&phase_over)) {
        if (c->fd < 0 && !dial(c)) {
            if (!atomic_load(&server_ending) && errno != ECONNRESET && errno != EINTR) {
                broken("cannot connect: %s", strerror(errno));
            }
            sleep_ms(1);
            continue;
        }
        uint32_t what = pick(c, 60);
        if (what == 0) {
            watch(c);
        } else if (what == 2) {
            subscribe(c);
        } else if (what == 1) {
            read_slowly(c);
        } else {
            storm(c);
        }
    }
    hang_up(c);
    return NULL;
}

/* ---- a server's life -------------------------------------------------------------------------------- */

static int free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&in, sizeof in) != 0 ||
        getsockname(fd, (struct sockaddr *)&in, &len) != 0) {
        perror("stress: no port");
        exit(1);
    }
    close(fd);
    return ntohs(in.sin_port);
}

static void start_server(char **command)
{
    enum { MAX_ARGS = 32 };
    char port[16];
    char *argv[MAX_ARGS];
    int argc = 0;
    server_port = free_port();
    snprintf(port, sizeof port, "%d", server_port);
    while (command[argc] != NULL && argc < MAX_ARGS - 15) {
        argv[argc] = command[argc];
        argc++;
    }
    char *settings[] = {"--port",
                        port,
                        "--loops",
                        (char *)(uintptr_t)server_loops,
                        "--bind",
                        "127.0.0.1",
                        "--enable-debug-command",
                        "yes",
                        "--loglevel",
                        "warning",
                        "--dir",
                        folder,
                        "--save",
                        ""};
    memcpy(argv + argc, settings, sizeof settings);
    argv[argc + (int)(sizeof settings / sizeof *settings)] = NULL;
    server_pid = fork();
    if (server_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    struct client c = {.fd = -1};
    for (int64_t until = now_ms() + PATIENCE_S * 1000; !dial(&c); sleep_ms(5)) {
        if (now_ms() > until || waitpid(server_pid, NULL, WNOHANG) == server_pid) {
            broken("the server does not start");
        }
    }
    hang_up(&c);
}

/* Ends the server while clients are at it, and judges how it went. */
static void end_server(void)
{
    int status = 0;
    atomic_store(&server_ending, true);
    kill(server_pid, SIGTERM);
    for (int64_t until = now_ms() + PATIENCE_S * 1000; waitpid(server_pid, &status, WNOHANG) == 0;
         sleep_ms(5)) {
        if (now_ms() > until) {
            broken("the server does not end by SIGTERM");
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        broken("the server ended with %s %d", WIFEXITED(status) ? "status" : "signal",
               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
}

/* Lets all clients do `run` for a while. With `fatal` the server is ended meanwhile. */
static void phase(struct client *clients, void *(*run)(void *), int ms, bool fatal)
{
    pthread_t threads[THREADS];
    atomic_store(&phase_over, false);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, run, &clients[i]) != 0) {
            broken("no thread for the test itself");
        }
    }
    int ticks = 0;
    for (int64_t until = now_ms() + ms; now_ms() < until; sleep_ms(20)) {
        int status;
        if (run == wild_main && ++ticks % 20 == 0) {
            kill(server_pid, SIGHUP); /* settings are read again, the log is opened anew */
        }
        if (waitpid(server_pid, &status, WNOHANG) == server_pid) {
            broken("the server ended by itself: %s %d", WIFEXITED(status) ? "status" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        }
    }
    if (fatal) {
        end_server();
    }
    atomic_store(&phase_over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* With `fatal` the server is ended in the middle of it all, else every request that it took must first be answered. */
static void live(struct client *clients, char **command, bool exact, bool fatal)
{
    atomic_store(&server_ending, false);
    atomic_store(&next_token, 0);
    atomic_store(&connections_made, 0);
    atomic_store(&next_task, 0);
    atomic_store(&tasks_popped, 0);
    memset((void *)taken, 0, sizeof taken);
    memset((void *)popped, 0, sizeof popped);
    memset((void *)increments, 0, sizeof increments);
    remove_snapshots(); /* a server begins with nothing */
    start_server(command);
    if (exact) {
        phase(clients, exact_main, EXACT_MS, false);
        check_sums(&clients[0]);
    }
    phase(clients, wild_main, WILD_MS, fatal);
    if (!fatal) {
        end_server();
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: stress LOOPS SECONDS SEED wild|both SERVER [ARGUMENT ...]\n");
        return 2;
    }
    struct client clients[THREADS];
    server_loops = argv[1];
    seed = strtoull(argv[3], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    memset(clients, 0, sizeof clients);
    for (size_t i = 0; i < BIG; i++) {
        big_value[i] = (char)('a' + i % 26);
    }
    for (int i = 0; i < THREADS; i++) {
        clients[i].fd = -1;
        clients[i].number = i;
        clients[i].random =
            (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)i * UINT64_C(0xD1B54A32D192ED03) + 1;
    }
    int lives = 0;
    for (int64_t until = now_ms() + atoll(argv[2]) * 1000; now_ms() < until; lives++) {
        live(clients, argv + 5, strcmp(argv[4], "both") == 0, lives % 2 == 1);
    }
    for (int i = 0; i < THREADS; i++) {
        free(clients[i].in);
        free(clients[i].out);
    }
    remove_snapshots();
    rmdir(folder);
    printf(
        "stress: ok, %s loops, %d servers, %lld requests, %lld replies, %lld connections closed by the server\n",
        server_loops, lives, (long long)requests_sent, (long long)replies_seen, (long long)closed_by_server);
    return lives > 0 && replies_seen > 0 ? 0 : 1;
}
