#include "persist/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "logger.h"
#include "memory.h"

/* ---- the walker's work ---------------------------------------------------------------------------------- */

enum {
    STEP_COST =
        64 *
        1024, /* bytes of values that a step may save, its shard locked: 0.2 ms where they are compressed */
    OBJECT_COST = 4096,
    WORK_NS = 100 * 1000, /* as the reaper: see there */
    WORK_MOST_NS = 500 * 1000,
    REST_NS = 50 * 1000,
    WAIT_FOR_WORK = 8,
    QUIET_NS = 100 * 1000 * 1000, /* no loop was seen at work for so long: there is nobody to give way to */
    TELL_NS = 1000 * 1000 * 1000,
    TELLS = 5, /* seconds between two lines in the log */
};

/* A walk, on the stack of the walker's thread. */
struct walk {
    struct snapshot *s;
    struct cut *cut;
    struct rdb_stream stream;
    struct cut_visitor visitor;
    size_t cost; /* of the present step */
    int64_t delay_owed;
    uint64_t work_began, work_ns, seen_busy, told;
    unsigned busy;
};

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec rest = {ns / 1000000000, ns % 1000000000};
    nanosleep(&rest, NULL);
}

static bool wanted(const struct walk *walk)
{
    return atomic_load_explicit(&walk->cut->keeping, memory_order_relaxed);
}

/* Gives up what cannot be written any more. */
static void check(struct walk *walk)
{
    if (!rdb_stream_ok(&walk->stream) && wanted(walk)) {
        cut_give_up(walk->cut);
    }
}

/* rdb-key-save-delay. */
static void delay(struct walk *walk)
{
    int64_t us = atomic_load_explicit(&walk->s->delay_us, memory_order_relaxed);
    if (us > 0) {
        walk->delay_owed += us;
    } else if (us < 0 &&
               atomic_load_explicit(&walk->s->progress.keys, memory_order_relaxed) % (uint64_t)-us == 0) {
        walk->delay_owed += 1;
    }
}

static void sleep_off_delay(struct walk *walk)
{
    if (walk->delay_owed > 0) {
        sleep_ns(walk->delay_owed * 1000);
        walk->delay_owed = 0;
    }
}

static void count_key(struct walk *walk)
{
    struct snapshot_progress *progress = &walk->s->progress;
    uint64_t keys = atomic_load_explicit(&progress->keys, memory_order_relaxed);
    atomic_store_explicit(&progress->keys, keys + 1, memory_order_relaxed);
    delay(walk);
}

static size_t cost_of(const struct entry *e)
{
    return 16 + (entry_form(e) == FORM_OBJECT ? OBJECT_COST : entry_value_len(e));
}

/* Also what is past its deadline: that it is gone is said by a DEL in the log, behind the cut, and until then commands that are logged
 * may have seen it alive. */
static void write_entry(struct walk *walk, const struct entry *e)
{
    rdb_stream_entry(&walk->stream, e);
    count_key(walk);
}

static bool visit(void *context, const struct entry *e)
{
    struct walk *walk = context;
    write_entry(walk, e);
    walk->cost += cost_of(e);
    return walk->cost < STEP_COST && walk->delay_owed == 0;
}

/* ---- what others keep ------------------------------------------------------------------------------------ */

static void tell_unpinned(struct walk *walk)
{
    struct snapshot *s = walk->s;
    if (atomic_load(&walk->cut->clients_wait) && atomic_exchange(&walk->cut->clients_wait, false) &&
        s->unpinned != NULL) {
        s->unpinned(s->unpinned_context);
    }
}

static void save_kept(struct walk *walk, struct cut_kept *kept)
{
    bool pinned = kept->pin.block != NULL;
    if (wanted(walk)) {
        rdb_stream_select(&walk->stream, kept->db);
        if (kept->entry != NULL) {
            write_entry(walk, kept->entry);
        } else {
            rdb_stream_raw(&walk->stream, kept->record, kept->len);
            count_key(walk);
        }
        rdb_stream_flush_full(&walk->stream);
        check(walk);
    }
    cut_kept_done(walk->cut, kept);
    if (pinned) {
        tell_unpinned(walk);
    }
}

