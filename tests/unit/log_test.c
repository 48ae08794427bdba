/* The log: what several threads append is read back whole and in order; memory is bounded; nothing is lost unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "memory.h"

enum { SLOTS = 4, MB = 1 << 20 };

static struct log log_;

static int fresh(void **state)
{
    (void)state;
    log_init(&log_, SLOTS - 1);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    assert_false(log_is_on(&log_));
    assert_int_equal(log_.mapped, 0);
    log_free(&log_);
    return 0;
}

static void append(int slot, int db, const char *text)
{
    log_append(&log_, slot, db, db, text, strlen(text));
}

/* Everything that a reader can get now, as text of its own. */
static char *drain(struct log_reader *r, size_t *len)
{
    struct slice runs[3];
    char *all = NULL;
    int count;
    *len = 0;
    while ((count = log_reader_peek(&log_, r, LOG_ALL, runs, 3)) > 0) {
        uint64_t at = log_reader_at(&log_, r);
        for (int i = 0; i < count; i++) {
            char *more = realloc(all, *len + runs[i].len + 1);
            assert_non_null(more);
            all = more;
            memcpy(all + *len, runs[i].ptr, runs[i].len);
            *len += runs[i].len;
            at += runs[i].len;
        }
        log_reader_advance(&log_, r, at);
    }
    if (all != NULL) {
        all[*len] = '\0';
    }
    return all;
}

static void expect(struct log_reader *r, const char *text)
{
    size_t len;
    char *all = drain(r, &len);
    assert_string_equal(all != NULL ? all : "", text);
    free(all);
}

#define SELECT_0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
#define SELECT_9 "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n"

static void what_is_appended_is_read_with_a_select_where_the_database_changes(void **state)
{
    struct log_reader r;
    (void)state;
    assert_false(log_is_on(&log_));
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    assert_true(log_is_on(&log_));
    append(0, 0, "a");
    append(1, 0, "b");
    append(0, 9, "c");
    append(0, 9, "d");
    log_append(&log_, 0, 9, 0, "ef", 2);
    append(2, 0, "g");
    log_forget_db(&log_);
    append(2, 0, "h");
    expect(&r, SELECT_0 "ab" SELECT_9 "cdefg" SELECT_0 "h");
    append(2, 70000, "i");
    append(2, 70000, "j");
    expect(&r, "*2\r\n$6\r\nSELECT\r\n$5\r\n70000\r\ni*2\r\n$6\r\nSELECT\r\n$5\r\n70000\r\nj");
    log_reader_close(&log_, &r);
}

static void a_reader_stops_where_it_is_told_to(void **state)
{
    struct log_reader r;
    struct slice run;
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    append(0, 0, "abc");
    uint64_t cut = log_end(&log_);
    append(0, 0, "def");
    assert_int_equal(log_reader_peek(&log_, &r, cut, &run, 1), 1);
    assert_memory_equal(run.ptr + run.len - 3, "abc", 3);
    log_reader_advance(&log_, &r, cut);
    assert_int_equal(log_reader_peek(&log_, &r, cut, &run, 1), 0);
    expect(&r, "def");
    log_reader_close(&log_, &r);
}

/* What is reserved and not committed hides itself and all behind it. */
static void nothing_is_readable_from_the_lowest_range_on_that_is_still_filled(void **state)
{
    struct log_reader r;
    struct log_range range;
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    append(0, 0, "a");
    char *slow = log_reserve(&log_, 1, 0, 4, &range);
    append(0, 0, "b");
    assert_non_null(slow);
    expect(&r, SELECT_0 "a");
    memcpy(slow, "slow", 4);
    expect(&r, "");
    log_commit(&log_, 1);
    expect(&r, "slowb");
    log_reader_close(&log_, &r);
}

static char *pattern(size_t len, unsigned seed)
{
    char *text = malloc(len);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245 + 12345;
        text[i] = (char)(seed >> 16);
    }
    return text;
}

