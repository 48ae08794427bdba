/*
 * What the lock guards here is what happens once for each megabyte (a block is made, blocks are given back) and what readers do;
 * appenders meet it at no other time.
 */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "memory.h"

enum { TABLE_SIZE = LOG_BLOCKS * (int)sizeof(char *), SELECT_MAX = 64 };

/* ---- begin and end ---------------------------------------------------------------------------------- */

/* Zeroed pages, which count for no maxmemory: the log is no data that could be evicted. */
static void *map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

void log_init(struct log *log, int loops)
{
    pthread_condattr_t monotonic;
    *log = (struct log){.slot_count = loops + 1, .room = LOG_DEFAULT_ROOM, .most_blocks = LOG_BLOCKS};
    atomic_init(&log->wake_at, LOG_ALL);
    log->slots = mem_alloc_lines((size_t)log->slot_count * sizeof *log->slots);
    if (log->slots == NULL) {
        fprintf(stderr, "ordinal: out of memory at start\n");
        exit(1);
    }
    for (int i = 0; i < log->slot_count; i++) {
        atomic_init(&log->slots[i].filling, LOG_IDLE);
    }
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->readable, &monotonic);
    pthread_cond_init(&log->roomy, NULL);
    pthread_condattr_destroy(&monotonic);
}

void log_free(struct log *log)
{
    mem_free(log->slots, (size_t)log->slot_count * sizeof *log->slots);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->readable);
    pthread_cond_destroy(&log->roomy);
}

/* The word for an offset and a database, which LOG_MAX_NUMBERED_DB + 1 and higher stand for as none. */
static uint64_t word_of(uint64_t offset, int db)
{
    uint64_t number = db <= LOG_MAX_NUMBERED_DB ? (uint64_t)db + 1 : 0;
    return offset << (64 - LOG_OFFSET_BITS) >> (64 - LOG_OFFSET_BITS) | number << LOG_OFFSET_BITS;
}

void log_start_at(struct log *log, uint64_t offset)
{
    atomic_store(&log->hint, offset);
    atomic_store(&log->word, word_of(offset, LOG_MAX_NUMBERED_DB + 1));
}

void log_forget_db(struct log *log)
{
    atomic_store(&log->word, word_of(log_end(log), LOG_MAX_NUMBERED_DB + 1));
}

uint64_t log_readable(const struct log *log)
{
    uint64_t lowest = log_end(log); /* first: a range reserved before it has its slot's word set by then */
    for (int i = 0; i < log->slot_count; i++) {
        uint64_t from = atomic_load_explicit(&log->slots[i].filling, memory_order_acquire);
        lowest = from < lowest ? from : lowest;
    }
    return lowest;
}

/* ---- blocks, under the lock -------------------------------------------------------------------------- */

