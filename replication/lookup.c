/*
 * A lookup has a c-ares channel of its own, made when it starts and destroyed when it ends: so resolv.conf is read each time
 * (a few microseconds, for what happens when a connection was lost), cancelling is destroying, and handles of different
 * loops share nothing.
 *
 * c-ares says which sockets it wants watched and calls back from whatever call it is in, even the one that asks; its channel
 * may not be destroyed from there. Therefore its callbacks only note what came, and the timer ends the lookup.
 *
 * The addresses of a service's targets are always asked for by name, also where the SRV answer brought them along: c-ares has
 * the parser for that, and a set has few members.
 */
#include "replication/lookup.h"

#include <ares.h>
#include <ares_nameser.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "memory.h"

/* A question that gets no answer is asked again after 400 ms, and after 800 more: one lost datagram leaves time for a second
 * try well within LOOKUP_LIMIT_MS. */
enum { TRY_MS = 400, TRIES = 3 };

struct lookup_socket {
    uv_poll_t poll;
    struct lookup *lookup;
    ares_socket_t fd;
    struct lookup_socket *next;
};

/* ---- errors ------------------------------------------------------------------------------------------ */

/* The first thing that goes wrong is the one that is told. */
static void fail(struct lookup *l, const char *name, const char *reason)
{
    if (l->error[0] == '\0') {
        snprintf(l->error, sizeof l->error, "%s: %s", name, reason);
    }
}

static const char *meaning(const struct lookup *l, int status)
{
    switch (status) {
    case ARES_ENOTFOUND: return "no such name (NXDOMAIN)";
    case ARES_ENODATA: return l->service ? "the name has no SRV record" : "the name has no address";
    case ARES_ETIMEOUT: return "no answer from the name server";
    case ARES_ECONNREFUSED: return "each name server failed, refused, or could not be reached";
    case ARES_EBADNAME: return "this can be no name in DNS";
    default: return ares_strerror(status);
    }
}

/* ---- sockets ----------------------------------------------------------------------------------------- */

static void advance(struct lookup *l);

static void handle_closed(struct lookup *l)
{
    if (--l->handles == 0 && l->closed != NULL) {
        l->closed(l);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct lookup_socket *s = handle->data;
    struct lookup *l = s->lookup;
    mem_free(s, sizeof *s);
    handle_closed(l);
}

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct lookup_socket *s = poll->data;
    struct lookup *l = s->lookup;
    bool readable = status < 0 || (events & UV_READABLE) != 0;
    bool writable = status < 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(l->channel, readable ? s->fd : ARES_SOCKET_BAD, writable ? s->fd : ARES_SOCKET_BAD);
    advance(l);
}

