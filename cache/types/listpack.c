/*
 * Listpacks. An element's length comes from its first bytes alone, and from its last.
 */

#include "types/listpack.h"

enum { END = 0xFF };

static void set_bytes(uint8_t *lp, size_t bytes)
{
    uint32_t value = (uint32_t)bytes;
    memcpy(lp, &value, sizeof value);
}

static size_t header_count(const uint8_t *lp)
{
    return (size_t)lp[4] | (size_t)lp[5] << 8;
}

static void set_count(uint8_t *lp, size_t count)
{
    count = count < LISTPACK_UNKNOWN ? count : LISTPACK_UNKNOWN;
    lp[4] = (uint8_t)count;
    lp[5] = (uint8_t)(count >> 8);
}

/* Once unknown, the count stays so: a listpack that large is no small collection any more. */
static void add_count(uint8_t *lp, size_t more)
{
    if (header_count(lp) != LISTPACK_UNKNOWN) {
        set_count(lp, header_count(lp) + more);
    }
}

static void subtract_count(uint8_t *lp, size_t fewer)
{
    if (header_count(lp) != LISTPACK_UNKNOWN) {
        set_count(lp, header_count(lp) - fewer);
    }
}

static uint8_t backlen_put(uint8_t *to, size_t len)
{
    size_t n = listpack_bytes_of_data(len) - len;
    for (size_t i = n; i-- > 0; len >>= 7) {
        to[i] = (uint8_t)((len & 127) | (i == 0 ? 0 : 128));
    }
    return (uint8_t)n;
}

static inline size_t element_bytes(const uint8_t *p)
{
    return listpack_bytes_of_data(element_data_bytes(p));
}

void listpack_init(uint8_t *lp)
{
    set_bytes(lp, LISTPACK_EMPTY);
    set_count(lp, 0);
    lp[LISTPACK_HEADER] = END;
}

size_t listpack_count(const uint8_t *lp)
{
    size_t count = header_count(lp);
    if (count != LISTPACK_UNKNOWN) {
        return count;
    }
    count = 0;
    for (const uint8_t *p = lp + LISTPACK_HEADER; *p != END; p += element_bytes(p)) {
        count++;
    }
    return count;
}

/* ---- elements to be written ---- */

static inline struct listpack_element with_backlen(struct element data)
{
    struct listpack_element e = {.data = data};
    e.backlen_len = backlen_put(e.backlen, data.size);
    e.size = data.size + e.backlen_len;
    return e;
}

struct listpack_element listpack_encode(struct slice bytes)
{
    return with_backlen(element_encode(bytes));
}

struct listpack_element listpack_encode_string(struct slice bytes)
{
    return with_backlen(element_encode_string(bytes));
}

void listpack_put(uint8_t *at, const struct listpack_element *e)
{
    element_put(at, &e->data);
    memcpy(at + e->data.size, e->backlen, e->backlen_len);
}

/* ---- positions ---- */

size_t listpack_first(const uint8_t *lp)
{
    return lp[LISTPACK_HEADER] == END ? LISTPACK_NONE : LISTPACK_HEADER;
}

size_t listpack_last(const uint8_t *lp)
{
    return listpack_prev(lp, listpack_end(lp));
}

size_t listpack_after(const uint8_t *lp, size_t pos)
{
    return pos + element_bytes(lp + pos);
}

size_t listpack_next(const uint8_t *lp, size_t pos)
{
    pos = listpack_after(lp, pos);
    return lp[pos] == END ? LISTPACK_NONE : pos;
}

size_t listpack_before(const uint8_t *lp, size_t pos)
{
    const uint8_t *p = lp + pos - 1;
    size_t len = *p & 127u;
    size_t n = 1;
    for (unsigned shift = 7; *p & 128; shift += 7, n++) {
        len |= (size_t)(*--p & 127) << shift;
    }
    return pos - n - len;
}

size_t listpack_prev(const uint8_t *lp, size_t pos)
{
    return pos == LISTPACK_HEADER ? LISTPACK_NONE : listpack_before(lp, pos);
}

static size_t seek_forward(const uint8_t *lp, size_t steps)
{
    size_t pos = listpack_first(lp);
    while (pos != LISTPACK_NONE && steps-- > 0) {
        pos = listpack_next(lp, pos);
    }
    return pos;
}

static size_t seek_backward(const uint8_t *lp, size_t steps)
{
    size_t pos = listpack_last(lp);
    while (pos != LISTPACK_NONE && steps-- > 0) {
        pos = listpack_prev(lp, pos);
    }
    return pos;
}

size_t listpack_seek(const uint8_t *lp, int64_t index)
{
    size_t count = header_count(lp);
    if (count == LISTPACK_UNKNOWN) {
        return index >= 0 ? seek_forward(lp, (size_t)index) : seek_backward(lp, (size_t) - (index + 1));
    }
    if (index < 0) {
        index += (int64_t)count;
    }
    if (index < 0 || (size_t)index >= count) {
        return LISTPACK_NONE;
    }
    size_t steps = (size_t)index;
    return steps <= count / 2 ? seek_forward(lp, steps) : seek_backward(lp, count - 1 - steps);
}