static void records_may_span_blocks_and_be_larger_than_all_history(void **state)
{
    struct log_reader r;
    size_t sizes[] = {MB - 100, 200, 5 * MB + 17, 1, MB, 3 * MB};
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    append(0, 0, "begin");
    expect(&r, SELECT_0 "begin");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t len;
        char *text = pattern(sizes[i], (unsigned)i);
        log_append(&log_, 0, 0, 0, text, sizes[i]);
        char *all = drain(&r, &len);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(all, text, sizes[i]);
        free(all);
        free(text);
    }
    log_reader_close(&log_, &r);
}

static void offsets_go_on_where_they_leave_the_word(void **state)
{
    struct log_reader r;
    const uint64_t start = (UINT64_C(5) << LOG_OFFSET_BITS) - MB - 50;
    size_t len;
    (void)state;
    log_start_at(&log_, start);
    assert_int_equal(log_end(&log_), start);
    assert_true(log_reader_open(&log_, &r, start, LOG_HOLDS));
    for (int i = 0; i < 3; i++) {
        char *text = pattern(MB, (unsigned)i);
        log_append(&log_, i, 0, 0, text, MB);
        free(text);
    }
    assert_int_equal(log_end(&log_), start + 3 * MB + strlen(SELECT_0));
    free(drain(&r, &len));
    assert_int_equal(len, 3 * MB + strlen(SELECT_0));
    assert_int_equal(log_reader_at(&log_, &r), log_end(&log_));
    log_reader_close(&log_, &r);
    assert_int_equal(log_end(&log_), start + 3 * MB + strlen(SELECT_0));
}

static void fill(int slot, size_t bytes)
{
    static char text[4096];
    for (size_t done = 0; done < bytes; done += sizeof text) {
        log_append(&log_, slot, 0, 0, text, sizeof text);
    }
}

static void memory_is_what_readers_need_and_the_history_that_is_wanted(void **state)
{
    struct log_reader r, late;
    struct log_stats stats;
    size_t len;
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    fill(0, 40 * MB);
    log_stats(&log_, &stats);
    assert_in_range(stats.memory, 40 * MB, 42 * MB);
    free(drain(&r, &len));
    log_stats(&log_, &stats);
    assert_in_range(stats.memory, 0, (LOG_SPARE + 2) * MB);
    assert_true(log_keep_history(&log_, 20 * MB));
    for (int i = 0; i < 50; i++) {
        fill(0, MB);
        free(drain(&r, &len));
    }
    log_stats(&log_, &stats);
    assert_in_range(stats.end - stats.first, 20 * MB, 22 * MB);
    assert_in_range(stats.memory, 20 * MB, (22 + LOG_SPARE) * MB);
    assert_false(log_reader_open(&log_, &late, stats.first - 1, LOG_PASSES));
    assert_true(log_reader_open(&log_, &late, stats.end - 20 * MB, LOG_PASSES));
    free(drain(&late, &len));
    assert_int_equal(len, 20 * MB);
    log_reader_close(&log_, &late);
    log_reader_close(&log_, &r);
    assert_true(log_keep_history(&log_, 0));
}

static void history_is_kept_without_a_reader_until_it_is_forgotten(void **state)
{
    struct log_reader r;
    (void)state;
    uint64_t start = log_end(&log_);
    assert_true(log_keep_history(&log_, 4 * MB));
    assert_true(log_is_on(&log_));
    append(0, 0, "one");
    assert_int_equal(log_history_from(&log_), start);
    assert_true(log_reader_open(&log_, &r, start, LOG_PASSES));
    expect(&r, SELECT_0 "one");
    log_reader_close(&log_, &r);
    log_forget_history(&log_);
    assert_int_equal(log_history_from(&log_), log_end(&log_));
    assert_false(log_reader_open(&log_, &r, start, LOG_PASSES));
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_PASSES));
    append(0, 0, "two");
    expect(&r, SELECT_0 "two");
    log_reader_close(&log_, &r);
    assert_true(log_is_on(&log_));
    assert_true(log_keep_history(&log_, 0));
}

