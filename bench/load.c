/* The load: keeps a number of connections busy with the commands of a mix, checks every reply, and reports
 * what it cost the server and how long the replies took, as one line of JSON.
 *
 * It has to be faster than any server that it measures, or it measures itself. So requests are bytes made
 * before the start (mix.c), one epoll loop serves all connections, replies are checked where they were
 * received, and nothing is allocated on the way except for a reply or a batch that a socket cut in two.
 *
 * Each connection sends a batch of `--pipeline` requests with one write and sends the next when all its
 * replies have come. The latency of a request is the time from that write to the read that brought its reply.
 * The server's processor time is read at the start and the end of the window in which requests count, after
 * the warm-up, so that accepting connections and filling the keyspace are no part of it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "histogram.h"
#include "mix.h"

#define RECEIVE_BYTES (1024 * 1024)
#define EVENTS        256
#define STALL_SECONDS 60 /* without any reply: the server hangs */

struct options {
    const char *host;
    uint16_t port;
    const char *mix;
    uint32_t clients;
    uint32_t pipeline;
    uint64_t keys;
    uint64_t first_key;
    bool sequential;
    uint64_t count; /* requests to send; 0: until the time is up */
    double seconds;
    double warmup;
    int32_t pid; /* of the server; 0: its processor time is not reported */
    bool floor_steps;
    mix_settings settings;
};

struct client {
    int socket;
    uint32_t id;
    uint64_t *keys;        /* of the requests in flight, in order */
    uint32_t sent;         /* requests in flight at the start of the batch */
    uint32_t answered;     /* of these, replies checked */
    uint32_t next_request; /* of the turn, to be sent */
    uint32_t awaited;      /* of the turn, whose reply comes next */
    uint64_t turn_key;
    uint64_t sent_at;
    char *unsent; /* the rest of a batch that the socket did not take */
    size_t unsent_bytes;
    char *tail; /* the beginning of a reply whose end has not come */
    size_t tail_bytes;
};

typedef struct load {
    struct options options;
    mix mix;
    struct client *clients;
    int epoll;
    char *received;
    uint64_t random;
    uint64_t next_key;
    uint64_t requests; /* sent so far */
    uint64_t replies;  /* in the window */
    uint64_t all_replies;
    uint32_t busy; /* clients with requests in flight */
    bool stopping; /* send no more */
    uint64_t window_start;
    uint64_t window_end;
    uint64_t cpu_start;
    uint64_t cpu_end;
    histogram latencies;
} load;

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory)
        fail("memory");
    return memory;
}

/* xorshift64*: the quality of the keys' order is no part of what is measured. */
static uint64_t load_random(load *self, uint64_t below)
{
    self->random ^= self->random >> 12;
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return (uint64_t)(((self->random * UINT64_C(0x2545F4914F6CDD1D)) >> 32) * below >> 32);
}

/* The key of a client's next request. Where a turn belongs to one key, that key must be this client's alone:
 * another client's GETDEL would take the value from under its GET. */
static uint64_t client_key(load *self, struct client *client)
{
    const struct options *options = &self->options;
    if (self->mix.one_key && client->next_request != 0)
        return client->turn_key;
    if (options->sequential)
        client->turn_key = options->first_key + self->next_key++ % options->keys;
    else if (self->mix.one_key)
        client->turn_key = options->first_key +
                           load_random(self, options->keys / options->clients) * options->clients +
                           client->id;
    else
        client->turn_key = options->first_key + load_random(self, options->keys);
    return client->turn_key;
}

static void client_watch(load *self, struct client *client, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(self->epoll, operation, client->socket, &event) < 0)
        fail("epoll_ctl");
}

static void client_connect(load *self, struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(self->options.port)};
    if (inet_pton(AF_INET, self->options.host, &address.sin_addr) != 1)
        fail(self->options.host);
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->socket < 0 || connect(client->socket, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    int on = 1;
    setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->keys = allocate(self->options.pipeline * sizeof *client->keys);
    client->tail = allocate(mix_largest_reply(&self->mix));
    client_watch(self, client, EPOLLIN, EPOLL_CTL_ADD);
}

