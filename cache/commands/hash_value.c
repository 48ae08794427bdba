/*
 * What costs time with a small hash is looking for fields, so each is looked for once where one is set; where several are,
 * a first pass finds out by how much the run may grow, so that the entry gets its room in one step and the edits
 * themselves cannot fail.
 */
#include "commands/hash_value.h"

#include "commands/type.h"

/* ---- reading ------------------------------------------------------------------------------------------ */

static struct hash *large(const struct entry *e)
{
    return entry_object(e);
}

static struct listpack_value text_value(struct slice text)
{
    return (struct listpack_value){.bytes = text};
}

/* The position of a field's value in a small hash, or PACKED_NONE. */
static size_t small_find(const struct packed *run, struct slice field)
{
    size_t pos = packed_find(run, PACKED_FIRST, field, HASH_EACH);
    return pos != PACKED_NONE ? packed_after(run, pos) : PACKED_NONE;
}

uint64_t hash_value_count(const struct entry *e, int64_t now)
{
    return hash_value_is_small(e) ? small_count(e, HASH_EACH) : hash_count(large(e), now);
}

bool hash_value_get(const struct entry *e, struct slice field, int64_t now, struct listpack_value *value)
{
    if (hash_value_is_small(e)) {
        struct packed run = small_run(e);
        size_t pos = small_find(&run, field);
        if (pos != PACKED_NONE) {
            *value = packed_read(&run, pos);
        }
        return pos != PACKED_NONE;
    }
    const struct dict_item *it = hash_find(large(e), field, now);
    if (it != NULL) {
        *value = text_value(item_value(it));
    }
    return it != NULL;
}

int64_t hash_value_deadline(const struct entry *e, struct slice field)
{
    return hash_value_is_small(e) ? ENTRY_NO_DEADLINE : item_deadline(dict_find(&large(e)->dict, field));
}

struct hash_iterator hash_value_iterate(const struct entry *e, int64_t now)
{
    if (hash_value_is_small(e)) {
        return (struct hash_iterator){.run = small_run(e), .pos = PACKED_FIRST};
    }
    return (struct hash_iterator){.hash = large(e), .now = now};
}

struct hash_pair hash_value_pair(const struct dict_item *it)
{
    struct item_parts parts = item_parts(it);
    return (struct hash_pair){text_value(parts.field), text_value(parts.value)};
}

bool hash_value_next(struct hash_iterator *it, struct hash_pair *pair)
{
    if (it->run.bytes != NULL) {
        if (it->pos >= it->run.len) {
            return false;
        }
        size_t value = packed_after(&it->run, it->pos);
        pair->field = packed_read(&it->run, it->pos);
        pair->value = packed_read(&it->run, value);
        it->pos = packed_after(&it->run, value);
        return true;
    }
    const struct dict_item *item;
    do {
        item = dict_next(&it->hash->dict, &it->at);
    } while (item != NULL && !hash_item_lives(item, it->now));
    if (item != NULL) {
        *pair = hash_value_pair(item);
    }
    return item != NULL;
}

void hash_value_reply(struct reply *r, const struct listpack_value *value)
{
    if (value->is_int) {
        reply_bulk_int(r, value->number);
    } else {
        reply_bulk_slice(r, value->bytes);
    }
}

/* ---- from small to large -------------------------------------------------------------------------------- */

static struct hash *hash_made(const struct call *c)
{
    return hash_new(c->server->keyspace.secret, KEYSPACE_SECRET);
}

/* A large hash with the fields of a small one, or NULL when there is no memory. */
static struct hash *hash_of_small(const struct call *c, const struct entry *e)
{
    struct hash *h = hash_made(c);
    struct hash_iterator at = hash_value_iterate(e, c->now);
    struct hash_pair pair;
    while (h != NULL && hash_value_next(&at, &pair)) {
        char field[NUMBER_I64_MAX_CHARS], value[NUMBER_I64_MAX_CHARS];
        bool created;
        if (hash_put(h, listpack_text(&pair.field, field), listpack_text(&pair.value, value),
                     ITEM_NO_DEADLINE, c->now, &created) == NULL) {
            hash_free(h);
            h = NULL;
        }
    }
    return h;
}

/* Makes the hash of a key large: a new one, or in the place of the small one *e. */
static bool grow_large(struct call *c, const struct key *key, struct entry **e)
{
    struct hash *h = *e != NULL ? hash_of_small(c, *e) : hash_made(c);
    if (h == NULL) {
        call_out_of_memory(c);
        return false;
    }
    struct entry *made = key_set_object(c, key, *e, TYPE_HASH, h);
    if (made != NULL) {
        *e = made;
    }
    return made != NULL;
}

/* ---- setting -------------------------------------------------------------------------------------------- */

