#include "store/cut.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "memory.h"
#include "store/gate.h"
#include "store/keyspace.h"
#include "store/reaper.h"

/* How long a loop waits for a queue that is somewhat too long, and how often it looks where it must wait. */
enum { SOFT_WAIT_US = 1000, LOOK_MS = 20 };

void cut_init(struct cut *cut)
{
    pthread_condattr_t attributes;
    memset(cut, 0, sizeof *cut);
    pthread_mutex_init(&cut->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cut->progress, &attributes);
}

static void bring_home(struct keyspace *ks)
{
    for (int i = 0; i < ks->count; i++) {
        ks->dbs[i].home = i;
    }
}

void cut_open(struct keyspace *ks, struct gate *gate, cut_record_fn *record, void *context)
{
    struct cut *cut = &ks->cut;
    cut->record = record;
    cut->context = context;
    atomic_store(&cut->kept_peak, 0);
    atomic_store(&cut->no_memory, false);
    shard_mark ^= SLOT_MARK;
    bring_home(ks);
    gate_admit(gate);
    keyspace_lock_shards(ks, true);
    atomic_store(&cut->keeping, true);
    atomic_store(&cut->active, true);
}

void cut_close(struct keyspace *ks, struct gate *gate, int loop)
{
    struct cut *cut = &ks->cut;
    struct cut_kept *next;
    atomic_store(&cut->keeping, false);
    for (struct cut_kept *kept = cut_take_kept(cut); kept != NULL; kept = next) {
        next = kept->next;
        cut_kept_done(cut, kept);
    }
    atomic_store(&cut->active, false);
    bring_home(ks);
    gate_dismiss(gate, loop);
    keyspace_lock_shards(ks, gate_members(gate) > 1);
}

void cut_give_up(struct cut *cut)
{
    atomic_store(&cut->keeping, false);
}

/* ---- the queue ---------------------------------------------------------------------------------------- */

