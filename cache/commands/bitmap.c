/*
 * The bitmap commands, but for BITFIELD (bitfield.c). Reading ones work on a value in the runs in which it lies, so that
 * none is copied.
 */
#include "types/bitmap.h"

#include "commands/call.h"
#include "commands/change.h"
#include "commands/groups.h"
#include "commands/value.h"
#include "memory.h"
#include "types/bitfield.h"

static const uint8_t *octets(struct slice bytes)
{
    return (const uint8_t *)bytes.ptr;
}

/* ---- one bit ---------------------------------------------------------------------------------------- */

static bool parse_offset(struct call *c, uint64_t *offset)
{
    uint64_t max_bytes = (uint64_t)c->server->config->proto_max_bulk_len;
    enum bitfield_status status =
        bitfield_parse_offset(c->argv[2].ptr, c->argv[2].len, NULL, max_bytes, offset);
    if (status != BITFIELD_OK) {
        reply_errorf(c->reply, "ERR %s", bitfield_error(status));
    }
    return status == BITFIELD_OK;
}

static void run_getbit(struct call *c)
{
    struct key key = call_key(c, 1);
    uint64_t offset;
    bool wrong;
    if (!parse_offset(c, &offset)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    bool bit = false;
    if (e != NULL) {
        struct entry_bytes bytes = value_bytes(e);
        uint64_t in_head = (uint64_t)bytes.head.len * 8;
        bit = offset < in_head ? bitmap_get(octets(bytes.head), bytes.head.len, offset)
                               : bitmap_get(octets(bytes.tail), bytes.tail.len, offset - in_head);
    }
    reply_int(c->reply, bit);
}

static void run_setbit(struct call *c)
{
    struct key key = call_key(c, 1);
    uint64_t offset;
    int64_t on;
    bool wrong;
    if (!parse_offset(c, &offset) ||
        !call_int_range(c, c->argv[3], 0, 1, "ERR bit is not an integer or out of range", &on)) {
        return;
    }
    struct entry *e = key_write_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    size_t old_len = e != NULL ? value_len(e) : 0;
    struct string *s = value_edit(c, &key, e, (size_t)(offset / 8 + 1));
    if (s == NULL) {
        return;
    }
    bool was = bitmap_set((uint8_t *)s->bytes, offset, on != 0);
    if (was != (on != 0) || s->len != old_len) {
        key_changed(c, &key, 1, EVENT_STRING, "setbit");
    }
    reply_int(c->reply, was);
}

/* ---- ranges of bits ---------------------------------------------------------------------------------- */

/* start, end and unit among the arguments; what is missing means the whole value. Which of several errors is replied depends
 * on the command. */
struct bit_range {
    int64_t start, end;
    bool in_bits;
};

static bool parse_unit(struct call *c, size_t at, struct bit_range *range)
{
    range->in_bits = slice_is(c->argv[at], "bit");
    if (!range->in_bits && !slice_is(c->argv[at], "byte")) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

/* Turns offsets of bytes into those of their first and last bit. */
static void in_bits(const struct bit_range *range, uint64_t *first, uint64_t *last)
{
    if (!range->in_bits) {
        *first *= 8;
        *last = *last * 8 + 7;
    }
}

static uint64_t units(const struct bit_range *range, const struct entry *e)
{
    return (uint64_t)value_len(e) * (range->in_bits ? 8 : 1);
}

/* Set bits from `first` to `last` of a value in two runs. */
static uint64_t count_bits(const struct entry_bytes *bytes, uint64_t first, uint64_t last)
{
    uint64_t head = (uint64_t)bytes->head.len * 8;
    uint64_t sum = 0;
    if (first < head) {
        sum += bitmap_count_bits(octets(bytes->head), first, last < head ? last : head - 1);
    }
    if (last >= head) {
        sum += bitmap_count_bits(octets(bytes->tail), first > head ? first - head : 0, last - head);
    }
    return sum;
}

static bool parse_bitcount(struct call *c, struct bit_range *range)
{
    *range = (struct bit_range){0, -1, false};
    if (c->argc == 3 || c->argc > 5) { /* a start needs its end */
        call_syntax_error(c);
        return false;
    }
    return c->argc == 2 || (call_int(c, c->argv[2], &range->start) && call_int(c, c->argv[3], &range->end) &&
                            (c->argc == 4 || parse_unit(c, 4, range)));
}

static void run_bitcount(struct call *c)
{
    struct key key = call_key(c, 1);
    struct bit_range range;
    uint64_t first, last;
    bool wrong;
    if (!parse_bitcount(c, &range)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL || !value_range(range.start, range.end, units(&range, e), &first, &last)) {
        reply_int(c->reply, 0);
        return;
    }
    in_bits(&range, &first, &last);
    struct entry_bytes bytes = value_bytes(e);
    reply_int(c->reply, (int64_t)count_bits(&bytes, first, last));
}

/* The first such bit from `first` to `last` of a value in two runs, or BITMAP_NONE. */
static uint64_t find_bit(const struct entry_bytes *bytes, uint64_t first, uint64_t last, bool bit)
{
    uint64_t head = (uint64_t)bytes->head.len * 8;
    uint64_t found = BITMAP_NONE;
    if (first < head) {
        found = bitmap_pos(octets(bytes->head), first, last < head ? last : head - 1, bit);
    }
    if (found == BITMAP_NONE && last >= head) {
        found = bitmap_pos(octets(bytes->tail), first > head ? first - head : 0, last - head, bit);
        found = found == BITMAP_NONE ? found : found + head;
    }
    return found;
}

static bool parse_bitpos(struct call *c, int64_t *bit, struct bit_range *range)
{
    *range = (struct bit_range){0, -1, false};
    if (!call_int(c, c->argv[2], bit)) {
        return false;
    }
    if (*bit != 0 && *bit != 1) {
        reply_error(c->reply, "ERR The bit argument must be 1 or 0.");
        return false;
    }
    if (c->argc > 6) {
        call_syntax_error(c);
        return false;
    }
    return (c->argc < 4 || call_int(c, c->argv[3], &range->start)) &&
           (c->argc < 6 || parse_unit(c, 5, range)) && (c->argc < 5 || call_int(c, c->argv[4], &range->end));
}

static void run_bitpos(struct call *c)
{
    struct key key = call_key(c, 1);
    struct bit_range range;
    uint64_t first, last;
    int64_t bit;
    bool wrong;
    if (!parse_bitpos(c, &bit, &range)) {
        return;
    }
    const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
    if (wrong) {
        return;
    }
    if (e == NULL) { /* zeros without an end */
        reply_int(c->reply, bit == 1 ? -1 : 0);
        return;
    }
    if (!bitmap_range(range.start, range.end, units(&range, e), &first, &last)) {
        reply_int(c->reply, -1);
        return;
    }
    in_bits(&range, &first, &last);
    struct entry_bytes bytes = value_bytes(e);
    uint64_t found = find_bit(&bytes, first, last, bit == 1);
    bool endless = c->argc < 5 && bit == 0; /* zeros follow the value */
    if (found == BITMAP_NONE) {
        reply_int(c->reply, endless ? (int64_t)value_len(e) * 8 : -1);
    } else {
        reply_int(c->reply, (int64_t)found);
    }
}

/* ---- BITOP ------------------------------------------------------------------------------------------- */

static bool parse_op(struct call *c, enum bitmap_op *op)
{
    static const char *const names[] = {
        [BITMAP_AND] = "and", [BITMAP_OR] = "or", [BITMAP_XOR] = "xor", [BITMAP_NOT] = "not"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_is(c->argv[1], names[i])) {
            *op = (enum bitmap_op)i;
            if (*op == BITMAP_NOT && c->argc != 4) {
                reply_error(c->reply, "ERR BITOP NOT must be called with a single source key.");
                return false;
            }
            return true;
        }
    }
    call_syntax_error(c);
    return false;
}

/* The values of the keys from argv[3] on. Returns how many were held: fewer than asked for after an error, which is
 * replied. */
static size_t hold_operands(struct call *c, struct value_run *runs, struct bitmap_source *sources,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct key key = call_key(c, i + 3);
        bool wrong;
        const struct entry *e = key_read_type(c, &key, TYPE_STRING, &wrong);
        runs[i] = (struct value_run){{NULL, 0}, NULL};
        if (wrong) {
            return i;
        }
        if (e != NULL && !value_hold(e, &runs[i])) {
            call_out_of_memory(c);
            return i;
        }
        sources[i] = (struct bitmap_source){octets(runs[i].bytes), runs[i].bytes.len};
    }
    return count;
}

