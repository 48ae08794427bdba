/* The health probe: asks PING, and judges the first line of the answer. */
#include "health.h"

#include "clock.h"
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int judge(const struct probe *probe, char *line, int64_t started)
{
    bool pong = strcmp(line, "+PONG") == 0;
    bool alive = pong || (line[0] == '-' && !probe->ready);
    probe_make_printable(line);
    probe_print_server(probe);
    if (pong) {
        printf(": PONG in %lld ms\n", (long long)(clock_now() - started));
    } else if (line[0] == '-') {
        printf(": %s: %s\n", alive ? "alive" : "not ready", line + 1);
    } else {
        printf(": not the answer of a Redis server: %.64s\n", line);
    }
    return alive ? 0 : 1;
}

static int run_probe(struct probe *probe)
{
    char line[PROBE_LINE_SIZE];
    int64_t started = clock_now();
    int fd = probe_connect(probe);
    if (fd < 0) {
        return 1;
    }
    bool answered = probe_ask(probe, fd, "*1\r\n$4\r\nPING\r\n", line);
    int error = errno;
    close(fd);
    return answered ? judge(probe, line, started) : probe_failed(probe, "connected", error);
}

int health_ping(int argc, char **argv)
{
    static const struct probe_mode mode = {
        .usage = "ordinal ping [-h HOST] [-p PORT | -s SOCKET] [-a PASSWORD] [-t MILLISECONDS] [--ready]",
        .takes_ready = true,
        .run = run_probe,
    };
    return probe_main(argc, argv, &mode);
}