/* Writes bytes to the server; what the socket does not take waits in `unsent` until it can. */
static void client_write(load *self, struct client *client, const char *bytes, size_t size)
{
    ssize_t written = send(client->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written == (ssize_t)size)
        return;
    if (written < 0 && errno != EAGAIN)
        fail("send");
    size_t taken = written > 0 ? (size_t)written : 0;
    client->unsent = allocate(size - taken);
    client->unsent_bytes = size - taken;
    memcpy(client->unsent, bytes + taken, client->unsent_bytes);
    client_watch(self, client, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void client_write_rest(load *self, struct client *client)
{
    char *rest = client->unsent;
    client->unsent = NULL;
    client_watch(self, client, EPOLLIN, EPOLL_CTL_MOD);
    client_write(self, client, rest, client->unsent_bytes);
    free(rest);
}

static void client_send_batch(load *self, struct client *client, uint64_t now)
{
    const struct options *options = &self->options;
    uint32_t requests = options->pipeline;
    if (options->count && options->count - self->requests < requests)
        requests = (uint32_t)(options->count - self->requests);
    client->sent = requests;
    client->answered = 0;
    if (requests == 0)
        return;
    uint32_t first = client->next_request;
    for (uint32_t i = 0; i < requests; i++) {
        client->keys[i] = client_key(self, client);
        mix_address(&self->mix, first + i, client->keys[i]);
        client->next_request = mix_next(&self->mix, client->next_request);
    }
    size_t bytes;
    const char *batch = mix_batch(&self->mix, first, requests, &bytes);
    client->sent_at = now;
    self->requests += requests;
    self->busy++;
    client_write(self, client, batch, bytes);
}

static void fail_on_reply(const struct client *client, const char *data, size_t size)
{
    fprintf(stderr, "load: wrong reply for key %" PRIu64 ": '%.*s'\n",
            client->answered < client->sent ? client->keys[client->answered] : 0,
            (int)(size < 80 ? size : 80), data);
    exit(1);
}

/* Checks the replies in `data` and returns the bytes that they took. */
static size_t client_check(load *self, struct client *client, const char *data, size_t size, uint64_t now)
{
    size_t at = 0;
    while (at < size) {
        if (client->answered == client->sent)
            fail_on_reply(client, data + at, size - at);
        int64_t taken =
            mix_check(&self->mix, client->awaited, client->keys[client->answered], data + at, size - at);
        if (taken < 0)
            fail_on_reply(client, data + at, size - at);
        if (taken == 0)
            break;
        at += (size_t)taken;
        client->answered++;
        client->awaited = mix_next(&self->mix, client->awaited);
        self->replies++;
        histogram_record(&self->latencies, now - client->sent_at);
    }
    return at;
}

static void client_receive(load *self, struct client *client)
{
    memcpy(self->received, client->tail, client->tail_bytes);
    ssize_t size = recv(client->socket, self->received + client->tail_bytes, RECEIVE_BYTES, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0)
        fail(size == 0 ? "the server closed a connection" : "recv");
    uint64_t now = now_ns();
    size_t all = client->tail_bytes + (size_t)size;
    size_t taken = client_check(self, client, self->received, all, now);
    client->tail_bytes = all - taken;
    memcpy(client->tail, self->received + taken, client->tail_bytes);
    if (client->answered < client->sent)
        return;
    self->busy--;
    if (!self->stopping)
        client_send_batch(self, client, now);
}

static void load_open_window(load *self, uint64_t now)
{
    self->window_start = now;
    self->window_end = now + (uint64_t)(self->options.seconds * 1e9);
    self->replies = 0;
    histogram_clear(&self->latencies);
    self->cpu_start = self->options.pid ? cpu_of_process(self->options.pid) : 0;
}

static void load_close_window(load *self)
{
    self->window_end = now_ns();
    self->cpu_end = self->options.pid ? cpu_of_process(self->options.pid) : 0;
    self->stopping = true;
}

static void load_serve(load *self)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(self->epoll, events, EVENTS, STALL_SECONDS * 1000);
    if (ready < 0 && errno != EINTR)
        fail("epoll_wait");
    if (ready == 0) {
        fprintf(stderr, "load: no reply for %d seconds\n", STALL_SECONDS);
        exit(1);
    }
    for (int i = 0; i < ready; i++) {
        struct client *client = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            client_write_rest(self, client);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            client_receive(self, client);
    }
}

static void load_run(load *self)
{
    uint64_t start = now_ns();
    uint64_t opens = start + (uint64_t)(self->options.warmup * 1e9);
    bool open = false;
    if (self->options.count) {
        load_open_window(self, start);
        open = true;
    }
    for (uint32_t i = 0; i < self->options.clients; i++)
        client_send_batch(self, &self->clients[i], now_ns());
    while (self->busy) {
        load_serve(self);
        if (self->options.count || self->stopping)
            continue;
        uint64_t now = now_ns();
        if (!open && now >= opens) {
            load_open_window(self, now);
            open = true;
        } else if (open && now >= self->window_end) {
            load_close_window(self);
            return;
        }
    }
    load_close_window(self);
}

static void load_init(load *self)
{
    self->random = UINT64_C(88172645463325252);
    self->received = allocate(RECEIVE_BYTES + mix_largest_reply(&self->mix));
    self->clients = allocate(self->options.clients * sizeof *self->clients);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0)
        fail("epoll_create1");
    for (uint32_t i = 0; i < self->options.clients; i++) {
        self->clients[i].id = i;
        client_connect(self, &self->clients[i]);
    }
}