/* Stores what the operation makes of the sources under argv[2]. */
static void combine(struct call *c, enum bitmap_op op, const struct bitmap_source *sources, size_t count)
{
    struct key key = call_key(c, 2);
    size_t len = bitmap_combined_len(sources, count);
    if (len == 0) {
        if (key_delete(c, &key)) {
            key_changed(c, &key, 1, EVENT_GENERIC, "del");
        }
        reply_int(c->reply, 0);
        return;
    }
    struct string *s = string_new((struct slice){NULL, 0}, len);
    struct entry *e = NULL;
    if (s != NULL) {
        bitmap_combine(op, (uint8_t *)s->bytes, sources, count);
        s->len = len;
        e = entry_new_object(TYPE_STRING, key.name, s, ENTRY_NO_DEADLINE, call_access(c));
        if (e == NULL) {
            string_free(s);
        }
    }
    if (key_put(c, &key, e)) {
        reply_int(c->reply, (int64_t)len);
        key_changed(c, &key, 1, EVENT_STRING, "set");
    }
}

static void run_bitop(struct call *c)
{
    enum bitmap_op op;
    if (!parse_op(c, &op)) {
        return;
    }
    size_t count = c->argc - 3;
    struct value_run *runs = mem_alloc(count * sizeof *runs);
    struct bitmap_source *sources = mem_alloc(count * sizeof *sources);
    size_t held = 0;
    if (runs == NULL || sources == NULL) {
        call_out_of_memory(c);
    } else {
        held = hold_operands(c, runs, sources, count);
        if (held == count) {
            combine(c, op, sources, count);
        }
    }
    for (size_t i = 0; i < held; i++) {
        value_release(&runs[i]);
    }
    mem_free(sources, count * sizeof *sources);
    mem_free(runs, count * sizeof *runs);
}

