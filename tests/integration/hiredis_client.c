/*
 * A program as users write them on hiredis: blocking calls, binary values, a pipeline, and errors that are looked at.
 * Run as `hiredis_client HOST PORT` it exercises an empty server and prints one line for each promise; the exit
 * status is 1 when one is broken. Run as `hiredis_client HOST PORT incr KEY COUNT` it increments a key in pipelines,
 * and as `hiredis_client HOST PORT getdel PREFIX COUNT` it takes PREFIX0 … and prints how many it got: many such
 * processes at once are the load of test_concurrency.py.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { PIPELINE = 64, BIG = 1 << 20 };

static int broken;

static void promise(const char *what, int kept)
{
    printf("%s: %s\n", kept ? "ok" : "BROKEN", what);
    broken |= !kept;
}

/* Whether the reply is of that type and, where `text` is given, has just that text. Frees the reply. */
static int reply_is(redisReply *reply, int type, const char *text)
{
    int same = reply != NULL && reply->type == type;
    if (same && text != NULL) {
        same = reply->len == strlen(text) && memcmp(reply->str, text, reply->len) == 0;
    }
    if (!same && reply != NULL) {
        printf("  type %d: %.*s\n", reply->type, (int)reply->len, reply->str == NULL ? "" : reply->str);
    }
    freeReplyObject(reply);
    return same;
}

static int reply_number(redisReply *reply, long long number)
{
    int same = reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer == number;
    freeReplyObject(reply);
    return same;
}

static redisContext *dial(const char *host, int port)
{
    struct timeval limit = {.tv_sec = 60};
    redisContext *context = redisConnectWithTimeout(host, port, limit);
    if (context == NULL || context->err != 0) {
        fprintf(stderr, "connect: %s\n", context == NULL ? "no memory" : context->errstr);
        exit(1);
    }
    redisSetTimeout(context, limit);
    return context;
}

static void strings(redisContext *context)
{
    promise("SET is acknowledged",
            reply_is(redisCommand(context, "SET %s %s", "name", "Grace"), REDIS_REPLY_STATUS, "OK"));
    promise("GET gives it back", reply_is(redisCommand(context, "GET name"), REDIS_REPLY_STRING, "Grace"));
    promise("an absent key is nil", reply_is(redisCommand(context, "GET absent"), REDIS_REPLY_NIL, NULL));
    promise("SET NX refuses by nil", reply_is(redisCommand(context, "SET name x NX"), REDIS_REPLY_NIL, NULL));
    promise("APPEND counts", reply_number(redisCommand(context, "APPEND name %s", " Hopper"), 12));
    promise("GETDEL takes it",
            reply_is(redisCommand(context, "GETDEL name"), REDIS_REPLY_STRING, "Grace Hopper"));
    promise("and it is gone", reply_number(redisCommand(context, "EXISTS name"), 0));
    promise("an error is an error", reply_is(redisCommand(context, "INCR"), REDIS_REPLY_ERROR,
                                             "ERR wrong number of arguments for 'incr' command"));
    promise("and the connection goes on", context->err == 0);
}

static void binary(redisContext *context)
{
    static char value[BIG];
    for (size_t position = 0; position < sizeof value; position++) {
        value[position] = (char)(position * 31 + position / 256);
    }
    promise("a megabyte of any bytes is taken",
            reply_is(redisCommand(context, "SET %b %b", "k\0y", (size_t)3, value, sizeof value),
                     REDIS_REPLY_STATUS, "OK"));
    redisReply *reply = redisCommand(context, "GET %b", "k\0y", (size_t)3);
    promise("and comes back the same",
            reply != NULL && reply->len == sizeof value && memcmp(reply->str, value, sizeof value) == 0);
    freeReplyObject(reply);
}