/* Whether fields and values are too many or too long for a small hash. */
static bool too_large(const struct call *c, const struct slice *pairs, size_t count)
{
    const struct config *config = c->server->config;
    size_t bytes = 0;
    if (count > (uint64_t)config->hash_max_listpack_entries) {
        return true;
    }
    for (size_t i = 0; i < 2 * count; i++) {
        if (pairs[i].len > (uint64_t)config->hash_max_listpack_value) {
            return true;
        }
        bytes += pairs[i].len;
    }
    return bytes > PACKED_MAX;
}

/* Appends field, value, …; there is room. */
static void small_append(struct packed *run, const struct slice *pair)
{
    struct element field = element_encode(pair[0]);
    struct element value = element_encode(pair[1]);
    packed_insert_pair(run, run->len, &field, &value);
}

/* Sets a field whose value stands at `pos`, or is not there; there is room. */
static void small_put(struct packed *run, size_t pos, const struct slice *pair)
{
    if (pos == PACKED_NONE) {
        small_append(run, pair);
        return;
    }
    struct element value = element_encode(pair[1]);
    packed_replace(run, pos, &value);
}

/* By how many bytes a run grows when a field is set. */
static size_t small_growth(const struct packed *run, size_t pos, const struct slice *pair)
{
    size_t value = element_encode(pair[1]).size;
    if (pos == PACKED_NONE) {
        return element_encode(pair[0]).size + value;
    }
    size_t old = packed_element_bytes(run, pos);
    return value > old ? value - old : 0;
}

/* Sets the value at a position of a small hash. */
static bool small_replace(struct call *c, const struct key *key, struct entry **e, size_t pos,
                          struct slice text)
{
    struct element value = element_encode(text);
    struct packed run = small_run(*e);
    size_t bytes = run.len + value.size - packed_element_bytes(&run, pos);
    if (!small_reserve(c, key, e, &run, bytes)) {
        return false;
    }
    packed_replace(&run, pos, &value);
    small_fit(c, key, e, &run, HASH_EACH);
    return true;
}

/* Sets several fields, or one that is new. Of a field that is given twice, both values count as growth: that is enough. */
static bool small_set_several(struct call *c, const struct key *key, struct entry **e,
                              const struct slice *pairs, size_t count, uint64_t *created)
{
    struct packed run = small_run(*e);
    size_t bytes = run.len;
    for (size_t i = 0; i < 2 * count; i += 2) {
        bytes += small_growth(&run, small_find(&run, pairs[i]), &pairs[i]);
    }
    if (!small_reserve(c, key, e, &run, bytes)) {
        return false;
    }
    for (size_t i = 0; i < 2 * count; i += 2) {
        size_t pos = small_find(&run, pairs[i]);
        *created += pos == PACKED_NONE;
        small_put(&run, pos, &pairs[i]);
    }
    small_fit(c, key, e, &run, HASH_EACH);
    return true;
}

/* Sets fields of a small hash that stays small. */
static bool small_set(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                      size_t count, uint64_t *created)
{
    struct packed run = small_run(*e);
    size_t pos = count == 1 ? small_find(&run, pairs[0]) : PACKED_NONE;
    return pos != PACKED_NONE ? small_replace(c, key, e, pos, pairs[1])
                              : small_set_several(c, key, e, pairs, count, created);
}

/* A new small hash. */
static bool small_new(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                      size_t count, uint64_t *created)
{
    size_t bytes = PACKED_EMPTY;
    for (size_t i = 0; i < 2 * count; i++) {
        bytes += element_encode(pairs[i]).size;
    }
    *e = key_new_small(c, key, NULL, TYPE_HASH, bytes);
    if (*e == NULL) {
        return false;
    }
    struct packed run = packed_init(entry_small(*e));
    for (size_t i = 0; i < count; i++) {
        size_t pos = i > 0 ? small_find(&run, pairs[2 * i]) : PACKED_NONE;
        *created += pos == PACKED_NONE;
        small_put(&run, pos, &pairs[2 * i]);
    }
    small_fit(c, key, e, &run, HASH_EACH);
    return true;
}

static bool large_set(struct call *c, struct entry *e, const struct slice *pairs, size_t count,
                      uint64_t *created)
{
    for (size_t i = 0; i < count; i++) {
        bool is_new;
        if (hash_put(large(e), pairs[2 * i], pairs[2 * i + 1], ITEM_NO_DEADLINE, c->now, &is_new) == NULL) {
            call_out_of_memory(c);
            return false;
        }
        *created += is_new;
    }
    return true;
}

/* A new large hash, linked once it is complete. */
static bool large_new(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                      size_t count, uint64_t *created)
{
    if (!grow_large(c, key, e)) {
        return false;
    }
    if (!large_set(c, *e, pairs, count, created)) {
        key_delete(c, key);
        *e = NULL;
        return false;
    }
    return true;
}

