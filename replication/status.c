/* `ordinal status`: asks, reads the reply as a bulk string, prints. */
#include "replication/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"
#include "replication/roster_text.h"

#define REPLY_MAX (1 << 20) /* a roster of ROSTER_MEMBERS takes 30 KB */

static int say(const struct probe *probe, const char *reason)
{
    probe_print_server(probe);
    printf(": %s\n", reason);
    return 1;
}

/* The text after the line "$<size>"; NULL with errno. The caller frees it. */
static char *read_bulk(const struct probe *probe, int fd, const char *line)
{
    char *end;
    long size = strtol(line + 1, &end, 10);
    if (line[0] != '$' || end == line + 1 || *end != '\0' || size < 0 || size > REPLY_MAX) {
        errno = EPROTO;
        return NULL;
    }
    char *text = malloc((size_t)size + 1);
    if (text != NULL && !probe_read(probe, fd, text, (size_t)size)) {
        free(text);
        return NULL;
    }
    if (text != NULL) {
        text[size] = '\0';
    }
    return text;
}

static int show(const struct probe *probe, const char *info)
{
    static struct roster_view view;
    char line[1024];
    if (!roster_read_info(info, &view, line, sizeof line)) {
        probe_make_printable(line);
        return say(probe, line);
    }
    if (view.count > 0) {
        roster_print(&view, stdout);
    }
    bool good = roster_judge(&view, line, sizeof line);
    say(probe, line);
    return good ? 0 : 1;
}

static int ask(struct probe *probe)
{
    char line[PROBE_LINE_SIZE];
    int fd = probe_connect(probe);
    if (fd < 0) {
        return 1;
    }
    bool answered = probe_ask(probe, fd, "*2\r\n$4\r\nINFO\r\n$6\r\nroster\r\n", line);
    char *info = answered && line[0] != '-' ? read_bulk(probe, fd, line) : NULL;
    int error = errno;
    close(fd);
    if (info != NULL) {
        int status = show(probe, info);
        free(info);
        return status;
    }
    if (answered && line[0] == '-') {
        probe_make_printable(line);
        return say(probe, line + 1);
    }
    return probe_failed(probe, "connected", error);
}

int status_run(int argc, char **argv)
{
    static const struct probe_mode mode = {
        .usage = "ordinal status [-h HOST] [-p PORT | -s SOCKET] [-a PASSWORD] [-t MILLISECONDS]",
        .run = ask,
    };
    return probe_main(argc, argv, &mode);
}