/* Saves the kept ones of a list that are pinned, or those that are not. Returns the others. */
static struct cut_kept *save_list(struct walk *walk, struct cut_kept *list, bool pinned)
{
    struct cut_kept *others = NULL, *next;
    for (struct cut_kept *kept = list; kept != NULL; kept = next) {
        next = kept->next;
        if ((kept->pin.block != NULL) == pinned) {
            save_kept(walk, kept);
            sleep_off_delay(walk);
        } else {
            kept->next = others;
            others = kept;
        }
    }
    return others;
}

/* Somebody waits for what is pinned, so that comes first. */
static void save_all_kept(struct walk *walk)
{
    struct cut_kept *list;
    while ((list = cut_take_kept(walk->cut)) != NULL) {
        save_list(walk, save_list(walk, list, true), false);
    }
}

/* ---- the walk ------------------------------------------------------------------------------------------- */

static void tell_progress(struct walk *walk, uint64_t now)
{
    const struct snapshot_progress *progress = &walk->s->progress;
    atomic_store_explicit(&walk->s->progress.bytes, walk->stream.bytes, memory_order_relaxed);
    if (now - walk->told > (uint64_t)TELLS * TELL_NS) {
        walk->told = now;
        logger_notice("Saving: %llu of %llu keys, %llu MB", (unsigned long long)progress->keys,
                      (unsigned long long)progress->keys_total, (unsigned long long)(progress->bytes >> 20));
    }
}

/* Between two steps. */
static void rest(struct walk *walk)
{
    uint64_t now = monotonic_ns();
    if (gate_is_busy(walk->s->gate)) {
        walk->seen_busy = now;
    }
    if (now - walk->work_began < walk->work_ns) {
        return;
    }
    tell_progress(walk, now);
    if (now - walk->seen_busy > QUIET_NS) {
        walk->work_began = now;
        return;
    }
    sleep_ns(REST_NS);
    walk->work_began = monotonic_ns();
    uint64_t earned = (walk->work_began - now) / WAIT_FOR_WORK;
    walk->work_ns = earned < WORK_NS ? WORK_NS : earned < WORK_MOST_NS ? earned : WORK_MOST_NS;
}

/* Somebody runs alone, or holds the shard that comes next. */
static void give_way(struct walk *walk)
{
    enum { YIELDS = 200, NAP_NS = 20000 };
    if (++walk->busy < YIELDS) {
        sched_yield();
    } else {
        sleep_ns(NAP_NS);
    }
}

static enum cut_step one_step(struct walk *walk, struct cut_place *place)
{
    struct snapshot *s = walk->s;
    walk->cost = 0;
    rdb_stream_select(&walk->stream, place->db); /* what is kept may be of others */
    rdb_stream_hold(&walk->stream, true);
    enum cut_step step = cut_step(s->keyspace, s->gate, place, &walk->visitor);
    rdb_stream_hold(&walk->stream, false);
    rdb_stream_flush_full(&walk->stream);
    check(walk);
    if (walk->visitor.pinned != NULL) {
        save_kept(walk, walk->visitor.pinned);
    }
    sleep_off_delay(walk);
    return step;
}

static void walk_db(struct walk *walk, int db)
{
    struct cut_place place = {.db = db};
    const struct snapshot_size *size = &walk->s->sizes[db];
    rdb_stream_select(&walk->stream, db);
    rdb_stream_resize(&walk->stream, size->keys, size->timed);
    for (enum cut_step step = CUT_MORE; step != CUT_DONE;) {
        save_all_kept(walk);
        step = one_step(walk, &place);
        if (step == CUT_BUSY) {
            give_way(walk);
        } else {
            walk->busy = 0;
            rest(walk);
        }
    }
}