static void load_report(const load *self)
{
    double seconds = (double)(self->window_end - self->window_start) / 1e9;
    double operations = (double)self->replies;
    printf("{\"mix\": \"%s\", \"clients\": %" PRIu32 ", \"pipeline\": %" PRIu32 ", \"operations\": %" PRIu64
           ", \"seconds\": %.4f, \"operations_per_second\": %.0f, ",
           self->options.mix, self->options.clients, self->options.pipeline, self->replies, seconds,
           operations / seconds);
    if (self->options.pid) {
        double cpu = (double)(self->cpu_end - self->cpu_start);
        printf("\"server_cpu_us\": %.4f, \"server_busy\": %.3f, ", cpu / 1000.0 / operations,
               cpu / 1e9 / seconds);
    }
    histogram_print(&self->latencies, stdout);
    printf("}\n");
}

/* clang-format off */
static const char usage_text[] =
    "usage: load --port PORT [option ...]\n"
    "  --host 127.0.0.1   --clients 50   --pipeline 1   --value 512 (bytes)   --ttl 60 (seconds)\n"
    "  --keys 100000         how many; --first-key 0 --sequential: each in turn, not at random\n"
    "  --seconds 1           after --warmup 0.2; or --count N requests instead\n"
    "  --pid PID             the server's, to report its processor time for an operation\n"
    "  --no-check-values     the server is the floor: any value of the right length will do\n"
    "  --deadline MS         Unix time of the first deadline of the mix `deadline`, and\n"
    "  --deadline-spread MS  the time over which the deadlines lie\n"
    "  --receivers 1         of each message of the mix `publish`\n"
    "  --floor-steps         print the floor's arguments for this load and end\n"
    "  --mix set             one of:\n";
/* clang-format on */

static void usage(void)
{
    fputs(usage_text, stderr);
    mix_list();
    exit(2);
}

