/*
 * The wire between the hosts of a test: it carries IP packets from one network namespace to another, and can lose them, delay
 * them, or carry none, each direction of each pair of hosts for itself.
 *
 *     wire PID ...          a host is the network namespace of a process; the first is 10.77.0.1, the next 10.77.0.2, …
 *
 * In each namespace it makes a TUN device (eth0) and holds its descriptor; whatever a host sends to another's address it reads
 * here and writes there. With the process the devices end, so a test that dies leaves nothing behind. It is a program rather than
 * a bridge with `tc netem` because kernels are built without netem (that of our CI is), and because one place that
 * knows every pair makes a one-way cut one line.
 *
 * It is told what to do by lines on its standard input, answers each with "ok", and ends when the input does:
 *
 *     cut FROM TO 0|1          carries nothing
 *     loss FROM TO PER_MILLE   loses so many packets of a thousand
 *     delay FROM TO MICROS     delivers each so much later, in their order
 *     seed NUMBER              of the dice by which packets are lost
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
    HOSTS = 8,
    PACKET = 2048,      /* the devices' MTU is 1,500 */
    WAITING = 4096,     /* packets under way in one direction; more are lost, as in any queue */
    AT_ONCE = 64,       /* packets of one host before the next has its turn */
    ADDRESS_AT = 16,    /* RFC 791: the destination address in the IPv4 header … */
    HEADER = 20,        /* … of at least so many bytes */
    SECOND = 1000000000 /* in nanoseconds */
};

/* A packet that is under way. */
struct packet {
    int64_t due;
    size_t len;
    unsigned char *bytes;
};

/* One direction between two hosts: its faults, and what is under way, a ring. */
struct way {
    bool cut;
    uint32_t loss; /* of a thousand */
    int64_t delay; /* nanoseconds */
    struct packet *ring;
    uint32_t first, count;
};

static struct way ways[HOSTS][HOSTS];
static int devices[HOSTS];
static int hosts;
static uint64_t dice = 1;

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* splitmix64 */
static uint64_t roll(void)
{
    uint64_t z = dice += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* ---- devices ------------------------------------------------------------------------------------------------ */

/* A TUN device in the network namespace of this process. */
static int device_open(const char *pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    int namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || setns(namespace, CLONE_NEWNET) != 0) {
        give_up(path);
    }
    close(namespace);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strcpy(request.ifr_name, "eth0");
    if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) {
        give_up("/dev/net/tun");
    }
    return device;
}

/* The host that a packet is for, or -1 when there is none. */
static int packet_target(const unsigned char *bytes, size_t len)
{
    static const unsigned char network[] = {10, 77, 0};
    if (len < HEADER || bytes[0] >> 4 != 4 || memcmp(bytes + ADDRESS_AT, network, sizeof network) != 0) {
        return -1;
    }
    int host = bytes[ADDRESS_AT + sizeof network] - 1;
    return host >= 0 && host < hosts ? host : -1;
}

/* A device that has no room, or is down, loses the packet. */
static void device_write(int host, const unsigned char *bytes, size_t len)
{
    ssize_t done = write(devices[host], bytes, len);
    (void)done;
}

/* ---- ways --------------------------------------------------------------------------------------------------- */

static void way_keep(struct way *way, const unsigned char *bytes, size_t len)
{
    if (way->ring == NULL) {
        way->ring = calloc(WAITING, sizeof *way->ring);
    }
    unsigned char *copy = malloc(len);
    if (way->ring == NULL || copy == NULL || way->count == WAITING) {
        free(copy);
        return;
    }
    memcpy(copy, bytes, len);
    way->ring[(way->first + way->count++) % WAITING] = (struct packet){now() + way->delay, len, copy};
}

static void way_carry(int from, int to, const unsigned char *bytes, size_t len)
{
    struct way *way = &ways[from][to];
    if (way->cut || (way->loss > 0 && roll() % 1000 < way->loss)) {
        return;
    }
    if (way->delay > 0 || way->count > 0) {
        way_keep(way, bytes, len);
    } else {
        device_write(to, bytes, len);
    }
}