static void what_a_reader_keeps_stays_and_no_loop_waits_for_it(void **state)
{
    struct log_reader r;
    size_t len;
    (void)state;
    log_set_room(&log_, MB);
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_KEEPS));
    fill(0, 16 * MB);
    log_await_room(&log_);
    free(drain(&r, &len));
    assert_int_equal(len, 16 * MB + strlen(SELECT_0));
    log_reader_close(&log_, &r);
}

static void a_log_that_follows_has_the_bytes_that_it_is_given_and_no_others(void **state)
{
    struct log_reader r;
    (void)state;
    assert_true(log_follow(&log_, true));
    assert_false(log_is_on(&log_));
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    log_append_raw(&log_, SLOTS - 1, "theirs", 6);
    expect(&r, "theirs");
    assert_false(log_is_on(&log_));
    assert_true(log_follow(&log_, false));
    assert_true(log_is_on(&log_));
    append(0, 0, "ours");
    log_append_raw(&log_, 0, "ping", 4); /* for no database: the next needs no SELECT for it */
    append(0, 0, "more");
    expect(&r, SELECT_0 "ourspingmore");
    log_reader_close(&log_, &r);
    assert_true(log_follow(&log_, true)); /* alive without a reader */
    log_append_raw(&log_, SLOTS - 1, "theirs", 6);
    assert_true(log_follow(&log_, false));
}

static void a_reader_that_does_not_hold_is_told_that_it_was_overtaken(void **state)
{
    struct log_reader r, fast;
    struct slice run, again;
    size_t len;
    (void)state;
    assert_true(log_reader_open(&log_, &fast, log_end(&log_), LOG_HOLDS));
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_PASSES));
    fill(0, 2 * MB);
    assert_int_equal(log_reader_peek(&log_, &r, LOG_ALL, &run, 1), 1);
    free(drain(&fast, &len)); /* what is being read stays all the same */
    fill(0, 2 * MB);
    assert_int_equal(log_reader_peek(&log_, &r, LOG_ALL, &again, 1), 1);
    assert_ptr_equal(run.ptr, again.ptr);
    log_reader_advance(&log_, &r, log_reader_at(&log_, &r) + run.len);
    free(drain(&fast, &len));
    assert_int_equal(log_reader_peek(&log_, &r, LOG_ALL, &run, 1), LOG_BROKEN);
    log_reader_close(&log_, &r);
    log_reader_close(&log_, &fast);
}

static void without_memory_the_log_breaks_and_is_whole_again_for_the_next_reader(void **state)
{
    struct log_reader r, next;
    struct slice run;
    struct log_stats stats;
    size_t len;
    (void)state;
    log_set_most(&log_, 4 * MB);
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    append(0, 0, "begin");
    fill(0, 8 * MB);
    append(0, 0, "lost");
    log_stats(&log_, &stats);
    assert_int_equal(stats.breaks, 1);
    char *all = drain(&r, &len);
    assert_in_range(len, 3 * MB, 4 * MB);
    assert_memory_equal(all, SELECT_0 "begin", strlen(SELECT_0 "begin"));
    free(all);
    assert_int_equal(log_reader_peek(&log_, &r, LOG_ALL, &run, 1), LOG_BROKEN);
    log_reader_close(&log_, &r);
    assert_true(log_reader_open(&log_, &next, log_end(&log_), LOG_HOLDS));
    append(0, 0, "whole");
    expect(&next, SELECT_0 "whole");
    log_lose(&log_, 0);
    append(0, 0, "lost");
    assert_int_equal(log_reader_peek(&log_, &next, LOG_ALL, &run, 1), LOG_BROKEN);
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    assert_int_equal(log_reader_peek(&log_, &next, LOG_ALL, &run, 1), LOG_BROKEN);
    log_reader_close(&log_, &next);
    append(0, 0, "again");
    expect(&r, SELECT_0 "again");
    log_reader_close(&log_, &r);
}

/* ---- threads --------------------------------------------------------------------------------------------- */

static void *await_room(void *argument)
{
    (void)argument;
    mem_thread_init();
    log_await_room(&log_);
    fill(1, MB);
    return NULL;
}

