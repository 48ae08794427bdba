/*
 * From one list to another: LMOVE, RPOPLPUSH, and the forms that wait, BLMOVE and BRPOPLPUSH.
 */
#include "commands/block.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/list.h"
#include "commands/propagate.h"
#include "memory.h"

/* The keys argv[1] and argv[2], and the ends. */
struct move {
    struct key from, to;
    enum list_end take, put;
};

/* Takes out of `source`, which is not empty, and replies with the element. From one list to another it is put before it is taken,
 * so that with no memory all is as it was; and from a copy, since putting may move the list that it lies in. */
static void move_element(struct call *c, const struct move *move, struct entry *source, struct entry *target)
{
    struct list_cursor cursor;
    char room[NUMBER_I64_MAX_CHARS];
    list_cursor_seek(&cursor, source, move->take == LIST_HEAD ? 0 : -1);
    struct listpack_value value = list_cursor_read(&cursor);
    struct slice text = listpack_text(&value, room);
    char *copy = mem_alloc(text.len + 1);
    if (copy == NULL) {
        call_out_of_memory(c);
        return;
    }
    memcpy(copy, text.ptr, text.len);
    struct slice bytes = {copy, text.len};
    bool rotated = source == target;
    if (rotated ? list_value_rotate(c, &move->to, target, move->take, move->put, bytes)
                : list_value_push(c, &move->to, &target, move->put, &bytes, 1)) {
        reply_bulk_slice(c->reply, bytes);
        if ((c->command->flags & CMD_BLOCKING) !=
            0) { /* as the command that does not wait: without the timeout */
            propagate_with(c, c->argv + 1, c->argc - 2, c->argc == 4 ? SLICE("RPOPLPUSH") : SLICE("LMOVE"));
        }
        key_changed(c, &move->to, 0, EVENT_LIST, move->put == LIST_HEAD ? "lpush" : "rpush");
        bool emptied = !rotated && list_value_pop(c, &move->from, key_peek(c, &move->from), move->take,
                                                  NULL); /* it may have moved */
        list_removed(c, &move->from, 1, move->take == LIST_HEAD ? "lpop" : "rpop", emptied);
    }
    mem_free(copy, bytes.len + 1);
}

/* False, and nothing is replied, when there is nothing to take. */
static bool try_move(struct call *c, const struct move *move)
{
    bool wrong;
    struct entry *source = key_write_type(c, &move->from, TYPE_LIST, &wrong);
    if (source == NULL) {
        return wrong;
    }
    struct entry *target = key_write_type(c, &move->to, TYPE_LIST, &wrong);
    if (!wrong) {
        move_element(c, move, key_peek(c, &move->from), target);
    }
    return true;
}

static struct move rpoplpush_of(const struct call *c)
{
    return (struct move){call_key(c, 1), call_key(c, 2), LIST_TAIL, LIST_HEAD};
}

/* LEFT or RIGHT; anything else is answered with a syntax error, and false. */
static bool parse_end(struct call *c, struct slice word, enum list_end *end)
{
    *end = slice_is(word, "left") ? LIST_HEAD : LIST_TAIL;
    if (*end == LIST_TAIL && !slice_is(word, "right")) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

static bool parse_move(struct call *c, struct move *move)
{
    *move = rpoplpush_of(c);
    return parse_end(c, c->argv[3], &move->take) && parse_end(c, c->argv[4], &move->put);
}

static void run_lmove(struct call *c)
{
    struct move move;
    if (parse_move(c, &move) && !try_move(c, &move)) {
        reply_null(c->reply);
    }
}

static void run_rpoplpush(struct call *c)
{
    struct move move = rpoplpush_of(c);
    if (!try_move(c, &move)) {
        reply_null(c->reply);
    }
}

static void move_or_wait(struct call *c, const struct move *move, struct slice timeout)
{
    int64_t ms;
    if (block_timeout(c, timeout, &ms) && !try_move(c, move)) {
        block_on_keys(c, 1, 1, TYPE_LIST, ms, BLOCK_NULL);
    }
}

static void run_blmove(struct call *c)
{
    struct move move;
    if (parse_move(c, &move)) {
        move_or_wait(c, &move, c->argv[5]);
    }
}

static void run_brpoplpush(struct call *c)
{
    struct move move = rpoplpush_of(c);
    move_or_wait(c, &move, c->argv[3]);
}

#define SOURCE                                    \
    {                                             \
        1, 1, 1, KEY_RW | KEY_ACCESS | KEY_DELETE \
    }
#define TARGET                       \
    {                                \
        2, 2, 1, KEY_RW | KEY_INSERT \
    }
#define SECONDS "6.0.0\t`timeout` may have decimals."

const struct command list_move_commands[] = {
    {
        .name = "blmove",
        .run = run_blmove,
        .arity = 6,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING,
        .keys = {SOURCE, TARGET},
        .group = GROUP_LIST,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary =
            "Takes an element from a list, puts it into another one and returns it; waits until there is one.",
        .syntax = "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
    },
    {
        .name = "brpoplpush",
        .run = run_brpoplpush,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING,
        .keys = {SOURCE, TARGET},
        .group = GROUP_LIST,
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary =
            "Takes the last element of a list, puts it before the first of another one and returns it; waits until "
            "there is one.",
        .syntax = "source destination timeout",
        .deprecated_since = "6.2.0",
        .replaced_by = "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        .history = SECONDS,
    },
    {
        .name = "lmove",
        .run = run_lmove,
        .arity = 5,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {SOURCE, TARGET},
        .group = GROUP_LIST,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Takes an element from a list, puts it into another one and returns it.",
        .syntax = "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
    },
    {
        .name = "rpoplpush",
        .run = run_rpoplpush,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {SOURCE, TARGET},
        .group = GROUP_LIST,
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary =
            "Takes the last element of a list, puts it before the first of another one and returns it.",
        .syntax = "source destination",
        .deprecated_since = "6.2.0",
        .replaced_by = "`LMOVE` with the `RIGHT` and `LEFT` arguments",
    },
    {0},
};
