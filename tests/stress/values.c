/*
 * Requests about collections. Keys are few, so that loops meet on them, and named by the type that they mostly have; collections are
 * small and large, since they change from one form to the other under load.
 */
#include "values.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static const char any_reply[] = "+-:$*%~_,#=(";

/* A number that is mostly small, so that elements meet, and large enough now and then to make a large collection. */
static uint32_t element(struct client *c)
{
    return pick(c, pick(c, 4) == 0 ? 5000 : 60);
}

/* A request with many arguments: VERB KEY [before] element …, each followed by a value if `pairs`. */
static void ask_many(struct client *c, const char *verb, const char *letter, bool score_first, bool pairs)
{
    char text[64];
    int count = 1 + (int)pick(c, pick(c, 10) == 0 ? 400 : 6);
    put(c, text, (size_t)snprintf(text, sizeof text, "*%d\r\n", 2 + count * (pairs ? 2 : 1)));
    put_argument(c, verb, strlen(verb));
    put_argument(c, text, (size_t)snprintf(text, sizeof text, "%s:%u", letter, pick(c, 6)));
    for (int i = 0; i < count; i++) {
        const char *word = pick(c, 2) == 0 ? "" : "element-";
        if (pairs && score_first) {
            put_argument(c, text, (size_t)snprintf(text, sizeof text, "%u.5", pick(c, 100)));
        }
        put_argument(c, text, (size_t)snprintf(text, sizeof text, "%s%u", word, element(c)));
        if (pairs && !score_first) {
            put_argument(c, text, (size_t)snprintf(text, sizeof text, "value-%u", pick(c, 1000000)));
        }
    }
    c->allowed[c->count++] = ":-+";
}

static void ask_about_lists(struct client *c)
{
    uint32_t k = pick(c, 6), n = element(c);
    switch (pick(c, 18)) {
    case 0: ask_many(c, "RPUSH", "l", false, false); break;
    case 1: ask_many(c, "LPUSH", "l", false, false); break;
    case 2: ask(c, "$*-_", "LPOP l:%u", k); break;
    case 3: ask(c, "$*-_", "RPOP l:%u %u", k, n % 9); break;
    case 4: ask(c, "*-", "LRANGE l:%u %u %u", k, n % 50, n); break;
    case 5: ask(c, "$-_", "LINDEX l:%u -%u", k, n); break;
    case 6: ask(c, "+-", "LSET l:%u %u x%u", k, n % 40, n); break;
    case 7: ask(c, ":-", "LINSERT l:%u BEFORE element-%u y", k, n); break;
    case 8: ask(c, ":-", "LREM l:%u %d element-%u", k, (int)(n % 5) - 2, n); break;
    case 9: ask(c, "+-", "LTRIM l:%u %u -2", k, n % 3); break;
    case 10: ask(c, "$-_", "LMOVE l:%u l:%u LEFT RIGHT", k, n % 6); break;
    case 11: ask(c, "*-_", "BLPOP l:%u l:%u 0.00%u", k, n % 6, 1 + n % 5); break;
    case 12: ask(c, "*-_", "BRPOP l:%u 0.00%u", k, 1 + n % 5); break;
    case 13: ask(c, "$*-_", "BLMOVE l:%u l:%u LEFT LEFT 0.00%u", k, n % 6, 1 + n % 5); break;
    case 14: ask(c, "*-_", "BLMPOP 0.002 2 l:%u l:%u LEFT COUNT %u", k, n % 6, 1 + n % 5); break;
    case 15: ask(c, ":-*_$", "LPOS l:%u element-%u", k, n); break;
    case 16: ask(c, "*-:~", "SORT l:%u ALPHA LIMIT %u 10", k, n % 9); break;
    default: ask(c, ":-", "LLEN l:%u", k);
    }
}

static void ask_about_hashes(struct client *c)
{
    uint32_t k = pick(c, 6), n = element(c);
    switch (pick(c, 14)) {
    case 0: ask_many(c, "HSET", "h", false, true); break;
    case 1: ask_many(c, "HDEL", "h", false, false); break;
    case 2: ask(c, "$-_", "HGET h:%u element-%u", k, n); break;
    case 3: ask(c, "*%-", "HGETALL h:%u", k); break;
    case 4: ask(c, "*%~-", "HKEYS h:%u", k); break;
    case 5: ask(c, ":-", "HINCRBY h:%u %u 1", k, n); break;
    case 6: ask(c, "$,-", "HINCRBYFLOAT h:%u f%u 1.25", k, n % 9); break;
    case 7: ask(c, "*-", "HSCAN h:%u %u COUNT 100", k, n); break;
    case 8: ask(c, "*-$_", "HRANDFIELD h:%u -%u WITHVALUES", k, n % 20); break;
    case 9: ask(c, "*-", "HPEXPIRE h:%u %u FIELDS 2 %u element-%u", k, 1 + n % 30, n, n); break;
    case 10: ask(c, "*-", "HTTL h:%u FIELDS 1 %u", k, n); break;
    case 11: ask(c, "*-", "HPERSIST h:%u FIELDS 1 %u", k, n); break;
    case 12: ask(c, "*-", "HMGET h:%u %u element-%u", k, n, n); break;
    default: ask(c, ":-", "HLEN h:%u", k);
    }
}