static void loops_wait_while_a_reader_that_holds_is_too_far_behind(void **state)
{
    struct log_reader r;
    struct log_stats stats;
    pthread_t loop;
    size_t len;
    (void)state;
    log_set_room(&log_, 8 * MB);
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    fill(0, 7 * MB);
    log_await_room(&log_); /* there is some */
    fill(0, 5 * MB);
    uint64_t end = log_end(&log_);
    assert_int_equal(pthread_create(&loop, NULL, await_room, NULL), 0);
    do {
        log_stats(&log_, &stats);
    } while (stats.waits == 0);
    assert_int_equal(log_end(&log_), end);
    free(drain(&r, &len));
    pthread_join(loop, NULL);
    assert_int_equal(log_end(&log_), end + MB);
    fill(0, 12 * MB);
    assert_int_equal(pthread_create(&loop, NULL, await_room, NULL), 0);
    do {
        log_stats(&log_, &stats);
    } while (stats.waits == 1);
    log_reader_claim(&log_, &r, LOG_PASSES); /* a disk that fails holds nobody up */
    pthread_join(loop, NULL);
    log_reader_close(&log_, &r);
}

static void count_call(void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
}

static void a_reader_that_does_not_sleep_is_called_once_when_there_is_what_it_waits_for(void **state)
{
    struct log_reader r;
    _Atomic int calls = 0;
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_PASSES));
    uint64_t start = log_end(&log_);
    assert_true(log_reader_call_at(&log_, &r, start + strlen(SELECT_0 "ab"), count_call, &calls));
    append(0, 0, "a");
    log_wake_readers(&log_);
    assert_int_equal(calls, 0);
    append(0, 0, "b");
    assert_int_equal(calls, 0);
    log_wake_readers(&log_);
    log_wake_readers(&log_);
    assert_int_equal(calls, 1);
    assert_false(log_reader_call_at(&log_, &r, start + 1, count_call, &calls));
    assert_true(log_reader_call_at(&log_, &r, log_end(&log_) + 1, count_call, &calls));
    log_lose(&log_, 0); /* bytes that will never come */
    assert_int_equal(calls, 2);
    assert_false(log_reader_call_at(&log_, &r, log_end(&log_) + 1, count_call, &calls));
    log_reader_close(&log_, &r);
}

static void *append_and_wake(void *argument)
{
    mem_thread_init();
    for (int i = 0; i < 20000; i++) {
        append((int)(intptr_t)argument, 0, "0123456789");
        log_wake_readers(&log_);
    }
    return NULL;
}

/* No wake is lost between an appender that looks and a reader that asks. */
static void a_reader_that_is_called_reads_all_that_other_threads_append(void **state)
{
    struct log_reader r;
    pthread_t threads[SLOTS - 1];
    _Atomic int calls = 0;
    int seen = 0;
    size_t len, all = 0;
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_KEEPS));
    for (int i = 0; i < SLOTS - 1; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, append_and_wake, (void *)(intptr_t)i), 0);
    }
    while (all < strlen(SELECT_0) + (SLOTS - 1) * 20000 * 10) {
        free(drain(&r, &len));
        all += len;
        if (all < strlen(SELECT_0) + (SLOTS - 1) * 20000 * 10 &&
            log_reader_call_at(&log_, &r, log_reader_at(&log_, &r) + 1, count_call, &calls)) {
            while (atomic_load(&calls) == seen) {
                sched_yield();
            }
            seen++;
        }
    }
    for (int i = 0; i < SLOTS - 1; i++) {
        pthread_join(threads[i], NULL);
    }
    log_reader_close(&log_, &r);
}

static void *wake_reader(void *argument)
{
    mem_thread_init();
    log_reader_wake(&log_, argument);
    return NULL;
}

static void *append_some(void *argument)
{
    (void)argument;
    mem_thread_init();
    for (int i = 0; i < 100; i++) {
        append(1, 0, "0123456789");
        log_wake_readers(&log_);
    }
    return NULL;
}

