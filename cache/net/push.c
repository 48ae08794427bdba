#include "net/push.h"

#include "memory.h"

struct push *push_new(struct slice head2, struct slice head3, size_t body)
{
    struct push *push = mem_alloc(sizeof *push + head2.len + head3.len + body);
    if (push == NULL) {
        return NULL;
    }
    atomic_init(&push->references, 1);
    push->head2 = (uint8_t)head2.len;
    push->head3 = (uint8_t)head3.len;
    push->if_subscribed = false;
    push->body = body;
    memcpy(push->bytes, head2.ptr, head2.len);
    memcpy(push->bytes + head2.len, head3.ptr, head3.len);
    return push;
}

void push_drop(struct push *push)
{
    if (atomic_fetch_sub_explicit(&push->references, 1, memory_order_acq_rel) == 1) {
        mem_free(push, sizeof *push + push->head2 + push->head3 + push->body);
    }
}
