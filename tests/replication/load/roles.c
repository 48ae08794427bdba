#include "roles.h"

#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COUNTERS = 16,
    REGISTERS = 64,
    TOKENS = 8,   /* that are to be had at a time */
    ATTEMPTS = 6, /* to take each of them */
    SPENT = 64,   /* tokens that are remembered, to see whether they come back */
    QUEUES = 3,
    POPULATION = 500, /* keys that were there before the load: run.py writes them */
    WILD_KEYS = 60,
};

static char registers[REGISTERS][NAME];
static int register_count;
static struct {
    char key[NAME];
    int attempts;
} tokens[TOKENS];
static char spent[SPENT][NAME];
static int64_t spent_count;

static void nothing(struct client *c)
{
    (void)c;
}

/* ---- counters: INCR by everybody through any node, and at once a look at it elsewhere ----------------------------- */

static void counter_ask(struct client *c)
{
    if (c->follow) {
        client_ask(c, "get", pick_reader(c), "GET %s", c->key);
        return;
    }
    snprintf(c->key, sizeof c->key, "c:%u", pick(c, COUNTERS));
    client_ask(c, "incr", pick_writer(c), "INCR %s", c->key);
}

/* What was acknowledged is asked for at once. */
static void follow_at_once(struct client *c, const char *kind)
{
    c->follow = strcmp(c->op.kind, kind) == 0 && c->op.outcome == '+';
    if (c->follow) {
        c->wake_at = 0;
    }
}

static void counter_told(struct client *c)
{
    follow_at_once(c, "incr");
}

/* ---- registers: SET of increasing numbers under a key that only this client writes ---------------------------------
 * After a write that may still be under way the key is left as it is: a later number could be overtaken by it. */

static void register_ask(struct client *c)
{
    if (c->follow) {
        client_ask(c, "get", pick_reader(c), "GET %s", c->key);
        return;
    }
    if (c->key[0] == '\0') {
        snprintf(c->key, sizeof c->key, "r:%d:%d", c->number, c->generation++);
        snprintf(registers[c->slot], NAME, "%s", c->key);
        c->count = 0;
    }
    client_ask(c, "set", pick_writer(c), "SET %s %lld", c->key, (long long)++c->count);
}

static void register_told(struct client *c)
{
    if (strcmp(c->op.kind, "set") == 0 && c->op.outcome == '?') {
        c->key[0] = '\0';
    }
    follow_at_once(c, "set");
}

/* ---- readers --------------------------------------------------------------------------------------------------------- */

static void reader_ask(struct client *c)
{
    uint32_t draw = pick(c, 10);
    if (draw < 4) {
        client_ask(c, "get", pick_reader(c), "GET c:%u", pick(c, COUNTERS));
    } else if (draw < 8 && register_count > 0) {
        const char *key = registers[pick(c, (uint32_t)register_count)];
        client_ask(c, "get", pick_reader(c), "GET %s", key[0] == '\0' ? "c:0" : key);
    } else {
        client_ask(c, "get", pick_reader(c), "GET p:%u", pick(c, POPULATION));
    }
}

/* ---- tokens: each is to be had once, by GETDEL or by a transaction ------------------------------------------------------------------------------------ */

static void maker_ask(struct client *c)
{
    c->slot = (int)pick(c, TOKENS);
    if (tokens[c->slot].attempts == 0) {
        client_ask(c, "set", pick_writer(c), "SET t:%d:%lld token", c->number, (long long)++c->count);
    } else if (spent_count > 0) {
        int64_t known = spent_count < SPENT ? spent_count : SPENT;
        client_ask(c, "get", pick_reader(c), "GET %s", spent[pick(c, (uint32_t)known)]);
    }
}

static void maker_told(struct client *c)
{
    if (strcmp(c->op.kind, "set") == 0 && c->op.outcome != '!' && tokens[c->slot].attempts == 0) {
        snprintf(tokens[c->slot].key, NAME, "%s", c->op.key);
        tokens[c->slot].attempts = ATTEMPTS;
    }
}

