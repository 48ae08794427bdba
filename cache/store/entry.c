#include "store/entry.h"

#include <stdatomic.h>

#include "memory.h"
#include "store/pin.h"

/* A value this long or longer may be split, when that saves an eighth of what it takes in one block. The
 * saving is for memory alone (mean overhead of 16 B .. 4 KB values: see docs/performance.md); below, a
 * second allocation would cost more time than the bytes are worth. */
enum { SPLIT_FROM = 1000 };

static const struct entry_ops *ops;
static _Atomic int64_t timed_parts;

void entry_set_ops(const struct entry_ops *new_ops)
{
    ops = new_ops;
}

/* Everything that the bytes of an entry depend on, worked out once. */
struct layout {
    uint8_t kind;
    size_t header, area, size; /* size: header + key + area */
    size_t head;               /* bytes in the head block of a SPLIT value */
};

/* jemalloc's largest block that lies in a slab; a larger one has a page of padding of its own. (With pages
 * of 4 KB.) */
enum { SLAB_MAX = 14336, PADDING = 4096 };

/* The largest of jemalloc's classes that holds at most `size` bytes (size >= 256). Up to twice SLAB_MAX it
 * stays in slabs. */
static size_t head_class(size_t size)
{
    if (size > SLAB_MAX && size < (size_t)2 * SLAB_MAX) {
        return SLAB_MAX;
    }
    unsigned shift = (unsigned)(8 * sizeof(long) - 1) - (unsigned)__builtin_clzl(size) - 2;
    return size >> shift << shift;
}

/* What a block takes of the system's memory. */
static size_t block_bytes(size_t size)
{
    return mem_class(size) + (size > SLAB_MAX ? PADDING : 0);
}

static bool narrow(size_t key_len, size_t value_len, int64_t deadline)
{
    return key_len <= UINT8_MAX && value_len <= UINT16_MAX &&
           (deadline == ENTRY_NO_DEADLINE ||
            (deadline >= ENTRY_DEADLINE_BASE && deadline - ENTRY_DEADLINE_BASE < 1LL << 40));
}

static struct layout layout_of(enum entry_type type, size_t key_len, size_t value_len, int64_t deadline,
                               bool object)
{
    bool wide = !narrow(key_len, value_len, deadline);
    bool timed = deadline != ENTRY_NO_DEADLINE;
    struct layout l = {
        .kind = (uint8_t)((unsigned)type | (timed ? ENTRY_DEADLINE : 0u) | (wide ? ENTRY_WIDE : 0u)),
        .header = wide ? ENTRY_WIDE_HEADER + (timed ? 8u : 0u) : ENTRY_NARROW_HEADER + (timed ? 5u : 0u),
        .area = value_len};
    l.size = l.header + key_len + l.area;
    if (object) {
        l.kind |= FORM_OBJECT << ENTRY_FORM_SHIFT;
    } else if (value_len >= SPLIT_FROM && type == TYPE_STRING) {
        size_t head = head_class(value_len);
        size_t split = l.header + key_len + sizeof(void *) + (value_len - head);
        size_t whole = block_bytes(l.size);
        if (block_bytes(split) + block_bytes(head) + whole / 8 <= whole) {
            l.kind |= FORM_SPLIT << ENTRY_FORM_SHIFT;
            l.head = head;
            l.area = sizeof(void *) + (value_len - head);
            l.size = split;
        }
    }
    return l;
}

static size_t entry_size(const struct entry *e)
{
    size_t area = entry_value_len(e);
    if (entry_form(e) == FORM_SPLIT) {
        area = sizeof(void *) + area - head_class(area);
    }
    return entry_header_len(e) + entry_key_len(e) + area;
}

static void write_header(struct entry *e, const struct layout *l, size_t key_len, size_t value_len,
                         int64_t deadline, uint32_t access)
{
    e->kind = l->kind;
    entry_set_access(e, access);
    if ((l->kind & ENTRY_WIDE) == 0) {
        uint16_t len = (uint16_t)value_len;
        e->bytes[3] = (uint8_t)key_len;
        memcpy(e->bytes + 4, &len, sizeof len);
        if ((l->kind & ENTRY_DEADLINE) != 0) {
            uint64_t since = (uint64_t)(deadline - ENTRY_DEADLINE_BASE);
            uint32_t low = (uint32_t)since;
            memcpy(e->bytes + 6, &low, sizeof low);
            e->bytes[10] = (uint8_t)(since >> 32);
        }
        return;
    }
    uint32_t wide_key = (uint32_t)key_len;
    uint64_t wide_value = value_len;
    memcpy(e->bytes + 3, &wide_key, sizeof wide_key);
    memcpy(e->bytes + 7, &wide_value, sizeof wide_value);
    if ((l->kind & ENTRY_DEADLINE) != 0) {
        memcpy(e->bytes + 15, &deadline, sizeof deadline);
    }
}