enum {
    OPTION_HOST = 'h',
    OPTION_PORT = 'p',
    OPTION_MIX = 'm',
    OPTION_CLIENTS = 'c',
    OPTION_PIPELINE = 'P',
    OPTION_KEYS = 'k',
    OPTION_FIRST_KEY = 'f',
    OPTION_SEQUENTIAL = 'q',
    OPTION_COUNT = 'n',
    OPTION_SECONDS = 's',
    OPTION_WARMUP = 'w',
    OPTION_PID = 'i',
    OPTION_VALUE = 'v',
    OPTION_TTL = 't',
    OPTION_NO_CHECK = 'x',
    OPTION_DEADLINE = 'd',
    OPTION_SPREAD = 'r',
    OPTION_RECEIVERS = 'R',
    OPTION_FLOOR = 'F',
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPTION_HOST},
    {"port", required_argument, NULL, OPTION_PORT},
    {"mix", required_argument, NULL, OPTION_MIX},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"pipeline", required_argument, NULL, OPTION_PIPELINE},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"first-key", required_argument, NULL, OPTION_FIRST_KEY},
    {"sequential", no_argument, NULL, OPTION_SEQUENTIAL},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"pid", required_argument, NULL, OPTION_PID},
    {"value", required_argument, NULL, OPTION_VALUE},
    {"ttl", required_argument, NULL, OPTION_TTL},
    {"no-check-values", no_argument, NULL, OPTION_NO_CHECK},
    {"deadline", required_argument, NULL, OPTION_DEADLINE},
    {"deadline-spread", required_argument, NULL, OPTION_SPREAD},
    {"receivers", required_argument, NULL, OPTION_RECEIVERS},
    {"floor-steps", no_argument, NULL, OPTION_FLOOR},
    {NULL, 0, NULL, 0},
};

static void option_take(struct options *self, int option, const char *text)
{
    switch (option) {
    case OPTION_HOST: self->host = text; break;
    case OPTION_PORT: self->port = (uint16_t)atoi(text); break;
    case OPTION_MIX: self->mix = text; break;
    case OPTION_CLIENTS: self->clients = (uint32_t)atoi(text); break;
    case OPTION_PIPELINE: self->pipeline = (uint32_t)atoi(text); break;
    case OPTION_KEYS: self->keys = strtoull(text, NULL, 10); break;
    case OPTION_FIRST_KEY: self->first_key = strtoull(text, NULL, 10); break;
    case OPTION_SEQUENTIAL: self->sequential = true; break;
    case OPTION_COUNT: self->count = strtoull(text, NULL, 10); break;
    case OPTION_SECONDS: self->seconds = atof(text); break;
    case OPTION_WARMUP: self->warmup = atof(text); break;
    case OPTION_PID: self->pid = atoi(text); break;
    case OPTION_VALUE: self->settings.value_bytes = strtoull(text, NULL, 10); break;
    case OPTION_TTL: self->settings.ttl_seconds = (uint32_t)atoi(text); break;
    case OPTION_NO_CHECK: self->settings.check_values = false; break;
    case OPTION_DEADLINE: self->settings.deadline_ms = strtoull(text, NULL, 10); break;
    case OPTION_SPREAD: self->settings.deadline_spread = (uint32_t)atoi(text); break;
    case OPTION_RECEIVERS: self->settings.receivers = (uint32_t)atoi(text); break;
    case OPTION_FLOOR: self->floor_steps = true; break;
    default: usage();
    }
}

int main(int argc, char **argv)
{
    static load self = {
        .options = {
            .host = "127.0.0.1",
            .mix = "set",
            .clients = 50,
            .pipeline = 1,
            .keys = 100000,
            .seconds = 1,
            .warmup = 0.2,
            .settings = {.value_bytes = 512, .ttl_seconds = 60, .check_values = true, .receivers = 1}}};
    struct options *options = &self.options;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
        option_take(options, option, optarg);
    if (optind < argc || options->clients == 0 || options->pipeline == 0 || options->keys < options->clients)
        usage();
    options->settings.batch = options->pipeline;
    if (!mix_init(&self.mix, options->mix, &options->settings))
        usage();
    if (options->floor_steps) {
        mix_print_floor_steps(&self.mix);
        return 0;
    }
    if (options->port == 0)
        usage();
    load_init(&self);
    load_run(&self);
    load_report(&self);
    return 0;
}