static void taker_ask(struct client *c)
{
    c->slot = (int)pick(c, TOKENS);
    if (tokens[c->slot].attempts == 0) {
        client_rest(c, MS / 4);
        return;
    }
    const char *key = tokens[c->slot].key;
    if (pick(c, 3) == 0) {
        client_ask(c, "getdel", pick_writer(c), "MULTI\nGET %s\nDEL %s\nEXEC", key, key);
        snprintf(c->op.key, sizeof c->op.key, "%s", key);
    } else {
        client_ask(c, "getdel", pick_writer(c), "GETDEL %s", key);
    }
    if (--tokens[c->slot].attempts == 0) {
        snprintf(spent[spent_count++ % SPENT], NAME, "%s", tokens[c->slot].key);
    }
}

/* Of EXEC's two replies the first one. */
static char taken_value(const char *reply, char *text, size_t room)
{
    return reply_text(reply[0] == '*' ? reply + strlen("*2\r\n") : reply, text, room);
}

/* ---- queues: each element is handed to one consumer ------------------------------------------------------------------------ */

static void producer_ask(struct client *c)
{
    client_ask(c, "push", pick_writer(c), "LPUSH q:%u %d-%lld", pick(c, QUEUES), c->number,
               (long long)++c->count);
}

static void producer_told(struct client *c)
{
    client_rest(c, 4 * pace + MS);
}

/* Some hang up while they wait. */
static void consumer_ask(struct client *c)
{
    uint32_t queue = pick(c, QUEUES);
    c->patience = pick(c, 8) == 0 ? (int64_t)(1 + pick(c, 100)) * MS : 3000 * (int64_t)MS;
    switch (pick(c, 6)) {
    case 0: client_ask(c, "pop", pick_writer(c), "LPOP q:%u", queue); break;
    case 1: client_ask(c, "pop", pick_writer(c), "BLPOP q:%u 0.2", queue); break;
    default: client_ask(c, "pop", pick_writer(c), "BRPOP q:%u 0.2", queue); break;
    }
}

/* ---- deadlines: a value is read until some time after it is gone ------------------------------------------------------------ */

static void deadline_ask(struct client *c)
{
    if (c->until > 0) {
        client_ask(c, "get", pick_reader(c), "GET %s", c->key);
        return;
    }
    int px = 30 + (int)pick(c, 600);
    snprintf(c->key, sizeof c->key, "d:%d:%d", c->number, c->generation++);
    client_ask(c, "setpx", pick_writer(c), "SET %s %d PX %d", c->key, px, px);
}

static void deadline_told(struct client *c)
{
    enum { BEYOND = 80 };
    if (strcmp(c->op.kind, "setpx") == 0) {
        c->until = c->op.outcome == '+' ? now() + (atoi(c->op.argument) + BEYOND) * (int64_t)MS : 0;
    }
    if (now() > c->until) {
        c->until = 0;
    }
    client_rest(c, 2 * MS);
}

/* ---- signed writes: who has done it is part of the reply --------------------------------------------------------------------- */

static void signer_ask(struct client *c)
{
    client_ask(c, "signed", pick_writer(c), "MULTI\nINFO server\nINCR s:0\nEXEC");
    snprintf(c->op.key, sizeof c->op.key, "s:0");
    c->op.argument[0] = '\0';
}

/* NUMBER:RUN_ID of the reply to EXEC. */
static char signed_value(const char *reply, char *text, size_t room)
{
    char outcome = reply_text(reply, text, room);
    const char *id = strstr(reply, "run_id:");
    if (outcome == '+' && id != NULL) {
        size_t used = strlen(text);
        snprintf(text + used, room - used, ":%.40s", id + strlen("run_id:"));
    }
    return outcome;
}

static void signer_told(struct client *c)
{
    client_rest(c, 5 * MS);
}

/* ---- probes: what each node says it is, and how much it holds ------------------------------------------------------------------ */

static void probe_ask(struct client *c)
{
    client_ask(c, "probe", c->slot, "INFO replication keyspace");
    snprintf(c->op.key, sizeof c->op.key, "-");
    c->op.argument[0] = '\0';
}

