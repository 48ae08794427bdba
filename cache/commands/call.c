#include "commands/call.h"

#include <stdio.h>

#include "commands/block.h"
#include "commands/change.h"
#include "commands/propagate.h"
#include "commands/type.h"
#include "types/number.h"

struct key call_key(const struct call *c, size_t index)
{
    struct slice name = c->argv[index];
    if (name.ptr == c->first_key) {
        return (struct key){name, c->first_hash};
    }
    return (struct key){name, keyspace_hash(&c->server->keyspace, name)};
}

struct entry *key_peek(struct call *c, const struct key *key)
{
    return db_find(c->db, key->hash, key->name, c->now, &c->worker->store);
}

static void touch(struct call *c, struct entry *e)
{
    if ((c->client->flags & CLIENT_NO_TOUCH) == 0) {
        uint64_t random = c->server->access.lfu ? worker_random(c->worker) : 0;
        access_touch(&c->server->access, e, call_clock(c), random);
    }
}

struct entry *key_read(struct call *c, const struct key *key)
{
    struct entry *e = key_peek(c, key);
    if (e == NULL) {
        c->worker->misses++;
        key_event(c, key, EVENT_KEY_MISS, "keymiss");
        return NULL;
    }
    c->worker->hits++;
    touch(c, e);
    return e;
}

struct entry *key_write(struct call *c, const struct key *key)
{
    struct entry *e = db_find_to_change(c->db, key->hash, key->name, c->now, &c->worker->store);
    if (e != NULL) {
        touch(c, e);
    }
    return e;
}

struct entry *key_use(struct call *c, const struct key *key)
{
    struct entry *e = key_peek(c, key);
    if (e != NULL) {
        touch(c, e);
    }
    return e;
}

static struct entry *only_type(struct call *c, struct entry *e, enum entry_type type, bool *wrong)
{
    *wrong = e != NULL && entry_type(e) != type;
    if (*wrong) {
        call_wrong_type(c);
        return NULL;
    }
    return e;
}

struct entry *key_read_type(struct call *c, const struct key *key, enum entry_type type, bool *wrong)
{
    return only_type(c, key_read(c, key), type, wrong);
}

void key_sweep_parts(struct call *c, struct entry *e)
{
    if (__builtin_expect((e->kind & ENTRY_TIMED_PARTS) != 0, 0) && propagate_is_on(c)) {
        db_sweep_parts(c->db, e, c->now, &c->worker->store);
    }
}

struct entry *key_write_type(struct call *c, const struct key *key, enum entry_type type, bool *wrong)
{
    struct entry *e = only_type(c, key_write(c, key), type, wrong);
    if (e != NULL) {
        key_sweep_parts(c, e);
    }
    return e;
}

/* The clock of a value that is set: under LFU an entry that is overwritten keeps how often it was used. */
static uint32_t access_of_set(struct call *c, const struct key *key)
{
    const struct entry *old = c->server->access.lfu ? key_peek(c, key) : NULL;
    return old != NULL ? entry_access(old) : call_access(c);
}

/* Whether the event "new" is asked for, and will be due once the key has its value. */
static bool will_be_new(struct call *c, const struct key *key)
{
    return __builtin_expect(c->server->notify & EVENT_NEW, 0) && key_peek(c, key) == NULL;
}

bool key_set_string(struct call *c, const struct key *key, struct slice value, int64_t deadline)
{
    bool is_new = will_be_new(c, key);
    if (!db_set(c->db, key->hash, TYPE_STRING, key->name, value, deadline, access_of_set(c, key), c->now)) {
        call_out_of_memory(c);
        return false;
    }
    if (is_new) {
        key_event(c, key, EVENT_NEW, "new");
    }
    return true;
}

bool key_put(struct call *c, const struct key *key, struct entry *e)
{
    bool is_new = will_be_new(c, key);
    if (e == NULL || !db_put(c->db, key->hash, e, c->now)) {
        call_out_of_memory(c);
        return false;
    }
    block_signal(c, c->db, key);
    if (is_new) {
        key_event(c, key, EVENT_NEW, "new");
    }
    return true;
}

struct entry *key_new_small(struct call *c, const struct key *key, const struct entry *old,
                            enum entry_type type, size_t len)
{
    int64_t deadline = old != NULL ? entry_deadline(old) : ENTRY_NO_DEADLINE;
    uint32_t access = old != NULL ? entry_access(old) : call_access(c);
    struct entry *e = entry_new_room(type, key->name, len, deadline, access);
    return key_put(c, key, e) ? e : NULL;
}

bool key_resize(struct call *c, const struct key *key, struct entry **e, size_t len)
{
    struct entry *moved = db_resize(c->db, key->hash, *e, len, c->now);
    if (moved == NULL) {
        call_out_of_memory(c);
        return false;
    }
    *e = moved;
    return true;
}

