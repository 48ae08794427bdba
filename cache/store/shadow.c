#include "store/shadow.h"

#include <string.h>

#include "memory.h"

struct keyspace *shadow_new(const struct keyspace *of)
{
    size_t size = (size_t)of->count * sizeof *of->dbs;
    struct keyspace *shadow = mem_alloc(sizeof *shadow);
    struct db *dbs = shadow != NULL ? mem_alloc(size) : NULL;
    if (dbs == NULL) {
        mem_free(shadow, sizeof *shadow);
        return NULL;
    }
    memset(shadow, 0, sizeof *shadow);
    memcpy(shadow->secret, of->secret, sizeof shadow->secret);
    shadow->count = of->count;
    shadow->dbs = dbs;
    memset(dbs, 0, size);
    for (int i = 0; i < of->count; i++) {
        dbs[i].id = dbs[i].home = i;
        dbs[i].keyspace = shadow;
    }
    cut_init(&shadow->cut);
    return shadow;
}

void shadow_take_place(struct keyspace *shadow, struct keyspace *of)
{
    for (int i = 0; i < of->count; i++) {
        db_swap(&shadow->dbs[i], &of->dbs[i]);
    }
}

void shadow_free(struct keyspace *shadow)
{
    if (shadow == NULL) {
        return;
    }
    for (int i = 0; i < shadow->count; i++) {
        db_free(&shadow->dbs[i]);
    }
    mem_free(shadow->dbs, (size_t)shadow->count * sizeof *shadow->dbs);
    mem_free(shadow, sizeof *shadow);
}