/* ROLE:KEYS */
static char probe_value(const char *reply, char *text, size_t room)
{
    char outcome = reply_text(reply, text, room);
    const char *role = strstr(reply, "role:");
    const char *keys = strstr(reply, "db0:keys=");
    if (outcome == '+' && role != NULL) {
        snprintf(text, room, "%.*s:%ld", (int)strcspn(role + 5, "\r"), role + 5,
                 keys == NULL ? 0 : strtol(keys + strlen("db0:keys="), NULL, 10));
    }
    return outcome;
}

static void probe_told(struct client *c)
{
    client_rest(c, 4 * MS);
}

/* ---- the wild: changes of all kinds, for what must be equal in the end ----------------------------------------------------------- */

static const char *const wild_commands[] = {
    "SET x:s:%u %u",
    "APPEND x:s:%u %u",
    "SETRANGE x:s:%u 3 %u",
    "SETBIT x:s:%u 5%u 1",
    "INCR x:n:%u",
    "DECRBY x:n:%u %u",
    "SET x:s:%u %u PX 900",
    "PEXPIRE x:l:%u 700",
    "PEXPIRE x:h:%u 1%u00",
    "LPUSH x:l:%u %u a b",
    "RPUSH x:l:%u %u",
    "LPOP x:l:%u",
    "RPOP x:l:%u 2",
    "LTRIM x:l:%u 0 40",
    "LREM x:l:%u 0 %u",
    "LMOVE x:l:%u x:l:%u LEFT RIGHT",
    "HSET x:h:%u f%u v g w",
    "HDEL x:h:%u f%u g",
    "HINCRBY x:h:%u n %u",
    "SADD x:S:%u %u m",
    "SREM x:S:%u %u",
    "SPOP x:S:%u",
    "SADD x:S:%u a%u b c d e",
    "ZADD x:z:%u %u m%u",
    "ZINCRBY x:z:%u %u m1",
    "ZPOPMIN x:z:%u",
    "ZREMRANGEBYRANK x:z:%u 30 -1",
    "SUNIONSTORE x:S:%u x:S:%u x:S:%u",
    "ZUNIONSTORE x:z:%u 2 x:z:%u x:z:%u",
    "DEL x:l:%u x:s:%u",
    "UNLINK x:h:%u",
    "PERSIST x:s:%u",
    "GETDEL x:s:%u",
    "COPY x:S:%u x:S:%u REPLACE",
    "MULTI\nSET x:s:%u a\nRPUSH x:l:%u b\nINCR x:n:%u\nEXEC",
    "MULTI\nSADD x:S:%u a\nSPOP x:S:%u\nEXEC",
};

/* The second number may be a value as well as a key's. */
static void wild_ask(struct client *c)
{
    const char *format = wild_commands[pick(c, sizeof wild_commands / sizeof wild_commands[0])];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    client_ask(c, NULL, pick_writer(c), format, pick(c, WILD_KEYS), pick(c, WILD_KEYS), pick(c, WILD_KEYS));
#pragma GCC diagnostic pop
}

/* ---- the table -------------------------------------------------------------------------------------------------------------------- */

static const struct role roles[] = {
    {"counter", counter_ask, counter_told, NULL},
    {"register", register_ask, register_told, NULL},
    {"reader", reader_ask, nothing, NULL},
    {"maker", maker_ask, maker_told, NULL},
    {"taker", taker_ask, nothing, taken_value},
    {"producer", producer_ask, producer_told, NULL},
    {"consumer", consumer_ask, nothing, NULL},
    {"deadline", deadline_ask, deadline_told, NULL},
    {"signer", signer_ask, signer_told, signed_value},
    {"probe", probe_ask, probe_told, probe_value},
    {"wild", wild_ask, nothing, NULL},
};

const struct role *role_named(const char *name)
{
    for (size_t place = 0; place < sizeof roles / sizeof roles[0]; place++) {
        if (strcmp(roles[place].name, name) == 0) {
            return &roles[place];
        }
    }
    return NULL;
}

void role_begin(struct client *c)
{
    static int probes;
    if (c->role->ask == register_ask && register_count < REGISTERS) {
        c->slot = register_count++;
    } else if (c->role->ask == probe_ask) {
        c->slot = probes++ % node_count;
    }
}