static void expiry(redisContext *context)
{
    promise("SET EX", reply_is(redisCommand(context, "SET session abc EX 100"), REDIS_REPLY_STATUS, "OK"));
    promise("TTL", reply_number(redisCommand(context, "TTL session"), 100));
    promise("PERSIST", reply_number(redisCommand(context, "PERSIST session"), 1));
    promise("no TTL any more", reply_number(redisCommand(context, "TTL session"), -1));
    promise("a deadline in the past deletes", reply_number(redisCommand(context, "EXPIREAT session 1"), 1));
    promise("at once", reply_number(redisCommand(context, "TTL session"), -2));
}

static void pipeline(redisContext *context)
{
    enum { DEPTH = 10000 };
    for (int number = 0; number < DEPTH; number++) {
        redisAppendCommand(context, "INCR counter");
    }
    int right = 0;
    for (int number = 1; number <= DEPTH; number++) {
        redisReply *reply = NULL;
        if (redisGetReply(context, (void **)&reply) != REDIS_OK) {
            break;
        }
        right += reply_number(reply, number);
    }
    promise("10,000 replies of a pipeline in order", right == DEPTH);
}

static void many(redisContext *context)
{
    promise("MSET", reply_is(redisCommand(context, "MSET a 1 b 2 c 3"), REDIS_REPLY_STATUS, "OK"));
    redisReply *reply = redisCommand(context, "MGET a b absent c");
    promise("MGET gives an array with a nil where nothing is",
            reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 4 &&
                strcmp(reply->element[0]->str, "1") == 0 && strcmp(reply->element[1]->str, "2") == 0 &&
                reply->element[2]->type == REDIS_REPLY_NIL && strcmp(reply->element[3]->str, "3") == 0);
    freeReplyObject(reply);
}

/* Increments `key` so often; returns the last value. */
static long long increment(redisContext *context, const char *key, long count)
{
    long long last = 0;
    while (count > 0) {
        int batch = count < PIPELINE ? (int)count : PIPELINE;
        for (int number = 0; number < batch; number++) {
            redisAppendCommand(context, "INCR %s", key);
        }
        for (int number = 0; number < batch; number++) {
            redisReply *reply = NULL;
            if (redisGetReply(context, (void **)&reply) != REDIS_OK || reply->type != REDIS_REPLY_INTEGER ||
                reply->integer <= last) {
                fprintf(stderr, "INCR after %lld: %s\n", last, context->errstr);
                exit(1);
            }
            last = reply->integer;
            freeReplyObject(reply);
        }
        count -= batch;
    }
    return last;
}

/* Takes `prefix`0 … `prefix`(count - 1) by GETDEL; returns how many of the values it was given. */
static long take(redisContext *context, const char *prefix, long count)
{
    long taken = 0;
    for (long first = 0; first < count; first += PIPELINE) {
        long batch = count - first < PIPELINE ? count - first : PIPELINE;
        for (long number = first; number < first + batch; number++) {
            redisAppendCommand(context, "GETDEL %s%ld", prefix, number);
        }
        for (long number = 0; number < batch; number++) {
            redisReply *reply = NULL;
            if (redisGetReply(context, (void **)&reply) != REDIS_OK) {
                fprintf(stderr, "GETDEL: %s\n", context->errstr);
                exit(1);
            }
            taken += reply->type == REDIS_REPLY_STRING;
            freeReplyObject(reply);
        }
    }
    return taken;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 6) {
        fprintf(stderr, "usage: %s HOST PORT [incr KEY COUNT | getdel PREFIX COUNT]\n", argv[0]);
        return 2;
    }
    redisContext *context = dial(argv[1], atoi(argv[2]));
    if (argc == 6) {
        long count = strtol(argv[5], NULL, 10);
        printf("%lld\n",
               argv[3][0] == 'i' ? increment(context, argv[4], count) : take(context, argv[4], count));
    } else {
        strings(context);
        binary(context);
        expiry(context);
        pipeline(context);
        many(context);
    }
    redisFree(context);
    return broken;
}
