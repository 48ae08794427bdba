/*
 * A load goes from record to record. A record is read from the window; where the window ends within it, the window grows and the
 * record is read again from its beginning, so nothing of a record may have an effect before all of it was there. A value that is
 * read again is first walked over (rdb_skip.h), which is cheap, so that it is built only once all its bytes are at hand: a value
 * of a gigabyte is walked over about twice in all, as the window doubles.
 */
#include "persist/rdb_load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "persist/rdb_batch.h"
#include "persist/rdb_skip.h"
#include "types/number.h"

enum step { STEP_NEXT, STEP_END, STEP_FAILED, STEP_STOPPED };

struct load {
    const struct rdb_load_options *options;
    struct rdb_load_result *result;
    struct rdb_window window;
    struct rdb_reader reader; /* over the window */
    bool valkey;
    unsigned version;
    bool again; /* the record was read before, and the window ended in it */
    struct db *db;
    int64_t now, wall_shift; /* clock.h's time at the beginning, and minus the wall's */

    /* Of the next key. */
    int64_t deadline, idle;
    int frequency; /* -1: not given, as idle */

    /* What is being read, for the reason. */
    const char *what;
    struct rdb_string key; /* while its value is being read (`in_value`) */
    bool in_value;
    unsigned type;

    uint64_t loaded, expired, skipped[RDB_SKIPPED_KINDS];
    struct rdb_batch batch;
};

/* ---- what is wrong --------------------------------------------------------------------------------------- */

static void describe(const struct load *l, char *text, size_t size)
{
    if (!l->in_value) {
        snprintf(text, size, "%s", l->what);
        return;
    }
    char digits[NUMBER_I64_MAX_CHARS];
    size_t len;
    const uint8_t *key = rdb_string_text(&l->key, digits, &len);
    const char *name = rdb_type_name(l->type, l->valkey);
    snprintf(text, size, "the value of key '%.*s' in database %d (%s)", (int)(len < 128 ? len : 128),
             (const char *)key, l->db->id, name != NULL ? name : "of unknown type");
}