static _Atomic(char *) *place_of(struct log *log, uint64_t number)
{
    return &log->blocks[number & (LOG_BLOCKS - 1)];
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The lowest offset at which some reader that holds stands; LOG_ALL: none does. */
static uint64_t lowest_held(const struct log *log)
{
    uint64_t lowest = LOG_ALL;
    for (const struct log_reader *r = log->readers; r != NULL; r = r->next) {
        lowest = r->claim == LOG_HOLDS ? min_u64(lowest, r->at) : lowest;
    }
    return lowest;
}

/* The lowest offset that has to be kept. */
static uint64_t lowest_needed(const struct log *log)
{
    uint64_t end = log_end(log);
    uint64_t lowest = log_readable(log);
    for (const struct log_reader *r = log->readers; r != NULL; r = r->next) {
        lowest = r->reading || r->claim != LOG_PASSES ? min_u64(lowest, r->at) : lowest;
    }
    return min_u64(lowest, end > log->history ? end - log->history : 0);
}

static void free_block(struct log *log, char *block)
{
    if (log->spares < LOG_SPARE) {
        log->spare[log->spares++] = block;
    } else {
        munmap(block, LOG_BLOCK);
        log->mapped--;
    }
}

static void set_limit(struct log *log)
{
    bool broken = atomic_load_explicit(&log->broken, memory_order_relaxed);
    atomic_store_explicit(&log->limit, broken ? 0 : (log->first + log->most_blocks) << LOG_BLOCK_SHIFT,
                          memory_order_release);
}

/* Gives back the blocks before `number`. */
static void free_before(struct log *log, uint64_t number)
{
    for (; log->first < number; log->first++) {
        char *block = atomic_exchange(place_of(log, log->first), NULL);
        if (block != NULL) {
            free_block(log, block);
        }
    }
    set_limit(log);
}

static void trim(struct log *log)
{
    free_before(log, lowest_needed(log) >> LOG_BLOCK_SHIFT);
}

/* Begins or ends the loops' waiting. It ends when a quarter of the room is free again. */
static void look_at_room(struct log *log)
{
    uint64_t held = lowest_held(log);
    uint64_t end = log_end(log);
    uint64_t behind = held < end ? end - held : 0;
    bool was = atomic_load_explicit(&log->crowded, memory_order_relaxed);
    bool is = behind > (was ? log->room - log->room / 4 : log->room);
    if (was != is) {
        atomic_store(&log->crowded, is);
        pthread_cond_broadcast(&log->roomy);
    }
}

static char *take_block(struct log *log)
{
    if (log->spares > 0) {
        return log->spare[--log->spares];
    }
    char *block = map(LOG_BLOCK);
    log->mapped += block != NULL;
    return block;
}

/* Whether a reader has what it waits for. */
static bool is_due(const struct log_reader *r, uint64_t readable)
{
    return r->broken_at != LOG_ALL || (r->target <= readable && r->target != LOG_ALL);
}

static void set_wake_at(struct log *log)
{
    uint64_t lowest = LOG_ALL;
    for (const struct log_reader *r = log->readers; r != NULL; r = r->next) {
        lowest = min_u64(lowest, r->target);
    }
    atomic_exchange_explicit(&log->wake_at, lowest, memory_order_acq_rel);
}

/* Those that sleep look for themselves; the others are called when they have what they wait for. */
static void wake_readers(struct log *log)
{
    bool called = false;
    uint64_t readable = log_readable(log);
    pthread_cond_broadcast(&log->readable);
    for (struct log_reader *r = log->readers; r != NULL; r = r->next) {
        if (r->wake != NULL && is_due(r, readable)) {
            void (*wake)(void *) = r->wake;
            r->wake = NULL;
            r->target = LOG_ALL;
            wake(r->context);
            called = true;
        }
    }
    if (called) {
        set_wake_at(log);
    }
}

/* Bytes from `from` on are missing. */
static void break_at(struct log *log, uint64_t from)
{
    log->breaks += !atomic_exchange(&log->broken, true);
    log->history_from = LOG_ALL;
    for (struct log_reader *r = log->readers; r != NULL; r = r->next) {
        r->broken_at = min_u64(r->broken_at, from);
    }
    set_limit(log);
    wake_readers(log);
}

/* Makes what is not there yet of the blocks of a range that an appender has reserved. False when it cannot be had: the log breaks
 * where the range begins. */
static bool make_blocks(struct log *log, uint64_t from, uint64_t to)
{
    bool made = true;
    if (atomic_load_explicit(&log->broken, memory_order_relaxed)) {
        return false;
    }
    pthread_mutex_lock(&log->lock);
    trim(log);
    uint64_t last = (to - 1) >> LOG_BLOCK_SHIFT;
    made = last < log->first + log->most_blocks && !atomic_load_explicit(&log->broken, memory_order_relaxed);
    for (uint64_t number = from >> LOG_BLOCK_SHIFT; made && number <= last; number++) {
        if (atomic_load_explicit(place_of(log, number), memory_order_relaxed) == NULL) {
            char *block = take_block(log);
            atomic_store_explicit(place_of(log, number), block, memory_order_release);
            made = block != NULL;
        }
    }
    if (!made) {
        break_at(log, from);
    }
    if (from > atomic_load_explicit(&log->hint, memory_order_relaxed)) {
        atomic_store_explicit(&log->hint, from, memory_order_relaxed);
    }
    look_at_room(log);
    if (to >= atomic_load_explicit(&log->wake_at, memory_order_relaxed)) {
        wake_readers(log);
    }
    pthread_mutex_unlock(&log->lock);
    return made;
}

/* ---- appending --------------------------------------------------------------------------------------- */

/* The SELECT for a database, and its length. */
static size_t format_select(int db, char *text)
{
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%d", db);
    return (size_t)snprintf(text, SELECT_MAX, "*2\r\n$6\r\nSELECT\r\n$%d\r\n%s\r\n", len, digits);
}

/* Reserves `len` bytes, and before them those of a SELECT where one is needed. Returns their offset, and the length of the
 * SELECT. */
static uint64_t reserve(struct log *log, int slot, int db, int last_db, size_t len, size_t select,
                        size_t *selected)
{
    uint64_t word = atomic_load_explicit(&log->word, memory_order_relaxed);
    for (;;) {
        uint64_t at = log_offset(log, word);
        *selected = word >> LOG_OFFSET_BITS == (uint64_t)db + 1 ? 0 : select;
        atomic_store_explicit(&log->slots[slot].filling, at, memory_order_release);
        if (atomic_compare_exchange_weak_explicit(&log->word, &word, word_of(at + *selected + len, last_db),
                                                  memory_order_release, memory_order_relaxed)) {
            return at;
        }
    }
}

char *log_reserve_slow(struct log *log, int slot, int db, int last_db, size_t len, struct log_range *range)
{
    char text[SELECT_MAX];
    size_t selected;
    uint64_t at = reserve(log, slot, db, last_db, len, format_select(db, text), &selected);
    *range = (struct log_range){.at = at, .lost = !make_blocks(log, at, at + selected + len)};
    log_fill(log, range, text, selected);
    size_t in_block = (size_t)(range->at & (LOG_BLOCK - 1));
    if (range->lost || len > LOG_BLOCK - in_block) {
        return NULL;
    }
    return atomic_load_explicit(place_of(log, range->at >> LOG_BLOCK_SHIFT), memory_order_acquire) + in_block;
}

void log_fill(struct log *log, struct log_range *range, const char *bytes, size_t len)
{
    while (len > 0 && !range->lost) {
        size_t in_block = (size_t)(range->at & (LOG_BLOCK - 1));
        size_t part = len < LOG_BLOCK - in_block ? len : LOG_BLOCK - in_block;
        char *block = atomic_load_explicit(place_of(log, range->at >> LOG_BLOCK_SHIFT), memory_order_acquire);
        memcpy(block + in_block, bytes, part);
        range->at += part;
        bytes += part;
        len -= part;
    }
}

void log_append(struct log *log, int slot, int db, int last_db, const char *bytes, size_t len)
{
    struct log_range range;
    char *to = db == last_db ? log_reserve(log, slot, db, len, &range)
                             : log_reserve_slow(log, slot, db, last_db, len, &range);
    if (to != NULL) {
        memcpy(to, bytes, len);
    } else {
        log_fill(log, &range, bytes, len);
    }
    log_commit(log, slot);
}

void log_append_raw(struct log *log, int slot, const char *bytes, size_t len)
{
    struct log_range range;
    uint64_t word = atomic_load_explicit(&log->word, memory_order_relaxed);
    uint64_t next;
    do {
        range.at = log_offset(log, word);
        next = word_of(range.at + len, LOG_MAX_NUMBERED_DB + 1) | word >> LOG_OFFSET_BITS << LOG_OFFSET_BITS;
        atomic_store_explicit(&log->slots[slot].filling, range.at, memory_order_release);
    } while (!atomic_compare_exchange_weak_explicit(&log->word, &word, next, memory_order_release,
                                                    memory_order_relaxed));
    range.lost = !make_blocks(log, range.at, range.at + len);
    log_fill(log, &range, bytes, len);
    log_commit(log, slot);
}

void log_lose(struct log *log, int slot)
{
    size_t selected;
    uint64_t at = reserve(log, slot, 0, LOG_MAX_NUMBERED_DB + 1, 1, 0, &selected);
    pthread_mutex_lock(&log->lock);
    break_at(log, at);
    pthread_mutex_unlock(&log->lock);
    log_commit(log, slot);
}

/* Microseconds of the monotonic clock. */
static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void log_await_room_slow(struct log *log)
{
    uint64_t began = now_us();
    pthread_mutex_lock(&log->lock);
    look_at_room(log);
    pthread_cond_broadcast(&log->readable); /* room is made by a reader, which must not sleep now */
    log->waits += atomic_load_explicit(&log->crowded, memory_order_relaxed);
    while (atomic_load_explicit(&log->crowded, memory_order_relaxed)) {
        pthread_cond_wait(&log->roomy, &log->lock);
    }
    log->wait_us += now_us() - began;
    pthread_mutex_unlock(&log->lock);
}

void log_wake_readers_slow(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    wake_readers(log);
    pthread_mutex_unlock(&log->lock);
}

/* ---- limits ------------------------------------------------------------------------------------------ */

void log_set_room(struct log *log, uint64_t bytes)
{
    pthread_mutex_lock(&log->lock);
    log->room = bytes > LOG_BLOCK ? bytes : LOG_BLOCK;
    look_at_room(log);
    pthread_mutex_unlock(&log->lock);
}

void log_set_most(struct log *log, uint64_t bytes)
{
    uint64_t blocks = (bytes + LOG_BLOCK - 1) >> LOG_BLOCK_SHIFT;
    pthread_mutex_lock(&log->lock);
    log->most_blocks = blocks < 2 ? 2 : min_u64(blocks, LOG_BLOCKS);
    set_limit(log);
    pthread_mutex_unlock(&log->lock);
}

/* ---- live, or not -------------------------------------------------------------------------------------- */

static bool come_alive(struct log *log)
{
    uint64_t end = log_end(log);
    log->blocks = map(TABLE_SIZE);
    if (log->blocks == NULL) {
        return false;
    }
    log->first = end >> LOG_BLOCK_SHIFT;
    log->history_from = end;
    atomic_store(&log->hint, end);
    atomic_store(&log->broken, false);
    atomic_store(&log->live, true);
    return true;
}

static void die(struct log *log)
{
    atomic_store(&log->live, false);
    free_before(log, (log_end(log) >> LOG_BLOCK_SHIFT) + 1);
    while (log->spares > 0) {
        munmap(log->spare[--log->spares], LOG_BLOCK);
        log->mapped--;
    }
    munmap(log->blocks, TABLE_SIZE);
    log->blocks = NULL;
}

static bool is_live(const struct log *log)
{
    return atomic_load_explicit(&log->live, memory_order_relaxed);
}

/* Makes it live, or not, as it has to be; `needed`: it has in any case. False: there is no memory. */
static bool settle(struct log *log, bool needed)
{
    bool live = needed || log->readers != NULL || log->history > 0 || log->follows;
    bool good = true;
    if (live && !is_live(log)) {
        good = come_alive(log);
    } else if (!live && is_live(log)) {
        die(log);
    }
    atomic_store(&log->on, is_live(log) && !log->follows);
    return good;
}

/* Makes a broken log whole from its end on. */
static void repair(struct log *log)
{
    if (atomic_exchange(&log->broken, false)) {
        log->history_from = log_end(log);
    }
}

bool log_keep_history(struct log *log, uint64_t bytes)
{
    pthread_mutex_lock(&log->lock);
    log->history = bytes;
    bool good = settle(log, false);
    log->history = good ? bytes : 0;
    if (is_live(log)) {
        trim(log);
    }
    pthread_mutex_unlock(&log->lock);
    return good;
}

void log_forget_history(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    log->history_from = log_end(log);
    pthread_mutex_unlock(&log->lock);
}

bool log_follow(struct log *log, bool follows)
{
    pthread_mutex_lock(&log->lock);
    log->follows = follows;
    bool good = settle(log, false);
    log->follows = good && follows;
    pthread_mutex_unlock(&log->lock);
    log_forget_db(log);
    return good;
}

/* ---- readers ------------------------------------------------------------------------------------------ */

/* Where the bytes begin of which none is missing. */
static uint64_t whole_from(const struct log *log)
{
    uint64_t first = log->first << LOG_BLOCK_SHIFT;
    uint64_t from = first > log->history_from ? first : log->history_from;
    return is_live(log) ? min_u64(from, log_end(log)) : log_end(log);
}

uint64_t log_history_from(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t from = whole_from(log);
    pthread_mutex_unlock(&log->lock);
    return from;
}

bool log_reader_open(struct log *log, struct log_reader *r, uint64_t at, enum log_claim claim)
{
    pthread_mutex_lock(&log->lock);
    bool good = settle(log, true);
    if (good) {
        repair(log);
        good = at >= whole_from(log) && at <= log_end(log);
    }
    if (good) {
        *r = (struct log_reader){
            .next = log->readers, .at = at, .broken_at = LOG_ALL, .target = LOG_ALL, .claim = claim};
        log->readers = r;
        log_forget_db(log);
        trim(log);
        look_at_room(log);
    }
    settle(log, false);
    pthread_mutex_unlock(&log->lock);
    return good;
}

void log_reader_close(struct log *log, struct log_reader *r)
{
    pthread_mutex_lock(&log->lock);
    struct log_reader **link = &log->readers;
    while (*link != r) {
        link = &(*link)->next;
    }
    *link = r->next;
    set_wake_at(log);
    settle(log, false);
    if (is_live(log)) {
        trim(log);
    }
    look_at_room(log);
    pthread_mutex_unlock(&log->lock);
}

void log_reader_claim(struct log *log, struct log_reader *r, enum log_claim claim)
{
    pthread_mutex_lock(&log->lock);
    r->claim = claim;
    trim(log);
    look_at_room(log);
    pthread_mutex_unlock(&log->lock);
}

/* The runs of bytes from `from` to before `to`, at most `max`. */
static int collect(struct log *log, uint64_t from, uint64_t to, struct slice *runs, int max)
{
    int count = 0;
    while (from < to && count < max) {
        size_t in_block = (size_t)(from & (LOG_BLOCK - 1));
        size_t len = (size_t)min_u64(to - from, LOG_BLOCK - in_block);
        const char *block =
            atomic_load_explicit(place_of(log, from >> LOG_BLOCK_SHIFT), memory_order_acquire);
        runs[count++] = (struct slice){block + in_block, len};
        from += len;
    }
    return count;
}

int log_reader_peek(struct log *log, struct log_reader *r, uint64_t until, struct slice *runs, int max)
{
    int count = LOG_BROKEN;
    pthread_mutex_lock(&log->lock);
    uint64_t readable = log_readable(log);
    if (r->at < r->broken_at && r->at >= log->first << LOG_BLOCK_SHIFT) {
        count = collect(log, r->at, min_u64(min_u64(readable, r->broken_at), until), runs, max);
        r->reading = count > 0;
    }
    pthread_mutex_unlock(&log->lock);
    return count;
}

void log_reader_advance(struct log *log, struct log_reader *r, uint64_t to)
{
    pthread_mutex_lock(&log->lock);
    bool next_block = r->at >> LOG_BLOCK_SHIFT != to >> LOG_BLOCK_SHIFT;
    r->at = to;
    r->reading = false;
    if (next_block) {
        trim(log);
    }
    look_at_room(log);
    pthread_mutex_unlock(&log->lock);
}

uint64_t log_reader_at(struct log *log, const struct log_reader *r)
{
    pthread_mutex_lock(&log->lock);
    uint64_t at = r->at;
    pthread_mutex_unlock(&log->lock);
    return at;
}

/* ---- readers that wait --------------------------------------------------------------------------------- */

/* Gives a reader another target. By the exchange it sees the bytes of every appender that did not see it (log_wake_readers). */
static void set_target(struct log *log, struct log_reader *r, uint64_t target)
{
    r->target = target;
    set_wake_at(log);
}

static struct timespec deadline_in(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

void log_reader_wait_until(struct log *log, struct log_reader *r, uint64_t offset, int64_t ms)
{
    struct timespec deadline = deadline_in(ms);
    pthread_mutex_lock(&log->lock);
    set_target(log, r, offset);
    while (!r->woken && r->broken_at == LOG_ALL && log_readable(log) < offset &&
           pthread_cond_timedwait(&log->readable, &log->lock, &deadline) == 0) {}
    set_target(log, r, LOG_ALL);
    r->woken = false;
    pthread_mutex_unlock(&log->lock);
}

void log_reader_wait(struct log *log, struct log_reader *r, int64_t ms)
{
    log_reader_wait_until(log, r, log_reader_at(log, r) + 1, ms);
}

bool log_reader_call_at(struct log *log, struct log_reader *r, uint64_t offset, void (*wake)(void *context),
                        void *context)
{
    pthread_mutex_lock(&log->lock);
    set_target(log, r, offset);
    bool waits = !is_due(r, log_readable(log));
    r->wake = waits ? wake : NULL;
    r->context = context;
    if (!waits) {
        set_target(log, r, LOG_ALL);
    }
    pthread_mutex_unlock(&log->lock);
    return waits;
}

void log_reader_wake(struct log *log, struct log_reader *r)
{
    pthread_mutex_lock(&log->lock);
    r->woken = true;
    pthread_cond_broadcast(&log->readable);
    pthread_mutex_unlock(&log->lock);
}

/* ---- for INFO ------------------------------------------------------------------------------------------ */

void log_stats(struct log *log, struct log_stats *stats)
{
    pthread_mutex_lock(&log->lock);
    *stats = (struct log_stats){.end = log_end(log),
                                .first = whole_from(log),
                                .memory = log->mapped << LOG_BLOCK_SHIFT,
                                .waits = log->waits,
                                .wait_us = log->wait_us,
                                .breaks = log->breaks};
    for (const struct log_reader *r = log->readers; r != NULL; r = r->next) {
        stats->readers++;
    }
    pthread_mutex_unlock(&log->lock);
}
