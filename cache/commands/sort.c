/*
 * SORT and SORT_RO: the elements of a list, a set or a sorted set, put in order by themselves or by what other keys hold for
 * them, replied or stored as a list.
 *
 * They run alone, as any key may be read, so what the elements are read from stays where it is until the end: a vector of
 * slices is sorted. Text is compared byte by byte (Redis compares by the locale of its environment, which for a server is
 * nearly always C, and means the same but for a zero byte, at which it ends there). Equal elements keep their order.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "commands/change.h"
#include "commands/groups.h"
#include "commands/list_value.h"
#include "commands/set_value.h"
#include "commands/sort_pattern.h"
#include "commands/value.h"
#include "commands/zset_value.h"
#include "memory.h"

/* ---- options ------------------------------------------------------------------------------------------- */

struct options {
    bool descending, alpha;
    bool unsorted;      /* BY a pattern without "*": "nosort" */
    bool of_set;        /* what is sorted has no order of its own */
    size_t by;          /* argument of BY, 0: none */
    size_t store;       /* argument of STORE, 0: none */
    size_t gets;        /* patterns of GET */
    int64_t from, most; /* LIMIT; most < 0: all */
};

/* An option of one argument, or of none. Moves *i to its last argument; false when it is none. */
static bool parse_option(struct call *c, size_t *i, struct options *options)
{
    struct slice word = c->argv[*i];
    bool argument = *i + 1 < c->argc;
    if (slice_is(word, "asc") || slice_is(word, "desc")) {
        options->descending = slice_is(word, "desc");
    } else if (slice_is(word, "alpha")) {
        options->alpha = true;
    } else if (argument && slice_is(word, "store") && (c->command->flags & CMD_WRITE) != 0) {
        options->store = ++*i;
    } else if (argument && slice_is(word, "by")) {
        struct sort_pattern pattern;
        options->by = ++*i;
        sort_pattern_parse(c->argv[*i], &pattern);
        options->unsorted |= pattern.constant;
    } else if (argument && slice_is(word, "get")) {
        options->gets++;
        ++*i;
    } else {
        return false;
    }
    return true;
}