static void a_reader_sleeps_until_there_is_as_much_as_it_waits_for_or_it_is_woken(void **state)
{
    enum { LONG = 600000 };
    struct log_reader r;
    pthread_t other;
    (void)state;
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    log_reader_wait(&log_, &r, 1); /* nothing comes: time passes */
    assert_int_equal(pthread_create(&other, NULL, append_some, NULL), 0);
    log_reader_wait_until(&log_, &r, log_reader_at(&log_, &r) + 1000, LONG);
    assert_true(log_readable(&log_) >= 1000);
    pthread_join(other, NULL);
    assert_int_equal(pthread_create(&other, NULL, wake_reader, &r), 0);
    log_reader_wait_until(&log_, &r, LOG_ALL - 1, LONG);
    pthread_join(other, NULL);
    log_reader_close(&log_, &r);
}

/*
 * A record of a thread: "<thread> <number> <database> <length> " and so many bytes that follow from these. Threads write them as
 * dispatch does, straight into the log; the reader checks every byte, that each thread's numbers go on by one, and that the last
 * SELECT before a record is for its database.
 */
enum { RECORDS = 30000, MAX_BODY = 3000, HUGE_BODY = 3 * MB, DBS = 3 };

struct record {
    int thread, number, db;
    size_t len;
};

static struct record record_of(int thread, int number)
{
    uint64_t random = ((uint64_t)thread << 32 | (uint64_t)number) * UINT64_C(0x9E3779B97F4A7C15);
    bool huge = number % 10000 == 5000;
    struct record record = {thread, number, (int)((random >> 60) % DBS), (size_t)(random >> 20) % 200};
    if (random >> 32 & 1) {
        record.len = (size_t)(random >> 33) % MAX_BODY;
    }
    record.len = huge ? HUGE_BODY : record.len;
    return record;
}

static void write_body(char *to, const struct record *record)
{
    for (size_t i = 0; i < record->len; i++) {
        to[i] = (char)('a' + (i + (size_t)record->number + (size_t)record->thread) % 23);
    }
}

static void append_record(const struct record *record, char *room)
{
    struct log_range range;
    int head = sprintf(room, "%d %d %d %zu ", record->thread, record->number, record->db, record->len);
    write_body(room + head, record);
    size_t len = (size_t)head + record->len;
    char *to = log_reserve(&log_, record->thread, record->db, len, &range);
    if (to != NULL) {
        memcpy(to, room, len);
    } else {
        log_fill(&log_, &range, room, len / 2);
        log_fill(&log_, &range, room + len / 2, len - len / 2);
    }
    log_commit(&log_, record->thread);
}

static void *run_loop(void *argument)
{
    int thread = (int)(intptr_t)argument;
    char *room = malloc(HUGE_BODY + 100);
    mem_thread_init();
    for (int i = 0; room != NULL && i < RECORDS; i++) {
        struct record record = record_of(thread, i);
        log_await_room(&log_);
        append_record(&record, room);
        if (i % 16 == 0) {
            log_wake_readers(&log_);
        }
    }
    log_wake_readers(&log_);
    free(room);
    return NULL;
}

/* What the reader has got and not checked yet. */
struct checker {
    char *bytes;
    size_t len, cap;
    int db;
    int next[SLOTS];
    int records;
};

