/*
 * The queues of clients that wait for keys (block.h). A queue for each key that somebody waits for, in a hash table of its own;
 * a waiting client has a node in the queue of each of its keys, and all of it is one allocation together with a copy of its
 * command:
 *
 *   waiter | node … | argv … | bytes of the arguments
 *
 * A small table of counts, by a few bits of the key's hash, stands in front: a write to a key that nobody waits for reads one
 * word there and takes no lock.
 *
 * Threads: the table has a lock, for a client joins with its key's shard locked or alone, and leaves inside the gate. Signals
 * and serving are done alone, when nobody joins or leaves. A connection may begin to close at any time, though: a waiter whose
 * connection does is skipped (blocked->closing), so that what it waited for stays where it is.
 */
#include "commands/block.h"

#include <errno.h>
#include <math.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "commands/dispatch.h"
#include "memory.h"
#include "types/number.h"

enum { FILTER = 4096, FIRST_BUCKETS = 64 };

struct waiter;

struct node {
    struct waiter *waiter;
    struct queue *queue; /* or NULL */
    struct node *next, *prev;
};

struct queue {
    struct queue *next; /* in its bucket */
    struct queue *next_ready;
    uint64_t hash;
    struct db *db;
    struct node *first, *last;
    bool ready;   /* signalled */
    bool serving; /* must not be freed */
    size_t key_len;
    char key[];
};

struct waiter {
    struct blocked blocked; /* first: the client knows it by this */
    struct message message;
    struct reply reply;
    const struct command *command;
    struct db *db;
    enum entry_type type;
    struct slice *argv;
    size_t argc;
    size_t keys;
    struct node nodes[];
};

struct block_queues {
    pthread_mutex_t lock;
    struct queue **buckets;
    size_t cap, count;
    struct queue *ready, **last_ready;
    _Atomic uint32_t filter[FILTER];
};

void block_init(struct server *server)
{
    struct block_queues *queues = mem_must(sizeof *queues);
    memset(queues, 0, sizeof *queues);
    pthread_mutex_init(&queues->lock, NULL);
    queues->cap = FIRST_BUCKETS;
    queues->buckets = mem_must(FIRST_BUCKETS * sizeof(struct queue *));
    memset(queues->buckets, 0, FIRST_BUCKETS * sizeof(struct queue *));
    queues->last_ready = &queues->ready;
    server->queues = queues;
}

static size_t queue_size(const struct queue *queue)
{
    return sizeof *queue + queue->key_len;
}

/* ---- the table of queues, under its lock ------------------------------------------------------------- */

/* The bucket's bits are not the filter's. */
static struct queue **bucket_of(const struct block_queues *queues, const struct db *db, uint64_t hash)
{
    return &queues->buckets[((hash >> 12) + (uint64_t)db->id) & (queues->cap - 1)];
}

static struct queue *find_queue(const struct block_queues *queues, const struct db *db, const struct key *key)
{
    struct queue *queue = *bucket_of(queues, db, key->hash);
    while (queue != NULL && (queue->hash != key->hash || queue->db != db ||
                             !slice_equal((struct slice){queue->key, queue->key_len}, key->name))) {
        queue = queue->next;
    }
    return queue;
}

/* Twice as many buckets, where there is memory for them: with too few it is merely slower. */
static void grow_table(struct block_queues *queues)
{
    struct queue **old = queues->buckets;
    size_t old_cap = queues->cap;
    struct queue **buckets = mem_alloc(2 * old_cap * sizeof *buckets);
    if (buckets == NULL) {
        return;
    }
    memset(buckets, 0, 2 * old_cap * sizeof *buckets);
    queues->buckets = buckets;
    queues->cap = 2 * old_cap;
    for (size_t i = 0; i < old_cap; i++) {
        struct queue *next;
        for (struct queue *queue = old[i]; queue != NULL; queue = next) {
            struct queue **bucket = bucket_of(queues, queue->db, queue->hash);
            next = queue->next;
            queue->next = *bucket;
            *bucket = queue;
        }
    }
    mem_free(old, old_cap * sizeof *old);
}

static struct queue *find_or_make_queue(struct block_queues *queues, struct db *db, const struct key *key)
{
    struct queue *queue = find_queue(queues, db, key);
    if (queue != NULL) {
        return queue;
    }
    queue = mem_alloc(sizeof *queue + key->name.len);
    if (queue == NULL) {
        return NULL;
    }
    if (queues->count >= queues->cap) {
        grow_table(queues);
    }
    struct queue **bucket = bucket_of(queues, db, key->hash);
    *queue = (struct queue){.next = *bucket, .hash = key->hash, .db = db, .key_len = key->name.len};
    memcpy(queue->key, key->name.ptr, key->name.len);
    *bucket = queue;
    queues->count++;
    return queue;
}

/* Frees a queue in which nobody stands, once nothing else refers to it. */
static void drop_queue(struct block_queues *queues, struct queue *queue)
{
    if (queue->first != NULL || queue->ready || queue->serving) {
        return;
    }
    struct queue **link = bucket_of(queues, queue->db, queue->hash);
    while (*link != queue) {
        link = &(*link)->next;
    }
    *link = queue->next;
    queues->count--;
    mem_free(queue, queue_size(queue));
}