static struct lookup_socket **find_socket(struct lookup *l, ares_socket_t fd)
{
    struct lookup_socket **at = &l->sockets;
    while (*at != NULL && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    return at;
}

/* NULL without memory, or where libuv cannot watch it: the socket is then deaf, and the limit ends the lookup. */
static struct lookup_socket *add_socket(struct lookup *l, ares_socket_t fd)
{
    struct lookup_socket *s = mem_alloc(sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    *s = (struct lookup_socket){.lookup = l, .fd = fd, .next = l->sockets};
    if (uv_poll_init_socket(l->uv, &s->poll, fd) != 0) {
        mem_free(s, sizeof *s);
        return NULL;
    }
    s->poll.data = s;
    l->sockets = s;
    l->handles++;
    return s;
}

/* c-ares tells what it waits for at a socket; for nothing when it is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct lookup *l = data;
    struct lookup_socket **at = find_socket(l, fd);
    struct lookup_socket *s = *at;
    if (readable || writable) {
        s = s != NULL ? s : add_socket(l, fd);
        if (s != NULL) {
            uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                          on_socket_ready);
        }
    } else if (s != NULL) {
        *at = s->next;
        uv_close((uv_handle_t *)&s->poll, on_poll_closed);
    }
}

/* ---- answers ----------------------------------------------------------------------------------------- */

static bool given_up(int status)
{
    return status == ARES_EDESTRUCTION || status == ARES_ECANCELLED;
}

static bool is_absent(int status)
{
    return status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

static void take_addresses(struct lookup_target *target, const struct ares_addrinfo *found)
{
    for (const struct ares_addrinfo_node *at = found->nodes; at != NULL; at = at->ai_next) {
        union lookup_address *address = &target->addresses[target->count];
        if (target->count == LOOKUP_ADDRESSES || (size_t)at->ai_addrlen > sizeof *address) {
            continue;
        }
        memcpy(address, at->ai_addr, (size_t)at->ai_addrlen);
        if (at->ai_family == AF_INET6) {
            address->v6.sin6_port = htons((uint16_t)target->port);
        } else {
            address->v4.sin_port = htons((uint16_t)target->port);
        }
        target->count++;
    }
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
    struct lookup_target *target = context;
    struct lookup *l = target->lookup;
    (void)timeouts;
    if (given_up(status)) {
        return;
    }
    l->pending--;
    if (status == ARES_SUCCESS) {
        take_addresses(target, found);
        ares_freeaddrinfo(found);
    } else if (!(l->service && is_absent(status))) {
        fail(l, target->host, meaning(l, status));
    }
}

/* c-ares 1.18 takes an IPv4 address for a name, and asks for it, unless that family alone is wanted. */
static int family_of(const char *host)
{
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 ? AF_INET : AF_UNSPEC;
}

static void ask_addresses(struct lookup *l, struct lookup_target *target)
{
    struct ares_addrinfo_hints hints = {.ai_family = family_of(target->host), .ai_socktype = SOCK_STREAM};
    l->pending++;
    ares_getaddrinfo(l->channel, target->host, NULL, &hints, on_addresses, target);
}

/* A target named "." says that the service is not to be had at this domain (RFC 2782). */
static bool is_target(const struct ares_srv_reply *record)
{
    return record->host[0] != '\0' && strlen(record->host) < LOOKUP_NAME_SIZE;
}

/* Room for so many targets, all zero. */
static bool make_targets(struct lookup *l, size_t count)
{
    l->targets = mem_alloc(count * sizeof *l->targets);
    if (l->targets == NULL) {
        fail(l, l->name, "out of memory");
        return false;
    }
    memset(l->targets, 0, count * sizeof *l->targets);
    l->count = l->room = count;
    return true;
}

static void add_targets(struct lookup *l, const struct ares_srv_reply *records)
{
    size_t count = 0;
    for (const struct ares_srv_reply *at = records; at != NULL; at = at->next) {
        count += is_target(at);
    }
    if (count == 0) {
        fail(l, l->name, "the SRV records name no host");
        return;
    }
    if (!make_targets(l, count)) {
        return;
    }
    struct lookup_target *target = l->targets;
    for (const struct ares_srv_reply *at = records; at != NULL; at = at->next) {
        if (is_target(at)) {
            snprintf(target->host, sizeof target->host, "%s", at->host);
            target->lookup = l;
            target->port = at->port;
            target->priority = at->priority;
            target->weight = at->weight;
            ask_addresses(l, target++);
        }
    }
}

static void ask_members(struct lookup *l)
{
    if (!make_targets(l, (size_t)l->namer->count)) {
        return;
    }
    l->named = true;
    for (int i = 0; i < l->namer->count; i++) {
        struct lookup_target *target = &l->targets[i];
        target->lookup = l;
        if (l->namer->name(l->namer->context, i, target)) {
            ask_addresses(l, target);
        }
    }
}

/* Leaves those members that were found. */
static void keep_found(struct lookup *l)
{
    size_t found = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->targets[i].count > 0) {
            memmove(&l->targets[found++], &l->targets[i], sizeof *l->targets);
        }
    }
    if (found == 0) {
        fail(l, l->name, "none of its members has an address");
    }
    l->count = found;
}

static void on_service(void *context, int status, int timeouts, unsigned char *answer, int size)
{
    struct lookup *l = context;
    struct ares_srv_reply *records = NULL;
    (void)timeouts;
    if (given_up(status)) {
        return;
    }
    l->pending--;
    if (status == ARES_SUCCESS) {
        status = ares_parse_srv_reply(answer, size, &records);
    }
    if (status == ARES_SUCCESS) {
        add_targets(l, records);
        ares_free_data(records);
    } else if (l->namer != NULL && is_absent(status)) {
        ask_members(l);
    } else {
        fail(l, l->name, meaning(l, status));
    }
}

/* ---- the way of a lookup ----------------------------------------------------------------------------- */

/* Closing the channel closes its sockets, of which on_socket_state hears. */
static void close_channel(struct lookup *l)
{
    struct ares_channeldata *channel = l->channel;
    l->channel = NULL;
    if (channel != NULL) {
        ares_destroy(channel);
    }
    uv_timer_stop(&l->timer);
}

static void drop_targets(struct lookup *l)
{
    mem_free(l->targets, l->room * sizeof *l->targets);
    l->targets = NULL;
    l->count = l->room = 0;
}

static void finish(struct lookup *l)
{
    lookup_done done = l->done;
    char error[LOOKUP_ERROR_SIZE];
    close_channel(l);
    if (l->named && l->error[0] == '\0') {
        keep_found(l);
    }
    l->done = NULL;
    memcpy(error, l->error, sizeof error);
    if (error[0] != '\0') {
        drop_targets(l);
    }
    done(l, error[0] != '\0' ? error : NULL);
}

static void on_timer(uv_timer_t *timer)
{
    struct lookup *l = timer->data;
    if (l->pending > 0 && clock_now() >= l->deadline) {
        char reason[64];
        snprintf(reason, sizeof reason, "no answer from the name server within %d ms", l->options.limit_ms);
        fail(l, l->name, reason);
        l->pending = 0;
    }
    if (l->pending == 0) {
        finish(l);
        return;
    }
    ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    advance(l);
}

/* Sets the timer to when there is something to do: at once when all answers are there. */
static void advance(struct lookup *l)
{
    int64_t wait = 0;
    if (l->pending > 0) {
        struct timeval next;
        wait = l->deadline - clock_now();
        if (ares_timeout(l->channel, NULL, &next) != NULL) {
            int64_t retry = (int64_t)next.tv_sec * 1000 + next.tv_usec / 1000 + 1;
            wait = retry < wait ? retry : wait;
        }
    }
    uv_update_time(l->uv);
    uv_timer_start(&l->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

/* Without search domains a name is asked for as it is: a service's targets, and what ends in a dot, are whole. A search would
 * ask several times more, and could find somebody else. */
static bool open_channel(struct lookup *l, bool search)
{
    char files_then_dns[] = "fb";
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .lookups = files_then_dns,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = l,
    };
    int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&l->channel, &options, search ? given : given | ARES_OPT_DOMAINS);
    if (status == ARES_SUCCESS && l->options.servers != NULL) {
        status = ares_set_servers_ports_csv(l->channel, l->options.servers);
    }
    if (status != ARES_SUCCESS) {
        fail(l, l->name, ares_strerror(status));
    }
    return status == ARES_SUCCESS;
}

/* True when questions can be asked. Else what is wrong is noted, and told from the timer. */
static bool begin(struct lookup *l, const char *name, bool service, lookup_done done)
{
    lookup_stop(l);
    drop_targets(l);
    l->done = done;
    l->service = service;
    l->namer = NULL;
    l->named = false;
    l->pending = 0;
    l->error[0] = '\0';
    l->deadline = clock_now() + l->options.limit_ms;
    int length = snprintf(l->name, sizeof l->name, "%s", name);
    if (length <= 0 || length >= (int)sizeof l->name) {
        fail(l, l->name, length == 0 ? "an empty name" : "this is too long for a name");
        return false;
    }
    bool whole = length > 1 && name[length - 1] == '.';
    if (whole) {
        l->name[length - 1] = '\0'; /* as the hosts file has it */
    }
    return open_channel(l, !service && !whole);
}

/* ---- the handle -------------------------------------------------------------------------------------- */

void lookup_init(struct lookup *l, uv_loop_t *uv, const struct lookup_options *options)
{
    *l = (struct lookup){.uv = uv, .handles = 1};
    if (options != NULL) {
        l->options = *options;
    }
    if (l->options.limit_ms == 0) {
        l->options.limit_ms = LOOKUP_LIMIT_MS;
    }
    uv_timer_init(uv, &l->timer);
    l->timer.data = l;
}

void lookup_host(struct lookup *l, const char *name, int port, lookup_done done)
{
    if (begin(l, name, false, done) && make_targets(l, 1)) {
        struct lookup_target *target = l->targets;
        memcpy(target->host, l->name, sizeof target->host);
        target->lookup = l;
        target->port = port;
        ask_addresses(l, target);
    }
    advance(l);
}

void lookup_service(struct lookup *l, const char *name, lookup_done done)
{
    if (begin(l, name, true, done)) {
        l->pending++;
        ares_query(l->channel, l->name, ns_c_in, ns_t_srv, on_service, l);
    }
    advance(l);
}

void lookup_members(struct lookup *l, const char *name, const struct lookup_namer *namer, lookup_done done)
{
    lookup_service(l, name, done);
    l->namer = namer;
}

bool lookup_active(const struct lookup *l)
{
    return l->done != NULL;
}

void lookup_stop(struct lookup *l)
{
    if (l->done != NULL) {
        l->done = NULL;
        close_channel(l);
        drop_targets(l);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void lookup_close(struct lookup *l, lookup_closed closed)
{
    lookup_stop(l);
    drop_targets(l);
    l->closed = closed;
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
