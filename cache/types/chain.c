#include "types/chain.h"

#include <string.h>

#include "memory.h"

enum { FIRST_SIZE = 16 };

static struct chain_link **bucket(const struct chain *chain, uint64_t hash)
{
    return &chain->buckets[hash & (chain->size - 1)];
}

static void grow(struct chain *chain)
{
    struct chain larger = {.size = chain->size > 0 ? chain->size * 2 : FIRST_SIZE, .count = chain->count};
    larger.buckets = mem_alloc(larger.size * sizeof *larger.buckets);
    if (larger.buckets == NULL) {
        return;
    }
    memset(larger.buckets, 0, larger.size * sizeof *larger.buckets);
    for (size_t i = 0; i < chain->size; i++) {
        struct chain_link *next;
        for (struct chain_link *link = chain->buckets[i]; link != NULL; link = next) {
            next = link->next;
            struct chain_link **to = bucket(&larger, link->hash);
            link->next = *to;
            *to = link;
        }
    }
    mem_free(chain->buckets, chain->size * sizeof *chain->buckets);
    *chain = larger;
}

bool chain_add(struct chain *chain, struct chain_link *link, uint64_t hash)
{
    if (chain->count >= chain->size) {
        grow(chain);
    }
    if (chain->size == 0) {
        return false;
    }
    struct chain_link **head = bucket(chain, hash);
    *link = (struct chain_link){*head, hash};
    *head = link;
    chain->count++;
    return true;
}

void chain_remove(struct chain *chain, struct chain_link *link)
{
    struct chain_link **at = bucket(chain, link->hash);
    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    chain->count--;
}

static struct chain_link *with_hash(struct chain_link *link, uint64_t hash)
{
    while (link != NULL && link->hash != hash) {
        link = link->next;
    }
    return link;
}

struct chain_link *chain_find(const struct chain *chain, uint64_t hash)
{
    return chain->count > 0 ? with_hash(*bucket(chain, hash), hash) : NULL;
}

struct chain_link *chain_next(const struct chain_link *link)
{
    return with_hash(link->next, link->hash);
}

struct chain_link *chain_any(const struct chain *chain, uint64_t random)
{
    for (size_t i = 0; chain->count > 0 && i < chain->size; i++) {
        struct chain_link *link = *bucket(chain, random + i);
        if (link != NULL) {
            return link;
        }
    }
    return NULL;
}

void chain_each(const struct chain *chain, void (*visit)(void *, struct chain_link *), void *context)
{
    for (size_t i = 0; i < chain->size; i++) {
        struct chain_link *next;
        for (struct chain_link *link = chain->buckets[i]; link != NULL; link = next) {
            next = link->next;
            visit(context, link);
        }
    }
}

void chain_free(struct chain *chain)
{
    mem_free(chain->buckets, chain->size * sizeof *chain->buckets);
    *chain = (struct chain){0};
}
