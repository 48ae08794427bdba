#include "replication/handshake.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "logger.h"
#include "net/reply.h"
#include "types/number.h"

static __attribute__((format(printf, 2, 3))) bool fail(struct link *link, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(link->error, sizeof link->error, format, args);
    va_end(args);
    return false;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Sends a command, and reads the line of its reply. */
static bool ask(struct link *link, const char *const *words, size_t count, char *line)
{
    struct reply command = {.resp = 2};
    reply_array(&command, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        reply_bulk_string(&command, words[i]);
    }
    bool sent = !command.failed && link_write(link, command.data, command.len);
    reply_free(&command);
    return sent && link_read_line(link, line, LINK_LINE);
}

static bool say_hello(struct link *link)
{
    static const char *const harmless[] = {"+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"};
    char line[LINK_LINE];
    if (!ask(link, (const char *[]){"PING"}, 1, line)) {
        return false;
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (begins(line, harmless[i])) {
            return true;
        }
    }
    return fail(link, "Error reply to PING from master: '%s'", line);
}

static bool authenticate(struct link *link, const struct handshake_own *own)
{
    char line[LINK_LINE];
    const char *words[] = {"AUTH", own->user, own->password};
    bool named = own->user[0] != '\0';
    if (own->password[0] == '\0') {
        return true;
    }
    if (!named) {
        words[1] = own->password;
    }
    if (!ask(link, words, named ? 3 : 2, line)) {
        return false;
    }
    return line[0] != '-' || fail(link, "Unable to AUTH to MASTER: %s", line);
}

/* Something that a master need not understand. */
static bool tell(struct link *link, const char *const *words, size_t count)
{
    char line[LINK_LINE];
    if (!ask(link, words, count, line)) {
        return false;
    }
    if (line[0] == '-') {
        logger_notice("(Non critical) Master does not understand REPLCONF %s: %s", words[1], line);
    }
    return true;
}

static bool introduce(struct link *link, const struct handshake_own *own)
{
    char port[16];
    snprintf(port, sizeof port, "%d", own->port);
    if (!tell(link, (const char *[]){"REPLCONF", "listening-port", port}, 3)) {
        return false;
    }
    if (own->announce_ip[0] != '\0' &&
        !tell(link, (const char *[]){"REPLCONF", "ip-address", own->announce_ip}, 3)) {
        return false;
    }
    return tell(link,
                (const char *[]){"REPLCONF", "capa", "eof", "capa", "psync2", "capa",
                                 own->recovers ? "recovers" : "ordinal"},
                7);
}

/* False: the link is gone. A master that is no Ordinal has no such history: epoch 0. */
static bool ask_history(struct link *link, struct history_line *history, bool *told)
{
    char line[LINK_LINE];
    *history = (struct history_line){.epoch = 0};
    if (!ask(link, (const char *[]){"REPLCONF", "history"}, 2, line)) {
        return false;
    }
    *told = line[0] == '+' && history_line_read(line + 1, history);
    return true;
}

bool handshake_ask_history(struct link *link, const struct handshake_own *own, struct history_line *history)
{
    bool told = false;
    return say_hello(link) && authenticate(link, own) && ask_history(link, history, &told) && told;
}

/* ---- PSYNC ------------------------------------------------------------------------------------------------ */

static bool take_id(struct link *link, const char *text, struct handshake_result *result)
{
    size_t len = strcspn(text, " ");
    if (len != HANDSHAKE_ID) {
        return fail(link, "The master's answer to PSYNC names no history: '%s'", text);
    }
    memcpy(result->id, text, len);
    result->id[len] = '\0';
    return true;
}

static enum handshake_answer take_full(struct link *link, const char *text, struct handshake_result *result)
{
    const char *offset = strchr(text, ' ');
    int64_t number;
    if (!take_id(link, text, result)) {
        return HANDSHAKE_FAILED;
    }
    if (offset == NULL || !number_parse_i64(offset + 1, strlen(offset + 1), &number) || number < 0) {
        fail(link, "The master's answer to PSYNC has no offset: '%s'", text);
        return HANDSHAKE_FAILED;
    }
    result->offset = (uint64_t)number;
    return HANDSHAKE_FULL;
}

static enum handshake_answer judge(struct link *link, const char *line, struct handshake_result *result)
{
    static const char full[] = "+FULLRESYNC ", goes_on[] = "+CONTINUE";
    if (begins(line, full)) {
        return take_full(link, line + sizeof full - 1, result);
    }
    if (begins(line, goes_on)) {
        const char *id = line + sizeof goes_on - 1;
        return *id == '\0' || take_id(link, id + 1, result) ? HANDSHAKE_CONTINUE : HANDSHAKE_FAILED;
    }
    result->refused = line[0] == '-';
    if (begins(line, "-NOMASTERLINK") || begins(line, "-LOADING")) {
        fail(link, "Master is currently unable to PSYNC but should be in the future: %s", line);
        return HANDSHAKE_LATER;
    }
    if (begins(line, "-ERR unknown command") || begins(line, "-ERR Unknown command")) {
        return HANDSHAKE_OLD;
    }
    fail(link, "Unexpected reply to PSYNC from master: %s", line);
    return HANDSHAKE_FAILED;
}

static enum handshake_answer ask_for_data(struct link *link, const struct handshake_own *own,
                                          struct handshake_result *result)
{
    char line[LINK_LINE], offset[32];
    bool knows = own->id != NULL;
    snprintf(offset, sizeof offset, "%llu", (unsigned long long)own->offset + 1);
    const char *const words[] = {"PSYNC", knows ? own->id : "?", knows ? offset : "-1", "FAILOVER"};
    if (!ask(link, words, own->fails_over ? 4 : 3, line)) {
        return HANDSHAKE_FAILED;
    }
    enum handshake_answer answer = judge(link, line, result);
    if (answer == HANDSHAKE_CONTINUE && !knows) {
        fail(link, "The master goes on with a history that was not asked for");
        return HANDSHAKE_FAILED;
    }
    if (answer == HANDSHAKE_OLD && !link_write(link, "SYNC\r\n", 6)) {
        return HANDSHAKE_FAILED;
    }
    return answer;
}

static bool tell_member(struct link *link, const struct handshake_own *own)
{
    char ordinal[16];
    snprintf(ordinal, sizeof ordinal, "%d", own->ordinal);
    return tell(link, (const char *[]){"REPLCONF", "node-id", own->node_id, "ordinal", ordinal}, 5);
}

/* Each master that serves takes a later epoch than any it has heard of: one that is in this node's epoch with another id has not heard
 * of it. */
static bool is_behind(const struct history_line *history, const struct handshake_own *own)
{
    return history->epoch < own->epoch || (own->epoch > 0 && history->epoch == own->epoch &&
                                           own->id != NULL && strcmp(history->id, own->id) != 0);
}

enum handshake_answer handshake_run(struct link *link, const struct handshake_own *own,
                                    struct handshake_result *result)
{
    *result = (struct handshake_result){.id = ""};
    struct history_line history;
    bool told = false;
    if (!say_hello(link) || !authenticate(link, own) || !introduce(link, own)) {
        return HANDSHAKE_FAILED;
    }
    int64_t asked = clock_now();
    if (!ask_history(link, &history, &told)) {
        return HANDSHAKE_FAILED;
    }
    int64_t heard = clock_now();
    if (told && is_behind(&history, own)) {
        if (tell(link, (const char *[]){"REPLCONF", "newer", "history"}, 3)) {
            fail(link,
                 "The master's history is older than this node's (epoch %lld, here %lld): it is not followed",
                 (long long)history.epoch, (long long)own->epoch);
        }
        return HANDSHAKE_FAILED;
    }
    if (told && own->node_id != NULL && !tell_member(link, own)) {
        return HANDSHAKE_FAILED;
    }
    enum handshake_answer answer = ask_for_data(link, own, result);
    result->history = history;
    result->asked = asked;
    result->heard = heard;
    return answer;
}

bool handshake_await_bulk(struct link *link, struct handshake_bulk *bulk)
{
    static const char marked[] = "$EOF:";
    char line[LINK_LINE];
    int64_t size;
    *bulk = (struct handshake_bulk){.size = 0};
    if (!link_read_line(link, line, sizeof line)) {
        return false;
    }
    if (line[0] == '-') {
        return fail(link, "MASTER aborted replication with an error: %s", line + 1);
    }
    if (begins(line, marked) && strlen(line) == sizeof marked - 1 + HANDSHAKE_ID) {
        bulk->marked = true;
        memcpy(bulk->mark, line + sizeof marked - 1, HANDSHAKE_ID);
        return true;
    }
    if (line[0] != '$' || !number_parse_i64(line + 1, strlen(line + 1), &size) || size <= 0) {
        return fail(link, "Bad protocol from MASTER, the first byte is not '$' (we received '%.128s')", line);
    }
    bulk->size = (uint64_t)size;
    return true;
}
