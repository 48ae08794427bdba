/*
 * Small lists. What a position steps by is the only thing that the two forms do not share: elements of one width have neither
 * encoding nor backlen, all others have both.
 */
#include "types/small_list.h"

enum { FIRST = SMALL_LIST_FIRST, END = 0xFF, WIDEST = 254 };

/* ---- the header ------------------------------------------------------------------------------------------- */

static size_t header_count(const uint8_t *bytes)
{
    return (size_t)bytes[1] | (size_t)bytes[2] << 8;
}

static void set_count(uint8_t *bytes, size_t count)
{
    count = count < LISTPACK_UNKNOWN ? count : LISTPACK_UNKNOWN;
    bytes[1] = (uint8_t)count;
    bytes[2] = (uint8_t)(count >> 8);
}

/* Once unknown, the count stays so. */
static void add_count(struct small_list *l, size_t more)
{
    if (header_count(l->bytes) != LISTPACK_UNKNOWN) {
        set_count(l->bytes, header_count(l->bytes) + more);
    }
}

size_t small_list_used(const uint8_t *bytes)
{
    size_t pos = FIRST;
    while (bytes[pos] != END) {
        pos = listpack_after(bytes, pos);
    }
    return pos;
}

size_t small_list_count(const struct small_list *l)
{
    size_t count = header_count(l->bytes);
    if (count != LISTPACK_UNKNOWN) {
        return count;
    }
    count = 0;
    for (size_t pos = FIRST; pos < l->len; pos = listpack_after(l->bytes, pos)) {
        count++;
    }
    return count;
}

void small_list_settle(struct small_list *l, size_t room)
{
    if (small_list_width(l->bytes) != 0) {
        return;
    }
    l->bytes[0] = room == l->len ? SMALL_LIST_MIXED : SMALL_LIST_SLACK;
    if (room != l->len) {
        l->bytes[l->len] = END;
    }
}

/* The width of a list of which this is all, or 0. */
static size_t width_for(const struct element *e)
{
    return e->tail.len <= WIDEST ? e->tail.len : 0; /* an integer has no tail */
}

struct small_list small_list_init(uint8_t *bytes, struct slice first)
{
    struct element e = element_encode(first);
    bytes[0] = (uint8_t)width_for(&e);
    set_count(bytes, 0);
    return (struct small_list){bytes, FIRST};
}

/* ---- positions -------------------------------------------------------------------------------------------- */

size_t small_list_after(const struct small_list *l, size_t pos)
{
    size_t width = small_list_width(l->bytes);
    return width != 0 ? pos + width : listpack_after(l->bytes, pos);
}

size_t small_list_next(const struct small_list *l, size_t pos)
{
    pos = small_list_after(l, pos);
    return pos < l->len ? pos : SMALL_LIST_NONE;
}

size_t small_list_prev(const struct small_list *l, size_t pos)
{
    if (pos == FIRST) {
        return SMALL_LIST_NONE;
    }
    size_t width = small_list_width(l->bytes);
    return width != 0 ? pos - width : listpack_before(l->bytes, pos);
}

/* Of a list whose elements differ in size; `index` is one of them. */
static size_t walk_to(const struct small_list *l, size_t index, size_t count)
{
    size_t pos = FIRST;
    if (index <= count / 2) {
        for (; index > 0; index--) {
            pos = listpack_after(l->bytes, pos);
        }
        return pos;
    }
    pos = l->len;
    for (; index < count; index++) {
        pos = listpack_before(l->bytes, pos);
    }
    return pos;
}

size_t small_list_seek(const struct small_list *l, int64_t index)
{
    size_t width = small_list_width(l->bytes);
    size_t count = small_list_count(l);
    size_t rest = index < 0 ? count + (size_t)index : (size_t)index;
    if (rest >= count) {
        return SMALL_LIST_NONE;
    }
    return width != 0 ? FIRST + rest * width : walk_to(l, rest, count);
}

/* ---- edits ------------------------------------------------------------------------------------------------ */

/* What a string takes where widths differ. */
static size_t mixed_size(size_t width)
{
    return listpack_bytes_of_data(element_string_bytes(width));
}

/* The same of any value. */
static size_t mixed_size_of(struct slice value)
{
    int64_t number;
    if (element_may_be_int(value) && number_parse_i64(value.ptr, value.len, &number)) {
        return listpack_bytes_of_data(element_encode_int(number).size);
    }
    return mixed_size(value.len);
}

/* Bytes of the list once widths may differ. */
static size_t bytes_mixed(const struct small_list *l)
{
    size_t width = small_list_width(l->bytes);
    return width != 0 ? FIRST + header_count(l->bytes) * mixed_size(width) : l->len;
}

/* Whether a value can stand in a list of this width. */
static bool has_width(struct slice value, size_t width)
{
    int64_t number;
    return value.len == width && width != 0 &&
           !(element_may_be_int(value) && number_parse_i64(value.ptr, value.len, &number));
}

size_t small_list_bytes_with(const struct small_list *l, const struct slice *values, size_t count)
{
    size_t width = small_list_width(l->bytes);
    size_t bytes = l->len;
    size_t alike = 0;
    if (width != 0) {
        while (alike < count && has_width(values[alike], width)) {
            alike++;
        }
        if (alike == count && header_count(l->bytes) + count < LISTPACK_UNKNOWN) {
            return bytes + count * width;
        }
        bytes = bytes_mixed(l) + alike * mixed_size(width);
    }
    for (size_t i = alike; i < count; i++) {
        bytes += mixed_size_of(values[i]);
    }
    return bytes;
}