static void ask_about_sets(struct client *c)
{
    uint32_t k = pick(c, 6), n = element(c);
    switch (pick(c, 14)) {
    case 0:
    case 1: ask_many(c, "SADD", "s", false, false); break;
    case 2: ask_many(c, "SREM", "s", false, false); break;
    case 3: ask(c, ":-", "SISMEMBER s:%u %u", k, n); break;
    case 4: ask(c, "$*~-_", "SPOP s:%u %u", k, n % 9); break;
    case 5: ask(c, "$*-_", "SRANDMEMBER s:%u -%u", k, n % 9); break;
    case 6: ask(c, "*~-", "SINTER s:%u s:%u", k, n % 6); break;
    case 7: ask(c, ":-", "SUNIONSTORE s:%u s:%u s:%u", k, n % 6, n % 5); break;
    case 8: ask(c, ":-", "SDIFFSTORE s:%u s:%u s:%u", k, n % 6, n % 5); break;
    case 9: ask(c, ":-", "SMOVE s:%u s:%u %u", k, n % 6, n); break;
    case 10: ask(c, "*-", "SSCAN s:%u %u COUNT 100", k, n); break;
    case 11: ask(c, "*~-", "SMEMBERS s:%u", k); break;
    case 12: ask(c, ":-", "SINTERCARD 2 s:%u s:%u LIMIT 5", k, n % 6); break;
    default: ask(c, ":-", "SCARD s:%u", k);
    }
}

static void ask_about_sorted_sets(struct client *c)
{
    uint32_t k = pick(c, 6), n = element(c);
    switch (pick(c, 20)) {
    case 0:
    case 1: ask_many(c, "ZADD", "z", true, true); break;
    case 2: ask_many(c, "ZREM", "z", false, false); break;
    case 3: ask(c, "*-", "ZRANGE z:%u 0 %u WITHSCORES", k, n); break;
    case 4: ask(c, "*-", "ZRANGE z:%u %u +inf BYSCORE LIMIT 1 9", k, n % 90); break;
    case 5: ask(c, "$,-_", "ZSCORE z:%u %u", k, n); break;
    case 6: ask(c, ":-_$", "ZRANK z:%u element-%u", k, n); break;
    case 7: ask(c, "$,-", "ZINCRBY z:%u 1 %u", k, n); break;
    case 8: ask(c, "*-", "ZPOPMIN z:%u %u", k, n % 9); break;
    case 9: ask(c, ":-", "ZREMRANGEBYRANK z:%u %u %u", k, n % 20, n % 40); break;
    case 10: ask(c, ":-", "ZUNIONSTORE z:%u 2 z:%u s:%u", k, n % 6, n % 5); break;
    case 11: ask(c, ":-", "ZRANGESTORE z:%u z:%u 0 %u", k, n % 6, n); break;
    case 12: ask(c, "*-_", "BZPOPMIN z:%u z:%u 0.00%u", k, n % 6, 1 + n % 5); break;
    case 13: ask(c, "*-_", "ZMPOP 2 z:%u z:%u MAX COUNT %u", k, n % 6, 1 + n % 9); break;
    case 14: ask(c, "*-", "ZSCAN z:%u %u COUNT 100", k, n); break;
    case 15: ask(c, "*-$_", "ZRANDMEMBER z:%u -%u", k, n % 9); break;
    case 16: ask(c, ":-", "GEOADD z:%u %u.5 %u.25 %u", k, n % 179, n % 84, n); break;
    case 17: ask(c, "*-", "GEOSEARCH z:%u FROMLONLAT 5 5 BYRADIUS %u00 km WITHDIST", k, n % 50); break;
    case 18:
        ask(c, ":-", "GEOSEARCHSTORE z:%u z:%u FROMLONLAT 5 5 BYBOX 900 900 km COUNT %u", k, n % 6, 1 + n);
        break;
    default: ask(c, "*-", "ZDIFF 2 z:%u z:%u", k, n % 6);
    }
}