/* ---- reading ---- */

struct listpack_value listpack_read(const uint8_t *lp, size_t pos)
{
    return element_read(lp + pos);
}

size_t listpack_element_bytes(const uint8_t *lp, size_t pos)
{
    return element_bytes(lp + pos);
}

bool listpack_value_equal(const struct listpack_value *value, struct slice bytes)
{
    if (!value->is_int) {
        return slice_equal(value->bytes, bytes);
    }
    int64_t number;
    return number_parse_i64(bytes.ptr, bytes.len, &number) && number == value->number;
}

/* ---- edits ---- */

/* Moves what lies from `from` on, to `to`. */
static void move_rest(uint8_t *lp, size_t from, size_t to)
{
    size_t bytes = listpack_bytes(lp);
    memmove(lp + to, lp + from, bytes - from);
    set_bytes(lp, bytes - from + to);
}

void listpack_insert(uint8_t *lp, size_t pos, const struct listpack_element *e)
{
    move_rest(lp, pos, pos + e->size);
    listpack_put(lp + pos, e);
    add_count(lp, 1);
}

void listpack_append(uint8_t *lp, const struct listpack_element *e)
{
    listpack_insert(lp, listpack_end(lp), e);
}

void listpack_replace(uint8_t *lp, size_t pos, const struct listpack_element *e)
{
    size_t old = listpack_element_bytes(lp, pos);
    if (old != e->size) {
        move_rest(lp, pos + old, pos + e->size);
    }
    listpack_put(lp + pos, e);
}

size_t listpack_delete(uint8_t *lp, size_t pos, size_t count)
{
    size_t end = pos;
    size_t deleted = 0;
    while (deleted < count && lp[end] != END) {
        end = listpack_after(lp, end);
        deleted++;
    }
    if (deleted != 0) {
        move_rest(lp, end, pos);
        subtract_count(lp, deleted);
    }
    return deleted;
}

void listpack_append_run(uint8_t *lp, const uint8_t *other, size_t from, size_t to, size_t count)
{
    size_t end = listpack_end(lp);
    memcpy(lp + end, other + from, to - from);
    lp[end + to - from] = END;
    set_bytes(lp, end + to - from + 1);
    add_count(lp, count);
}

void listpack_append_data(uint8_t *lp, const uint8_t *data, size_t len)
{
    size_t end = listpack_end(lp);
    memcpy(lp + end, data, len);
    end += len;
    end += backlen_put(lp + end, len);
    lp[end] = END;
    set_bytes(lp, end + 1);
    add_count(lp, 1);
}

uint8_t *listpack_push_left(uint8_t *lp, const struct listpack_element *e)
{
    uint8_t *left = lp - e->size;
    memmove(left, lp, LISTPACK_HEADER);
    listpack_put(left + LISTPACK_HEADER, e);
    set_bytes(left, listpack_bytes(left) + e->size);
    add_count(left, 1);
    return left;
}

uint8_t *listpack_pop_left(uint8_t *lp)
{
    size_t size = element_bytes(lp + LISTPACK_HEADER);
    uint8_t *right = lp + size;
    memmove(right, lp, LISTPACK_HEADER);
    set_bytes(right, listpack_bytes(right) - size);
    subtract_count(right, 1);
    return right;
}

/* ---- bytes from outside ---- */

/* How many bytes at p tell the length of an element: element_data_bytes() may be asked once they are there. */
static size_t encoding_bytes(uint8_t first)
{
    if (first >= ELEMENT_STRING_12 && first < ELEMENT_STRING_32) {
        return 2;
    }
    return first == ELEMENT_STRING_32 ? 5 : 1;
}

/* Bytes of the element at p, of which `left` can be read; 0 when it is not sound. */
static size_t validate_element(const uint8_t *p, size_t left)
{
    if (encoding_bytes(p[0]) > left) {
        return 0;
    }
    size_t data = element_data_bytes(p);
    if (data == 0 || listpack_bytes_of_data(data) > left) {
        return 0;
    }
    uint8_t backlen[5];
    size_t n = backlen_put(backlen, data);
    return memcmp(p + data, backlen, n) == 0 ? data + n : 0;
}

bool listpack_validate(const uint8_t *bytes, size_t len, listpack_check *check, void *context)
{
    if (len < LISTPACK_EMPTY || listpack_bytes(bytes) != len || bytes[len - 1] != END) {
        return false;
    }
    size_t count = 0;
    for (size_t pos = LISTPACK_HEADER; pos < len - 1; count++) {
        size_t size = validate_element(bytes + pos, len - 1 - pos);
        if (size == 0) {
            return false;
        }
        struct listpack_value value = element_read(bytes + pos);
        if (check != NULL && !check(&value, context)) {
            return false;
        }
        pos += size;
    }
    return header_count(bytes) == LISTPACK_UNKNOWN || header_count(bytes) == count;
}
