/*
 * LCS: the longest common subsequence of two string values (types/lcs.h has the algorithm).
 */
#include "types/lcs.h"

#include <stdlib.h>

#include "commands/call.h"
#include "commands/groups.h"
#include "commands/value.h"

struct lcs_options {
    bool length, ranges, with_length;
    size_t min_length;
};

static bool parse_options(struct call *c, struct lcs_options *options)
{
    *options = (struct lcs_options){0};
    for (size_t i = 3; i < c->argc; i++) {
        struct slice word = c->argv[i];
        int64_t number;
        if (slice_is(word, "idx")) {
            options->ranges = true;
        } else if (slice_is(word, "len")) {
            options->length = true;
        } else if (slice_is(word, "withmatchlen")) {
            options->with_length = true;
        } else if (slice_is(word, "minmatchlen") && i + 1 < c->argc) {
            if (!call_int(c, c->argv[++i], &number)) {
                return false;
            }
            options->min_length = number > 0 ? (size_t)number : 0;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    if (options->ranges && options->length) {
        reply_error(c->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

struct range_reply {
    struct reply *reply;
    bool with_length;
    int64_t count;
};

static void reply_pair(struct reply *r, size_t first, size_t last)
{
    reply_array(r, 2);
    reply_int(r, (int64_t)first);
    reply_int(r, (int64_t)last);
}

static void reply_range(void *context, const struct lcs_range *range)
{
    struct range_reply *to = context;
    reply_array(to->reply, to->with_length ? 3 : 2);
    reply_pair(to->reply, range->a_first, range->a_last);
    reply_pair(to->reply, range->b_first, range->b_last);
    if (to->with_length) {
        reply_int(to->reply, (int64_t)(range->a_last - range->a_first + 1));
    }
    to->count++;
}

static enum lcs_status reply_ranges(struct reply *r, const struct lcs_pair *pair, uint64_t max_bytes,
                                    const struct lcs_options *options)
{
    size_t before = r->len;
    size_t length;
    struct range_reply to = {r, options->with_length, 0};
    reply_map(r, 2);
    reply_bulk_string(r, "matches");
    size_t hole = reply_hole(r);
    enum lcs_status status = lcs_ranges(pair, max_bytes, options->min_length, reply_range, &to, &length);
    if (status != LCS_OK) {
        r->len = before;
        return status;
    }
    reply_fill_array(r, hole, to.count);
    reply_bulk_string(r, "len");
    reply_int(r, (int64_t)length);
    return status;
}

static void reply_lcs(struct call *c, const struct lcs_pair *pair, const struct lcs_options *options)
{
    uint64_t max_bytes = (uint64_t)c->server->config->proto_max_bulk_len;
    enum lcs_status status;
    size_t length;
    if (options->ranges) {
        status = reply_ranges(c->reply, pair, max_bytes, options);
    } else if (options->length) {
        status = lcs_length(pair, max_bytes, &length);
        if (status == LCS_OK) {
            reply_int(c->reply, (int64_t)length);
        }
    } else {
        uint8_t *common;
        status = lcs_string(pair, max_bytes, &common, &length);
        if (status == LCS_OK) {
            reply_bulk(c->reply, common, length);
            free(common);
        }
    }
    if (status != LCS_OK) {
        reply_errorf(c->reply, "ERR %s", lcs_error(status));
    }
}

/* The value of a key in one run; none counts as empty. */
static bool hold(const struct entry *e, struct value_run *run)
{
    *run = (struct value_run){{"", 0}, NULL};
    return e == NULL || value_hold(e, run);
}

static bool no_string(const struct entry *e)
{
    return e != NULL && entry_type(e) != TYPE_STRING;
}

static void run_lcs(struct call *c)
{
    struct key a_key = call_key(c, 1), b_key = call_key(c, 2);
    const struct entry *a_entry = key_read(c, &a_key);
    const struct entry *b_entry = key_read(c, &b_key);
    struct lcs_options options;
    struct value_run a, b;
    if (no_string(a_entry) || no_string(b_entry)) {
        reply_error(c->reply, "ERR The specified keys must contain string values");
        return;
    }
    if (!parse_options(c, &options)) {
        return;
    }
    if (!hold(a_entry, &a)) {
        call_out_of_memory(c);
        return;
    }
    if (hold(b_entry, &b)) {
        struct lcs_pair pair = {(const uint8_t *)a.bytes.ptr, a.bytes.len, (const uint8_t *)b.bytes.ptr,
                                b.bytes.len};
        reply_lcs(c, &pair, &options);
        value_release(&b);
    } else {
        call_out_of_memory(c);
    }
    value_release(&a);
}

const struct command lcs_commands[] = {
    {
        .name = "lcs",
        .run = run_lcs,
        .arity = -3,
        .flags = CMD_READONLY,
        .keys = {{1, 2, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_STRING,
        .since = "7.0.0",
        .complexity = "O(N*M) with N and M the lengths of the two values.",
        .summary = "Finds the longest common subsequence of two string values.",
        .syntax = "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    },
    {0},
};
