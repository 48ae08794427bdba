/*
 * A small set is changed in its entry, which then gets the length that the run has. An entry that could not be made smaller for want
 * of memory is longer: an intset's own header tells its length, and a packed run's tells what is unused.
 */
#include "commands/set_value.h"

#include "memory.h"

static struct dict *table_of(const struct entry *e)
{
    return entry_object(e);
}

uint64_t set_count(const struct entry *e)
{
    switch (set_form(e)) {
    case SET_INTSET: return intset_count(entry_small(e));
    case SET_PACKED: return small_count(e, SET_EACH);
    default: return dict_count(table_of(e));
    }
}

bool set_has(const struct entry *e, struct slice member)
{
    int64_t number;
    switch (set_form(e)) {
    case SET_INTSET:
        return number_parse_i64(member.ptr, member.len, &number) && intset_find(entry_small(e), number, NULL);
    case SET_PACKED: {
        struct packed run = small_run(e);
        return packed_find(&run, PACKED_FIRST, member, SET_EACH) != PACKED_NONE;
    }
    default: return dict_find(table_of(e), member) != NULL;
    }
}

/* ---- walking ---------------------------------------------------------------------------------------- */

void set_begin(struct set_iterator *it, const struct entry *e)
{
    it->e = e;
    it->form = set_form(e);
    it->at = it->form == SET_PACKED ? PACKED_FIRST : 0;
    it->table = (struct dict_iterator){0};
}

static struct slice digits_of(int64_t number, char *digits)
{
    return (struct slice){digits, number_format_i64(digits, number)};
}

static bool next_of_intset(struct set_iterator *it, struct slice *member)
{
    const uint8_t *run = entry_small(it->e);
    if (it->at >= intset_count(run)) {
        return false;
    }
    *member = digits_of(intset_get(run, (uint32_t)it->at++), it->digits);
    return true;
}

static bool next_of_packed(struct set_iterator *it, struct slice *member)
{
    struct packed run = small_run(it->e);
    if (it->at >= run.len) {
        return false;
    }
    size_t after;
    if (__builtin_expect(packed_short_string(&run, it->at, member, &after), 1)) {
        it->at = after;
        return true;
    }
    struct listpack_value value = packed_read(&run, it->at);
    *member = listpack_text(&value, it->digits);
    it->at = packed_after(&run, it->at);
    return true;
}

bool set_next(struct set_iterator *it, struct slice *member)
{
    if (it->form == SET_INTSET) {
        return next_of_intset(it, member);
    }
    if (it->form == SET_PACKED) {
        return next_of_packed(it, member);
    }
    const struct dict_item *item = dict_next(table_of(it->e), &it->table);
    if (item == NULL) {
        return false;
    }
    *member = item_field(item);
    return true;
}

/* The high half of a product scales the bits to the count without a division. */
static uint32_t any_below(struct worker *w, size_t count)
{
    return (uint32_t)((worker_random(w) >> 32) * count >> 32);
}

/* The position of any element of a packed run. */
static size_t any_position(const struct packed *run, struct worker *w)
{
    return packed_skip(run, PACKED_FIRST, any_below(w, packed_count(run, SET_EACH)));
}

static struct dict_item *any_item(const struct dict *table, struct worker *w)
{
    uint64_t state = worker_random(w);
    return dict_random(table, &state);
}

struct slice set_random(const struct entry *e, struct worker *w, char digits[NUMBER_I64_MAX_CHARS])
{
    switch (set_form(e)) {
    case SET_INTSET: return digits_of(intset_random(entry_small(e), worker_random(w)), digits);
    case SET_PACKED: {
        struct packed run = small_run(e);
        struct listpack_value value = packed_read(&run, any_position(&run, w));
        return listpack_text(&value, digits);
    }
    default: return item_field(any_item(table_of(e), w));
    }
}

/* ---- the entry of a set that changes ------------------------------------------------------------------ */