static void note_peak(struct cut *cut, int64_t now)
{
    int64_t peak = atomic_load_explicit(&cut->kept_peak, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&cut->kept_peak, &peak, now,
                                                                memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void count(struct cut *cut, struct cut_kept *kept)
{
    kept->bytes += mem_class(sizeof *kept);
    note_peak(cut, atomic_fetch_add_explicit(&cut->kept, (int64_t)kept->bytes, memory_order_relaxed) +
                       (int64_t)kept->bytes);
}

static void push(struct cut *cut, struct cut_kept *kept)
{
    count(cut, kept);
    kept->next = atomic_load_explicit(&cut->queue, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&cut->queue, &kept->next, kept, memory_order_release,
                                                  memory_order_relaxed)) {}
}

/* For want of memory the cut cannot be saved. */
static void fail(struct cut *cut)
{
    atomic_store(&cut->no_memory, true);
    cut_give_up(cut);
}

static struct cut_kept *new_kept(const struct db *db, struct entry *e)
{
    struct cut_kept *kept = mem_alloc(sizeof *kept);
    if (kept == NULL) {
        fail(&db->keyspace->cut);
        return NULL;
    }
    *kept = (struct cut_kept){.db = db->home, .entry = e};
    return kept;
}

struct cut_kept *cut_take_kept(struct cut *cut)
{
    if (atomic_load_explicit(&cut->queue, memory_order_relaxed) == NULL) {
        return NULL;
    }
    return atomic_exchange_explicit(&cut->queue, NULL, memory_order_acquire);
}

static void free_kept(struct cut_kept *kept)
{
    free(kept->record);
    if (kept->entry != NULL && kept->pin.block != NULL) {
        entry_free_shell(kept->entry);
        pin_remove(&kept->pin);
    } else if (kept->entry != NULL) {
        reaper_free_entry(kept->entry);
    }
    mem_free(kept, sizeof *kept);
}

void cut_kept_done(struct cut *cut, struct cut_kept *kept)
{
    int64_t bytes = (int64_t)kept->bytes;
    free_kept(kept);
    atomic_fetch_sub(&cut->kept, bytes);
    if (atomic_load(&cut->threads_wait) > 0) {
        pthread_mutex_lock(&cut->lock);
        pthread_cond_broadcast(&cut->progress);
        pthread_mutex_unlock(&cut->lock);
    }
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

static int64_t monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Waits for progress, until a time at most. With the lock of the condition. */
static void await_progress(struct cut *cut, int64_t until_us)
{
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_cond_timedwait(&cut->progress, &cut->lock, &until);
}

void cut_await_room(struct cut *cut)
{
    int64_t began = monotonic_us(), now = began;
    atomic_fetch_add(&cut->threads_wait, 1);
    pthread_mutex_lock(&cut->lock);
    for (int64_t kept; (kept = atomic_load(&cut->kept)) > CUT_KEPT_SOFT;) {
        if (kept <= CUT_KEPT_HARD && now - began >= SOFT_WAIT_US) {
            break;
        }
        await_progress(cut, now + (kept <= CUT_KEPT_HARD ? SOFT_WAIT_US : LOOK_MS * 1000));
        now = monotonic_us();
    }
    pthread_mutex_unlock(&cut->lock);
    atomic_fetch_sub(&cut->threads_wait, 1);
    atomic_fetch_add_explicit(&cut->waits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cut->wait_us, (uint64_t)(now - began), memory_order_relaxed);
}

static void await_unpinned(struct cut *cut, const void *block)
{
    atomic_fetch_add(&cut->threads_wait, 1);
    pthread_mutex_lock(&cut->lock);
    while (pin_holds(block)) {
        await_progress(cut, monotonic_us() + LOOK_MS * 1000);
    }
    pthread_mutex_unlock(&cut->lock);
    atomic_fetch_sub(&cut->threads_wait, 1);
}

/* ---- keeping ------------------------------------------------------------------------------------------ */

static bool is_large(const struct entry *e)
{
    return (entry_form(e) == FORM_OBJECT ? entry_object_memory(entry_type(e), entry_object(e))
                                         : entry_value_len(e)) > CUT_LARGE;
}

/* A shell of its own around the value of a linked entry, which is pinned. NULL: no memory, and the cut has failed. */
static struct cut_kept *pin_value(const struct db *db, struct entry *e)
{
    struct cut_kept *kept = new_kept(db, NULL);
    struct entry *shell = kept != NULL ? entry_moved(e, entry_key(e), entry_deadline(e)) : NULL;
    if (shell == NULL) {
        mem_free(kept, sizeof *kept);
        fail(&db->keyspace->cut);
        return NULL;
    }
    kept->entry = shell;
    kept->bytes = mem_class(entry_key_len(e) + ENTRY_WIDE_HEADER);
    pin_add(&kept->pin, entry_object(e));
    return kept;
}

/* An INLINE value is copied whatever its size, a large one too: memcpy is fast, and strings of that form are rare. */
static struct cut_kept *copy_inline(const struct db *db, const struct entry *e)
{
    struct entry *copy = entry_copy_inline(e);
    struct cut_kept *kept = copy != NULL ? new_kept(db, copy) : NULL;
    if (kept == NULL) {
        if (copy != NULL) {
            entry_free(copy);
        }
        fail(&db->keyspace->cut);
        return NULL;
    }
    kept->bytes = entry_memory(copy);
    return kept;
}

static struct cut_kept *record_object(const struct db *db, const struct entry *e)
{
    struct cut *cut = &db->keyspace->cut;
    struct cut_kept *kept = new_kept(db, NULL);
    if (kept == NULL) {
        return NULL;
    }
    kept->record = cut->record(cut->context, e, &kept->len);
    kept->bytes = kept->len;
    if (kept->record == NULL) {
        mem_free(kept, sizeof *kept);
        fail(cut);
        return NULL;
    }
    return kept;
}

static struct cut_kept *keep_object(const struct db *db, struct entry *e)
{
    return is_large(e) ? pin_value(db, e) : record_object(db, e);
}

/* What is kept of a slot, and its mark put right. */
static void keep(const struct db *db, struct slot slot)
{
    struct entry *e = slot_entry(slot);
    struct cut_kept *kept = entry_form(e) == FORM_OBJECT ? keep_object(db, e) : copy_inline(db, e);
    slot_mark(slot);
    if (kept != NULL) {
        push(&db->keyspace->cut, kept);
    }
}

void cut_keep(const struct db *db, struct slot slot)
{
    struct cut *cut = &db->keyspace->cut;
    const struct entry *e = slot_entry(slot);
    if (entry_type(e) == TYPE_STRING && entry_form(e) != FORM_OBJECT) {
        return;
    }
    if (cut_wants(cut, slot)) {
        keep(db, slot);
    }
    if (entry_form(e) == FORM_OBJECT && pin_holds(entry_object(e))) {
        await_unpinned(cut, entry_object(e));
    }
}

bool cut_may_overwrite(const struct db *db, struct slot slot)
{
    const struct entry *e = slot_entry(slot);
    if (!cut_is_active(&db->keyspace->cut)) {
        return true;
    }
    return !cut_wants(&db->keyspace->cut, slot) &&
           !(entry_form(e) != FORM_INLINE && pin_holds(entry_object(e)));
}

void cut_take(const struct db *db, struct entry *e)
{
    struct cut_kept *kept = new_kept(db, e);
    if (kept == NULL) {
        reaper_free_entry(e);
        return;
    }
    kept->bytes = entry_memory(e);
    push(&db->keyspace->cut, kept);
}

void cut_take_shell(const struct db *db, struct entry *old)
{
    if (entry_form(old) == FORM_INLINE) {
        cut_take(db, old);
        return;
    }
    struct cut_kept *kept = new_kept(db, old);
    if (kept == NULL) {
        entry_free_shell(old);
        return;
    }
    pin_add(&kept->pin, entry_object(old));
    kept->bytes = mem_class(entry_key_len(old) + ENTRY_WIDE_HEADER);
    push(&db->keyspace->cut, kept);
}

bool cut_must_wait(const struct db *db, struct slot slot)
{
    struct cut *cut = &db->keyspace->cut;
    const struct entry *e = slot_entry(slot);
    if (entry_form(e) != FORM_OBJECT) {
        return false;
    }
    if (cut_wants(cut, slot) && is_large(e)) {
        keep(db, slot);
    }
    if (!pin_any()) {
        return false;
    }
    atomic_store(&cut->clients_wait, true); /* first: who unpins it looks at this afterwards */
    return pin_holds(entry_object(e));
}

/* ---- the walker ------------------------------------------------------------------------------------------ */

/* What one step does at most: some ten microseconds with a shard locked. */
enum { STEP_LINES = 24, STEP_SHARDS = 64, AHEAD = 3 };

static struct db *db_of(struct keyspace *ks, int home)
{
    int i = 0;
    while (ks->dbs[i].home != home) {
        i++;
    }
    return &ks->dbs[i];
}

/* Inlined: gcc 12 takes a function that only prefetches for one without effect, and leaves out its calls. */
__attribute__((always_inline)) static inline void fetch_entries(struct line *line)
{
    for (unsigned k = 0; k < LINE_SLOTS; k++) {
        struct slot slot = {line, k};
        if (line->tag[k] != 0 && !slot_is_marked(slot)) {
            __builtin_prefetch(slot_entry(slot));
            __builtin_prefetch((const char *)slot_entry(slot) + 64);
        }
    }
}

/* Saves one entry. False: the step is over. */
static bool save_slot(const struct db *db, struct slot slot, struct cut_visitor *visitor)
{
    struct entry *e = slot_entry(slot);
    slot_mark(slot);
    if (!atomic_load_explicit(&db->keyspace->cut.keeping, memory_order_relaxed)) {
        return true;
    }
    if (!is_large(e)) {
        return visitor->save(visitor->context, e);
    }
    visitor->pinned = entry_form(e) == FORM_INLINE ? copy_inline(db, e) : pin_value(db, e);
    if (visitor->pinned != NULL) {
        count(&db->keyspace->cut, visitor->pinned);
    }
    return false;
}

/* Saves what a line still has. False: the step is over. */
static bool save_line(const struct db *db, struct line *line, struct cut_visitor *visitor)
{
    bool more = true;
    for (unsigned k = 0; k < LINE_SLOTS && more; k++) {
        struct slot slot = {line, k};
        if (line->tag[k] != 0 && !slot_is_marked(slot)) {
            more = save_slot(db, slot, visitor);
        }
    }
    return more;
}

/* Saves lines of a locked shard from at->line on, until it is done (true) or the step is over. */
static bool save_lines(const struct db *db, struct shard *s, struct cut_place *at,
                       struct cut_visitor *visitor, uint32_t *budget)
{
    if (at->table != shard_line(s, 0)) {
        at->table = shard_line(s, 0);
        at->line = 0;
    }
    for (uint32_t i = at->line; i < s->lines && i < at->line + AHEAD; i++) {
        fetch_entries(shard_line(s, i));
    }
    for (; at->line<s->lines && * budget> 0; at->line++, *budget -= 1) {
        if (at->line + AHEAD < s->lines) {
            fetch_entries(shard_line(s, at->line + AHEAD));
        }
        if (!save_line(db, shard_line(s, at->line), visitor)) {
            *budget = 0;
            return false; /* the line again: it may have more */
        }
    }
    return at->line >= s->lines;
}

/* Inside the gate. */
static enum cut_step step(struct keyspace *ks, struct cut_place *at, struct cut_visitor *visitor)
{
    const struct db *db = db_of(ks, at->db);
    struct shard *shards = atomic_load_explicit(&db->shards, memory_order_acquire);
    uint32_t budget = STEP_LINES;
    for (int seen = 0; shards != NULL && at->shard < SHARDS; at->shard++, seen++) {
        struct shard *s = &shards[at->shard];
        if (budget == 0 || seen == STEP_SHARDS) {
            return CUT_MORE;
        }
        if (__atomic_load_n(&s->lines, __ATOMIC_RELAXED) == 0) {
            continue;
        }
        if (!shard_try_lock(s)) {
            return CUT_BUSY;
        }
        bool done = save_lines(db, s, at, visitor, &budget);
        shard_unlock(s);
        if (!done) {
            return CUT_MORE;
        }
        at->table = NULL;
        at->line = 0;
    }
    return CUT_DONE;
}

enum cut_step cut_step(struct keyspace *ks, struct gate *gate, struct cut_place *at,
                       struct cut_visitor *visitor)
{
    visitor->pinned = NULL;
    if (!gate_try_enter(gate)) {
        return CUT_BUSY;
    }
    enum cut_step result = step(ks, at, visitor);
    gate_leave_guest(gate, GATE_WALKER);
    return result;
}
