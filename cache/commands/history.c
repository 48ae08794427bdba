#include "commands/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cgroup.h"
#include "commands/server.h"
#include "logger.h"
#include "persist/snapshot.h"
#include "types/number.h"

static void draw_id(char *id)
{
    uint8_t bytes[HISTORY_ID / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        perror("ordinal: getrandom");
        abort();
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void set_id(char *id, struct slice text)
{
    size_t len = text.len < HISTORY_ID ? text.len : HISTORY_ID;
    memcpy(id, text.ptr, len);
    id[len] = '\0';
}

static void forget_past(struct history *history)
{
    memset(history->id2, '0', HISTORY_ID);
    history->id2[HISTORY_ID] = '\0';
    history->end2 = -1;
}

void history_init(struct server *server)
{
    draw_id(server->history.id);
    forget_past(&server->history);
    server->history.memory_limit = cgroup_memory_limit("");
}

/* ---- what is asked ----------------------------------------------------------------------------------- */

int64_t history_offset(const struct server *server)
{
    return history_of_log(&server->history, log_end(&server->log));
}

bool history_has(struct server *server, struct slice id, int64_t offset)
{
    const struct history *history = &server->history;
    bool present = slice_equal(id, (struct slice){history->id, HISTORY_ID});
    bool past = slice_equal(id, (struct slice){history->id2, HISTORY_ID}) && offset <= history->end2;
    return history->backlog && (present || past) && offset <= history_offset(server) &&
           offset >= history_of_log(history, log_history_from(&server->log));
}

/* ---- ids --------------------------------------------------------------------------------------------- */

void history_renew(struct server *server)
{
    draw_id(server->history.id);
    forget_past(&server->history);
    log_forget_history(&server->log);
}

void history_rename(struct server *server, struct slice id)
{
    struct history *history = &server->history;
    memcpy(history->id2, history->id, sizeof history->id2);
    history->end2 = history_offset(server);
    set_id(history->id, id);
}

void history_shift(struct server *server)
{
    char id[HISTORY_ID + 1];
    draw_id(id);
    history_rename(server, (struct slice){id, HISTORY_ID});
    logger_notice(
        "Setting secondary replication ID to %s, valid up to offset: %lld. New replication ID is %s",
        server->history.id2, (long long)server->history.end2 + 1, id);
}

void history_serve(struct server *server)
{
    server->history.epoch++;
    history_shift(server);
}

void history_adopt(struct server *server, struct slice id, int64_t offset)
{
    struct history *history = &server->history;
    set_id(history->id, id);
    forget_past(history);
    history->base = (uint64_t)offset - log_end(&server->log);
    log_forget_history(&server->log);
}

void history_resume(struct server *server, const struct history_mark *mark)
{
    struct history *history = &server->history;
    history_adopt(server, (struct slice){mark->id, HISTORY_ID}, mark->offset);
    history->epoch = mark->epoch;
    if (history_begin_backlog(server)) {
        draw_id(history->id);
        set_id(history->id2, (struct slice){mark->id, HISTORY_ID});
        history->end2 = mark->offset;
    }
}

/* ---- the backlog ------------------------------------------------------------------------------------- */

int64_t history_backlog_size(const struct server *server)
{
    enum { SHARE = 10 };
    int64_t size = server->config->repl_backlog_size;
    int64_t memory = server->history.memory_limit;
    bool own = size != CONFIG_DEFAULT_BACKLOG;
    return own || memory <= 0 || memory / SHARE > size ? size : memory / SHARE;
}

void history_apply_backlog_size(struct server *server)
{
    if (server->history.backlog) {
        log_keep_history(&server->log, (uint64_t)history_backlog_size(server));
    }
}

bool history_begin_backlog(struct server *server)
{
    struct history *history = &server->history;
    if (!history->backlog) {
        history->backlog = log_keep_history(&server->log, (uint64_t)history_backlog_size(server));
        if (history->backlog && log_is_on(&server->log)) {
            history_renew(server);
        }
    }
    return history->backlog;
}

void history_end_backlog(struct server *server)
{
    if (server->history.backlog) {
        server->history.backlog = false;
        log_keep_history(&server->log, 0);
        history_renew(server);
    }
}

/* ---- RDB files --------------------------------------------------------------------------------------- */

void history_mark_snapshot(const struct server *server, struct snapshot_options *options)
{
    if (server->history.backlog) {
        memcpy(options->replication_id, server->history.id, sizeof options->replication_id);
        options->replication_offset = history_offset(server);
        options->replication_epoch = server->history.epoch;
        options->replication_db = server->history.stream_db;
    }
}

bool history_note(struct history_mark *mark, struct slice name, struct slice value)
{
    int64_t number = -1;
    bool is_number = number_parse_i64(value.ptr, value.len, &number);
    if (slice_equal(name, SLICE("repl-id"))) {
        set_id(mark->id, value.len == HISTORY_ID ? value : SLICE(""));
    } else if (slice_equal(name, SLICE("repl-offset"))) {
        mark->offset = is_number ? number : -1;
    } else if (slice_equal(name, SLICE("repl-epoch"))) {
        mark->epoch = is_number && number > 0 ? number : 0;
    } else if (slice_equal(name, SLICE("repl-stream-db"))) {
        mark->db = is_number && number >= 0 && number <= INT32_MAX ? (int)number : 0;
    } else {
        return false;
    }
    return true;
}
