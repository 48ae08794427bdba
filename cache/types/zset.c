#include "types/zset.h"

#include <math.h>

#include "memory.h"

enum zset_result zset_decide(unsigned flags, const double *old, double *score)
{
    if (old == NULL) {
        return flags & ZSET_XX ? ZSET_REFUSED : ZSET_ADDED;
    }
    if (flags & ZSET_NX) {
        return ZSET_REFUSED;
    }
    if (flags & ZSET_INCR) {
        *score += *old;
        if (isnan(*score)) {
            return ZSET_NAN;
        }
    }
    if (((flags & ZSET_GT) && *score <= *old) || ((flags & ZSET_LT) && *score >= *old)) {
        return ZSET_REFUSED;
    }
    if (*score >= *old && *score <= *old) { /* 0 and -0 are the same, and the one that is there stays */
        return ZSET_SAME;
    }
    return ZSET_CHANGED;
}

struct zset *zset_new(const void *secret, size_t secret_size)
{
    struct zset *z = mem_alloc(sizeof *z);
    if (z != NULL) {
        dict_init(&z->dict, secret, secret_size);
        ztree_init(&z->tree);
    }
    return z;
}

void zset_free(struct zset *z)
{
    if (z != NULL) {
        ztree_clear(&z->tree);
        dict_clear(&z->dict);
        mem_free(z, sizeof *z);
    }
}

size_t zset_memory(const struct zset *z)
{
    return mem_class(sizeof *z) + z->dict.bytes + z->tree.bytes;
}

bool zset_score(const struct zset *z, struct slice member, double *score)
{
    const struct dict_item *it = dict_find(&z->dict, member);
    if (it != NULL) {
        *score = zset_item_score(it);
    }
    return it != NULL;
}

/* A member that the dict has just taken in goes into the tree. */
static enum zset_result put_new(struct zset *z, struct dict_item *it, double score)
{
    if (!ztree_insert(&z->tree, score, it)) {
        dict_remove_item(&z->dict, it);
        return ZSET_NO_MEMORY;
    }
    return ZSET_ADDED;
}

static enum zset_result put_again(struct zset *z, struct dict_item *it, double *score, unsigned flags)
{
    double old = zset_item_score(it);
    enum zset_result result = zset_decide(flags, &old, score);
    if (result == ZSET_CHANGED) {
        if (!ztree_rescore(&z->tree, old, *score, it)) {
            return ZSET_NO_MEMORY;
        }
        zset_item_set_score(it, *score);
    }
    return result;
}

enum zset_result zset_put(struct zset *z, struct slice member, double *score, unsigned flags)
{
    bool added = false;
    struct dict_item *it;
    if (flags & ZSET_XX) {
        it = dict_find(&z->dict, member);
        if (it == NULL) {
            return ZSET_REFUSED;
        }
    } else {
        struct slice value = {(const char *)score, sizeof *score};
        it = dict_add(&z->dict, &(struct item_parts){member, value, true, ITEM_NO_DEADLINE}, &added);
        if (it == NULL) {
            return ZSET_NO_MEMORY;
        }
    }
    return added ? put_new(z, it, *score) : put_again(z, it, score, flags);
}

bool zset_remove(struct zset *z, struct slice member)
{
    struct dict_item *it = dict_find(&z->dict, member);
    if (it == NULL) {
        return false;
    }
    ztree_delete(&z->tree, zset_item_score(it), member);
    dict_remove_item(&z->dict, it);
    return true;
}

static void forget(void *context, double score, const struct dict_item *it)
{
    struct zset *z = context;
    (void)score;
    dict_remove(&z->dict, item_field(it));
}

uint64_t zset_remove_ranks(struct zset *z, uint64_t rank, uint64_t count)
{
    return ztree_delete_ranks(&z->tree, rank, count, forget, z);
}

struct dict_item *zset_gather(struct zset *z, struct slice member, double score, bool *added)
{
    struct slice value = {(const char *)&score, sizeof score};
    return dict_add(&z->dict, &(struct item_parts){member, value, true, ITEM_NO_DEADLINE}, added);
}

bool zset_order(struct zset *z)
{
    struct dict_iterator at = {0};
    const struct dict_item *it;
    while ((it = dict_next(&z->dict, &at)) != NULL) {
        if (!ztree_insert(&z->tree, zset_item_score(it), it)) {
            return false;
        }
    }
    return true;
}
