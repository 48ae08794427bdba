/*
 * The usual case is one command with a few short arguments in one block of the log: it is sized, its bytes are reserved, and it is
 * written there, with no copy between. The heads of bulk strings ("$5\r\n") come from a table, short arguments are copied by two
 * overlapping moves. SET k v PXAT t costs about 200 instructions so.
 */
#include "commands/propagate.h"

#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC  "*1\r\n$4\r\nEXEC\r\n"

enum {
    SHORT = 256,            /* lengths whose heads stand in the table */
    HEAD_MAX = 32,          /* '$', 20 digits, CR LF */
    UNIT_KEEPS = 64 * 1024, /* bytes of a unit's buffer that stay for the next */
};

/* A command to be logged: bulk strings that are RESP already, arguments in two runs, and again bulk strings. */
struct words {
    struct slice front;
    size_t fronts;
    const struct slice *head, *rest;
    size_t heads, rests;
    struct slice bulks;
    size_t bulk_count;
};

static size_t words_count(const struct words *words)
{
    return words->fronts + words->heads + words->rests + words->bulk_count;
}

/* Heads by length: the text in the lower bytes, how long it is in the highest. */
static uint64_t short_heads[SHORT];

/* Names of fields that have gone, until propagate_gone takes them. One log a process, whose server this is. */
static const struct server *the_server;
static _Thread_local struct reply fields_gone;
static _Thread_local uint64_t fields_gone_count;

void propagate_init(struct server *server)
{
    the_server = server;
    for (uint64_t len = 0; len < SHORT; len++) {
        char text[8] = "$";
        size_t digits = number_format_u64(text + 1, len);
        memcpy(text + 1 + digits, "\r\n", 2);
        memcpy(&short_heads[len], text, sizeof text);
        short_heads[len] |= (uint64_t)(digits + 3) << 56;
    }
}

/* ---- one command, straight into the log ----------------------------------------------------------------- */

static size_t head_size(size_t len)
{
    return len < SHORT ? (size_t)(short_heads[len] >> 56) : number_i64_chars((int64_t)len) + 3;
}

static size_t run_size(const struct slice *argv, size_t argc)
{
    size_t size = 0;
    for (size_t i = 0; i < argc; i++) {
        size += head_size(argv[i].len) + argv[i].len + 2;
    }
    return size;
}

/* "$12\r\n", or "*12\r\n": four bytes or more, and none beyond. */
static inline char *write_head(char *to, char type, size_t len)
{
    if (__builtin_expect(len < SHORT, 1)) {
        uint64_t text = short_heads[len];
        unsigned size = (unsigned)(text >> 56);
        uint32_t end = (uint32_t)(text >> 8 * (size - 4));
        memcpy(to, &text, 4);
        memcpy(to + size - 4, &end, 4);
        to[0] = type;
        return to + size;
    }
    to[0] = type;
    size_t digits = number_format_u64(to + 1, len);
    memcpy(to + 1 + digits, "\r\n", 2);
    return to + digits + 3;
}

/* Copies by moves that overlap where a length is between two sizes of moves. */
static inline char *write_bytes(char *to, const char *from, size_t len)
{
    if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len > 0) {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
    return to + len;
}

static inline char *write_run(char *to, const struct slice *argv, size_t argc)
{
    for (size_t i = 0; i < argc; i++) {
        to = write_head(to, '$', argv[i].len);
        to = write_bytes(to, argv[i].ptr, argv[i].len);
        memcpy(to, "\r\n", 2);
        to += 2;
    }
    return to;
}

static void fill_run(struct log *log, struct log_range *range, const struct slice *argv, size_t argc)
{
    char head[HEAD_MAX];
    for (size_t i = 0; i < argc; i++) {
        log_fill(log, range, head, (size_t)(write_head(head, '$', argv[i].len) - head));
        log_fill(log, range, argv[i].ptr, argv[i].len);
        log_fill(log, range, "\r\n", 2);
    }
}

/* The same where the record lies in several blocks. */
static __attribute__((noinline)) void fill(struct log *log, struct log_range *range,
                                           const struct words *words, size_t argc)
{
    char head[HEAD_MAX];
    log_fill(log, range, head, (size_t)(write_head(head, '*', argc) - head));
    log_fill(log, range, words->front.ptr, words->front.len);
    fill_run(log, range, words->head, words->heads);
    fill_run(log, range, words->rest, words->rests);
    log_fill(log, range, words->bulks.ptr, words->bulks.len);
}

