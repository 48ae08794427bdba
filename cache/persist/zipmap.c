#include "persist/zipmap.h"

#include <string.h>

enum { LONG = 254, END = 255 };

/* A part of a zipmap that is being read. */
struct part {
    const uint8_t *bytes;
    size_t at, len;
};

/* A length and, behind `gap` more bytes, as many bytes of text. False when they are not all there. */
static bool take_text(struct part *p, size_t gap, struct slice *text)
{
    uint32_t length;
    if (p->at >= p->len || p->bytes[p->at] == END) {
        return false;
    }
    length = p->bytes[p->at++];
    if (length == LONG) {
        if (p->len - p->at < sizeof length) {
            return false;
        }
        memcpy(&length, p->bytes + p->at, sizeof length);
        p->at += sizeof length;
        if (length < LONG) { /* nobody writes a short length like this; Redis refuses it as well */
            return false;
        }
    }
    if (p->len - p->at < gap || p->len - p->at - gap < length) {
        return false;
    }
    *text = (struct slice){(const char *)p->bytes + p->at + gap, length};
    p->at += gap + length;
    return true;
}

static bool take_pair(struct part *p, struct zipmap_pair *pair)
{
    if (!take_text(p, 0, &pair->field) || !take_text(p, 1, &pair->value)) {
        return false;
    }
    size_t free_bytes = (uint8_t)pair->value.ptr[-1];
    if (p->len - p->at < free_bytes) {
        return false;
    }
    p->at += free_bytes;
    return true;
}

bool zipmap_validate(const uint8_t *bytes, size_t len)
{
    struct part p = {bytes, 1, len};
    struct zipmap_pair pair;
    size_t count = 0;
    if (len < 2) {
        return false;
    }
    while (p.at < len && bytes[p.at] != END) {
        if (!take_pair(&p, &pair)) {
            return false;
        }
        count++;
    }
    return p.at == len - 1 && (bytes[0] >= LONG || bytes[0] == count);
}

bool zipmap_next(const uint8_t *bytes, size_t *at, struct zipmap_pair *pair)
{
    struct part p = {bytes, *at > 0 ? *at : 1, SIZE_MAX};
    if (!take_pair(&p, pair)) {
        return false;
    }
    *at = p.at;
    return true;
}