/* ---- joining and leaving ----------------------------------------------------------------------------- */

static void join(struct block_queues *queues, struct queue *queue, struct node *node)
{
    node->queue = queue;
    node->prev = queue->last;
    *(queue->last != NULL ? &queue->last->next : &queue->first) = node;
    queue->last = node;
    atomic_fetch_add_explicit(&queues->filter[queue->hash % FILTER], 1, memory_order_relaxed);
}

static void leave(struct block_queues *queues, struct node *node)
{
    struct queue *queue = node->queue;
    *(node->prev != NULL ? &node->prev->next : &queue->first) = node->next;
    *(node->next != NULL ? &node->next->prev : &queue->last) = node->prev;
    atomic_fetch_sub_explicit(&queues->filter[queue->hash % FILTER], 1, memory_order_relaxed);
    node->queue = NULL;
    drop_queue(queues, queue);
}

static void leave_all(struct server *server, struct waiter *waiter)
{
    struct block_queues *queues = server->queues;
    pthread_mutex_lock(&queues->lock);
    for (size_t i = 0; i < waiter->keys; i++) {
        if (waiter->nodes[i].queue != NULL) {
            leave(queues, &waiter->nodes[i]);
        }
    }
    pthread_mutex_unlock(&queues->lock);
    atomic_fetch_sub_explicit(&server->waiting_clients, 1, memory_order_relaxed);
}

static void left(struct blocked *blocked)
{
    leave_all(blocked->client->worker->server, (struct waiter *)blocked);
}

/* Stands in the queues of all its keys; a key that is named twice has it once. False: no memory, and some are joined. */
static bool join_all(struct call *c, struct waiter *waiter, size_t first)
{
    struct block_queues *queues = c->server->queues;
    bool good = true;
    pthread_mutex_lock(&queues->lock);
    for (size_t i = 0; i < waiter->keys && good; i++) {
        struct key key = call_key(c, first + i);
        struct queue *queue = find_or_make_queue(queues, c->db, &key);
        good = queue != NULL;
        if (good && (queue->last == NULL || queue->last->waiter != waiter)) {
            join(queues, queue, &waiter->nodes[i]);
        }
    }
    pthread_mutex_unlock(&queues->lock);
    atomic_fetch_add_explicit(&c->server->waiting_clients, 1, memory_order_relaxed);
    return good;
}

/* ---- a command begins to wait ------------------------------------------------------------------------ */

static void timed_out(struct client *client)
{
    reply_null_array(&client->worker->loop->reply);
}

static struct waiter *make_waiter(const struct call *c, size_t keys)
{
    size_t size = sizeof(struct waiter) + keys * sizeof(struct node) + c->argc * sizeof(struct slice);
    size_t at = size;
    for (size_t i = 0; i < c->argc; i++) {
        size += c->argv[i].len;
    }
    struct waiter *waiter = mem_alloc(size);
    if (waiter == NULL) {
        return NULL;
    }
    memset(waiter, 0, at);
    waiter->blocked.size = size;
    waiter->blocked.timed_out = timed_out;
    waiter->blocked.left = left;
    waiter->command = c->command;
    waiter->db = c->db;
    waiter->argc = c->argc;
    waiter->argv = (struct slice *)(waiter->nodes + keys);
    waiter->keys = keys;
    char *bytes = (char *)waiter + at;
    for (size_t i = 0; i < c->argc; i++) {
        memcpy(bytes, c->argv[i].ptr, c->argv[i].len);
        waiter->argv[i] = (struct slice){bytes, c->argv[i].len};
        bytes += c->argv[i].len;
    }
    for (size_t i = 0; i < keys; i++) {
        waiter->nodes[i].waiter = waiter;
    }
    return waiter;
}

void block_on_keys(struct call *c, size_t first, size_t count, enum entry_type type, int64_t timeout,
                   enum block_nothing nothing)
{
    if (c->again) {
        c->still_waits = true;
        return;
    }
    if (c->may_not_block) {
        if (nothing == BLOCK_NULL) {
            reply_null(c->reply);
        } else {
            reply_null_array(c->reply);
        }
        return;
    }
    struct waiter *waiter = make_waiter(c, count);
    if (waiter == NULL) {
        call_out_of_memory(c);
        return;
    }
    waiter->type = type;
    if (!join_all(c, waiter, first)) {
        leave_all(c->server, waiter);
        mem_free(waiter, waiter->blocked.size);
        call_out_of_memory(c);
        return;
    }
    client_block_by(c->client, &waiter->blocked, timeout);
}