const struct command bitmap_commands[] = {
    {
        .name = "bitcount",
        .run = run_bitcount,
        .arity = -2,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_BITMAP,
        .since = "2.6.0",
        .complexity = "O(N)",
        .summary = "Counts the set bits of a string.",
        .syntax = "key [start end [BYTE | BIT]]",
        .history = "7.0.0\tAdded the `BYTE|BIT` option.",
    },
    {
        .name = "bitop",
        .run = run_bitop,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{2, 2, 1, KEY_OW | KEY_UPDATE}, {3, -1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_BITMAP,
        .since = "2.6.0",
        .complexity = "O(N)",
        .summary = "Combines strings bit by bit and stores the result.",
        .syntax = "<AND | OR | XOR | NOT> destkey key [key ...]",
    },
    {
        .name = "bitpos",
        .run = run_bitpos,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_BITMAP,
        .since = "2.8.7",
        .complexity = "O(N)",
        .summary = "Finds the first set or clear bit of a string.",
        .syntax = "key bit [start [end [BYTE | BIT]]]",
        .history = "7.0.0\tAdded the `BYTE|BIT` option.",
    },
    {
        .name = "getbit",
        .run = run_getbit,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_BITMAP,
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Returns one bit of a string.",
        .syntax = "key offset",
    },
    {
        .name = "setbit",
        .run = run_setbit,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .keys = {{1, 1, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE}},
        .group = GROUP_BITMAP,
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Sets or clears one bit of a string, which grows as needed.",
        .syntax = "key offset value",
    },
    {0},
};
