#include "replication/forward.h"

#include <netinet/in.h>
#include <stdio.h>

#include "commands/history.h"
#include "commands/refusing.h"
#include "commands/text.h"
#include "commands/transaction.h"
#include "memory.h"
#include "replication/node.h"

static struct carrier *carrier_of(const struct forward *f, const struct worker *w)
{
    return &f->carriers[w->loop->index];
}

/* ---- what is carried ------------------------------------------------------------------------------------ */

static bool is_wait(const struct forward *f, const struct command *command)
{
    return command == f->wait || command == f->waitaof;
}

/* Whether the master must run the command, whatever state this node is in. */
static bool needs_master(const struct forward *f, const struct command *command)
{
    uint32_t flags = command->flags;
    return (flags & CMD_WRITE) != 0 || (flags & (CMD_MAY_REPLICATE | CMD_READONLY)) == CMD_MAY_REPLICATE ||
           is_wait(f, command);
}

/* Whether it reads, and this node may not answer: it has no data, or they may be too old. */
static bool may_not_read(const struct forward *f, const struct command *command)
{
    uint32_t refusing = atomic_load_explicit(&f->server->refusing, memory_order_relaxed);
    return (command->flags & CMD_READONLY) != 0 && ((refusing & (REFUSING_LOADING | REFUSING_STALE)) != 0 ||
                                                    (f->may_read != NULL && !f->may_read(f->server)));
}

static bool nested_needs_master(void *context, const struct nested *nested)
{
    const struct forward *f = context;
    return needs_master(f, nested->command) || may_not_read(f, nested->command);
}

/* What would act upon the connection to the master instead of the client's, or upon another server than the client means. */
static bool cannot_be_carried(void *context, const struct nested *nested)
{
    static const char *const harmless[] = {"select", "ping", "echo"};
    const struct command *command = nested->command;
    (void)context;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (strcmp(command->name, harmless[i]) == 0) {
            return false;
        }
    }
    return command->group == GROUP_CONNECTION || (command->flags & CMD_ADMIN) != 0 ||
           (command->group == GROUP_PUBSUB && (command->flags & CMD_MAY_REPLICATE) == 0);
}

/* ---- the way there ------------------------------------------------------------------------------------ */

/* The command runs here; once what was sent before it is answered. */
static enum route run_here(struct carry *carry)
{
    if (carry == NULL || !carry_is_busy(carry)) {
        return ROUTE_HERE;
    }
    carry_wait(carry);
    return ROUTE_WAITS;
}

/* There is no memory to carry it: that is the reply, when it is its turn. */
static enum route refuse_for_memory(struct call *c, struct carry *carry)
{
    if (carry != NULL && carry_is_busy(carry)) {
        return run_here(carry);
    }
    call_out_of_memory(c);
    return ROUTE_TAKEN;
}