struct entry *key_set_object(struct call *c, const struct key *key, const struct entry *old,
                             enum entry_type type, void *object)
{
    int64_t deadline = old != NULL ? entry_deadline(old) : ENTRY_NO_DEADLINE;
    uint32_t access = old != NULL ? entry_access(old) : call_access(c);
    struct entry *e = entry_new_object(type, key->name, object, deadline, access);
    if (e == NULL) {
        type_entry_ops.free(type, object);
    }
    return key_put(c, key, e) ? e : NULL;
}

bool key_expire(struct call *c, const struct key *key, struct entry *e, int64_t deadline)
{
    if (!db_expire(c->db, key->hash, e, deadline, c->now)) {
        call_out_of_memory(c);
        return false;
    }
    return true;
}

bool key_delete(struct call *c, const struct key *key)
{
    return db_remove(c->db, key->hash, key->name, c->now, &c->worker->store);
}

bool call_reply_within_limit(struct call *c, size_t start)
{
    enum { MOST = 1 << 28 };
    const struct conn_limit *limit = c->client->conn->limit;
    int64_t hard = limit != NULL ? counter_get(&limit->hard) : 0;
    if (c->reply->len > start + (hard > 0 ? (uint64_t)hard : MOST)) {
        c->reply->failed = true;
    }
    return !c->reply->failed;
}

void call_wrong_type(struct call *c)
{
    reply_error(c->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void call_syntax_error(struct call *c)
{
    reply_error(c->reply, "ERR syntax error");
}

void call_out_of_memory(struct call *c)
{
    reply_error(c->reply, "OOM out of memory: the system has none left for this command");
}

bool call_int(struct call *c, struct slice arg, int64_t *value)
{
    if (!number_parse_i64(arg.ptr, arg.len, value)) {
        reply_error(c->reply, "ERR value is not an integer or out of range");
        return false;
    }
    return true;
}

bool call_int_range(struct call *c, struct slice arg, int64_t min, int64_t max, const char *error,
                    int64_t *value)
{
    if (!number_parse_i64(arg.ptr, arg.len, value) || *value < min || *value > max) {
        reply_error(c->reply, error != NULL ? error : "ERR value is not an integer or out of range");
        return false;
    }
    return true;
}

bool call_signed_count(struct call *c, struct slice arg, int64_t *count)
{
    if (!call_int(c, arg, count)) {
        return false;
    }
    if (*count == INT64_MIN) {
        reply_errorf(c->reply, "ERR value is out of range, value must between %lld and %lld",
                     (long long)-INT64_MAX, (long long)INT64_MAX);
        return false;
    }
    return true;
}

bool call_timeout(struct call *c, struct slice arg, int64_t *timeout)
{
    if (!call_int_range(c, arg, INT64_MIN, INT64_MAX, "ERR timeout is not an integer or out of range",
                        timeout)) {
        return false;
    }
    if (*timeout < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    return true;
}

struct db *call_db(struct call *c, struct slice arg)
{
    int64_t index;
    if (!call_int(c, arg, &index)) {
        return NULL;
    }
    if (index < INT32_MIN || index > INT32_MAX) {
        reply_errorf(c->reply, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                     INT32_MAX);
        return NULL;
    }
    if (index < 0 || index >= c->server->keyspace.count) {
        reply_error(c->reply, "ERR DB index is out of range");
        return NULL;
    }
    return &c->server->keyspace.dbs[index];
}

/* The name of the container command of this call, in upper case. */
static void container_name(const struct call *c, char *name, size_t size)
{
    const struct command *parent = command_parent(c->command);
    snprintf(name, size, "%s", parent != NULL ? parent->name : c->command->name);
    for (char *letter = name; *letter != '\0'; letter++) {
        *letter = (char)(*letter >= 'a' && *letter <= 'z' ? *letter - 32 : *letter);
    }
}

void call_unknown_subcommand(struct call *c)
{
    char name[64];
    container_name(c, name, sizeof name);
    reply_errorf(c->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                 (int)(c->argv[1].len < 128 ? c->argv[1].len : 128), c->argv[1].ptr, name);
}

void call_subcommand_syntax(struct call *c)
{
    char name[64];
    container_name(c, name, sizeof name);
    reply_errorf(c->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                 (int)(c->argv[1].len < 128 ? c->argv[1].len : 128), c->argv[1].ptr, name);
}

void call_help(struct call *c, const char *const *lines)
{
    char name[64], head[128];
    container_name(c, name, sizeof name);
    snprintf(head, sizeof head, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    int count = 0;
    while (lines[count] != NULL) {
        count++;
    }
    reply_array(c->reply, count + 3);
    reply_status(c->reply, head);
    for (int i = 0; i < count; i++) {
        reply_status(c->reply, lines[i]);
    }
    reply_status(c->reply, "HELP");
    reply_status(c->reply, "    Print this help.");
}
