/*
 * PFDEBUG and PFSELFTEST: a look inside a HyperLogLog, and a check that its code counts right on this machine.
 */
#include <stdio.h>

#include "commands/change.h"
#include "commands/groups.h"
#include "commands/hyperloglog_value.h"
#include "commands/value.h"
#include "memory.h"
#include "types/hyperloglog_sparse.h"

/* ---- PFDEBUG ------------------------------------------------------------------------------------------ */

/* Turns the value dense if it is not, which is replied as an error when it cannot be done. *bytes: the dense value. */
static bool make_dense(struct call *c, const struct key *key, struct entry *e, uint8_t **bytes)
{
    struct hll_edit edit;
    bool sparse = !hll_is_dense(hll_entry_head(e));
    if (!hll_edit_begin(c, key, e, 0, true, &edit)) {
        return false;
    }
    bool good = hll_edit_to_dense(&edit);
    *bytes = hll_edit_bytes(&edit);
    hll_edit_end(&edit);
    if (!good) {
        hll_reply_corrupt(c);
    } else if (sparse) {
        key_changed(c, key, 1, EVENT_STRING, NULL);
    }
    return good;
}

static void getreg(struct call *c, const struct key *key, struct entry *e)
{
    uint8_t *bytes;
    if (!make_dense(c, key, e, &bytes)) {
        return;
    }
    reply_array(c->reply, HLL_REGISTERS);
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        reply_int(c->reply, hll_dense_get(bytes, i));
    }
}

static void todense(struct call *c, const struct key *key, struct entry *e)
{
    bool sparse = !hll_is_dense(hll_entry_head(e));
    uint8_t *bytes;
    if (!sparse || make_dense(c, key, e, &bytes)) {
        reply_int(c->reply, sparse);
    }
}

static void encoding(struct call *c, const struct key *key, struct entry *e)
{
    (void)key;
    reply_status(c->reply, hll_is_dense(hll_entry_head(e)) ? "dense" : "sparse");
}

/* The runs as text: "Z:" for XZERO, "z:" for ZERO, "v:" with a rank and a length for VAL. */
static void reply_runs(struct call *c, const uint8_t *bytes, size_t len)
{
    enum { MAX_CHARS = 16 }; /* of one run */
    struct hll_run run;
    size_t room = (len - HLL_HEADER) * MAX_CHARS + 1, used = 0;
    char *text = mem_alloc(room);
    if (text == NULL) {
        call_out_of_memory(c);
        return;
    }
    for (size_t at = HLL_HEADER; hll_run_next(bytes, len, &at, &run);) {
        const char *gap = used > 0 ? " " : "";
        int n = run.rank > 0
                    ? snprintf(text + used, room - used, "%sv:%u,%u", gap, run.rank, run.len)
                    : snprintf(text + used, room - used, "%s%c:%u", gap, run.size == 2 ? 'Z' : 'z', run.len);
        used += (size_t)n;
    }
    reply_bulk(c->reply, text, used);
    mem_free(text, room);
}

static void decode(struct call *c, const struct key *key, struct entry *e)
{
    struct value_run run;
    (void)key;
    if (hll_is_dense(hll_entry_head(e))) {
        reply_error(c->reply, "ERR HLL encoding is not sparse");
    } else if (!value_hold(e, &run)) {
        call_out_of_memory(c);
    } else {
        reply_runs(c, (const uint8_t *)run.bytes.ptr, run.bytes.len);
        value_release(&run);
    }
}

/* Words that are not of the command table, as in Redis. */
static void run_pfdebug(struct call *c)
{
    static const struct {
        const char *name;
        void (*run)(struct call *c, const struct key *key, struct entry *e);
    } words[] = {{"getreg", getreg}, {"decode", decode}, {"encoding", encoding}, {"todense", todense}};
    struct key key = call_key(c, 2);
    struct entry *e = key_write(c, &key);
    if (e == NULL) {
        reply_error(c->reply, "ERR The specified key does not exist");
        return;
    }
    if (!hll_entry_check(c, e)) {
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (slice_is(c->argv[1], words[i].name)) {
            words[i].run(c, &key, e);
            return;
        }
    }
    reply_errorf(c->reply, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)c->argv[1].len, c->argv[1].ptr);
}