static inline void append(struct worker *w, const struct db *db, const struct words *words)
{
    struct log *log = &w->server->log;
    int slot = w->loop->index;
    struct log_range range;
    size_t argc = words_count(words);
    size_t size = head_size(argc) + words->front.len + run_size(words->head, words->heads) +
                  run_size(words->rest, words->rests) + words->bulks.len;
    char *to = log_reserve(log, slot, db->id, size, &range);
    if (__builtin_expect(to != NULL, 1)) {
        to = write_head(to, '*', argc);
        to = write_bytes(to, words->front.ptr, words->front.len);
        to = write_run(to, words->head, words->heads);
        to = write_run(to, words->rest, words->rests);
        write_bytes(to, words->bulks.ptr, words->bulks.len);
    } else {
        fill(log, &range, words, argc);
    }
    log_commit(log, slot);
}

/* ---- units -------------------------------------------------------------------------------------------------- */

static void gather_run(struct reply *bytes, const struct slice *argv, size_t argc)
{
    for (size_t i = 0; i < argc; i++) {
        reply_bulk_slice(bytes, argv[i]);
    }
}

/* Adds a command to the worker's unit. MULTI stands before the first, and is left out again of a unit of one command. */
static __attribute__((noinline)) void gather(struct worker *w, const struct db *db, const struct words *words)
{
    struct unit *unit = &w->unit;
    if (unit->commands == 0) {
        unit->first_db = unit->db = db->id;
        REPLY_LITERAL(&unit->bytes, MULTI);
    }
    if (unit->db != db->id) {
        reply_array(&unit->bytes, 2);
        reply_bulk_string(&unit->bytes, "SELECT");
        reply_bulk_int(&unit->bytes, db->id);
        unit->db = db->id;
    }
    unit->commands++;
    reply_array(&unit->bytes, (int64_t)words_count(words));
    reply_raw(&unit->bytes, words->front.ptr, words->front.len);
    gather_run(&unit->bytes, words->head, words->heads);
    gather_run(&unit->bytes, words->rest, words->rests);
    reply_raw(&unit->bytes, words->bulks.ptr, words->bulks.len);
}

static inline void put(struct worker *w, const struct db *db, const struct words *words)
{
    if (__builtin_expect(w->unit.depth > 0, 0)) {
        gather(w, db, words);
    } else {
        append(w, db, words);
    }
}

void propagate_settle(struct worker *w)
{
    struct unit *unit = &w->unit;
    struct log *log = &w->server->log;
    int slot = w->loop->index;
    size_t skipped = unit->commands == 1 ? sizeof MULTI - 1 : 0;
    if (unit->commands == 0) {
        return;
    }
    if (unit->commands > 1) {
        REPLY_LITERAL(&unit->bytes, EXEC);
    }
    if (log_is_on(log) && unit->bytes.failed) {
        log_lose(log, slot);
    } else if (log_is_on(log)) {
        log_append(log, slot, unit->first_db, unit->db, unit->bytes.data + skipped,
                   unit->bytes.len - skipped);
        if (unit->client != NULL) {
            atomic_store_explicit(&unit->client->write_offset, log_end(log), memory_order_relaxed);
        }
    }
    unit->commands = 0;
    unit->client = NULL;
    reply_reset(&unit->bytes, UNIT_KEEPS);
}

void propagate_end(struct worker *w)
{
    if (--w->unit.depth == 0) {
        propagate_settle(w);
    }
}

/* ---- what handlers tell --------------------------------------------------------------------------------------- */

void propagate_command(struct call *c, const struct slice *argv, size_t argc)
{
    c->told = true;
    put(c->worker, c->db, &(struct words){.head = argv, .heads = argc});
}

void propagate_joined(struct call *c, const struct slice *head, size_t n, const struct slice *rest,
                      size_t count)
{
    c->told = true;
    put(c->worker, c->db, &(struct words){.head = head, .heads = n, .rest = rest, .rests = count});
}

void propagate_bulks(struct call *c, const struct slice *head, size_t n, size_t start, size_t count)
{
    c->told = true;
    if (c->reply->failed) { /* what it was is not known any more */
        log_lose(&c->server->log, c->worker->loop->index);
        return;
    }
    put(c->worker, c->db,
        &(struct words){.head = head,
                        .heads = n,
                        .bulks = {c->reply->data + start, c->reply->len - start},
                        .bulk_count = count});
}

/* The first `count` arguments as the client has sent them, bulk strings behind one another, whose heads the parser has seen to be
 * right. It does not look at what ends them, so that is done here: false where it is no line end. */