static void ask_about_other_things(struct client *c)
{
    uint32_t k = pick(c, 6), n = element(c);
    const char *letter = (const char *[]){"l", "h", "s", "z", "p"}[pick(c, 5)];
    switch (pick(c, 20)) {
    case 0: ask_many(c, "PFADD", "p", false, false); break;
    case 1: ask(c, ":-", "PFCOUNT p:%u p:%u", k, n % 6); break;
    case 2: ask(c, "+-", "PFMERGE p:%u p:%u p:%u", k, n % 6, n % 5); break;
    case 3: ask(c, ":-", "PUBLISH channel:%u message-%u", k, n); break;
    case 4: ask(c, ":-", "SPUBLISH channel:%u message-%u", k, n); break;
    case 5: ask(c, ":-", "DEL %s:%u", letter, k); break;
    case 6: ask(c, ":-", "UNLINK %s:%u", letter, k); break;
    case 7: ask(c, ":-", "COPY %s:%u %s:%u REPLACE", letter, k, letter, n % 6); break;
    case 8: ask(c, "+-", "RENAME %s:%u %s:%u", letter, k, letter, n % 6); break;
    case 9: ask(c, "$-_", "DUMP %s:%u", letter, k); break;
    case 10: ask(c, "$-_", "OBJECT ENCODING %s:%u", letter, k); break;
    case 11: ask(c, ":-_$", "MEMORY USAGE %s:%u", letter, k); break;
    case 12: ask(c, ":-", "PEXPIRE %s:%u %u", letter, k, n); break;
    case 13: ask(c, ":-", "MOVE %s:%u %u", letter, k, n % 4); break;
    case 14: ask(c, "+-", "CLIENT TRACKING %s", n % 2 == 0 ? "ON" : "OFF"); break;
    case 15: ask(c, "+-", "CONFIG SET notify-keyspace-events %s", n % 2 == 0 ? "KEA" : "KE"); break;
    case 16:
        ask(c, "+-", "CONFIG SET %s-max-listpack-entries %u", (const char *[]){"hash", "set", "zset"}[n % 3],
            k * 30);
        break;
    case 17: ask(c, "+-", "BGSAVE"); break; /* so that a snapshot runs nearly always */
    case 18: ask(c, "+-", "CONFIG SET rdb-key-save-delay %u", k * k * k / 4); break;
    default: ask(c, "*-", "PUBSUB CHANNELS");
    }
}

void ask_about_values(struct client *c)
{
    switch (pick(c, 5)) {
    case 0: ask_about_lists(c); break;
    case 1: ask_about_hashes(c); break;
    case 2: ask_about_sets(c); break;
    case 3: ask_about_sorted_sets(c); break;
    default: ask_about_other_things(c);
    }
}

void ask_transaction(struct client *c)
{
    int from = c->count;
    if (pick(c, 3) == 0) {
        ask(c, any_reply, "WATCH l:%u h:%u k:%u", pick(c, 6), pick(c, 6), pick(c, 12));
    }
    ask(c, any_reply, "MULTI");
    for (int i = (int)pick(c, TRANSACTION_MOST - 3); i > 0; i--) {
        ask_about_values(c);
    }
    if (pick(c, 10) == 0) {
        ask(c, any_reply, "DISCARD");
    } else {
        ask(c, any_reply, "EXEC");
    }
    for (int i = from; i < c->count; i++) {
        c->allowed[i] = any_reply; /* what is queued, and all the rest where MULTI was refused */
    }
}

void subscribe(struct client *c)
{
    struct timeval moment = {.tv_usec = 100000};
    size_t len;
    ask(c, any_reply, "AUTH default stress");
    if (!exchange(c)) {
        hang_up(c);
        return;
    }
    ask(c, "*->", "SUBSCRIBE channel:%u", pick(c, 6));
    ask(c, "*->", "PSUBSCRIBE channel:* __key*");
    ask(c, "*->", "SSUBSCRIBE channel:%u", pick(c, 6));
    c->count = 0;
    if (send_all(c, c->out_len)) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
        for (int reads = 0; reads < 50;) {
            len = c->in_len > c->in_at ? reply_length(c->in + c->in_at, c->in_len - c->in_at) : 0;
            if (len == 0) {
                must_grow(&c->in, &c->in_cap, c->in_len + 64 * 1024);
                ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
                if (n <= 0) {
                    break;
                }
                c->in_len += (size_t)n;
                reads++;
                continue;
            }
            if (strchr("*->", c->in[c->in_at]) == NULL) {
                broken("a subscriber reads %.*s", (int)(len < 200 ? len : 200), c->in + c->in_at);
            }
            c->in_at += len;
        }
    }
    hang_up(c);
}