struct entry_bytes entry_bytes_split(const struct entry *e)
{
    size_t len = entry_value_len(e);
    size_t head = head_class(len);
    return (struct entry_bytes){{entry_object(e), head}, {entry_area(e) + sizeof(void *), len - head}};
}

static void write_value(struct entry *e, const struct layout *l, struct slice value)
{
    if (l->head == 0) {
        memcpy(entry_area(e), value.ptr, value.len);
        return;
    }
    memcpy(entry_object(e), value.ptr, l->head);
    memcpy(entry_area(e) + sizeof(void *), value.ptr + l->head, value.len - l->head);
}

struct entry *entry_new_bytes(enum entry_type type, struct slice key, struct slice value, int64_t deadline,
                              uint32_t access)
{
    struct layout l = layout_of(type, key.len, value.len, deadline, false);
    struct entry *e = mem_alloc_whole(l.size);
    if (e == NULL) {
        return NULL;
    }
    write_header(e, &l, key.len, value.len, deadline, access);
    memcpy((char *)e + l.header, key.ptr, key.len);
    if (l.head > 0) {
        void *head = mem_alloc(l.head);
        if (head == NULL) {
            mem_free(e, l.size);
            return NULL;
        }
        entry_set_object(e, head);
    }
    write_value(e, &l, value);
    return e;
}

struct entry *entry_new_object(enum entry_type type, struct slice key, void *object, int64_t deadline,
                               uint32_t access)
{
    struct layout l = layout_of(type, key.len, sizeof object, deadline, true);
    struct entry *e = mem_alloc_whole(l.size);
    if (e == NULL) {
        return NULL;
    }
    write_header(e, &l, key.len, sizeof object, deadline, access);
    memcpy((char *)e + l.header, key.ptr, key.len);
    entry_set_object(e, object);
    entry_mark_parts(e);
    return e;
}

struct entry *entry_new_room(enum entry_type type, struct slice key, size_t len, int64_t deadline,
                             uint32_t access)
{
    struct layout l = layout_of(type, key.len, len, deadline, false);
    struct entry *e = mem_alloc_whole(l.size);
    if (e != NULL) {
        write_header(e, &l, key.len, len, deadline, access);
        memcpy((char *)e + l.header, key.ptr, key.len);
    }
    return e;
}

static bool fits(const struct entry *e, size_t len)
{
    struct layout l = layout_of(entry_type(e), entry_key_len(e), len, entry_deadline(e), false);
    return l.kind == e->kind && mem_class(l.size) == mem_class(entry_size(e));
}

/* Of a narrow entry only the 16 bits of its value's length change: most edits of a small collection are that. */
static bool resize_narrow(struct entry *e, size_t len)
{
    size_t fixed = entry_header_len(e) + entry_key_len(e);
    uint16_t narrow_len = (uint16_t)len;
    if (mem_class(fixed + len) != mem_class(fixed + entry_value_len(e))) {
        return false;
    }
    memcpy(e->bytes + 4, &narrow_len, sizeof narrow_len);
    return true;
}

bool entry_resize_in_place(struct entry *e, size_t len)
{
    if ((e->kind & ENTRY_WIDE) == 0 && len <= UINT16_MAX) {
        return resize_narrow(e, len);
    }
    if (!fits(e, len)) {
        return false;
    }
    struct layout l = {.kind = e->kind};
    write_header(e, &l, entry_key_len(e), len, entry_deadline(e), entry_access(e));
    return true;
}

struct entry *entry_resize(struct entry *e, size_t len)
{
    if (entry_resize_in_place(e, len)) {
        return e;
    }
    size_t old_len = entry_value_len(e);
    struct entry *moved =
        entry_new_room(entry_type(e), entry_key(e), len, entry_deadline(e), entry_access(e));
    if (moved != NULL) {
        memcpy(entry_area(moved), entry_area(e), len < old_len ? len : old_len);
        entry_free_shell(e);
    }
    return moved;
}

bool entry_overwrite(struct entry *e, enum entry_type type, struct slice value, int64_t deadline,
                     uint32_t access)
{
    size_t key_len = entry_key_len(e);
    struct layout l = layout_of(type, key_len, value.len, deadline, false);
    if (entry_form(e) == FORM_OBJECT || ((e->kind ^ l.kind) & ~ENTRY_TYPE) != 0 ||
        mem_class(entry_size(e)) != mem_class(l.size)) {
        return false;
    }
    if (l.head > 0 && head_class(entry_value_len(e)) != l.head) {
        return false;
    }
    write_header(e, &l, key_len, value.len, deadline, access);
    write_value(e, &l, value);
    return true;
}

