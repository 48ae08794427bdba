/*
 * Large hashes. What is delicate is memory that runs out between dict and order: each change first takes what memory it needs,
 * then does what cannot fail.
 */
#include "types/hash.h"

#include "memory.h"

struct hash *hash_new(const void *secret, size_t secret_size)
{
    struct hash *h = mem_alloc(sizeof *h);
    if (h != NULL) {
        dict_init(&h->dict, secret, secret_size);
        ztree_init(&h->order);
    }
    return h;
}

void hash_free(struct hash *h)
{
    ztree_clear(&h->order);
    dict_clear(&h->dict);
    mem_free(h, sizeof *h);
}

size_t hash_memory(const struct hash *h)
{
    return mem_class(sizeof *h) + (dict_memory(&h->dict) - sizeof h->dict) +
           (ztree_memory(&h->order) - sizeof h->order);
}

int64_t hash_due(const struct hash *h)
{
    if (h->order.count == 0) {
        return ITEM_NO_DEADLINE;
    }
    return (int64_t)ztree_score(ztree_at(&h->order, 0));
}

uint64_t hash_expired(const struct hash *h, int64_t now)
{
    if (hash_due(h) > now) {
        return 0;
    }
    return ztree_rank_of(&h->order,
                         &(struct ztree_cut){.by = ZTREE_BY_SCORE, .after = true, .score = (double)now});
}

struct dict_item *hash_find(const struct hash *h, struct slice field, int64_t now)
{
    struct dict_item *it = dict_find(&h->dict, field);
    return it != NULL && hash_item_lives(it, now) ? it : NULL;
}

static bool order_add(struct hash *h, const struct dict_item *it, int64_t deadline)
{
    return deadline == ITEM_NO_DEADLINE || ztree_insert(&h->order, (double)deadline, it);
}

static void order_remove(struct hash *h, const struct dict_item *it, int64_t deadline)
{
    if (deadline != ITEM_NO_DEADLINE) {
        ztree_delete(&h->order, (double)deadline, item_field(it));
    }
}

/* Gives an item other parts. Where the deadline changes, the item is in the order twice for a moment. */
static struct dict_item *change(struct hash *h, struct dict_item *it, const struct item_parts *parts)
{
    struct dict_item *old;
    int64_t before = item_deadline(it);
    bool same = before == parts->deadline;
    if (!same && !order_add(h, it, parts->deadline)) {
        return NULL;
    }
    struct dict_item *changed = dict_change(&h->dict, it, parts, &old);
    if (changed == NULL) {
        if (!same) {
            order_remove(h, it, parts->deadline);
        }
        return NULL;
    }
    if (old != NULL && parts->deadline != ITEM_NO_DEADLINE) {
        ztree_move(&h->order, (double)parts->deadline, old, changed);
    }
    if (!same) {
        order_remove(h, old != NULL ? old : changed, before);
    }
    item_free(old);
    return changed;
}

struct dict_item *hash_put(struct hash *h, struct slice field, struct slice value, int64_t deadline,
                           int64_t now, bool *created)
{
    struct item_parts parts = {field, value, true, deadline};
    struct dict_item *it = dict_add(&h->dict, &parts, created);
    if (it == NULL) {
        return NULL;
    }
    if (*created) {
        if (!order_add(h, it, deadline)) {
            dict_remove_item(&h->dict, it);
            return NULL;
        }
        return it;
    }
    *created = !hash_item_lives(it, now);
    parts.field = item_field(it);
    return change(h, it, &parts);
}

struct dict_item *hash_set_deadline(struct hash *h, struct dict_item *it, int64_t deadline)
{
    struct item_parts parts = item_parts(it);
    parts.deadline = deadline;
    return change(h, it, &parts);
}

void hash_remove(struct hash *h, struct dict_item *it)
{
    order_remove(h, it, item_deadline(it));
    dict_remove_item(&h->dict, it);
}

struct dict_item *hash_random(const struct hash *h, int64_t now, uint64_t *state)
{
    enum { TRIES = 1000 };
    struct dict_item *it = NULL;
    for (int i = 0; i < TRIES; i++) {
        it = dict_random(&h->dict, state);
        if (it == NULL || hash_item_lives(it, now)) {
            return it;
        }
    }
    struct dict_iterator at = {0};
    do {
        it = dict_next(&h->dict, &at);
    } while (it != NULL && !hash_item_lives(it, now));
    return it;
}

struct sweep {
    struct hash *hash;
    hash_gone_fn *gone;
};

/* Told by the order of an item that is no longer in it. */
static void drop(void *context, double deadline, const struct dict_item *it)
{
    const struct sweep *sweep = context;
    (void)deadline;
    if (sweep->gone != NULL) {
        sweep->gone(item_field(it));
    }
    dict_remove(&sweep->hash->dict, item_field(it));
}

uint64_t hash_sweep(struct hash *h, int64_t now, uint64_t budget, hash_gone_fn *gone)
{
    struct sweep sweep = {h, gone};
    uint64_t due = hash_expired(h, now);
    uint64_t count = due < budget ? due : budget;
    return count > 0 ? ztree_delete_ranks(&h->order, 0, count, drop, &sweep) : 0;
}
