/* hiredis, used as its users do: pipelines of hashes, a queue with a worker that waits, transactions, messages, sets
 * and ranks.
 *
 *   hiredis PORT USE ...     prints each USE when it has been done
 *
 * Every reply is checked: type, and text or number. The first that is not as expected ends the program. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_SECONDS 20

static redisContext *connect_to(int port)
{
    struct timeval wait = {.tv_sec = WAIT_SECONDS};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", port, wait);
    if (!context || context->err) {
        fprintf(stderr, "hiredis: connect: %s\n", context ? context->errstr : "no memory");
        exit(1);
    }
    redisSetTimeout(context, wait);
    return context;
}

/* A reply as text, an array as its elements with spaces between: what the checks compare. */
static void reply_print(const redisReply *reply, char *out, size_t room)
{
    size_t used = 0;
    switch (reply->type) {
    case REDIS_REPLY_NIL: snprintf(out, room, "(nil)"); break;
    case REDIS_REPLY_INTEGER: snprintf(out, room, "%lld", reply->integer); break;
    case REDIS_REPLY_ARRAY:
        out[0] = '\0';
        for (size_t i = 0; i < reply->elements && used + 1 < room; i++) {
            if (i > 0)
                out[used++] = ' ';
            reply_print(reply->element[i], out + used, room - used);
            used += strlen(out + used);
        }
        break;
    default: snprintf(out, room, "%s%s", reply->type == REDIS_REPLY_ERROR ? "error: " : "", reply->str);
    }
}

static void expect_reply(redisContext *context, redisReply *reply, const char *wanted, const char *what)
{
    char found[1024];
    if (!reply) {
        fprintf(stderr, "hiredis: %s: %s\n", what, context->errstr);
        exit(1);
    }
    reply_print(reply, found, sizeof found);
    freeReplyObject(reply);
    if (strcmp(found, wanted) != 0) {
        fprintf(stderr, "hiredis: %s: wanted '%s', found '%s'\n", what, wanted, found);
        exit(1);
    }
}

/* Sends a command and expects a reply that prints as `wanted`. */
static void expect(redisContext *context, const char *wanted, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    expect_reply(context, reply, wanted, format);
}

/* Waits for a reply to a command that was sent before, or for a message. */
static void expect_next(redisContext *context, const char *wanted)
{
    void *reply = NULL;
    if (redisGetReply(context, &reply) != REDIS_OK)
        reply = NULL;
    expect_reply(context, reply, wanted, "next reply");
}

static void use_hash(redisContext *context, int port)
{
    (void)port;
    const char binary[] = "a\0b";
    expect(context, "2", "HSET user:1 name %s photo %b", "Ada Lovelace", binary, (size_t)3);
    redisReply *photo = redisCommand(context, "HGET user:1 photo");
    if (!photo || photo->len != 3 || memcmp(photo->str, binary, 3) != 0) {
        fprintf(stderr, "hiredis: the photo is another\n");
        exit(1);
    }
    freeReplyObject(photo);
    expect(context, "Ada Lovelace (nil)", "HMGET user:1 name absent");
    expect(context, "1", "HINCRBY user:1 visits 1");
    expect(context, "3", "HLEN user:1");
    expect(context, "error: WRONGTYPE Operation against a key holding the wrong kind of value",
           "LPUSH user:1 x");
}

static void use_pipeline(redisContext *context, int port)
{
    (void)port;
    for (int i = 0; i < 1000; i++)
        redisAppendCommand(context, "RPUSH numbers %d", i);
    redisAppendCommand(context, "LRANGE numbers 497 499");
    char wanted[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(wanted, sizeof wanted, "%d", i + 1);
        expect_next(context, wanted);
    }
    expect_next(context, "497 498 499");
}

static void use_queue(redisContext *context, int port)
{
    redisContext *worker = connect_to(port);
    redisAppendCommand(worker, "BRPOP urgent jobs 0");
    int done = 0;
    while (!done)
        redisBufferWrite(worker, &done);
    expect(context, "2", "LPUSH jobs first second");
    expect_next(worker, "jobs first");
    expect(worker, "second", "BLMOVE jobs working RIGHT LEFT 0");
    expect(context, "second", "LRANGE working 0 -1");
    expect(context, "1", "LREM working 1 second");
    expect(worker, "(nil)", "BRPOP jobs 0.01");
    redisFree(worker);
}

static void use_transaction(redisContext *context, int port)
{
    redisContext *other = connect_to(port);
    expect(context, "OK", "SET balance 100");
    expect(context, "OK", "WATCH balance");
    expect(context, "OK", "MULTI");
    expect(context, "QUEUED", "DECRBY balance 30");
    expect(context, "QUEUED", "LPUSH history -30");
    expect(context, "70 1", "EXEC");
    expect(context, "OK", "WATCH balance");
    expect(other, "OK", "SET balance 0");
    expect(context, "OK", "MULTI");
    expect(context, "QUEUED", "DECRBY balance 30");
    expect(context, "(nil)", "EXEC");
    expect(context, "0", "GET balance");
    redisFree(other);
}

static void use_messages(redisContext *context, int port)
{
    redisContext *subscriber = connect_to(port);
    expect(subscriber, "subscribe news 1", "SUBSCRIBE news");
    expect(subscriber, "psubscribe user:* 2", "PSUBSCRIBE user:*");
    expect(context, "1", "PUBLISH news %s", "hello");
    expect(context, "1", "PUBLISH user:7 %s", "here");
    expect_next(subscriber, "message news hello");
    expect_next(subscriber, "pmessage user:* user:7 here");
    expect(subscriber, "unsubscribe news 1", "UNSUBSCRIBE news");
    redisFree(subscriber);
    expect(context, "0", "PUBLISH news nobody");
}

static void use_sets(redisContext *context, int port)
{
    (void)port;
    expect(context, "3", "SADD red apple rose fire");
    expect(context, "2", "SADD plants apple tree");
    expect(context, "apple", "SINTER red plants");
    expect(context, "1 0", "SMISMEMBER red fire tree");
    expect(context, "3", "ZADD board 100 ada 250 bob 175 cyd");
    expect(context, "bob 250 cyd 175", "ZRANGE board 0 1 REV WITHSCORES");
    expect(context, "cyd bob", "ZRANGEBYSCORE board (100 +inf");
    expect(context, "2", "ZREVRANK board ada");
}

static const struct {
    const char *name;
    void (*use)(redisContext *context, int port);
} uses[] = {
    {"hash", use_hash},         {"pipeline", use_pipeline},
    {"queue", use_queue},       {"transaction", use_transaction},
    {"messages", use_messages}, {"sets", use_sets},
};

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    int port = atoi(argv[1]);
    redisContext *context = connect_to(port);
    for (int i = 2; i < argc; i++) {
        for (size_t j = 0; j < sizeof uses / sizeof uses[0]; j++) {
            if (strcmp(uses[j].name, argv[i]) == 0) {
                uses[j].use(context, port);
                printf("%s\n", argv[i]);
            }
        }
    }
    redisFree(context);
    return 0;
}