static inline bool find_sent(const struct call *c, size_t count, struct slice *bulks)
{
    const struct slice *argv = c->argv;
    bool whole = c->as_sent;
    for (size_t i = 0; i < count && whole; i++) {
        whole = memcmp(argv[i].ptr + argv[i].len, "\r\n", 2) == 0;
    }
    if (whole) {
        bulks->ptr = argv[0].ptr - head_size(argv[0].len);
        bulks->len = (size_t)(argv[count - 1].ptr + argv[count - 1].len + 2 - bulks->ptr);
    }
    return whole;
}

void propagate_argv(struct call *c)
{
    struct words words = {.fronts = c->argc};
    c->told = true;
    if (!find_sent(c, c->argc, &words.front)) {
        words = (struct words){.head = c->argv, .heads = c->argc};
    }
    put(c->worker, c->db, &words);
}

/* "*5", the command's first three arguments as they were sent, PXAT, and the deadline of 13 digits. */
static void append_set(struct call *c, struct slice front, int64_t wall_ms)
{
    static const char pxat[] = "$4\r\nPXAT\r\n$13\r\n";
    enum { PXAT = sizeof pxat - 1, DIGITS = 13, UNTIL = PXAT + DIGITS + 2 };
    struct log *log = &c->server->log;
    int slot = c->worker->loop->index;
    struct log_range range;
    char until[UNTIL];
    char *to = log_reserve(log, slot, c->db->id, 4 + front.len + UNTIL, &range);
    char *end = to != NULL ? to + 4 + front.len : until;
    memcpy(end, pxat, PXAT);
    number_format_u64(end + PXAT, (uint64_t)wall_ms);
    memcpy(end + PXAT + DIGITS, "\r\n", 2);
    if (__builtin_expect(to != NULL, 1)) {
        memcpy(to, "*5\r\n", 4);
        write_bytes(to + 4, front.ptr, front.len);
    } else {
        log_fill(log, &range, "*5\r\n", 4);
        log_fill(log, &range, front.ptr, front.len);
        log_fill(log, &range, until, UNTIL);
    }
    log_commit(log, slot);
    c->told = true;
}

void propagate_set_slow(struct call *c, const struct key *key, size_t value, int64_t deadline)
{
    char digits[NUMBER_I64_MAX_CHARS];
    const int64_t least = 1000000000000; /* of 13 digits */
    int64_t wall_ms = clock_to_wall_kept(deadline);
    struct slice front;
    if (value == 2 && c->worker->unit.depth == 0 && wall_ms >= least && wall_ms < 10 * least &&
        find_sent(c, 3, &front)) {
        append_set(c, front, wall_ms);
    } else {
        propagate(c, SLICE("SET"), key->name, c->argv[value], SLICE("PXAT"),
                  propagate_number(wall_ms, digits));
    }
}

/* How far the log must be kept for the client's reply to be true. */
static void note_offset(struct call *c)
{
    if (c->worker->unit.depth > 0) {
        c->worker->unit.client = c->client; /* the one whose transaction it is: nobody else runs in a unit */
    } else {
        atomic_store_explicit(&c->client->write_offset, log_end(&c->server->log), memory_order_relaxed);
    }
}

void propagate_changes(struct call *c)
{
    bool changed = c->worker->dirty != c->dirty;
    if (changed && !c->told && (c->command->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0) {
        propagate_argv(c);
    }
    if (changed || c->told) {
        note_offset(c);
    }
    propagate_mark(c);
}

/* ---- what goes by itself --------------------------------------------------------------------------------------- */

void propagate_field_gone(struct slice field)
{
    if (the_server != NULL && log_is_on(&the_server->log)) {
        reply_bulk_slice(&fields_gone, field);
        fields_gone_count++;
    }
}

static void put_fields_gone(struct worker *w, const struct db *db, struct slice key)
{
    const struct slice head[] = {SLICE("HDEL"), key};
    if (fields_gone.failed) {
        log_lose(&w->server->log, w->loop->index);
    } else {
        put(w, db,
            &(struct words){.head = head,
                            .heads = 2,
                            .bulks = {fields_gone.data, fields_gone.len},
                            .bulk_count = fields_gone_count});
    }
}

void propagate_gone(struct worker *w, const struct db *db, const struct entry *e, enum db_gone why)
{
    const struct slice del[] = {SLICE("DEL"), entry_key(e)};
    if (why != DB_PARTS_EXPIRED) {
        put(w, db, &(struct words){.head = del, .heads = 2});
    } else if (fields_gone_count > 0) {
        put_fields_gone(w, db, entry_key(e));
        fields_gone_count = 0;
        reply_free(&fields_gone);
    }
}
