#include "replication/recovery.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "commands/refusing.h"
#include "logger.h"
#include "replication/handshake.h"
#include "replication/node.h"

enum {
    ASK_MS = 1000,   /* for one member's answer */
    AGAIN_MS = 200,  /* between two rounds */
    FOLLOW_MS = 5000 /* a followed member may be without a link for so long */
};

/* ---- what this node has ---------------------------------------------------------------------------------- */

void recovery_history(const struct recovery *r, struct history_line *line)
{
    const struct server *server = r->server;
    bool follows = server_is_replica(server);
    *line = (struct history_line){
        .state = refusing_is_loading(server) ? HISTORY_LOADS
                 : recovery_is_active(r)     ? HISTORY_RECOVERS
                 : follows                   ? HISTORY_FOLLOWS
                                             : HISTORY_SERVES,
        .epoch = server->history.epoch,
        .offset = history_offset(server),
        .clock = clock_to_wall(clock_now()),
    };
    memcpy(line->id, server->history.id, sizeof line->id);
}

/* ---- asking: the thread ------------------------------------------------------------------------------------ */

static bool is_wanted(void *context)
{
    const struct recovery *r = context;
    return !atomic_load(&r->stop);
}

static void rest(const struct recovery *r)
{
    struct pollfd ready = {.fd = r->event, .events = POLLIN};
    poll(&ready, 1, AGAIN_MS);
}

static void found_service(struct lookup *lookup, const char *error)
{
    struct recovery *r = lookup->data;
    if (error == NULL) {
        roster_take_service(r->roster, lookup->targets, lookup->count);
    } else {
        logger_notice("The members of the set cannot be looked up: %s", error);
    }
    lookup_close(lookup, NULL);
}

/* A pod's roster is what the headless service lists now. */
static void look_members_up(struct recovery *r)
{
    uv_loop_t uv;
    if (roster_service(r->roster) == NULL || uv_loop_init(&uv) != 0) {
        return;
    }
    struct lookup lookup = {.data = r};
    lookup_init(&lookup, &uv, NULL);
    lookup.data = r;
    roster_lookup_service(r->roster, &lookup, found_service);
    uv_run(&uv, UV_RUN_DEFAULT);
    uv_loop_close(&uv);
}

/* Whether the member has said what it has. */
static bool ask(struct recovery *r, const struct roster_member *member, struct history_line *line)
{
    const struct link_address to = {member->host, member->port, ""};
    const struct handshake_own own = {.user = r->user, .password = r->password, .announce_ip = ""};
    bool known = link_open(&r->link, &to, ASK_MS) && handshake_ask_history(&r->link, &own, line) &&
                 line->state != HISTORY_LOADS;
    link_close(&r->link);
    return known;
}

static void take(struct recovery *r, const struct roster_member *member, const struct history_line *line)
{
    const struct history_line *best = r->found ? &r->best : &r->own;
    if (line->state != HISTORY_RECOVERS && history_line_is_newer(line, best)) {
        r->best = *line;
        r->from = *member;
        r->found = true;
    }
}

/* One round: everybody who has not answered yet. Returns how many still have not. */
static int ask_round(struct recovery *r, bool answered[ROSTER_MEMBERS])
{
    int silent = 0;
    roster_view(r->roster, clock_now(), &r->view);
    for (size_t i = 0; i < r->view.count && is_wanted(r); i++) {
        const struct roster_member *member = &r->view.members[i];
        struct history_line line;
        size_t at = (size_t)member->ordinal;
        if (member->ordinal == r->view.self || at >= ROSTER_MEMBERS || answered[at]) {
            continue;
        }
        answered[at] = ask(r, member, &line);
        if (answered[at]) {
            take(r, member, &line);
        } else {
            silent++;
        }
    }
    return silent;
}

static void on_asked(struct loop *loop, void *argument);

static void *ask_all(void *argument)
{
    struct recovery *r = argument;
    bool answered[ROSTER_MEMBERS] = {false};
    int64_t deadline = clock_now() + r->timeout;
    do {
        look_members_up(r);
        r->silent = ask_round(r, answered);
        if (r->silent > 0 && clock_now() < deadline) {
            rest(r);
        }
    } while (r->silent > 0 && is_wanted(r) && clock_now() < deadline);
    loop_post_lent(&r->server->net.loops[0], &r->message, on_asked, r);
    return NULL;
}

/* ---- loop 0 ------------------------------------------------------------------------------------------------ */

static void serve(struct recovery *r)
{
    struct server *server = r->server;
    if (r->follows_till != 0) {
        replica_promote(r->replica);
        server->history.epoch++;
    } else {
        history_begin_backlog(server);
        history_serve(server);
    }
    r->follows_till = 0;
    r->changes = server_changes(server);
    acks_begin(&node_of(server)->acks);
    atomic_store(&r->active, false);
    refusing_clear(server, REFUSING_RECOVERY);
    roster_set_state(r->roster, r->roster->identity.ordinal, ROSTER_IN_SYNC);
    logger_notice("The roster's master serves: epoch %lld, offset %lld", (long long)server->history.epoch,
                  (long long)history_offset(server));
}