/* ---- PFSELFTEST --------------------------------------------------------------------------------------- */

/* Every register keeps its own value, whatever its neighbours have. */
static bool registers_hold(struct worker *w, uint8_t *dense)
{
    uint8_t wanted[HLL_REGISTERS];
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        wanted[i] = (uint8_t)(worker_random(w) & ((1 << HLL_RANK_BITS) - 1));
    }
    hll_dense_set_all(dense, wanted);
    for (size_t i = 0; i < HLL_REGISTERS; i++) {
        if (hll_dense_get(dense, i) != wanted[i]) {
            return false;
        }
    }
    return true;
}

/* Adds an element to both encodings, as long as the sparse one has room, and checks that they agree. */
static bool same_change(uint8_t *dense, uint8_t *sparse, size_t *sparse_len, size_t room, uint64_t element)
{
    struct hll_hit hit = hll_hit(&element, sizeof element);
    enum hll_status status = hll_dense_raise(dense, hit.index, hit.rank);
    if (*sparse_len == 0) {
        return true;
    }
    enum hll_status other = hll_sparse_raise(sparse, sparse_len, hit, room);
    if (other == HLL_FULL) {
        *sparse_len = 0;
        return true;
    }
    return other == status;
}

/* Counts up to 100,000 elements, ten times as many at each step, are within six standard errors. */
static bool counts_right(struct worker *w, uint8_t *dense)
{
    enum { SPARSE_ROOM = 4096, MOST = 100000 };
    uint8_t sparse[SPARSE_ROOM];
    size_t sparse_len = HLL_EMPTY_LEN;
    uint64_t seed = worker_random(w), step = 10, count, other;
    hll_init(sparse);
    hll_to_dense(sparse, sparse_len, dense);
    for (uint64_t i = 1; i <= MOST; i++) {
        if (!same_change(dense, sparse, &sparse_len, sizeof sparse, seed + i)) {
            return false;
        }
        if (i != step) {
            continue;
        }
        uint64_t error = step == 10 ? 1 : step * 5 / 100 + 1; /* six times 0.81 % */
        hll_count(dense, HLL_DENSE_LEN, &count);
        if (count + error < step || count > step + error) {
            return false;
        }
        if (sparse_len > 0 && (!hll_count(sparse, sparse_len, &other) || other != count)) {
            return false;
        }
        step *= 10;
    }
    return true;
}

static void run_pfselftest(struct call *c)
{
    uint8_t dense[HLL_DENSE_LEN];
    if (!registers_hold(c->worker, dense)) {
        reply_error(c->reply, "ERR TESTFAILED a register has another value than was set");
    } else if (!counts_right(c->worker, dense)) {
        reply_error(c->reply, "ERR TESTFAILED a count is too far off, or differs between encodings");
    } else {
        reply_ok(c->reply);
    }
}

const struct command hyperloglog_debug_commands[] = {
    {
        .name = "pfdebug",
        .run = run_pfdebug,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_ADMIN,
        .keys = {{2, 2, 1, KEY_RW | KEY_ACCESS}},
        .group = GROUP_HYPERLOGLOG,
        .since = "2.8.9",
        .complexity = "N/A",
        .summary = "Shows the inside of a HyperLogLog: GETREG, DECODE, ENCODING, TODENSE.",
        .syntax = "subcommand key",
        .doc_flags = "syscmd",
    },
    {
        .name = "pfselftest",
        .run = run_pfselftest,
        .arity = 1,
        .flags = CMD_ADMIN | CMD_LOCAL,
        .group = GROUP_HYPERLOGLOG,
        .since = "2.8.9",
        .complexity = "N/A",
        .summary = "Checks that HyperLogLogs count right on this machine.",
        .doc_flags = "syscmd",
    },
    {0},
};
