#include "replication/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct search {
    struct lookup lookup;
    uv_poll_t event;
    const struct resolve_patience *patience;
    struct lookup_target *target;
    char *error;
    size_t size;
    bool found, given_up;
};

/* What was under way is closed, by which the loop ends. */
static void end(struct search *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->event)) {
        uv_close((uv_handle_t *)&s->event, NULL);
        lookup_close(&s->lookup, NULL);
    }
}

static void on_found(struct lookup *lookup, const char *error)
{
    struct search *s = lookup->data;
    s->found = error == NULL;
    if (s->found) {
        *s->target = lookup->targets[0];
    } else {
        snprintf(s->error, s->size, "%s", error);
    }
    end(s);
}

static void on_event(uv_poll_t *handle, int status, int events)
{
    struct search *s = handle->data;
    uint64_t count;
    (void)status;
    (void)events;
    while (read(s->patience->event, &count, sizeof count) > 0) {}
    if (!s->patience->goes_on(s->patience->context)) {
        s->given_up = true;
        snprintf(s->error, s->size, "it is not wanted any more");
        end(s);
    }
}

bool resolve_host(uv_loop_t *uv, const char *name, int port, const struct resolve_patience *patience,
                  struct lookup_target *target, char *error, size_t size)
{
    struct search s = {.patience = patience, .target = target, .error = error, .size = size};
    int64_t limit = patience->limit_ms < LOOKUP_LIMIT_MS ? patience->limit_ms : LOOKUP_LIMIT_MS;
    const struct lookup_options options = {.limit_ms = (int)limit};
    uv_update_time(uv);
    lookup_init(&s.lookup, uv, &options);
    uv_poll_init(uv, &s.event, patience->event);
    uv_poll_start(&s.event, UV_READABLE, on_event);
    s.lookup.data = &s;
    s.event.data = &s;
    lookup_host(&s.lookup, name, port, on_found);
    uv_run(uv, UV_RUN_DEFAULT);
    errno = s.given_up ? ECANCELED : EHOSTUNREACH;
    return s.found;
}