static bool begin_asking(struct recovery *r)
{
    const struct config *config = r->server->config;
    free(r->password);
    free(r->user);
    r->password = strdup(node_password(node_of(r->server)));
    r->user = strdup(config->masteruser);
    r->found = false;
    r->timeout = config->recovery_timeout;
    recovery_history(r, &r->own);
    r->started = r->password != NULL && r->user != NULL && pthread_create(&r->thread, NULL, ask_all, r) == 0;
    return r->started;
}

static void decide(struct recovery *r)
{
    if (!r->found) {
        if (r->silent > 0) {
            logger_warning(
                "%d members of the roster did not answer within recovery-timeout: serving without them",
                r->silent);
        }
        serve(r);
        return;
    }
    struct slice host = {r->from.host, strlen(r->from.host)};
    logger_notice("Ordinal %d has a newer history (epoch %lld, offset %lld): taking it before serving",
                  r->from.ordinal, (long long)r->best.epoch, (long long)r->best.offset);
    r->follows_till = clock_now() + FOLLOW_MS;
    if (!replica_follow(r->replica, host, r->from.port)) {
        logger_warning("Failed to start: there is not enough memory to follow ordinal %d", r->from.ordinal);
        server_stop(r->server);
    }
    r->replica->of_roster = true;
}

static void on_asked(struct loop *loop, void *argument)
{
    struct recovery *r = argument;
    struct gate *gate = &r->server->gate;
    pthread_join(r->thread, NULL);
    r->started = false;
    if (atomic_load(&r->stop)) {
        return;
    }
    gate_enter(gate, loop->index);
    gate_alone(gate, loop->index);
    decide(r);
    gate_together(gate, loop->index);
    gate_leave(gate, loop->index);
}

/* The member that is followed: whether this node has all that it had, or it is gone. */
static void look_after(struct recovery *r)
{
    int state = atomic_load(&r->replica->state);
    int64_t now = clock_now();
    if (state == REPLICA_CONNECTED && history_offset(r->server) >= r->best.offset) {
        serve(r);
    } else if (state == REPLICA_CONNECTED || state == REPLICA_SYNC) {
        r->follows_till = now + FOLLOW_MS;
    } else if (now > r->follows_till && !r->started) {
        logger_warning("Ordinal %d cannot be followed any more: asking all members again", r->from.ordinal);
        if (!begin_asking(r)) {
            r->follows_till = now + FOLLOW_MS;
        }
    }
}

void recovery_reconsider(struct recovery *r)
{
    atomic_store(&r->doubts, true);
}

/* Alone. */
static void doubt(struct recovery *r)
{
    if (server_is_replica(r->server)) {
        return;
    }
    if (server_changes(r->server) != r->changes) {
        logger_warning(
            "A member of the roster has a newer history than this master, which has been written to since it began "
            "to serve: one of the two has to be given up by hand (REPLICAOF, or an empty data folder)");
        return;
    }
    logger_notice("A member of the roster has a newer history: asking all members again");
    acks_end(&node_of(r->server)->acks);
    recovery_begin(r);
}

void recovery_tick(struct recovery *r, struct worker *w)
{
    struct gate *gate = &r->server->gate;
    bool active = recovery_is_active(r);
    if (w->loop->index != 0 || (active ? r->follows_till == 0 : !atomic_exchange(&r->doubts, false))) {
        return;
    }
    gate_enter(gate, 0);
    gate_alone(gate, 0);
    if (active) {
        look_after(r);
    } else {
        doubt(r);
    }
    gate_together(gate, 0);
    gate_leave(gate, 0);
}

/* ---- start and stop ------------------------------------------------------------------------------------------ */

void recovery_init(struct recovery *r, struct server *server, struct roster *roster, struct replica *replica)
{
    memset(r, 0, sizeof *r);
    r->server = server;
    r->roster = roster;
    r->replica = replica;
    r->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->event < 0) {
        perror("ordinal: eventfd");
        exit(1);
    }
    link_init(&r->link, r->event, &(struct link_hooks){r, is_wanted, NULL});
}

void recovery_begin(struct recovery *r)
{
    atomic_store(&r->active, true);
    refusing_set(r->server, REFUSING_RECOVERY);
    if (!begin_asking(r)) {
        logger_warning("Failed to start: no thread can be made to ask the other members of the roster");
        exit(1);
    }
}

void recovery_stop(struct recovery *r)
{
    const uint64_t one = 1;
    atomic_store(&r->stop, true);
    if (write(r->event, &one, sizeof one) < 0) {
        logger_warning("The thread that asks the roster cannot be woken");
    }
    if (r->started) {
        pthread_join(r->thread, NULL);
    }
    link_free(&r->link);
    close(r->event);
    free(r->password);
    free(r->user);
}