/* Checks the record or SELECT at the beginning; returns its length, 0 when it is not whole yet. */
static size_t check_one(struct checker *c)
{
    static char body[HUGE_BODY];
    struct record record;
    char text[65] = ""; /* sscanf measures all that it is given */
    int head = 0, spaces = 0;
    memcpy(text, c->bytes, c->len < 64 ? c->len : 64);
    if (c->bytes[0] == '*') {
        bool whole = c->len >= strlen(SELECT_0);
        assert_true(!whole || sscanf(text, "*2\r\n$6\r\nSELECT\r\n$1\r\n%d\r\n", &c->db) == 1);
        return whole ? strlen(SELECT_0) : 0;
    }
    while (spaces < 4 && (size_t)head < c->len) {
        spaces += c->bytes[head++] == ' ';
    }
    if (spaces < 4) {
        return 0;
    }
    assert_int_equal(sscanf(text, "%d %d %d %zu", &record.thread, &record.number, &record.db, &record.len),
                     4);
    if (c->len < (size_t)head + record.len) {
        return 0;
    }
    struct record expected = record_of(record.thread, record.number);
    assert_int_equal(record.number, c->next[record.thread]);
    assert_int_equal(record.db, c->db);
    assert_int_equal(record.db, expected.db);
    assert_int_equal(record.len, expected.len);
    write_body(body, &record);
    assert_memory_equal(c->bytes + head, body, record.len);
    c->next[record.thread]++;
    c->records++;
    return (size_t)head + record.len;
}

static void check(struct checker *c, struct slice run)
{
    size_t at = 0, len;
    if (c->len + run.len + 1 > c->cap) {
        c->cap = c->len + run.len + MB;
        c->bytes = realloc(c->bytes, c->cap);
        assert_non_null(c->bytes);
    }
    memcpy(c->bytes + c->len, run.ptr, run.len);
    c->len += run.len;
    c->bytes[c->len] = '\0';
    struct checker rest = *c;
    while (rest.len > 0 && (len = check_one(&rest)) > 0) {
        at += len;
        rest.bytes += len;
        rest.len -= len;
    }
    rest.bytes = c->bytes;
    memmove(rest.bytes, rest.bytes + at, rest.len);
    *c = rest;
}

static void every_byte_of_several_threads_is_read_once_and_in_order(void **state)
{
    struct log_reader r;
    struct checker c = {.db = -1};
    pthread_t threads[SLOTS];
    (void)state;
    log_set_room(&log_, 8 * MB);
    assert_true(log_reader_open(&log_, &r, log_end(&log_), LOG_HOLDS));
    for (int i = 0; i < SLOTS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, (void *)(intptr_t)i), 0);
    }
    while (c.records < SLOTS * RECORDS) {
        struct slice runs[4];
        int count = log_reader_peek(&log_, &r, LOG_ALL, runs, 4);
        assert_true(count >= 0);
        uint64_t at = log_reader_at(&log_, &r);
        for (int i = 0; i < count; i++) {
            check(&c, runs[i]);
            at += runs[i].len;
        }
        log_reader_advance(&log_, &r, at);
        if (count == 0) {
            log_reader_wait(&log_, &r, 600000);
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(c.next[i], RECORDS);
    }
    assert_int_equal(c.len, 0);
    assert_int_equal(log_reader_at(&log_, &r), log_end(&log_));
    free(c.bytes);
    log_reader_close(&log_, &r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_appended_is_read_with_a_select_where_the_database_changes),
        TEST(a_reader_stops_where_it_is_told_to),
        TEST(nothing_is_readable_from_the_lowest_range_on_that_is_still_filled),
        TEST(records_may_span_blocks_and_be_larger_than_all_history),
        TEST(offsets_go_on_where_they_leave_the_word),
        TEST(memory_is_what_readers_need_and_the_history_that_is_wanted),
        TEST(history_is_kept_without_a_reader_until_it_is_forgotten),
        TEST(what_a_reader_keeps_stays_and_no_loop_waits_for_it),
        TEST(a_log_that_follows_has_the_bytes_that_it_is_given_and_no_others),
        TEST(a_reader_that_does_not_hold_is_told_that_it_was_overtaken),
        TEST(without_memory_the_log_breaks_and_is_whole_again_for_the_next_reader),
        TEST(loops_wait_while_a_reader_that_holds_is_too_far_behind),
        TEST(a_reader_that_does_not_sleep_is_called_once_when_there_is_what_it_waits_for),
        TEST(a_reader_that_is_called_reads_all_that_other_threads_append),
        TEST(a_reader_sleeps_until_there_is_as_much_as_it_waits_for_or_it_is_woken),
        TEST(every_byte_of_several_threads_is_read_once_and_in_order),
    };
    mem_thread_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