/* A line that redis-check-aof can cut the file at. */
static void write_time(struct walk *walk)
{
    char line[48];
    int len = snprintf(line, sizeof line, "#TS:%lld\r\n", (long long)walk->s->ctime);
    rdb_stream_raw(&walk->stream, line, (size_t)len);
}

static void write_header(struct walk *walk)
{
    const struct snapshot *s = walk->s;
    const struct snapshot_options *options = &s->options;
    struct rdb_stream *stream = &walk->stream;
    if (options->timestamp) {
        write_time(walk);
    }
    rdb_stream_aux(stream, "redis-ver", options->version);
    rdb_stream_aux_int(stream, "redis-bits", (int64_t)sizeof(void *) * 8);
    rdb_stream_aux_int(stream, "ctime", s->ctime);
    rdb_stream_aux_int(stream, "used-mem", s->used);
    if (options->replication_id[0] != '\0') {
        rdb_stream_aux_int(stream, "repl-stream-db", options->replication_db);
        rdb_stream_aux(stream, "repl-id", options->replication_id);
        rdb_stream_aux_int(stream, "repl-offset", options->replication_offset);
        if (options->replication_epoch > 0) {
            rdb_stream_aux_int(stream, "repl-epoch", options->replication_epoch);
        }
    }
    rdb_stream_aux_int(stream, "aof-base", options->aof_base);
}

/* All databases; of a cut that has been given up: until all its marks are the same. */
static void walk_all(struct walk *walk)
{
    struct snapshot *s = walk->s;
    write_header(walk);
    for (int db = 0; db < s->keyspace->count; db++) {
        if (s->sizes[db].keys > 0) {
            walk_db(walk, db);
        }
    }
    save_all_kept(walk);
    if (wanted(walk)) {
        rdb_stream_end(&walk->stream);
        check(walk);
    }
    atomic_store(&s->progress.bytes, walk->stream.bytes);
}

/* How it went, and the end of the sink. */
static void conclude(struct walk *walk)
{
    struct snapshot *s = walk->s;
    const struct snapshot_sink *sink = &s->options.sink;
    bool complete = wanted(walk) && !atomic_load(&s->abandoned);
    s->error = 0;
    if (complete) {
        s->end = SNAPSHOT_DONE;
    } else if (!rdb_stream_ok(&walk->stream) || atomic_load(&walk->cut->no_memory)) {
        s->end = SNAPSHOT_FAILED;
        s->error = rdb_stream_ok(&walk->stream) ? ENOMEM : rdb_stream_error(&walk->stream);
    } else {
        s->end = SNAPSHOT_ABANDONED;
    }
    if (sink->end != NULL && !sink->end(sink->context, complete) && complete) {
        s->end = SNAPSHOT_FAILED;
        s->error = errno;
    }
}

static void run(struct snapshot *s)
{
    struct walk walk = {.s = s, .cut = &s->keyspace->cut, .work_ns = WORK_NS};
    walk.visitor = (struct cut_visitor){.context = &walk, .save = visit};
    walk.work_began = walk.told = monotonic_ns();
    if (!rdb_stream_begin(&walk.stream, s->version, &s->how, s->options.compress, s->options.checksum,
                          s->options.sink.write, s->options.sink.context)) {
        cut_give_up(walk.cut);
    }
    walk_all(&walk);
    conclude(&walk);
    rdb_stream_free(&walk.stream);
}

/* ---- the thread ----------------------------------------------------------------------------------------- */

static void on_done(struct loop *loop, void *argument)
{
    struct snapshot *s = argument;
    (void)loop;
    gate_enter(s->gate, 0);
    gate_alone(s->gate, 0);
    pthread_mutex_lock(&s->lock);
    s->closed = true; /* from here on the walker leaves the queue alone */
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    cut_close(s->keyspace, s->gate, 0);
    s->running = false;
    if (!stopping) {
        s->done(s->context, s->end, s->error);
    }
    gate_together(s->gate, 0);
    gate_leave(s->gate, 0);
}