struct entry *entry_moved(const struct entry *e, struct slice key, int64_t deadline)
{
    bool object = entry_form(e) == FORM_OBJECT;
    struct layout l = layout_of(entry_type(e), key.len, entry_value_len(e), deadline, object);
    if (!object) { /* keep the form that the bytes have: the head block goes along */
        l.kind = (uint8_t)((l.kind & ~ENTRY_FORM) | (e->kind & ENTRY_FORM));
        l.area = entry_form(e) == FORM_SPLIT
                     ? sizeof(void *) + entry_value_len(e) - head_class(entry_value_len(e))
                     : entry_value_len(e);
        l.size = l.header + key.len + l.area;
    }
    struct entry *moved = mem_alloc_whole(l.size);
    if (moved == NULL) {
        return NULL;
    }
    write_header(moved, &l, key.len, entry_value_len(e), deadline, entry_access(e));
    memcpy((char *)moved + l.header, key.ptr, key.len);
    memcpy(entry_area(moved), entry_area(e), l.area);
    moved->kind |= (uint8_t)(e->kind & ENTRY_TIMED_PARTS);
    return moved;
}

struct entry *entry_with_deadline(struct entry *e, int64_t deadline)
{
    size_t key_len = entry_key_len(e);
    size_t value_len = entry_value_len(e);
    bool wide = !narrow(key_len, value_len, deadline);
    bool timed = deadline != ENTRY_NO_DEADLINE;
    if (timed == entry_has_deadline(e) && wide == ((e->kind & ENTRY_WIDE) != 0)) {
        struct layout l = {.kind = e->kind};
        write_header(e, &l, key_len, value_len, deadline, entry_access(e));
        return e;
    }
    struct entry *moved = entry_moved(e, entry_key(e), deadline);
    if (moved != NULL) {
        entry_free_shell(e);
    }
    return moved;
}

struct entry *entry_copy_inline(const struct entry *e)
{
    size_t size = entry_size(e);
    struct entry *copy = mem_alloc_whole(size);
    if (copy != NULL) {
        memcpy(copy, e, size);
    }
    return copy;
}

void entry_free_shell(struct entry *e)
{
    size_t size = entry_size(e);
    if (!pin_defer_memory(e, size)) {
        mem_free(e, size);
    }
}

static void free_head(struct entry *e)
{
    size_t size = head_class(entry_value_len(e));
    if (!pin_defer_memory(entry_object(e), size)) {
        mem_free(entry_object(e), size);
    }
}

static void free_object(struct entry *e)
{
    if ((e->kind & ENTRY_TIMED_PARTS) != 0) {
        atomic_fetch_sub_explicit(&timed_parts, 1, memory_order_relaxed);
    }
    if (!pin_defer_object(entry_object(e), entry_type(e))) {
        ops->free(entry_type(e), entry_object(e));
    }
}

void entry_free(struct entry *e)
{
    switch (entry_form(e)) {
    case FORM_INLINE: break;
    case FORM_SPLIT: free_head(e); break;
    case FORM_OBJECT: free_object(e); break;
    }
    entry_free_shell(e);
}

void entry_free_object(enum entry_type type, void *object)
{
    ops->free(type, object);
}

size_t entry_object_memory(enum entry_type type, const void *object)
{
    return ops->memory(type, object);
}

int64_t entry_timed_parts(void)
{
    return atomic_load_explicit(&timed_parts, memory_order_relaxed);
}

int64_t entry_parts_due(const struct entry *e)
{
    return ops->parts_due(entry_type(e), entry_object(e));
}

/* What is pinned is not changed: its dead parts stay for a while, as they would for want of a budget. */
bool entry_sweep_parts(struct entry *e, int64_t now, uint64_t budget, uint64_t *dropped)
{
    if (pin_holds(entry_object(e))) {
        bool lives = ops->sweep_parts(entry_type(e), entry_object(e), now, 0, dropped);
        *dropped = lives ? 0 : *dropped;
        return lives;
    }
    return ops->sweep_parts(entry_type(e), entry_object(e), now, budget, dropped);
}

void entry_mark_parts(struct entry *e)
{
    bool timed = ops->parts_due != NULL && entry_parts_due(e) != ENTRY_NO_DEADLINE;
    bool was = (e->kind & ENTRY_TIMED_PARTS) != 0;
    if (timed != was) {
        atomic_fetch_add_explicit(&timed_parts, timed ? 1 : -1, memory_order_relaxed);
    }
    e->kind = (uint8_t)(timed ? e->kind | ENTRY_TIMED_PARTS : e->kind & ~ENTRY_TIMED_PARTS);
}

size_t entry_memory(const struct entry *e)
{
    size_t bytes = mem_class(entry_size(e));
    if (entry_form(e) == FORM_SPLIT) {
        bytes += mem_class(head_class(entry_value_len(e)));
    } else if (entry_form(e) == FORM_OBJECT) {
        bytes += ops->memory(entry_type(e), entry_object(e));
    }
    return bytes;
}