size_t small_list_bytes_set(const struct small_list *l, size_t pos, struct slice value)
{
    size_t width = small_list_width(l->bytes);
    if (has_width(value, width)) {
        return l->len;
    }
    size_t bytes = bytes_mixed(l); /* which it has before the value is put in */
    size_t old = width != 0 ? mixed_size(width) : listpack_element_bytes(l->bytes, pos);
    size_t size = mixed_size_of(value);
    return size > old ? bytes + size - old : bytes;
}

/* Gives each element its encoding and backlen: from the last to the first, since each moves to the right. */
static void let_widths_differ(struct small_list *l, size_t width)
{
    uint8_t *bytes = l->bytes;
    struct listpack_element e = listpack_encode_string((struct slice){"", width});
    for (size_t i = header_count(bytes); i-- > 0;) {
        uint8_t *to = bytes + FIRST + i * e.size;
        memmove(to + e.data.head_len, bytes + FIRST + i * width, width);
        memcpy(to, e.data.head, e.data.head_len);
        memcpy(to + e.data.size, e.backlen, e.backlen_len);
    }
    bytes[0] = SMALL_LIST_MIXED;
    l->len = FIRST + header_count(bytes) * e.size;
}

/* Makes sure that the value can stand in a list of one width, which else stops being one; a position goes along. Returns the
 * width, or 0. */
static size_t make_ready(struct small_list *l, size_t width, struct slice value, bool more, size_t *pos)
{
    if (has_width(value, width) && header_count(l->bytes) + more < LISTPACK_UNKNOWN) {
        return width;
    }
    let_widths_differ(l, width);
    *pos = FIRST + (*pos - FIRST) / width * mixed_size(width);
    return 0;
}

/* Moves what lies from `from` on, to `to`. */
static void move_rest(struct small_list *l, size_t from, size_t to)
{
    if (from < l->len) {
        memmove(l->bytes + to, l->bytes + from, l->len - from);
    }
    l->len = l->len - from + to;
}

void small_list_insert(struct small_list *l, size_t pos, struct slice value)
{
    size_t width = small_list_width(l->bytes);
    if (width != 0) {
        width = make_ready(l, width, value, true, &pos);
    }
    if (width != 0) {
        move_rest(l, pos, pos + width);
        memcpy(l->bytes + pos, value.ptr, width);
    } else {
        struct listpack_element e = listpack_encode(value);
        move_rest(l, pos, pos + e.size);
        listpack_put(l->bytes + pos, &e);
    }
    add_count(l, 1);
}

void small_list_set(struct small_list *l, size_t pos, struct slice value)
{
    size_t width = small_list_width(l->bytes);
    if (width != 0) {
        width = make_ready(l, width, value, false, &pos);
    }
    if (width != 0) {
        memcpy(l->bytes + pos, value.ptr, width);
        return;
    }
    struct listpack_element e = listpack_encode(value);
    move_rest(l, listpack_after(l->bytes, pos), pos + e.size);
    listpack_put(l->bytes + pos, &e);
}

void small_list_remove(struct small_list *l, size_t pos, size_t count)
{
    size_t width = small_list_width(l->bytes);
    size_t end = pos + count * width;
    for (size_t i = 0; i < count && width == 0; i++) {
        end = listpack_after(l->bytes, end);
    }
    move_rest(l, end, pos);
    add_count(l, 0 - count);
}

/* ---- listpacks -------------------------------------------------------------------------------------------- */

size_t small_list_listpack_bytes(const struct small_list *l)
{
    return bytes_mixed(l) - FIRST + LISTPACK_EMPTY;
}

void small_list_to_listpack(const struct small_list *l, uint8_t *lp)
{
    size_t width = small_list_width(l->bytes);
    listpack_init(lp);
    if (width == 0) {
        listpack_append_run(lp, l->bytes, FIRST, l->len, header_count(l->bytes));
        return;
    }
    for (size_t pos = FIRST; pos < l->len; pos += width) {
        struct listpack_element e =
            listpack_encode_string((struct slice){(const char *)l->bytes + pos, width});
        listpack_append(lp, &e);
    }
}

/* The width of all elements, or 0: these may also be strings that spell integers, or have encodings longer than need be. */
static size_t width_of(const uint8_t *lp)
{
    size_t count = listpack_count(lp);
    if (count == 0 || count >= LISTPACK_UNKNOWN) {
        return 0;
    }
    size_t width = listpack_read(lp, LISTPACK_HEADER).bytes.len; /* an integer has none */
    if (width > WIDEST) {
        return 0;
    }
    for (size_t pos = LISTPACK_HEADER; pos != LISTPACK_NONE && width != 0; pos = listpack_next(lp, pos)) {
        struct listpack_value value = listpack_read(lp, pos);
        bool same = !value.is_int && has_width(value.bytes, width) &&
                    listpack_element_bytes(lp, pos) == mixed_size(width);
        width = same ? width : 0;
    }
    return width;
}

size_t small_list_bytes_of(const uint8_t *lp)
{
    size_t width = width_of(lp);
    return FIRST + (width != 0 ? listpack_count(lp) * width : listpack_bytes(lp) - LISTPACK_EMPTY);
}

void small_list_of(const uint8_t *lp, uint8_t *bytes)
{
    size_t width = width_of(lp);
    bytes[0] = (uint8_t)width;
    set_count(bytes, listpack_count(lp));
    if (width == 0) {
        memcpy(bytes + FIRST, lp + LISTPACK_HEADER, listpack_bytes(lp) - LISTPACK_EMPTY);
        return;
    }
    uint8_t *to = bytes + FIRST;
    for (size_t pos = LISTPACK_HEADER; pos != LISTPACK_NONE; pos = listpack_next(lp, pos), to += width) {
        memcpy(to, listpack_read(lp, pos).bytes.ptr, width);
    }
}