static enum step refuse_at(struct load *l, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Refuses the file for something at an offset. */
static enum step refuse_at(struct load *l, uint64_t offset, const char *format, ...)
{
    struct rdb_load_result *result = l->result;
    char what[256];
    va_list args;
    describe(l, what, sizeof what);
    result->status = RDB_LOAD_REFUSED;
    result->offset = offset;
    int len = snprintf(result->reason, sizeof result->reason, "while reading %s: ", what);
    va_start(args, format);
    vsnprintf(result->reason + len, sizeof result->reason - (size_t)len, format, args);
    va_end(args);
    return STEP_FAILED;
}

static uint64_t here(const struct load *l)
{
    return l->window.base + l->reader.at;
}

/* Refuses it for something where the reader stands. */
#define REFUSE(l, ...) refuse_at(l, here(l), __VA_ARGS__)

/* A read has failed: if only the window ends here, the record is read again with more. */
static enum step failed(struct load *l, const char *what)
{
    l->what = what != NULL ? what : l->what;
    if (l->reader.missing > 0) {
        return STEP_FAILED;
    }
    if (l->reader.no_memory) {
        return REFUSE(l, "there is not enough memory");
    }
    return REFUSE(l, "a length or an encoding is none that there is");
}

/* The window ends within the record: gets more. */
static enum step get_more(struct load *l)
{
    struct rdb_window *w = &l->window;
    size_t held = w->end - w->at;
    size_t missing = l->reader.missing;
    uint64_t at = here(l);
    unsigned long long ends;
    const struct rdb_load_hooks *hooks = &l->options->hooks;
    if (hooks->goes_on != NULL && !hooks->goes_on(hooks->context)) {
        return STEP_STOPPED;
    }
    if (!rdb_window_more(w, l->again && held > missing ? held : missing) && w->end - w->at - held < missing) {
        if (w->no_memory) {
            return refuse_at(l, at, "there is not enough memory for it");
        }
        if (w->error != 0) {
            return refuse_at(l, at, "%s", strerror(w->error));
        }
        ends = w->base + w->end;
        return refuse_at(
            l, at, "the file is cut short: it ends at byte %llu, and at least %zu bytes more are needed",
            ends, missing - (w->end - w->at - held));
    }
    l->reader.bytes = w->bytes;
    l->reader.len = w->end;
    l->again = held > 0;
    return STEP_NEXT;
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

static enum step place_batch(struct load *l)
{
    const struct rdb_load_options *options = l->options;
    const struct rdb_load_hooks *hooks = &options->hooks;
    unsigned count = l->batch.count;
    if (hooks->enter != NULL) {
        hooks->enter(hooks->context);
    }
    enum rdb_placed placed = rdb_batch_place(&l->batch, options->replace, l->now);
    if (hooks->leave != NULL) {
        hooks->leave(hooks->context);
    }
    l->loaded += count - l->batch.count;
    atomic_store_explicit(&options->progress->loaded, l->loaded, memory_order_relaxed);
    atomic_store_explicit(&options->progress->bytes, here(l), memory_order_relaxed);
    if (placed == RDB_PLACED) {
        return hooks->goes_on == NULL || hooks->goes_on(hooks->context) ? STEP_NEXT : STEP_STOPPED;
    }
    struct slice key = entry_key(l->batch.items[0].entry);
    l->in_value = false;
    l->what = "a key";
    if (placed == RDB_NO_MEMORY) {
        return refuse_at(l, l->batch.items[0].offset, "there is not enough memory");
    }
    return refuse_at(l, l->batch.items[0].offset, "the key '%.*s' of database %d is there already",
                     (int)(key.len < 128 ? key.len : 128), key.ptr, l->batch.items[0].db->id);
}

static void note_skipped(struct load *l, enum rdb_skipped what, struct slice name)
{
    const struct rdb_load_hooks *hooks = &l->options->hooks;
    l->skipped[what]++;
    atomic_store_explicit(&l->options->progress->skipped[what], l->skipped[what], memory_order_relaxed);
    if (hooks->skipped != NULL) {
        hooks->skipped(hooks->context, what, l->db->id, name);
    }
}

/* The access clock of the key that is being read. */
static uint32_t access_of(const struct load *l)
{
    if (l->options->access.lfu && l->frequency >= 0) {
        return access_from_frequency((unsigned)l->frequency, l->now);
    }
    if (!l->options->access.lfu && l->idle >= 0) {
        return access_from_idle(l->idle, l->now);
    }
    return access_new(&l->options->access, l->now);
}

/* Reads a value that is kept. */
static enum step load_value(struct load *l, struct slice key)
{
    const struct rdb_load_hooks *hooks = &l->options->hooks;
    struct entry_head head = {key, l->deadline, access_of(l)};
    struct entry *e;
    size_t start = l->reader.at;
    enum rdb_payload_status status =
        hooks->load(hooks->context, &l->reader, (enum rdb_type)l->type, &head, &e);
    if (__builtin_expect(status == RDB_PAYLOAD_OK, 1)) {
        rdb_batch_add(&l->batch, l->db, e, rdb_window_offset(&l->window));
        return STEP_NEXT;
    }
    if (status == RDB_PAYLOAD_NO_MEMORY) {
        return REFUSE(l, "there is not enough memory for it");
    }
    if (l->reader.missing > 0 || l->reader.failed) {
        return failed(l, NULL);
    }
    uint64_t end = here(l);
    rdb_reader_rewind(&l->reader, start);
    if (rdb_value_is_empty(&l->reader, l->type)) {
        rdb_skip_value(&l->reader, l->type); /* it was read already */
        note_skipped(l, RDB_SKIPPED_EMPTY, key);
        return STEP_NEXT;
    }
    return refuse_at(l, end, "its content is damaged, or has an element twice (integrity check failed)");
}

static enum step read_value(struct load *l, struct slice key)
{
    enum rdb_known known = rdb_known(l->type, l->valkey);
    bool dead = l->deadline <= l->now && !l->options->keep_expired;
    if (known == RDB_UNKNOWN) {
        return REFUSE(l, "this type (%u) is not supported, and where the value ends is not known", l->type);
    }
    if (known == RDB_LOADED && !dead) {
        struct rdb_reader walk = l->reader;
        if (__builtin_expect(l->again, 0) && !rdb_skip_value(&walk, l->type)) {
            l->reader = walk;
            return failed(l, NULL);
        }
        return load_value(l, key);
    }
    if (!rdb_skip_value(&l->reader, l->type)) {
        return failed(l, NULL);
    }
    if (dead) {
        atomic_store_explicit(&l->options->progress->expired, ++l->expired, memory_order_relaxed);
    } else {
        note_skipped(l, known == RDB_STREAM ? RDB_SKIPPED_STREAM : RDB_SKIPPED_MODULE, key);
    }
    return STEP_NEXT;
}

static enum step read_key(struct load *l, uint8_t type)
{
    char digits[NUMBER_I64_MAX_CHARS];
    struct slice key;
    l->type = type;
    if (!rdb_read_string(&l->reader, &l->key)) {
        return failed(l, "a key");
    }
    key.ptr = (const char *)rdb_string_text(&l->key, digits, &key.len);
    l->in_value = true;
    enum step step = read_value(l, key);
    if (step == STEP_NEXT) { /* else the key is still wanted, for the reason */
        rdb_string_free(&l->key);
        l->in_value = false;
        l->deadline = ENTRY_NO_DEADLINE;
        l->idle = l->frequency = -1;
    }
    return step;
}

/* ---- other records ------------------------------------------------------------------------------------------- */

/* A deadline in wall time. -1 is none. */
static void set_deadline(struct load *l, int64_t wall)
{
    if (wall == -1) {
        l->deadline = ENTRY_NO_DEADLINE;
    } else if (__builtin_add_overflow(wall, l->wall_shift, &l->deadline)) {
        l->deadline = wall > 0 ? ENTRY_NO_DEADLINE - 1 : INT64_MIN;
    }
}

static enum step read_deadline(struct load *l, bool seconds)
{
    uint32_t s;
    uint64_t ms;
    if (seconds ? !rdb_read_u32(&l->reader, &s) : !rdb_read_u64(&l->reader, &ms)) {
        return failed(l, "a deadline");
    }
    set_deadline(l, seconds ? (int64_t)(int32_t)s * 1000 : (int64_t)ms);
    return STEP_NEXT;
}

static enum step read_use(struct load *l, bool frequency)
{
    uint64_t idle;
    uint8_t counter;
    if (frequency ? !rdb_read_u8(&l->reader, &counter) : !rdb_read_length(&l->reader, &idle)) {
        return failed(l, frequency ? "a frequency" : "an idle time");
    }
    if (frequency) {
        l->frequency = counter;
    } else {
        l->idle = idle < INT32_MAX ? (int64_t)idle : INT32_MAX;
    }
    return STEP_NEXT;
}

/* Makes tables for so many entries, a few shards at a time: others may want to look at the keyspace. */
static void reserve(struct load *l, uint64_t entries)
{
    enum { SHARDS_A_STEP = 64 };
    const struct rdb_load_hooks *hooks = &l->options->hooks;
    for (uint32_t first = 0; first < SHARDS; first += SHARDS_A_STEP) {
        if (hooks->enter != NULL) {
            hooks->enter(hooks->context);
        }
        db_reserve(l->db, entries, first, SHARDS_A_STEP);
        if (hooks->leave != NULL) {
            hooks->leave(hooks->context);
        }
    }
}

static enum step select_db(struct load *l, uint64_t number)
{
    struct keyspace *ks = l->options->keyspace;
    if (number >= (uint64_t)ks->count) {
        return REFUSE(l, "database %llu is beyond the setting `databases` (%d)", (unsigned long long)number,
                      ks->count);
    }
    l->db = &ks->dbs[number];
    if (!db_make(l->db)) {
        return REFUSE(l, "there is not enough memory");
    }
    return STEP_NEXT;
}

static enum step read_select(struct load *l)
{
    uint64_t number;
    return rdb_read_length(&l->reader, &number) ? select_db(l, number)
                                                : failed(l, "the number of a database");
}

/* The file says how many keys follow. It is believed as far as the bytes that are left can hold so many. */
static enum step read_sizes(struct load *l)
{
    enum { KEY_BYTES = 3 /* at least */, UNKNOWN_LEFT = 4 << 20 };
    uint64_t keys, timed, size = l->options->source.size;
    if (!rdb_read_length(&l->reader, &keys) || !rdb_read_length(&l->reader, &timed)) {
        return failed(l, "the size of a database");
    }
    uint64_t left = size > here(l) ? size - here(l) : size > 0 ? 0 : UNKNOWN_LEFT;
    reserve(l, keys < left / KEY_BYTES ? keys : left / KEY_BYTES);
    return STEP_NEXT;
}

static enum step read_told(struct load *l)
{
    struct rdb_string name = {0}, value = {0};
    char name_digits[NUMBER_I64_MAX_CHARS], value_digits[NUMBER_I64_MAX_CHARS];
    const struct rdb_load_hooks *hooks = &l->options->hooks;
    enum step step = STEP_NEXT;
    if (rdb_read_string(&l->reader, &name) && rdb_read_string(&l->reader, &value)) {
        struct slice n, v;
        int64_t used;
        n.ptr = (const char *)rdb_string_text(&name, name_digits, &n.len);
        v.ptr = (const char *)rdb_string_text(&value, value_digits, &v.len);
        if (slice_equal(n, SLICE("used-mem")) && number_parse_i64(v.ptr, v.len, &used) && used > 0) {
            atomic_store_explicit(&l->options->progress->used_memory, (uint64_t)used, memory_order_relaxed);
        }
        if (hooks->told != NULL) {
            hooks->told(hooks->context, n, v);
        }
    } else {
        step = failed(l, "a field of the header");
    }
    rdb_string_free(&name);
    rdb_string_free(&value);
    return step;
}

static enum step read_function(struct load *l)
{
    struct rdb_string code = {0};
    char digits[NUMBER_I64_MAX_CHARS];
    enum step step = STEP_NEXT;
    if (rdb_read_string(&l->reader, &code)) {
        struct slice text;
        text.ptr = (const char *)rdb_string_text(&code, digits, &text.len);
        note_skipped(l, RDB_SKIPPED_FUNCTION, text);
    } else {
        step = failed(l, "a library of functions");
    }
    rdb_string_free(&code);
    return step;
}

/* Module, mark of an integer, when it is to be read, parts. */
static enum step read_module_aux(struct load *l)
{
    uint64_t module, mark, when;
    if (!rdb_read_length(&l->reader, &module) || !rdb_read_length(&l->reader, &mark) ||
        !rdb_read_length(&l->reader, &when) || !rdb_skip_module_parts(&l->reader)) {
        return failed(l, "what a module keeps beside the keys");
    }
    note_skipped(l, RDB_SKIPPED_MODULE, (struct slice){"", 0});
    return STEP_NEXT;
}

static enum step read_slot_info(struct load *l)
{
    uint64_t slot, keys, timed;
    if (!rdb_read_length(&l->reader, &slot) || !rdb_read_length(&l->reader, &keys) ||
        !rdb_read_length(&l->reader, &timed)) {
        return failed(l, "the size of a slot");
    }
    return STEP_NEXT;
}

static enum step read_record(struct load *l)
{
    uint8_t code;
    if (!rdb_read_u8(&l->reader, &code)) {
        return failed(l, "the next record");
    }
    switch (code) {
    case RDB_OPCODE_SLOT_IMPORT:
        l->what = "a slot import of a cluster";
        return REFUSE(l, "it is not supported");
    case RDB_OPCODE_SLOT_INFO: return read_slot_info(l);
    case RDB_OPCODE_FUNCTION: return read_function(l);
    case RDB_OPCODE_FUNCTION_PRE_RELEASE:
        l->what = "functions of a pre-release of Redis 7.0";
        return REFUSE(l, "they are not supported");
    case RDB_OPCODE_MODULE_AUX: return read_module_aux(l);
    case RDB_OPCODE_IDLE:
    case RDB_OPCODE_FREQUENCY: return read_use(l, code == RDB_OPCODE_FREQUENCY);
    case RDB_OPCODE_AUX: return read_told(l);
    case RDB_OPCODE_RESIZE_DB: return read_sizes(l);
    case RDB_OPCODE_EXPIRE:
    case RDB_OPCODE_EXPIRE_MS: return read_deadline(l, code == RDB_OPCODE_EXPIRE);
    case RDB_OPCODE_SELECT_DB: return read_select(l);
    case RDB_OPCODE_EOF: return STEP_END;
    default: break;
    }
    if (rdb_type_name(code, l->valkey) == NULL) {
        l->what = "the next record";
        return refuse_at(l, here(l) - 1, "there is no type and no opcode %u", code);
    }
    return read_key(l, code);
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

/* Reads one record by `read`, with as many bytes as it takes. */
static enum step whole_record(struct load *l, enum step (*read)(struct load *l))
{
    l->again = false;
    for (;;) {
        l->in_value = false;
        rdb_reader_rewind(&l->reader, l->window.at);
        enum step step = read(l);
        if (__builtin_expect(step == STEP_NEXT || step == STEP_END, 1)) {
            l->window.at = l->reader.at;
            return step;
        }
        bool short_of_bytes =
            step == STEP_FAILED && l->reader.missing > 0 && l->result->status != RDB_LOAD_REFUSED;
        if (short_of_bytes) {
            step = get_more(l);
        }
        if (l->in_value) {
            rdb_string_free(&l->key);
        }
        if (!short_of_bytes || step != STEP_NEXT) {
            return step;
        }
    }
}

static bool all_digits(const uint8_t *text, size_t n, unsigned *number)
{
    *number = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *number = *number * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

static enum step read_header(struct load *l)
{
    enum { HEADER = 9, REDIS = 5, VALKEY = 6 };
    const uint8_t *text;
    l->what = "the header";
    if (!rdb_read_bytes(&l->reader, HEADER, &text)) {
        return failed(l, NULL);
    }
    l->valkey = memcmp(text, "VALKEY", VALKEY) == 0;
    size_t name = l->valkey ? VALKEY : REDIS;
    if ((!l->valkey && memcmp(text, "REDIS", REDIS) != 0) ||
        !all_digits(text + name, HEADER - name, &l->version)) {
        return refuse_at(l, 0, "it does not begin as an RDB file");
    }
    if (l->valkey ? l->version != RDB_VERSION_VALKEY : l->version < 1 || l->version > RDB_VERSION_READ) {
        return refuse_at(l, name, "version %u of %s is not supported", l->version,
                         l->valkey ? "Valkey" : "Redis");
    }
    return STEP_NEXT;
}

/* What stands behind the end mark. */
static enum step read_checksum(struct load *l)
{
    uint64_t told, found = rdb_window_sum(&l->window);
    l->what = "the checksum";
    if (!rdb_read_u64(&l->reader, &told)) {
        return failed(l, NULL);
    }
    if (l->options->checksum && told != 0 && told != found) {
        return refuse_at(l, here(l) - sizeof told,
                         "it is %016llx, and that of the file's bytes is %016llx (CRC error)",
                         (unsigned long long)told, (unsigned long long)found);
    }
    return STEP_NEXT;
}

/* Before there were checksums: a file with more behind its end was not written like this. */
static enum step check_end(struct load *l)
{
    l->what = "the end";
    if (l->options->whole && (l->window.end > l->window.at || rdb_window_more(&l->window, 1))) {
        return refuse_at(l, rdb_window_offset(&l->window),
                         "a file of version %u has nothing behind its end mark", l->version);
    }
    return STEP_NEXT;
}

static enum step read_all(struct load *l)
{
    enum step step = whole_record(l, read_header);
    l->window.sums = l->options->checksum && l->version >= RDB_VERSION_CHECKSUM;
    if (step == STEP_NEXT) {
        step = select_db(l, 0);
    }
    while (step == STEP_NEXT) {
        step = whole_record(l, read_record);
        if (l->batch.count == RDB_BATCH && step == STEP_NEXT) {
            step = place_batch(l);
        }
    }
    if (step != STEP_END) {
        return step;
    }
    step = place_batch(l);
    if (step == STEP_NEXT) {
        step = l->version >= RDB_VERSION_CHECKSUM ? whole_record(l, read_checksum) : check_end(l);
    }
    return step;
}

static void begin(struct load *l, const struct rdb_load_options *options, struct rdb_load_result *result)
{
    int64_t wall = clock_wall_us() / 1000;
    *result = (struct rdb_load_result){.status = RDB_LOAD_DONE};
    *l = (struct load){.options = options, .result = result, .what = "the header"};
    l->now = clock_now();
    l->wall_shift = clock_from_wall(wall) - wall;
    l->deadline = ENTRY_NO_DEADLINE;
    l->idle = l->frequency = -1;
    l->db = &options->keyspace->dbs[0];
    rdb_window_init(&l->window, &options->source, true);
    rdb_reader_init(&l->reader, NULL, 0, SIZE_MAX);
    memset(options->progress, 0, sizeof *options->progress);
    atomic_store(&options->progress->total, options->source.size);
}

void rdb_load(const struct rdb_load_options *options, struct rdb_load_result *result)
{
    struct load l;
    begin(&l, options, result);
    enum step step = read_all(&l);
    rdb_batch_drop(&l.batch);
    if (step == STEP_STOPPED) {
        result->status = RDB_LOAD_STOPPED;
    }
    if (step == STEP_NEXT) {
        result->offset = rdb_window_offset(&l.window);
        result->rest = l.window.bytes;
        result->rest_at = l.window.at;
        result->rest_len = l.window.end - l.window.at;
        atomic_store_explicit(&options->progress->bytes, result->offset, memory_order_relaxed);
    } else {
        rdb_window_free(&l.window);
    }
}
