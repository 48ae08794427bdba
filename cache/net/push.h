/*
 * A push: bytes that connections are sent without having asked in this turn (a published message, an invalidation). They are
 * written once, into a block that all receivers share, whichever loops they are on; it is freed with the last reference.
 *
 * RESP2 and RESP3 differ in the head alone, so a block has two heads and one body:
 *
 *   bytes: | head for RESP2 | head for RESP3 | body |
 *
 * A protocol whose head is empty is sent nothing.
 *
 * Threads: any; the bytes never change once the block is shared.
 */
#ifndef ORDINAL_NET_PUSH_H
#define ORDINAL_NET_PUSH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

enum { PUSH_SHARED = 16 * 1024 }; /* a body from here on is sent from the block itself; less is copied */

struct push {
    _Atomic uint32_t references;
    uint8_t head2, head3; /* lengths of the heads */
    bool if_subscribed;   /* for a RESP2 connection: only while it is subscribed to something */
    size_t body;          /* length of the body */
    char bytes[];
};

/* A push with these heads (255 bytes at most) and room for a body. One reference, the caller's. NULL: no memory. */
struct push *push_new(struct slice head2, struct slice head3, size_t body);

static inline void push_keep(struct push *push)
{
    atomic_fetch_add_explicit(&push->references, 1, memory_order_relaxed);
}

/* Gives a reference up. */
void push_drop(struct push *push);

static inline char *push_body(struct push *push)
{
    return push->bytes + push->head2 + push->head3;
}

/* The head for a protocol, 2 or 3. */
static inline struct slice push_head(const struct push *push, int resp)
{
    return resp == 2 ? (struct slice){push->bytes, push->head2}
                     : (struct slice){push->bytes + push->head2, push->head3};
}

#endif