/* Delivers what is due; returns when the next one is, or INT64_MAX. A cut loses also what is under way. */
static int64_t way_deliver(struct way *way, int to)
{
    while (way->count > 0) {
        struct packet *packet = &way->ring[way->first];
        if (packet->due > now()) {
            return packet->due;
        }
        if (!way->cut) {
            device_write(to, packet->bytes, packet->len);
        }
        free(packet->bytes);
        way->first = (way->first + 1) % WAITING;
        way->count--;
    }
    return INT64_MAX;
}

static int64_t ways_deliver(void)
{
    int64_t next = INT64_MAX;
    for (int from = 0; from < hosts; from++) {
        for (int to = 0; to < hosts; to++) {
            int64_t due = way_deliver(&ways[from][to], to);
            next = due < next ? due : next;
        }
    }
    return next;
}

static void host_read(int from)
{
    static unsigned char bytes[PACKET];
    for (int count = 0; count < AT_ONCE; count++) {
        ssize_t len = read(devices[from], bytes, sizeof bytes);
        if (len <= 0) {
            return;
        }
        int to = packet_target(bytes, (size_t)len);
        if (to >= 0) {
            way_carry(from, to, bytes, (size_t)len);
        }
    }
}

/* ---- what it is told ---------------------------------------------------------------------------------------- */

static void obey_for_way(const char *word, int from, int to, long long value)
{
    if (from < 0 || from >= hosts || to < 0 || to >= hosts) {
        fprintf(stderr, "wire: no such hosts: %d, %d\n", from, to);
        exit(1);
    }
    struct way *way = &ways[from][to];
    if (strcmp(word, "cut") == 0) {
        way->cut = value != 0;
    } else if (strcmp(word, "loss") == 0) {
        way->loss = (uint32_t)value;
    } else if (strcmp(word, "delay") == 0) {
        way->delay = value * 1000;
    }
}

static void obey(const char *line)
{
    char word[16];
    int from;
    int to;
    long long value;
    if (sscanf(line, "seed %lld", &value) == 1) {
        dice = (uint64_t)value;
    } else if (sscanf(line, "%15s %d %d %lld", word, &from, &to, &value) == 4) {
        obey_for_way(word, from, to, value);
    } else {
        fprintf(stderr, "wire: what is %s\n", line);
        exit(1);
    }
    if (write(STDOUT_FILENO, "ok\n", 3) != 3) {
        exit(1);
    }
}

/* Reads what has come and obeys each whole line. */
static void listen_once(void)
{
    static char text[4096];
    static size_t have;
    ssize_t more = read(STDIN_FILENO, text + have, sizeof text - 1 - have);
    if (more <= 0) {
        exit(0);
    }
    have += (size_t)more;
    text[have] = '\0';
    for (char *end; (end = strchr(text, '\n')) != NULL;) {
        *end = '\0';
        obey(text);
        have -= (size_t)(end + 1 - text);
        memmove(text, end + 1, have + 1);
    }
}

static void wait_for_work(struct pollfd *polls, int64_t next)
{
    struct timespec patience;
    int64_t left = next - now();
    left = left < 0 ? 0 : left;
    patience = (struct timespec){left / SECOND, left % SECOND};
    if (ppoll(polls, (nfds_t)hosts + 1, next == INT64_MAX ? NULL : &patience, NULL) < 0 && errno != EINTR) {
        give_up("ppoll");
    }
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd polls[HOSTS + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    for (int place = 1; place < argc && hosts < HOSTS; place++) {
        devices[hosts] = device_open(argv[place]);
        polls[++hosts] = (struct pollfd){.fd = devices[hosts - 1], .events = POLLIN};
    }
    obey("seed 1");
    for (;;) {
        wait_for_work(polls, ways_deliver());
        for (int host = 0; host < hosts; host++) {
            if (polls[host + 1].revents != 0) {
                host_read(host);
            }
        }
        if (polls[0].revents != 0) {
            listen_once();
        }
    }
}