/* The head under which another entry takes the place of the one that is there, if any. */
static struct entry_head head_of(const struct set_edit *s)
{
    if (s->e == NULL) {
        return s->head;
    }
    return (struct entry_head){entry_key(s->e), entry_deadline(s->e), entry_access(s->e)};
}

/* A small entry with room for `len` bytes in the place of what is there. */
static bool put_small(struct set_edit *s, size_t len)
{
    struct entry *e;
    if (s->c != NULL) {
        e = key_new_small(s->c, s->key, s->e, TYPE_SET, len);
    } else {
        struct entry_head head = head_of(s);
        e = entry_new_room(TYPE_SET, head.key, len, head.deadline, head.access);
        if (e != NULL && s->e != NULL) {
            entry_free(s->e);
        }
    }
    s->e = e != NULL ? e : s->e;
    return e != NULL;
}

static void free_table(struct dict *table)
{
    dict_clear(table);
    mem_free(table, sizeof *table);
}

/* The same with a table, which is freed when there is no memory. */
static bool put_table(struct set_edit *s, struct dict *table)
{
    struct entry *e;
    if (s->c != NULL) {
        e = key_set_object(s->c, s->key, s->e, TYPE_SET, table);
    } else {
        struct entry_head head = head_of(s);
        e = entry_new_object(TYPE_SET, head.key, table, head.deadline, head.access);
        if (e == NULL) {
            free_table(table);
        } else if (s->e != NULL) {
            entry_free(s->e);
        }
    }
    s->e = e != NULL ? e : s->e;
    return e != NULL;
}

/* Gives the run's entry another length. */
static bool resize(struct set_edit *s, size_t len)
{
    if (s->c != NULL) {
        return key_resize(s->c, s->key, &s->e, len);
    }
    struct entry *e = entry_resize(s->e, len);
    s->e = e != NULL ? e : s->e;
    return e != NULL;
}

/* The same for a run that has become shorter: without memory the entry stays as long as it is. */
static void shrink(struct set_edit *s, size_t len)
{
    struct entry *e =
        s->c != NULL ? db_resize(s->c->db, s->key->hash, s->e, len, s->c->now) : entry_resize(s->e, len);
    s->e = e != NULL ? e : s->e;
}

static enum set_result no_memory(const struct set_edit *s)
{
    if (s->c != NULL) {
        call_out_of_memory(s->c);
    }
    return SET_NO_MEMORY;
}

/* ---- becoming a table ---------------------------------------------------------------------------------- */

static enum set_result table_add(struct dict *table, struct slice member)
{
    bool added;
    struct item_parts parts = {.field = member, .deadline = ITEM_NO_DEADLINE};
    if (dict_add(table, &parts, &added) == NULL) {
        return SET_NO_MEMORY;
    }
    return added ? SET_CHANGED : SET_SAME;
}