/* A small hash has got more fields than the settings allow. When there is no memory to make it large, it stays small. */
static void small_check(struct call *c, const struct key *key, struct entry **e)
{
    if (hash_value_count(*e, c->now) <= (uint64_t)c->server->config->hash_max_listpack_entries) {
        return;
    }
    struct hash *h = hash_of_small(c, *e);
    struct entry *made =
        h != NULL ? entry_new_object(TYPE_HASH, key->name, h, entry_deadline(*e), entry_access(*e)) : NULL;
    if (made == NULL && h != NULL) {
        hash_free(h);
    }
    if (made != NULL && db_put(c->db, key->hash, made, c->now)) {
        *e = made;
    }
}

bool hash_value_set(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                    size_t count, uint64_t *created)
{
    *created = 0;
    if (*e != NULL && !hash_value_is_small(*e)) {
        return large_set(c, *e, pairs, count, created);
    }
    if (__builtin_expect(too_large(c, pairs, count), 0)) {
        return *e == NULL ? large_new(c, key, e, pairs, count, created)
                          : grow_large(c, key, e) && large_set(c, *e, pairs, count, created);
    }
    if (*e == NULL) {
        return small_new(c, key, e, pairs, count, created);
    }
    if (!small_set(c, key, e, pairs, count, created)) {
        return false;
    }
    if (*created > 0) {
        small_check(c, key, e);
    }
    return true;
}

bool hash_value_update(struct call *c, const struct key *key, struct entry **e, struct slice field,
                       struct slice value)
{
    struct slice pair[2] = {field, value};
    uint64_t created;
    if (*e == NULL || hash_value_is_small(*e)) {
        return hash_value_set(c, key, e, pair, 1, &created);
    }
    const struct dict_item *it = hash_find(large(*e), field, c->now);
    int64_t deadline = it != NULL ? item_deadline(it) : ITEM_NO_DEADLINE;
    bool is_new;
    if (hash_put(large(*e), field, value, deadline, c->now, &is_new) == NULL) {
        call_out_of_memory(c);
        return false;
    }
    return true;
}

bool hash_value_set_timed(struct call *c, const struct key *key, struct entry **e, const struct slice *pairs,
                          size_t count, int64_t deadline)
{
    bool is_new = *e == NULL;
    if ((is_new || hash_value_is_small(*e)) && !grow_large(c, key, e)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool created;
        if (hash_put(large(*e), pairs[2 * i], pairs[2 * i + 1], deadline, c->now, &created) == NULL) {
            call_out_of_memory(c);
            if (is_new) {
                key_delete(c, key);
            } else {
                hash_value_timed(c, key, *e);
            }
            return false;
        }
    }
    hash_value_timed(c, key, *e);
    return true;
}

bool hash_value_expire(struct call *c, const struct key *key, struct entry **e, struct slice field,
                       int64_t deadline)
{
    if (hash_value_is_small(*e) && !grow_large(c, key, e)) {
        return false;
    }
    struct hash *h = large(*e);
    if (hash_set_deadline(h, dict_find(&h->dict, field), deadline) == NULL) {
        call_out_of_memory(c);
        return false;
    }
    return true;
}

void hash_value_timed(struct call *c, const struct key *key, struct entry *e)
{
    if (!hash_value_is_small(e)) {
        db_parts_timed(c->db, key->hash, e, c->now);
    }
}

/* ---- removing ------------------------------------------------------------------------------------------- */

/* The entry stays where it is: hash_value_trim is for what it has too much. */
static bool small_remove(struct entry *e, struct slice field)
{
    struct packed run = small_run(e);
    size_t pos = packed_find(&run, PACKED_FIRST, field, HASH_EACH);
    if (pos == PACKED_NONE) {
        return false;
    }
    packed_remove(&run, pos, packed_skip(&run, pos, HASH_EACH), 1);
    entry_resize_in_place(e, run.len);
    packed_settle(&run, entry_value_len(e), HASH_EACH);
    return true;
}

bool hash_value_remove(struct entry *e, struct slice field, int64_t now)
{
    if (hash_value_is_small(e)) {
        return small_remove(e, field);
    }
    struct dict_item *it = hash_find(large(e), field, now);
    if (it != NULL) {
        hash_remove(large(e), it);
    }
    return it != NULL;
}

bool hash_value_trim(struct call *c, const struct key *key, struct entry *e)
{
    if (hash_value_count(e, c->now) == 0) {
        key_delete(c, key);
        return true;
    }
    if (hash_value_is_small(e)) {
        struct packed run = small_run(e);
        small_fit(c, key, &e, &run, HASH_EACH);
    }
    return false;
}