/* Until the cut is closed: who found it open when it was given up may have kept something, and waits for it. With the lock. */
static void drop_kept_until_closed(struct snapshot *s)
{
    enum { LOOK_NS = 200 * 1000 };
    struct walk walk = {.s = s, .cut = &s->keyspace->cut};
    while (!s->closed && !s->stopping) {
        struct cut_kept *next, *list = cut_take_kept(walk.cut);
        pthread_mutex_unlock(&s->lock);
        for (struct cut_kept *kept = list; kept != NULL; kept = next) {
            next = kept->next;
            cut_kept_done(walk.cut, kept);
        }
        tell_unpinned(&walk);
        sleep_ns(LOOK_NS);
        pthread_mutex_lock(&s->lock);
    }
}

static void *walker(void *argument)
{
    struct snapshot *s = argument;
    mem_thread_init();
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        if (!s->begun) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        s->begun = false;
        s->closed = false;
        pthread_mutex_unlock(&s->lock);
        run(s);
        loop_post_lent(s->loop, &s->message, on_done, s);
        pthread_mutex_lock(&s->lock);
        drop_kept_until_closed(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- for others ----------------------------------------------------------------------------------------- */

void snapshot_init(struct snapshot *s, struct keyspace *ks, struct gate *gate, struct loop *loop0,
                   const struct rdb_values *values)
{
    *s = (struct snapshot){.keyspace = ks, .gate = gate, .loop = loop0, .values = *values};
    s->sizes = mem_must((size_t)ks->count * sizeof *s->sizes);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
}

static bool start_thread(struct snapshot *s)
{
    if (!s->started) {
        int error = pthread_create(&s->thread, NULL, walker, s);
        if (error != 0) {
            errno = error;
            return false;
        }
        pthread_setname_np(s->thread, "snapshot");
        s->started = true;
    }
    return true;
}

/* A record by itself, for what changes before the walker comes to it. On a loop's thread. */
static uint8_t *make_record(void *context, const struct entry *e, size_t *len)
{
    const struct snapshot *s = context;
    struct rdb_writer writer;
    rdb_writer_init(&writer, s->options.compress);
    rdb_record_write(&writer, &s->how, e);
    uint8_t *record = rdb_writer_take(&writer, len);
    rdb_writer_free(&writer);
    return record;
}

static void note_cut(struct snapshot *s)
{
    uint64_t keys = 0;
    for (int i = 0; i < s->keyspace->count; i++) {
        const struct db *db = &s->keyspace->dbs[i];
        s->sizes[i] = (struct snapshot_size){db_size(db), db_timed(db)};
        keys += s->sizes[i].keys;
    }
    s->how =
        (struct rdb_record){s->values, s->options.access, s->options.rules, clock_now(), s->options.commands};
    s->version = entry_timed_parts() > 0 ? RDB_VERSION_YOUNGER : RDB_VERSION_WRITTEN;
    s->ctime = clock_wall_us() / 1000000;
    s->used = mem_used();
    atomic_store(&s->progress.keys_total, keys);
    atomic_store(&s->progress.keys, 0);
    atomic_store(&s->progress.bytes, 0);
    atomic_store(&s->progress.began, s->how.now);
}

bool snapshot_begin(struct snapshot *s, const struct snapshot_options *options, snapshot_done_fn *done,
                    void *context)
{
    errno = 0;
    if (s->running || !start_thread(s)) {
        return false;
    }
    s->options = *options;
    s->done = done;
    s->context = context;
    atomic_store(&s->abandoned, false);
    note_cut(s);
    cut_open(s->keyspace, s->gate, make_record, s);
    s->running = true;
    pthread_mutex_lock(&s->lock);
    s->begun = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    return true;
}

void snapshot_abandon(struct snapshot *s)
{
    atomic_store(&s->abandoned, true);
    cut_give_up(&s->keyspace->cut);
}

void snapshot_stop(struct snapshot *s)
{
    if (!s->started) {
        return;
    }
    snapshot_abandon(s);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->started = false;
}