static bool parse_options(struct call *c, struct options *options)
{
    *options = (struct options){.most = -1};
    for (size_t i = 2; i < c->argc; i++) {
        if (i + 2 < c->argc && slice_is(c->argv[i], "limit")) {
            if (!call_int(c, c->argv[i + 1], &options->from) ||
                !call_int(c, c->argv[i + 2], &options->most)) {
                return false;
            }
            i += 2;
        } else if (!parse_option(c, &i, options)) {
            call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* The patterns of GET, `options->gets` of them. NULL without memory. */
static struct sort_pattern *get_patterns(const struct call *c, const struct options *options)
{
    struct sort_pattern *patterns = mem_alloc(options->gets * sizeof *patterns);
    size_t count = 0;
    for (size_t i = 2; i < c->argc && patterns != NULL; i++) {
        if (slice_is(c->argv[i], "limit")) {
            i += 2;
        } else if (slice_is(c->argv[i], "store") || slice_is(c->argv[i], "by")) {
            i++;
        } else if (slice_is(c->argv[i], "get")) {
            sort_pattern_parse(c->argv[++i], &patterns[count++]);
        }
    }
    return patterns;
}

/* ---- the vector ---------------------------------------------------------------------------------------- */

struct item {
    struct slice text;   /* the element */
    struct slice weight; /* what is compared of it, by text (ptr NULL: nothing) … */
    double score;        /* … or as a number */
    uint64_t index;      /* where it stood */
};

/* Text that lies nowhere else: the digits of integers, values that do not lie in one run. */
struct block {
    struct block *next;
    size_t size, used;
    char bytes[];
};

struct sorting {
    struct call *c;
    struct options options;
    struct item *items;
    uint64_t count, room;
    uint64_t first, end; /* those wanted, once sorted */
    struct block *blocks;
};

static void sorting_free(struct sorting *s)
{
    mem_free(s->items, s->room * sizeof *s->items);
    for (struct block *b = s->blocks, *next; b != NULL; b = next) {
        next = b->next;
        mem_free(b, sizeof *b + b->size);
    }
}

/* `size` bytes that stay until the end; NULL without memory. */
static char *keep_room(struct sorting *s, size_t size)
{
    enum { BLOCK = 16 * 1024 };
    struct block *b = s->blocks;
    if (b == NULL || b->size - b->used < size) {
        size_t fresh = size > BLOCK ? size : BLOCK;
        b = mem_alloc(sizeof *b + fresh);
        if (b == NULL) {
            return NULL;
        }
        *b = (struct block){.next = s->blocks, .size = fresh};
        s->blocks = b;
    }
    b->used += size;
    return b->bytes + b->used - size;
}

static bool keep(struct sorting *s, struct slice text, struct slice *kept)
{
    char *room = keep_room(s, text.len);
    if (room != NULL && text.len > 0) {
        memcpy(room, text.ptr, text.len);
    }
    *kept = (struct slice){room, text.len};
    return room != NULL;
}

/* The text of a value; digits are kept. */
static bool keep_value(struct sorting *s, const struct listpack_value *value, struct slice *text)
{
    char digits[NUMBER_I64_MAX_CHARS];
    *text = listpack_text(value, digits);
    return !value->is_int || keep(s, *text, text);
}

static void add(struct sorting *s, struct slice text)
{
    s->items[s->count] = (struct item){.text = text, .index = s->count};
    s->count++;
}

/* ---- loading ------------------------------------------------------------------------------------------- */

/* Elements of a list from one on, `count` of them at most; backwards, the list seen from its end. */
static bool load_list(struct sorting *s, const struct entry *e, uint64_t from, uint64_t count, bool backwards)
{
    struct list_cursor cursor;
    int64_t index = backwards ? -(int64_t)from - 1 : (int64_t)from;
    bool more = count > 0 && list_cursor_seek(&cursor, e, index);
    while (more && count-- > 0) {
        struct listpack_value value = list_cursor_read(&cursor);
        struct slice text;
        if (!keep_value(s, &value, &text)) {
            return false;
        }
        add(s, text);
        more = backwards ? list_cursor_prev(&cursor) : list_cursor_next(&cursor);
    }
    return true;
}

static bool load_zset(struct sorting *s, const struct entry *e, uint64_t from, uint64_t count, bool backwards)
{
    char digits[NUMBER_I64_MAX_CHARS];
    uint64_t rank = backwards ? zset_value_count(e) - 1 - from : from;
    struct zset_walk walk;
    zset_walk_begin(&walk, e, rank, count, backwards);
    for (; zset_walk_is(&walk); zset_walk_next(&walk)) {
        struct slice text = zset_place_member(&walk.place, digits);
        if (text.ptr == digits && !keep(s, text, &text)) {
            return false;
        }
        add(s, text);
    }
    return true;
}

static bool load_set(struct sorting *s, const struct entry *e)
{
    struct set_iterator it;
    struct slice text;
    for (set_begin(&it, e); set_next(&it, &text);) {
        if (text.ptr == it.digits && !keep(s, text, &text)) {
            return false;
        }
        add(s, text);
    }
    return true;
}

static uint64_t elements_of(const struct entry *e)
{
    return e != NULL ? type_of(e)->length(e) : 0;
}

/* LIMIT, within so many elements. */
static void set_range(struct sorting *s, uint64_t elements)
{
    const struct options *o = &s->options;
    s->first = o->from > 0 ? (uint64_t)o->from : 0;
    s->first = s->first < elements ? s->first : elements;
    uint64_t left = elements - s->first;
    s->end = s->first + (o->most >= 0 && (uint64_t)o->most < left ? (uint64_t)o->most : left);
}

/* Loads the elements; of what has an order and keeps it, those wanted alone. */
static bool load(struct sorting *s, const struct entry *e)
{
    uint64_t elements = elements_of(e);
    bool part = s->options.unsorted && e != NULL && entry_type(e) != TYPE_SET;
    bool backwards = part && s->options.descending;
    set_range(s, elements);
    uint64_t from = part ? s->first : 0;
    uint64_t count = part ? s->end - s->first : elements;
    if (part) {
        s->first = 0;
        s->end = count;
    }
    if (e == NULL || count == 0) {
        return true;
    }
    s->items = mem_alloc(count * sizeof *s->items);
    if (s->items == NULL) {
        return false;
    }
    s->room = count;
    switch (entry_type(e)) {
    case TYPE_LIST: return load_list(s, e, from, count, backwards);
    case TYPE_ZSET: return load_zset(s, e, from, count, backwards);
    default: return load_set(s, e);
    }
}

/* ---- weights ------------------------------------------------------------------------------------------- */

/* The text of what was found, in one run. */
static bool found_text(struct sorting *s, const struct sort_found *found, struct slice *text)
{
    struct entry_bytes bytes;
    switch (found->kind) {
    case SORT_NOTHING: *text = (struct slice){NULL, 0}; return true;
    case SORT_TEXT: *text = found->text; return true;
    case SORT_FIELD: return keep_value(s, &found->field, text);
    default: break;
    }
    bytes = value_bytes(found->string);
    *text = bytes.head;
    if (bytes.tail.len == 0) {
        return true;
    }
    char *room = keep_room(s, bytes.head.len + bytes.tail.len);
    if (room != NULL) {
        memcpy(room, bytes.head.ptr, bytes.head.len);
        memcpy(room + bytes.head.len, bytes.tail.ptr, bytes.tail.len);
        *text = (struct slice){room, bytes.head.len + bytes.tail.len};
    }
    return room != NULL;
}

/* A number as strtod reads it, blanks before it and all, nothing behind it; no text at all is 0. Text ends at a zero byte. */
static bool parse_score(struct slice text, double *score)
{
    char copy[512];
    int64_t number;
    char *end;
    if (number_parse_i64(text.ptr, text.len, &number)) {
        *score = (double)number;
        return true;
    }
    size_t len = strnlen(text.ptr, text.len);
    if (len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.ptr, len);
    copy[len] = '\0';
    errno = 0;
    *score = strtod(copy, &end);
    return *end == '\0' && errno != ERANGE && !isnan(*score);
}

enum weighed { WEIGHED, NOT_A_NUMBER, NO_MEMORY };

/* Gives every item what it is compared by. */
static enum weighed weigh(struct sorting *s)
{
    struct sort_pattern by = {.element = true};
    enum weighed result = WEIGHED;
    if (s->options.by > 0) {
        sort_pattern_parse(s->c->argv[s->options.by], &by);
    }
    for (uint64_t i = 0; i < s->count; i++) {
        struct item *item = &s->items[i];
        struct sort_found found;
        if (!sort_pattern_find(s->c, &by, item->text, &found) || !found_text(s, &found, &item->weight)) {
            return NO_MEMORY;
        }
        if (!s->options.alpha && item->weight.ptr != NULL && !parse_score(item->weight, &item->score)) {
            result = NOT_A_NUMBER;
        }
    }
    return result;
}

/* ---- order --------------------------------------------------------------------------------------------- */

static int compare_text(struct slice a, struct slice b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Nothing comes before any text. */
static int compare_weight(const struct item *a, const struct item *b)
{
    if (a->weight.ptr == NULL || b->weight.ptr == NULL) {
        return (a->weight.ptr != NULL) - (b->weight.ptr != NULL);
    }
    return compare_text(a->weight, b->weight);
}

static int compare_score(const struct item *a, const struct item *b)
{
    int order = (a->score > b->score) - (a->score < b->score);
    return order != 0 ? order : compare_text(a->text, b->text);
}

static int compare(const void *x, const void *y, void *context)
{
    const struct item *a = x;
    const struct item *b = y;
    const struct options *options = context;
    int order = options->alpha ? compare_weight(a, b) : compare_score(a, b);
    if (order == 0 && options->of_set) { /* the same on whatever node it is stored */
        order = compare_text(a->text, b->text);
    }
    if (order == 0) {
        return a->index < b->index ? -1 : 1;
    }
    return options->descending ? -order : order;
}

/* ---- results ------------------------------------------------------------------------------------------- */

/* Replies with the elements wanted, or with what GET finds for each. */
static bool reply_items(struct sorting *s, const struct sort_pattern *gets)
{
    struct reply *r = s->c->reply;
    size_t columns = s->options.gets;
    reply_array(r, (int64_t)((s->end - s->first) * (columns > 0 ? columns : 1)));
    for (uint64_t i = s->first; i < s->end; i++) {
        if (columns == 0) {
            reply_bulk_slice(r, s->items[i].text);
        }
        for (size_t column = 0; column < columns; column++) {
            struct sort_found found;
            if (!sort_pattern_find(s->c, &gets[column], s->items[i].text, &found)) {
                return false;
            }
            sort_found_reply(r, &found);
        }
    }
    return true;
}

/* Pushes the same to a list; nothing found is an empty element. */
static bool push_items(struct sorting *s, const struct sort_pattern *gets, struct list *l)
{
    for (uint64_t i = s->first; i < s->end; i++) {
        if (s->options.gets == 0 && !list_push(l, LIST_TAIL, s->items[i].text)) {
            return false;
        }
        for (size_t column = 0; column < s->options.gets; column++) {
            struct sort_found found;
            struct slice text;
            if (!sort_pattern_find(s->c, &gets[column], s->items[i].text, &found) ||
                !found_text(s, &found, &text)) {
                return false;
            }
            text = text.ptr != NULL ? text : SLICE("");
            if (!list_push(l, LIST_TAIL, text)) {
                return false;
            }
        }
    }
    return true;
}

/* Stores nothing: the destination goes. */
static void store_nothing(struct call *c, const struct key *key)
{
    if (key_delete(c, key)) {
        key_changed(c, key, 1, EVENT_GENERIC, "del");
    }
    reply_int(c->reply, 0);
}

static bool store_items(struct sorting *s, const struct sort_pattern *gets)
{
    struct call *c = s->c;
    struct key key = call_key(c, s->options.store);
    if (s->first == s->end) {
        store_nothing(c, &key);
        return true;
    }
    struct list *l = list_new(c->server->config->list_max_listpack_size);
    if (l == NULL) {
        return false;
    }
    if (!push_items(s, gets, l)) {
        list_free(l);
        return false;
    }
    uint64_t count = list_count(l);
    struct entry *e = list_value_entry(c->server->config, l, key.name, ENTRY_NO_DEADLINE, call_access(c));
    if (key_put(c, &key, e)) {
        key_changed(c, &key, count, EVENT_LIST, "sortstore");
        reply_int(c->reply, (int64_t)count);
    }
    return true;
}

static bool give(struct sorting *s)
{
    struct sort_pattern *gets = NULL;
    size_t size = s->options.gets * sizeof *gets;
    if (size > 0) {
        gets = get_patterns(s->c, &s->options);
        if (gets == NULL) {
            return false;
        }
    }
    bool given = s->options.store > 0 ? store_items(s, gets) : reply_items(s, gets);
    mem_free(gets, size);
    return given;
}

/* ---- the commands -------------------------------------------------------------------------------------- */

static bool sortable(const struct entry *e)
{
    return e == NULL || entry_type(e) == TYPE_LIST || entry_type(e) == TYPE_SET || entry_type(e) == TYPE_ZSET;
}

/* Sorts the elements of an entry and gives them out. */
static void sort_entry(struct sorting *s, const struct entry *e)
{
    struct call *c = s->c;
    size_t before = c->reply->len;
    enum weighed weighed = WEIGHED;
    bool made = load(s, e);
    if (made && !s->options.unsorted && s->count > 0) {
        weighed = weigh(s);
        if (weighed == WEIGHED) {
            qsort_r(s->items, s->count, sizeof *s->items, compare, &s->options);
        }
    }
    if (weighed == NOT_A_NUMBER) {
        reply_error(c->reply, "ERR One or more scores can't be converted into double");
    } else if (!made || weighed == NO_MEMORY || !give(s)) {
        c->reply->len = before;
        call_out_of_memory(c);
    }
}

static void run_sort(struct call *c)
{
    struct sorting s = {.c = c};
    struct key key = call_key(c, 1);
    if (!parse_options(c, &s.options)) {
        return;
    }
    const struct entry *e = key_read(c, &key);
    if (!sortable(e)) {
        call_wrong_type(c);
        return;
    }
    if (s.options.unsorted && e != NULL && entry_type(e) == TYPE_SET && s.options.store > 0) {
        s.options.unsorted = false; /* a set has no order: what is stored gets one, the same on every node */
        s.options.alpha = true;
        s.options.by = 0;
    }
    s.options.of_set = e != NULL && entry_type(e) == TYPE_SET;
    sort_entry(&s, e);
    sorting_free(&s);
}

#define SORT_COMPLEXITY \
    "O(N+M*log(N)), N being the number of elements and M that of those returned; O(N) when nothing is sorted."

const struct command sort_commands[] = {
    {
        .name = "sort",
        .run = run_sort,
        .arity = -2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS | CMD_ALONE,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}, {2, 0, 1, KEY_OW | KEY_UPDATE | KEY_AFTER | KEY_LAST}},
        .keys_after = "STORE",
        .group = GROUP_GENERIC,
        .since = "1.0.0",
        .complexity = SORT_COMPLEXITY,
        .summary = "Sorts the elements of a list, a set or a sorted set, and may store the result.",
        .syntax =
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] "
            "[STORE destination]",
        .categories = "set sortedset list dangerous -keyspace",
    },
    {
        .name = "sort_ro",
        .run = run_sort,
        .arity = -2,
        .flags = CMD_READONLY | CMD_MOVABLE_KEYS | CMD_ALONE,
        .keys = {{1, 1, 1, KEY_RO | KEY_ACCESS}},
        .group = GROUP_GENERIC,
        .since = "7.0.0",
        .complexity = SORT_COMPLEXITY,
        .summary = "Returns the elements of a list, a set or a sorted set in order.",
        .syntax =
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
        .categories = "set sortedset list dangerous -keyspace",
    },
    {0},
};