/* Flags that the client's state gives a parcel. */
static uint32_t flags_for(const struct call *c)
{
    uint32_t client = c->client->flags;
    bool silent = (client & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0;
    bool reads = (client & CLIENT_TRACKING) != 0 && (c->command->flags & (CMD_READONLY | CMD_EXEC)) != 0;
    return (silent ? (uint32_t)PARCEL_SILENT : 0) | (reads ? (uint32_t)PARCEL_READS : 0);
}

static enum route take(struct call *c, struct parcel *p, uint32_t flags)
{
    struct carry *carry = carry_of(carrier_of(&node_of(c->server)->forward, c->worker), c->client);
    if (carry == NULL || p == NULL) {
        if (p != NULL) {
            parcel_free(p);
        }
        return refuse_for_memory(c, carry);
    }
    p->flags |= flags;
    if ((flags & PARCEL_OFFSET) != 0) {
        p->offset = (uint64_t)history_of_log(&c->server->history, c->client->write_offset);
    }
    carry_take(carry, p);
    if ((flags & PARCEL_WATCHED) != 0 || p->db_after != p->db) {
        carry_wait(carry); /* what follows depends on how it ends */
    }
    return ROUTE_TAKEN;
}

/* The watches of the client's connection end, since what watched here ends; then the command is looked at again. */
static enum route unwatch_first(struct call *c)
{
    enum route route = take(c, parcel_of_word(c, "UNWATCH"), PARCEL_SILENT | PARCEL_WATCHED);
    return route == ROUTE_TAKEN && carry_is_busy(c->client->carry) ? ROUTE_WAITS : route;
}

static enum route refuse_transaction(struct call *c, bool watches)
{
    if (watches) {
        c->client->transaction.failed = true;
        return unwatch_first(c);
    }
    transaction_discard(c->client);
    reply_error(
        c->reply,
        "EXECABORT Transaction discarded because of: a command about this connection or server cannot be "
        "carried to the master with it");
    return ROUTE_TAKEN;
}

static enum route carry_transaction(struct call *c, bool watches)
{
    if (transaction_any(c->client, cannot_be_carried, NULL)) {
        return refuse_transaction(c, watches);
    }
    struct parcel *p = parcel_of_transaction(c);
    uint32_t flags = flags_for(c) | (watches ? (uint32_t)PARCEL_WATCHED : 0);
    if (p != NULL) {
        transaction_discard(c->client);
    }
    return take(c, p, flags);
}

static enum route route_exec(struct forward *f, struct call *c, struct carry *carry)
{
    struct client *client = c->client;
    bool watches = carry != NULL && carry->watches;
    if ((client->flags & CLIENT_MULTI) == 0) {
        return run_here(carry);
    }
    if (client->transaction.failed || atomic_load_explicit(&client->touched, memory_order_relaxed)) {
        return watches ? unwatch_first(c) : ROUTE_ANYWAY; /* it fails */
    }
    if (watches || transaction_any(client, nested_needs_master, f)) {
        return carry_transaction(c, watches);
    }
    return run_here(carry);
}

static enum route route_watch(struct call *c)
{
    enum route route = take(c, parcel_of_call(c), flags_for(c) | PARCEL_ALONE);
    if (c->client->carry != NULL && carry_is_busy(c->client->carry)) {
        c->client->carry->watches = true;
    }
    return route;
}

static enum route route_unwatch(struct call *c, struct carry *carry)
{
    if (carry == NULL || !carry->watches) {
        return run_here(carry);
    }
    return take(c, parcel_of_call(c), flags_for(c) | PARCEL_WATCHED);
}

static uint32_t kind_of(const struct forward *f, const struct command *command)
{
    if (is_wait(f, command)) {
        return PARCEL_ALONE | PARCEL_WAITS | PARCEL_OFFSET;
    }
    return (command->flags & CMD_BLOCKING) != 0 ? PARCEL_ALONE | PARCEL_WAITS : 0;
}

/* Of a client outside of MULTI, or a command that is not kept there. */
static enum route route_command(struct forward *f, struct call *c, struct carry *carry)
{
    const struct command *command = c->command;
    bool watches = carry != NULL && carry->watches;
    if ((command->flags & CMD_EXEC) != 0) {
        return route_exec(f, c, carry);
    }
    if (command == f->watch && (c->client->flags & CLIENT_MULTI) == 0) {
        return route_watch(c);
    }
    if (command == f->unwatch) {
        return route_unwatch(c, carry);
    }
    if (watches &&
        (command == f->reset || (command == f->discard && (c->client->flags & CLIENT_MULTI) != 0))) {
        return carry_is_busy(carry) ? run_here(carry) : unwatch_first(c);
    }
    if (needs_master(f, command) || may_not_read(f, command) ||
        (watches && (command->flags & CMD_READONLY) != 0)) {
        return take(c, parcel_of_call(c), flags_for(c) | kind_of(f, command));
    }
    return run_here(carry);
}

enum route forward_route(struct call *c)
{
    struct forward *f = &node_of(c->server)->forward;
    struct carry *carry = c->client->carry;
    if (!forward_is_on(f) || c->command == NULL) {
        return run_here(carry);
    }
    if (transaction_takes(c->client, c->command)) {
        return ROUTE_ANYWAY;
    }
    return route_command(f, c, carry);
}

/* ---- whether ------------------------------------------------------------------------------------------ */

static void apply(struct forward *f)
{
    int setting = f->server->config->replica_forward;
    bool wanted = setting == CONFIG_FORWARD_YES || (setting == CONFIG_FORWARD_AUTO && f->roster);
    f->on = f->replica && wanted;
    if (f->on) { /* and from now on for ever: somebody may always have something under way */
        f->server->above.route = forward_route;
    }
}

void forward_set_role(struct forward *f, bool replica)
{
    f->replica = replica;
    apply(f);
}

static bool on_setting(void *context, struct config *config, const char **error)
{
    struct forward *f = context;
    (void)error;
    f->timeout = config->forward_timeout;
    apply(f);
    return true;
}

void forward_set_master(struct forward *f, const struct sockaddr *address)
{
    struct sockaddr_storage master = {0};
    if (address != NULL) {
        memcpy(&master, address,
               address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    }
    pthread_mutex_lock(&f->lock);
    if (memcmp(&f->master, &master, sizeof master) != 0) {
        f->master = master;
        atomic_fetch_add(&f->place, 1);
    }
    pthread_mutex_unlock(&f->lock);
}

bool forward_master(struct forward *f, struct sockaddr_storage *address, uint64_t *place)
{
    pthread_mutex_lock(&f->lock);
    *address = f->master;
    *place = f->place;
    pthread_mutex_unlock(&f->lock);
    return address->ss_family != 0;
}

void forward_applied(struct forward *f)
{
    atomic_thread_fence(
        memory_order_seq_cst); /* the log's end was moved before; who waits says so before he looks at it */
    for (int i = 0; i < f->server->net.count; i++) {
        if (atomic_load_explicit(&f->carriers[i].awaits, memory_order_relaxed)) {
            loop_wake(&f->server->net.loops[i]);
        }
    }
}

/* ---- hooks -------------------------------------------------------------------------------------------- */

void forward_before_poll(struct forward *f, struct worker *w)
{
    carrier_before_poll(carrier_of(f, w));
}

void forward_tick(struct forward *f, struct worker *w)
{
    carrier_tick(carrier_of(f, w));
}

void forward_client_closed(struct client *client)
{
    if (client->carry != NULL) {
        carry_free(client->carry);
    }
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < command_count(); i++) {
        if (command_parent(command_at(i)) == NULL && strcmp(command_at(i)->name, name) == 0) {
            return command_at(i);
        }
    }
    return NULL;
}

void forward_init(struct forward *f, struct server *server)
{
    static const char *const settings[] = {"replica-forward", "forward-timeout"};
    *f = (struct forward){
        .server = server,
        .carriers = mem_must((size_t)server->net.count * sizeof *f->carriers),
        .watch = find("watch"),
        .unwatch = find("unwatch"),
        .discard = find("discard"),
        .reset = find("reset"),
        .wait = find("wait"),
        .waitaof = find("waitaof"),
        .timeout = server->config->forward_timeout,
    };
    pthread_mutex_init(&f->lock, NULL);
    for (int i = 0; i < server->net.count; i++) {
        carrier_init(&f->carriers[i], f, &server->workers[i]);
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        config_on_change(server->config, settings[i], on_setting, f);
    }
}

void forward_info(struct forward *f, struct reply *text)
{
    int64_t carried = 0, refused = 0, late = 0, uncertain = 0, waiting = 0, sent = 0, connections = 0;
    for (int i = 0; i < f->server->net.count; i++) {
        const struct carrier *k = &f->carriers[i];
        carried += counter_get(&k->carried);
        refused += counter_get(&k->refused);
        late += counter_get(&k->timed_out);
        uncertain += counter_get(&k->uncertain);
        waiting += counter_get(&k->waiting);
        sent += counter_get(&k->sent);
        connections += counter_get(&k->connections);
    }
    text_addf(text, "forward_active:%d\r\nforward_connections:%lld\r\n", forward_is_on(f),
              (long long)connections);
    text_addf(text, "forward_commands:%lld\r\nforward_waiting:%lld\r\nforward_sent:%lld\r\n",
              (long long)carried, (long long)waiting, (long long)sent);
    text_addf(text, "forward_timed_out:%lld\r\nforward_uncertain:%lld\r\nforward_refused:%lld\r\n",
              (long long)late, (long long)uncertain, (long long)refused);
}

/* ---- at the master ------------------------------------------------------------------------------------ */

/* The connection is a node's, and for one client of it where that has an address: CLIENT LIST shows both as its name. */
static void greet(struct call *c)
{
    enum { NODE_MOST = 12, PEER_MOST = 160 };
    char name[sizeof "forward@" + NODE_MOST + 1 + PEER_MOST];
    struct slice node = c->argv[2];
    struct slice peer = c->argc > 3 ? c->argv[3] : SLICE("");
    int len = snprintf(name, sizeof name, "forward@%.*s%s%.*s",
                       (int)(node.len < NODE_MOST ? node.len : NODE_MOST), node.ptr, peer.len > 0 ? "," : "",
                       (int)(peer.len < PEER_MOST ? peer.len : PEER_MOST), peer.ptr);
    struct slice text = {name, (size_t)len};
    if (!client_name_is_valid(text)) {
        reply_error(c->reply, CLIENT_NAME_ERROR);
    } else if (!client_set_text(&c->client->name, text)) {
        call_out_of_memory(c);
    } else {
        c->client->flags |= CLIENT_FORWARDED;
        reply_ok(c->reply);
        if (c->server->ending) { /* the others have been told already */
            REPLY_LITERAL(c->reply, DRAIN_NOTICE);
        }
    }
}

/* Behind all that this node has, not only what came over this connection: a reply may tell of what others have written. */
static void reply_write_offset(struct call *c)
{
    reply_array(c->reply, 2);
    reply_bulk(c->reply, c->server->history.id, HISTORY_ID);
    reply_int(c->reply, history_offset(c->server));
}

/* What the client has written over other connections: for WAIT. */
static void set_write_offset(struct call *c)
{
    int64_t offset;
    if (!call_int(c, c->argv[2], &offset)) {
        return;
    }
    uint64_t at = history_to_log(&c->server->history, offset);
    uint64_t end = log_end(&c->server->log);
    at = at < end ? at : end;
    if (c->client->write_offset < at) {
        c->client->write_offset = at;
    }
    reply_ok(c->reply);
}

bool forward_replconf(struct call *c)
{
    if ((c->argc == 3 || c->argc == 4) && slice_is(c->argv[1], "forward")) {
        greet(c);
    } else if (c->argc == 2 && slice_is(c->argv[1], "write-offset")) {
        reply_write_offset(c);
    } else if (c->argc == 3 && slice_is(c->argv[1], "write-offset")) {
        set_write_offset(c);
    } else {
        return false;
    }
    return true;
}