/* A table of all members that there are; NULL without memory. */
static struct dict *table_from(const struct set_edit *s)
{
    struct set_iterator it;
    struct slice member;
    struct dict *table = mem_alloc(sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    dict_init(table, s->server->keyspace.secret, KEYSPACE_SECRET);
    if (s->e == NULL) {
        return table;
    }
    for (set_begin(&it, s->e); set_next(&it, &member);) {
        if (table_add(table, member) == SET_NO_MEMORY) {
            free_table(table);
            return NULL;
        }
    }
    return table;
}

/* Makes a table of the set, with one member more. */
static enum set_result add_as_table(struct set_edit *s, struct slice member)
{
    struct dict *table = table_from(s);
    if (table == NULL) {
        return no_memory(s);
    }
    if (table_add(table, member) == SET_NO_MEMORY) {
        free_table(table);
        return no_memory(s);
    }
    return put_table(s, table) ? SET_CHANGED : SET_NO_MEMORY;
}

bool set_expect(struct set_edit *s, size_t members)
{
    const struct config *config = s->server->config;
    s->expected = members;
    if (s->e == NULL || set_form(s->e) == SET_TABLE) {
        return true;
    }
    int64_t limit =
        set_form(s->e) == SET_INTSET ? config->set_max_intset_entries : config->set_max_listpack_entries;
    if (members <= (uint64_t)limit) {
        return true;
    }
    struct dict *table = table_from(s);
    return table != NULL ? put_table(s, table) : no_memory(s) != SET_NO_MEMORY;
}

/* ---- adding -------------------------------------------------------------------------------------------- */

/* Whether a packed run of `count` elements in `bytes` bytes may take this member. */
static bool packed_may_take(const struct set_edit *s, size_t count, size_t bytes, struct slice member)
{
    const struct config *config = s->server->config;
    return count < (uint64_t)config->set_max_listpack_entries &&
           member.len <= (uint64_t)config->set_max_listpack_value && bytes + member.len <= PACKED_MAX;
}

static bool intset_may_take(const struct set_edit *s, size_t count)
{
    enum { MOST = 1 << 30 }; /* however large the setting is: lengths are 32 bits */
    return count < (uint64_t)s->server->config->set_max_intset_entries && count < MOST;
}

/* The first member. */
static enum set_result add_first(struct set_edit *s, struct slice member)
{
    int64_t number;
    const struct config *config = s->server->config;
    if (!s->listpack && number_parse_i64(member.ptr, member.len, &number) && intset_may_take(s, 0) &&
        s->expected <= (uint64_t)config->set_max_intset_entries) {
        uint8_t run[INTSET_HEADER + sizeof number];
        intset_init(run);
        intset_add(run, number);
        if (!put_small(s, intset_bytes(run))) {
            return SET_NO_MEMORY;
        }
        memcpy(entry_small(s->e), run, intset_bytes(run));
        return SET_CHANGED;
    }
    if (!packed_may_take(s, 0, PACKED_EMPTY, member) ||
        s->expected > (uint64_t)config->set_max_listpack_entries) {
        return add_as_table(s, member);
    }
    struct element element = element_encode(member);
    if (!put_small(s, PACKED_EMPTY + element.size)) {
        return SET_NO_MEMORY;
    }
    struct packed run = packed_init(entry_small(s->e));
    packed_insert(&run, run.len, &element);
    return SET_CHANGED;
}

/* Bytes of an intset's members as a packed run. */
static size_t bytes_as_packed(const uint8_t *run)
{
    size_t bytes = PACKED_EMPTY;
    for (uint32_t i = 0; i < intset_count(run); i++) {
        bytes += element_encode_int(intset_get(run, i)).size;
    }
    return bytes;
}

/* Makes a packed run of an intset, with one member more. The intset is copied first: its entry goes when the new one comes. */
static enum set_result add_as_packed(struct set_edit *s, struct slice member)
{
    struct element element = element_encode(member);
    size_t old_bytes = intset_bytes(entry_small(s->e));
    size_t bytes = bytes_as_packed(entry_small(s->e)) + element.size;
    uint8_t *old = mem_alloc(old_bytes);
    if (old == NULL) {
        return no_memory(s);
    }
    memcpy(old, entry_small(s->e), old_bytes);
    bool made = put_small(s, bytes);
    if (made) {
        struct packed run = packed_init(entry_small(s->e));
        for (uint32_t i = 0; i < intset_count(old); i++) {
            struct element number = element_encode_int(intset_get(old, i));
            packed_insert(&run, run.len, &number);
        }
        packed_insert(&run, run.len, &element);
    }
    mem_free(old, old_bytes);
    return made ? SET_CHANGED : SET_NO_MEMORY;
}

/* Whether the members of an intset may become elements of a packed run: none has more digits than an element may have. */
static bool digits_fit(const struct set_edit *s, const uint8_t *run)
{
    uint32_t count = intset_count(run);
    size_t limit = (size_t)s->server->config->set_max_listpack_value;
    return limit >= NUMBER_I64_MAX_CHARS || count == 0 ||
           (number_i64_chars(intset_get(run, 0)) <= limit &&
            number_i64_chars(intset_get(run, count - 1)) <= limit);
}

static enum set_result add_to_intset(struct set_edit *s, struct slice member)
{
    const uint8_t *run = entry_small(s->e);
    size_t count = intset_count(run);
    int64_t number;
    uint32_t index;
    if (!number_parse_i64(member.ptr, member.len, &number)) {
        bool fits = packed_may_take(s, count, 24 * count, member) && digits_fit(s, run);
        return fits ? add_as_packed(s, member) : add_as_table(s, member);
    }
    if (intset_find(run, number, &index)) {
        return SET_SAME;
    }
    if (!intset_may_take(s, count)) {
        return add_as_table(s, member);
    }
    if (!resize(s, intset_bytes_with(run, number))) {
        return SET_NO_MEMORY;
    }
    intset_insert(entry_small(s->e), index, number);
    return SET_CHANGED;
}

static enum set_result add_to_packed(struct set_edit *s, struct slice member)
{
    struct packed run = small_run(s->e);
    if (packed_find(&run, PACKED_FIRST, member, SET_EACH) != PACKED_NONE) {
        return SET_SAME;
    }
    if (!packed_may_take(s, packed_count(&run, SET_EACH), run.len, member)) {
        return add_as_table(s, member);
    }
    struct element element = element_encode(member);
    if (!resize(s, run.len + element.size)) {
        return SET_NO_MEMORY;
    }
    run.bytes = entry_small(s->e);
    packed_insert(&run, run.len, &element);
    packed_settle(&run, entry_value_len(s->e), SET_EACH);
    return SET_CHANGED;
}

enum set_result set_add(struct set_edit *s, struct slice member)
{
    if (s->e == NULL) {
        return add_first(s, member);
    }
    switch (set_form(s->e)) {
    case SET_INTSET: return add_to_intset(s, member);
    case SET_PACKED: return add_to_packed(s, member);
    default: break;
    }
    enum set_result result = table_add(table_of(s->e), member);
    return result != SET_NO_MEMORY ? result : no_memory(s);
}

/* ---- removing ------------------------------------------------------------------------------------------ */

static void remove_index(struct set_edit *s, uint32_t index)
{
    uint8_t *run = entry_small(s->e);
    intset_remove_range(run, index, 1);
    shrink(s, intset_bytes(run));
}

static void remove_position(struct set_edit *s, struct packed *run, size_t pos)
{
    packed_remove(run, pos, packed_after(run, pos), 1);
    shrink(s, run->len);
    run->bytes = entry_small(s->e);
    packed_settle(run, entry_value_len(s->e), SET_EACH);
}

bool set_remove(struct set_edit *s, struct slice member)
{
    int64_t number;
    uint32_t index;
    switch (set_form(s->e)) {
    case SET_INTSET:
        if (!number_parse_i64(member.ptr, member.len, &number) ||
            !intset_find(entry_small(s->e), number, &index)) {
            return false;
        }
        remove_index(s, index);
        return true;
    case SET_PACKED: {
        struct packed run = small_run(s->e);
        size_t pos = packed_find(&run, PACKED_FIRST, member, SET_EACH);
        if (pos == PACKED_NONE) {
            return false;
        }
        remove_position(s, &run, pos);
        return true;
    }
    default: return dict_remove(table_of(s->e), member);
    }
}

void set_pop(struct set_edit *s, struct worker *w, struct reply *r)
{
    if (set_form(s->e) == SET_INTSET) {
        const uint8_t *run = entry_small(s->e);
        uint32_t index = any_below(w, intset_count(run));
        reply_bulk_int(r, intset_get(run, index));
        remove_index(s, index);
    } else if (set_form(s->e) == SET_PACKED) {
        char digits[NUMBER_I64_MAX_CHARS];
        struct packed run = small_run(s->e);
        size_t pos = any_position(&run, w);
        struct listpack_value value = packed_read(&run, pos);
        reply_bulk_slice(r, listpack_text(&value, digits));
        remove_position(s, &run, pos);
    } else {
        struct dict_item *item = any_item(table_of(s->e), w);
        reply_bulk_slice(r, item_field(item));
        dict_remove_item(table_of(s->e), item);
    }
}
