/* The floor: a libuv server that parses nothing and stores nothing. For every so many bytes that arrive on a
 * connection it writes a fixed reply. What it costs is what the kernel and libuv cost; no server on libuv
 * that also understands its clients can be cheaper, so the distance to it is all that is left to win.
 *
 *   floor PORT STEP…       a STEP is REQUEST_BYTES:ok, :int, :LENGTH or :=TEXT
 *
 * `573:ok` answers every 573 bytes with +OK, `40:int` every 40 bytes with :1, `40:512` with a bulk string of
 * 512 bytes, `40:=*1|$1|x|` with an array of one: the text itself, `|` for the ends of its lines. Several steps are taken in turn, for loads that mix requests: each connection is at a step of
 * its own.
 *
 * It does what the fastest server would do: one read buffer shared by all connections, all replies that a
 * read has earned in one uv_try_write from the read callback, no copy, no allocation. The replies are laid
 * out once, as many rounds of the steps as one read can ever ask for, and a write is a piece of that. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define READ_BYTES (64 * 1024)
#define MAX_STEPS  16
#define BACKLOG    1024

#define HEADER_BYTES 1024

struct step {
    size_t request_bytes;
    char header[HEADER_BYTES]; /* the reply up to its value: `+OK`, `:1` or `$LENGTH`, and the line's end */
    size_t value_bytes;
    size_t reply_at; /* where the reply begins in a round of replies */
    size_t reply_bytes;
};

typedef struct connection {
    uv_tcp_t tcp;
    uint32_t step;  /* the step whose request is arriving */
    size_t arrived; /* bytes of it that have */
} connection;

static struct step steps[MAX_STEPS];
static uint32_t step_count;
static size_t round_bytes; /* the replies of all steps, once */
static char *replies;      /* rounds of replies, enough for any read */
static char read_buffer[READ_BYTES];

static void fail(const char *what, int status)
{
    fprintf(stderr, "floor: %s: %s\n", what, uv_strerror(status));
    exit(1);
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

static void connection_close(connection *conn)
{
    if (!uv_is_closing((uv_handle_t *)&conn->tcp))
        uv_close((uv_handle_t *)&conn->tcp, on_close);
}

static void on_written(uv_write_t *request, int status)
{
    if (status < 0)
        connection_close(request->data);
    free(request);
}

/* Writes a piece of the replies; what the socket does not take at once is left to libuv. */
static void connection_write(connection *conn, char *piece, size_t bytes)
{
    uv_buf_t buffer = uv_buf_init(piece, (unsigned)bytes);
    int written = uv_try_write((uv_stream_t *)&conn->tcp, &buffer, 1);
    if (written == (int)bytes)
        return;
    if (written < 0 && written != UV_EAGAIN) {
        connection_close(conn);
        return;
    }
    size_t taken = written > 0 ? (size_t)written : 0;
    uv_write_t *request = malloc(sizeof *request);
    if (!request)
        fail("write", UV_ENOMEM);
    request->data = conn;
    buffer = uv_buf_init(piece + taken, (unsigned)(bytes - taken));
    int status = uv_write(request, (uv_stream_t *)&conn->tcp, &buffer, 1, on_written);
    if (status < 0)
        fail("write", status);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    connection *conn = stream->data;
    if (size < 0) {
        connection_close(conn);
        return;
    }
    size_t begin = steps[conn->step].reply_at;
    size_t bytes = 0;
    conn->arrived += (size_t)size;
    while (conn->arrived >= steps[conn->step].request_bytes) {
        conn->arrived -= steps[conn->step].request_bytes;
        bytes += steps[conn->step].reply_bytes;
        conn->step = conn->step + 1 == step_count ? 0 : conn->step + 1;
    }
    if (bytes)
        connection_write(conn, replies + begin, bytes);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(read_buffer, READ_BYTES);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0)
        return;
    connection *conn = calloc(1, sizeof *conn);
    if (!conn)
        fail("accept", UV_ENOMEM);
    uv_tcp_init(listener->loop, &conn->tcp);
    conn->tcp.data = conn;
    if (uv_accept(listener, (uv_stream_t *)&conn->tcp) < 0) {
        connection_close(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_read_start((uv_stream_t *)&conn->tcp, on_allocate, on_read);
}

/* Makes the reply of a step the text itself; returns 0 when it is too long. */
static int step_take_text(struct step *step, const char *text)
{
    size_t bytes = 0;
    for (; *text && bytes + 2 < HEADER_BYTES; text++) {
        if (*text == '|')
            step->header[bytes++] = '\r';
        step->header[bytes++] = *text == '|' ? '\n' : *text;
    }
    step->header[bytes] = '\0';
    step->reply_bytes = bytes;
    round_bytes += bytes;
    return *text == '\0';
}

/* Reads one STEP; returns 0 when it is not one. */
static int step_parse(const char *text)
{
    char *end = NULL;
    size_t request_bytes = strtoul(text, &end, 10);
    if (step_count == MAX_STEPS || request_bytes == 0 || *end != ':')
        return 0;
    struct step *step = &steps[step_count++];
    *step = (struct step){.request_bytes = request_bytes, .header = "+OK\r\n", .reply_at = round_bytes};
    if (end[1] == '=')
        return step_take_text(step, end + 2);
    if (strcmp(end + 1, "int") == 0) {
        snprintf(step->header, sizeof step->header, ":1\r\n");
    } else if (strcmp(end + 1, "ok") != 0) {
        step->value_bytes = strtoul(end + 1, &end, 10);
        snprintf(step->header, sizeof step->header, "$%zu\r\n", step->value_bytes);
        if (*end)
            return 0;
    }
    step->reply_bytes = strlen(step->header) + (step->value_bytes ? step->value_bytes + 2 : 0);
    round_bytes += step->reply_bytes;
    return 1;
}

/* Writes the reply of one step to `out`. */
static void step_lay_out(const struct step *step, char *out)
{
    size_t header_bytes = strlen(step->header);
    memcpy(out, step->header, header_bytes);
    if (step->value_bytes) {
        memset(out + header_bytes, 'x', step->value_bytes);
        memcpy(out + header_bytes + step->value_bytes, "\r\n", 2);
    }
}

static void replies_lay_out(void)
{
    size_t request_bytes = 0;
    for (uint32_t i = 0; i < step_count; i++)
        request_bytes += steps[i].request_bytes;
    size_t rounds = READ_BYTES / request_bytes + 3;
    replies = malloc(rounds * round_bytes);
    if (!replies)
        fail("replies", UV_ENOMEM);
    for (size_t round = 0; round < rounds; round++)
        for (uint32_t i = 0; i < step_count; i++)
            step_lay_out(&steps[i], replies + round * round_bytes + steps[i].reply_at);
}

int main(int argc, char **argv)
{
    int good = argc > 2;
    for (int i = 2; i < argc; i++)
        good = good && step_parse(argv[i]);
    if (!good) {
        fprintf(stderr, "usage: floor PORT REQUEST_BYTES:ok|:int|:LENGTH|:=TEXT …\n");
        return 2;
    }
    replies_lay_out();

    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
    uv_tcp_init(loop, &listener);
    int status = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection);
    if (status < 0)
        fail("listen", status);
    return uv_run(loop, UV_RUN_DEFAULT);
}