bool block_timeout(struct call *c, struct slice arg, int64_t *timeout)
{
    long double seconds;
    if (!number_parse_long_double(arg.ptr, arg.len, &seconds)) {
        reply_error(c->reply, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = ceill(seconds * 1000);
    if (ms > (long double)INT64_MAX - (long double)c->now) {
        reply_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *timeout = (int64_t)ms;
    return true;
}

/* ---- signals ----------------------------------------------------------------------------------------- */

/* Whether some waiting key may have this hash. */
static bool passes_filter(const struct block_queues *queues, uint64_t hash)
{
    return atomic_load_explicit(&queues->filter[hash % FILTER], memory_order_relaxed) != 0;
}

bool block_waits_for(struct server *server, const struct db *db, const struct key *key)
{
    struct block_queues *queues = server->queues;
    if (!passes_filter(queues, key->hash)) {
        return false;
    }
    pthread_mutex_lock(&queues->lock);
    bool found = find_queue(queues, db, key) != NULL;
    pthread_mutex_unlock(&queues->lock);
    return found;
}

static void make_ready(struct block_queues *queues, struct queue *queue)
{
    if (!queue->ready) {
        queue->ready = true;
        queue->next_ready = NULL;
        *queues->last_ready = queue;
        queues->last_ready = &queue->next_ready;
    }
}

void block_signal_key(struct call *c, struct db *db, const struct key *key)
{
    struct block_queues *queues = c->server->queues;
    if (!passes_filter(queues, key->hash)) {
        return;
    }
    pthread_mutex_lock(&queues->lock);
    struct queue *queue = find_queue(queues, db, key);
    if (queue != NULL) {
        make_ready(queues, queue);
    }
    pthread_mutex_unlock(&queues->lock);
}

void block_signal_all(struct call *c, struct db *db)
{
    struct block_queues *queues = c->server->queues;
    pthread_mutex_lock(&queues->lock);
    for (size_t i = 0; i < queues->cap && queues->count > 0; i++) {
        for (struct queue *queue = queues->buckets[i]; queue != NULL; queue = queue->next) {
            if (queue->db == db) {
                make_ready(queues, queue);
            }
        }
    }
    pthread_mutex_unlock(&queues->lock);
}

/* ---- serving, alone ---------------------------------------------------------------------------------- */

/* Whether the peer has ended the connection, which its loop may not have seen yet. The system call itself: to
 * ThreadSanitizer the other loop's close() would be a race, but a descriptor that is another's by now tells nothing wrong:
 * blocked->closing, which is looked at after this, was set before it was closed. */
static bool has_hung_up(const struct client *client)
{
    char byte;
    ssize_t got = syscall(SYS_recvfrom, client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static bool is_there(struct waiter *waiter)
{
    const struct client *client = waiter->blocked.client;
    return (client->flags & CLIENT_KILLED) == 0 && !has_hung_up(client) &&
           !atomic_load(&waiter->blocked.closing);
}

/* On the client's own loop. */
static void deliver(struct loop *loop, void *argument)
{
    (void)loop;
    struct waiter *waiter = argument;
    struct reply reply = waiter->reply;
    client_answer(&waiter->blocked, &reply); /* frees the waiter */
    reply_free(&reply);
}

/* Runs the command of a waiting client again, and lets it go with the reply unless it goes on waiting. */
static void run_again(struct call *c, struct waiter *waiter)
{
    struct client *client = waiter->blocked.client;
    waiter->reply.resp = client->conn->resp;
    struct call again = {
        .server = c->server,
        .worker = c->worker,
        .client = client,
        .reply = &waiter->reply,
        .command = waiter->command,
        .argv = waiter->argv,
        .argc = waiter->argc,
        .db = waiter->db,
        .now = c->now,
        .again = true,
    };
    dispatch_again(&again);
    if (!again.still_waits) {
        struct loop *loop = client->worker->loop;
        leave_all(c->server, waiter);
        client_claim(&waiter->blocked);
        loop_post_lent(loop, &waiter->message, deliver, waiter);
    }
}

/* Tries those who wait for a key in the order in which they came. A waiter that is served takes only its own nodes away. */
static void serve_queue(struct call *c, struct queue *queue)
{
    struct slice name = {queue->key, queue->key_len};
    struct node *next;
    for (struct node *node = queue->first; node != NULL; node = next) {
        const struct entry *e = db_find(queue->db, queue->hash, name, c->now, &c->worker->store);
        next = node->next;
        if (e == NULL) {
            return;
        }
        if (entry_type(e) == node->waiter->type && is_there(node->waiter)) {
            run_again(c, node->waiter);
        }
    }
}

void block_serve_ready(struct call *c)
{
    struct block_queues *queues = c->server->queues;
    struct queue *queue;
    while ((queue = queues->ready) != NULL) {
        queues->ready = queue->next_ready;
        if (queues->ready == NULL) {
            queues->last_ready = &queues->ready;
        }
        queue->ready = false;
        queue->serving = true;
        serve_queue(c, queue);
        queue->serving = false;
        drop_queue(queues, queue);
    }
}

uint64_t block_keys(struct server *server)
{
    struct block_queues *queues = server->queues;
    pthread_mutex_lock(&queues->lock);
    uint64_t count = queues->count;
    pthread_mutex_unlock(&queues->lock);
    return count;
}
