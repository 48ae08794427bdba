#include "types/ztree.h"

#include "memory.h"

enum {
    LEAF_ROOM = 35,
    LEAF_LOW = LEAF_ROOM / 3, /* fewer are merged with a neighbour or filled up from it */
    LEAF_JOIN = LEAF_ROOM * 3 / 4,
    LEAF_SPILL = 2, /* a neighbour with so many free places takes half of them before a leaf splits */
    INNER_ROOM = 31,
    INNER_LOW = INNER_ROOM / 3,
    INNER_JOIN = INNER_ROOM * 3 / 4,
    MAX_HEIGHT = 20 /* 10^20 elements at the lowest filling */
};

struct ztree_leaf {
    struct ztree_leaf *previous, *next;
    double score[LEAF_ROOM];
    uint32_t low[LEAF_ROOM];
    uint16_t high[LEAF_ROOM];
    uint16_t used;
};
_Static_assert(sizeof(struct ztree_leaf) <= 512, "a leaf is eight cache lines");

/* score and item: each child's first element; the items are borrowed and always alive. */
struct inner {
    uint32_t used;
    double score[INNER_ROOM];
    const struct dict_item *item[INNER_ROOM];
    uint64_t count[INNER_ROOM];
    void *child[INNER_ROOM];
};
_Static_assert(sizeof(struct inner) <= 1024, "an inner node is sixteen cache lines");

/* The way down to a leaf: the inner nodes, and which child was taken. */
struct path {
    struct inner *node[MAX_HEIGHT];
    unsigned index[MAX_HEIGHT];
    struct ztree_leaf *leaf;
};

/* ---- nodes ------------------------------------------------------------------------------------------------ */

static void *make_node(struct ztree *t, size_t size)
{
    void *node = mem_alloc(size);
    if (node != NULL) {
        t->bytes += mem_class(size);
    }
    return node;
}

static void free_node(struct ztree *t, void *node, size_t size)
{
    t->bytes -= mem_class(size);
    mem_free(node, size);
}

static const struct dict_item *leaf_item(const struct ztree_leaf *leaf, unsigned i)
{
    return (const struct dict_item *)((uintptr_t)leaf->high[i] << 32 | leaf->low[i]);
}

static void leaf_set(struct ztree_leaf *leaf, unsigned i, double score, const struct dict_item *it)
{
    leaf->score[i] = score;
    leaf->low[i] = (uint32_t)(uintptr_t)it;
    leaf->high[i] = (uint16_t)((uintptr_t)it >> 32);
}

/* Copies n elements; the leaves may be the same. */
static void leaf_copy(struct ztree_leaf *to, unsigned at, const struct ztree_leaf *from, unsigned from_at,
                      unsigned n)
{
    memmove(&to->score[at], &from->score[from_at], n * sizeof to->score[0]);
    memmove(&to->low[at], &from->low[from_at], n * sizeof to->low[0]);
    memmove(&to->high[at], &from->high[from_at], n * sizeof to->high[0]);
}

static void inner_copy(struct inner *to, unsigned at, const struct inner *from, unsigned from_at, unsigned n)
{
    memmove(&to->score[at], &from->score[from_at], n * sizeof to->score[0]);
    memmove(&to->item[at], &from->item[from_at], n * sizeof to->item[0]);
    memmove(&to->count[at], &from->count[from_at], n * sizeof to->count[0]);
    memmove(&to->child[at], &from->child[from_at], n * sizeof to->child[0]);
}

/* Writes down a child anew: its first element and how many it has. `leaves`: whether the children are leaves. */
static void inner_note(struct inner *p, unsigned i, bool leaves)
{
    if (leaves) {
        const struct ztree_leaf *leaf = p->child[i];
        p->score[i] = leaf->score[0];
        p->item[i] = leaf_item(leaf, 0);
        p->count[i] = leaf->used;
        return;
    }
    const struct inner *node = p->child[i];
    p->score[i] = node->score[0];
    p->item[i] = node->item[0];
    p->count[i] = 0;
    for (unsigned k = 0; k < node->used; k++) {
        p->count[i] += node->count[k];
    }
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

static int compare_members(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Whether an element lies before a cut. */
static bool lies_before(double score, const struct dict_item *it, const struct ztree_cut *cut)
{
    if (cut->by == ZTREE_BY_SCORE || cut->by == ZTREE_BY_BOTH) {
        if (score < cut->score || score > cut->score) {
            return score < cut->score;
        }
        if (cut->by == ZTREE_BY_SCORE) {
            return cut->after;
        }
    } else if (cut->by != ZTREE_BY_MEMBER) {
        return cut->by == ZTREE_END;
    }
    int order = compare_members(item_field(it), cut->member);
    return order < 0 || (order == 0 && cut->after);
}

/* How many of the leaf's elements lie before the cut. */
static unsigned leaf_split_at(const struct ztree_leaf *leaf, const struct ztree_cut *cut)
{
    unsigned from = 0;
    unsigned to = leaf->used;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        if (lies_before(leaf->score[middle], leaf_item(leaf, middle), cut)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* The last child whose first element lies before the cut, or the first child. */
static unsigned inner_child(const struct inner *node, const struct ztree_cut *cut)
{
    unsigned from = 1;
    unsigned to = node->used;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        if (lies_before(node->score[middle], node->item[middle], cut)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from - 1;
}

/* Walks to the leaf of a cut; returns how many of the leaf's elements lie before it. The tree is not empty. */
static unsigned walk_to_cut(const struct ztree *t, const struct ztree_cut *cut, struct path *path)
{
    void *node = t->root;
    for (unsigned d = 0; d < t->height; d++) {
        path->node[d] = node;
        path->index[d] = inner_child(node, cut);
        node = path->node[d]->child[path->index[d]];
    }
    path->leaf = node;
    return leaf_split_at(node, cut);
}

/* Walks to the element of a rank below count; returns its index in the leaf. */
static unsigned walk_to_rank(const struct ztree *t, uint64_t rank, struct path *path)
{
    void *node = t->root;
    for (unsigned d = 0; d < t->height; d++) {
        struct inner *inner = node;
        unsigned i = 0;
        while (rank >= inner->count[i]) {
            rank -= inner->count[i++];
        }
        path->node[d] = inner;
        path->index[d] = i;
        node = inner->child[i];
    }
    path->leaf = node;
    return (unsigned)rank;
}

uint64_t ztree_rank_of(const struct ztree *t, const struct ztree_cut *cut)
{
    struct path path;
    if (t->root == NULL) {
        return 0;
    }
    uint64_t rank = walk_to_cut(t, cut, &path);
    for (unsigned d = 0; d < t->height; d++) {
        for (unsigned i = 0; i < path.index[d]; i++) {
            rank += path.node[d]->count[i];
        }
    }
    return rank;
}

struct ztree_place ztree_at(const struct ztree *t, uint64_t rank)
{
    struct path path;
    if (rank >= t->count) {
        return (struct ztree_place){NULL, 0};
    }
    unsigned index = walk_to_rank(t, rank, &path);
    return (struct ztree_place){path.leaf, index};
}

struct ztree_place ztree_next(struct ztree_place at)
{
    if (at.index + 1 < at.leaf->used) {
        return (struct ztree_place){at.leaf, at.index + 1};
    }
    return (struct ztree_place){at.leaf->next, 0};
}

struct ztree_place ztree_previous(struct ztree_place at)
{
    if (at.index > 0) {
        return (struct ztree_place){at.leaf, at.index - 1};
    }
    struct ztree_leaf *leaf = at.leaf->previous;
    return (struct ztree_place){leaf, leaf != NULL ? leaf->used - 1u : 0};
}

double ztree_score(struct ztree_place at)
{
    return at.leaf->score[at.index];
}

const struct dict_item *ztree_item(struct ztree_place at)
{
    return leaf_item(at.leaf, at.index);
}

/* Walks to an element; returns its index in the leaf, or -1 when there is none. */
static int walk_to_element(const struct ztree *t, double score, struct slice member, struct path *path)
{
    /* The walk follows first elements that lie before the cut: those as large are before a cut after them. */
    struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .after = true, .score = score, .member = member};
    unsigned index = t->root != NULL ? walk_to_cut(t, &cut, path) : 0;
    if (index == 0 || path->leaf->score[index - 1] < score ||
        !slice_equal(item_field(leaf_item(path->leaf, index - 1)), member)) {
        return -1;
    }
    return (int)index - 1;
}

int64_t ztree_rank(const struct ztree *t, double score, struct slice member)
{
    struct path path;
    int index = walk_to_element(t, score, member, &path);
    if (index < 0) {
        return -1;
    }
    int64_t rank = index;
    for (unsigned d = 0; d < t->height; d++) {
        for (unsigned i = 0; i < path.index[d]; i++) {
            rank += (int64_t)path.node[d]->count[i];
        }
    }
    return rank;
}

/* ---- making room ------------------------------------------------------------------------------------------ */

/* Links a node as the child after child i. There is room. */
static void inner_insert(struct inner *p, unsigned i, void *child, bool leaves)
{
    inner_copy(p, i + 2, p, i + 1, p->used - i - 1);
    p->used++;
    p->child[i + 1] = child;
    inner_note(p, i, leaves);
    inner_note(p, i + 1, leaves);
}

/* Moves n elements from the right leaf's begin to the left one's end, or (n < 0) the other way round. */
static void leaf_shift(struct ztree_leaf *left, struct ztree_leaf *right, int n)
{
    unsigned m = (unsigned)(n < 0 ? -n : n);
    if (n > 0) {
        leaf_copy(left, left->used, right, 0, m);
        leaf_copy(right, 0, right, m, right->used - m);
    } else {
        leaf_copy(right, m, right, 0, right->used);
        leaf_copy(right, 0, left, left->used - m, m);
    }
    left->used = (uint16_t)(left->used + n);
    right->used = (uint16_t)(right->used - n);
}

static void inner_shift(struct inner *left, struct inner *right, int n)
{
    unsigned m = (unsigned)(n < 0 ? -n : n);
    if (n > 0) {
        inner_copy(left, left->used, right, 0, m);
        inner_copy(right, 0, right, m, right->used - m);
    } else {
        inner_copy(right, m, right, 0, right->used);
        inner_copy(right, 0, left, left->used - m, m);
    }
    left->used = (uint32_t)((int)left->used + n);
    right->used = (uint32_t)((int)right->used - n);
}

/* Passes elements of child i, a full leaf, to a neighbour with room; false when there is none. */
static bool leaf_spill(struct inner *p, unsigned i)
{
    struct ztree_leaf *leaf = p->child[i];
    for (unsigned side = 0; side < 2; side++) {
        if (side == 0 ? i == 0 : i + 1 == p->used) {
            continue;
        }
        unsigned left = side == 0 ? i - 1 : i;
        struct ztree_leaf *other = p->child[side == 0 ? i - 1 : i + 1];
        int n = (LEAF_ROOM - other->used) / 2;
        if (n * 2 >= LEAF_SPILL) {
            leaf_shift(p->child[left], p->child[left + 1], leaf == p->child[left] ? -n : n);
            inner_note(p, left, true);
            inner_note(p, left + 1, true);
            return true;
        }
    }
    return false;
}

/* Splits a full leaf, child i of p. At the tree's ends, where sets grow in order, all but one element stay together. */
static bool leaf_split(struct ztree *t, struct inner *p, unsigned i, unsigned at)
{
    struct ztree_leaf *leaf = p->child[i];
    struct ztree_leaf *right = make_node(t, sizeof *right);
    if (right == NULL) {
        return false;
    }
    int moved = LEAF_ROOM / 2;
    if (at == LEAF_ROOM && leaf->next == NULL) {
        moved = 1;
    } else if (at == 0 && leaf->previous == NULL) {
        moved = LEAF_ROOM - 1;
    }
    right->used = 0;
    right->previous = leaf;
    right->next = leaf->next;
    if (right->next != NULL) {
        right->next->previous = right;
    }
    leaf->next = right;
    leaf_shift(leaf, right, -moved);
    inner_insert(p, i, right, true);
    return true;
}

/* Splits a full inner node, child i of p. Two children at least: a leaf without neighbours could not be mended. */
static bool inner_split(struct ztree *t, struct inner *p, unsigned i, unsigned at)
{
    struct inner *node = p->child[i];
    struct inner *right = make_node(t, sizeof *right);
    if (right == NULL) {
        return false;
    }
    right->used = 0;
    inner_shift(node, right, i + 1 == p->used && at + 1 == INNER_ROOM ? -2 : -(INNER_ROOM / 2));
    inner_insert(p, i, right, false);
    return true;
}

/* A new root above the old one, its only child. */
static bool raise_root(struct ztree *t)
{
    struct inner *root = make_node(t, sizeof *root);
    if (root == NULL) {
        return false;
    }
    root->used = 1;
    root->child[0] = t->root;
    inner_note(root, 0, t->height == 0);
    t->root = root;
    t->height++;
    return true;
}

/*
 * One step towards room in a full leaf, after which the walk begins anew: the topmost of the full nodes right above
 * the leaf splits, or the leaf itself. False when there is no memory.
 */
static bool make_room(struct ztree *t, const struct path *path, unsigned at)
{
    unsigned d = t->height; /* the full node: an inner one at depth d, or the leaf */
    if (d > 0 && leaf_spill(path->node[d - 1], path->index[d - 1])) {
        return true;
    }
    while (d > 0 && path->node[d - 1]->used == INNER_ROOM) {
        d--;
    }
    if (d == 0) {
        return raise_root(t);
    }
    struct inner *parent = path->node[d - 1];
    if (d == t->height) {
        return leaf_split(t, parent, path->index[d - 1], at);
    }
    return inner_split(t, parent, path->index[d - 1], path->index[d]);
}

static bool make_first_leaf(struct ztree *t)
{
    struct ztree_leaf *leaf = make_node(t, sizeof *leaf);
    if (leaf == NULL) {
        return false;
    }
    leaf->previous = leaf->next = NULL;
    leaf->used = 0;
    t->root = leaf;
    return true;
}

bool ztree_insert(struct ztree *t, double score, const struct dict_item *it)
{
    struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .score = score, .member = item_field(it)};
    struct path path;
    if (t->root == NULL && !make_first_leaf(t)) {
        return false;
    }
    unsigned at = walk_to_cut(t, &cut, &path);
    while (path.leaf->used == LEAF_ROOM) {
        if (!make_room(t, &path, at)) {
            return false;
        }
        at = walk_to_cut(t, &cut, &path);
    }
    struct ztree_leaf *leaf = path.leaf;
    leaf_copy(leaf, at + 1, leaf, at, leaf->used - at);
    leaf_set(leaf, at, score, it);
    leaf->used++;
    t->count++;
    bool first = at == 0;
    for (unsigned d = t->height; d-- > 0;) {
        struct inner *node = path.node[d];
        unsigned i = path.index[d];
        node->count[i]++;
        if (first) {
            node->score[i] = score;
            node->item[i] = it;
        }
        first = first && i == 0;
    }
    return true;
}

/* ---- deleting --------------------------------------------------------------------------------------------- */

/* Takes child i out of p and frees it; its elements are elsewhere. */
static void drop_child(struct ztree *t, struct inner *p, unsigned i, bool leaves)
{
    if (leaves) {
        struct ztree_leaf *leaf = p->child[i];
        if (leaf->previous != NULL) {
            leaf->previous->next = leaf->next;
        }
        if (leaf->next != NULL) {
            leaf->next->previous = leaf->previous;
        }
        free_node(t, leaf, sizeof *leaf);
    } else {
        free_node(t, p->child[i], sizeof(struct inner));
    }
    inner_copy(p, i, p, i + 1, p->used - i - 1);
    p->used--;
}

/* Joins children i and i + 1 of p when they fit well into one, else shares evenly. */
static void balance(struct ztree *t, struct inner *p, unsigned i, bool leaves)
{
    void *left = p->child[i];
    void *right = p->child[i + 1];
    int a = leaves ? ((struct ztree_leaf *)left)->used : (int)((struct inner *)left)->used;
    int b = leaves ? ((struct ztree_leaf *)right)->used : (int)((struct inner *)right)->used;
    bool join = a + b <= (leaves ? LEAF_JOIN : INNER_JOIN);
    int moved = join ? b : (b - a) / 2;
    if (leaves) {
        leaf_shift(left, right, moved);
    } else {
        inner_shift(left, right, moved);
    }
    inner_note(p, i, leaves);
    if (join) {
        drop_child(t, p, i + 1, leaves);
    } else {
        inner_note(p, i + 1, leaves);
    }
}

/* Mends the nodes of a path, from the leaf up, after elements were taken out of the leaf. */
static void mend(struct ztree *t, const struct path *path)
{
    for (unsigned d = t->height; d-- > 0;) {
        struct inner *p = path->node[d];
        unsigned i = path->index[d];
        bool leaves = d + 1 == t->height;
        uint32_t used = leaves ? path->leaf->used : path->node[d + 1]->used;
        if (used < (leaves ? LEAF_LOW : INNER_LOW) && p->used > 1) {
            balance(t, p, i > 0 ? i - 1 : i, leaves);
        } else {
            inner_note(p, i, leaves);
        }
    }
}

/* Gives up roots with one child, and the last leaf when it is empty. */
static void lower_root(struct ztree *t)
{
    while (t->height > 0 && ((struct inner *)t->root)->used == 1) {
        struct inner *root = t->root;
        t->root = root->child[0];
        t->height--;
        free_node(t, root, sizeof *root);
    }
    if (t->count == 0 && t->root != NULL) {
        free_node(t, t->root, sizeof(struct ztree_leaf));
        t->root = NULL;
    }
}

/* Takes n elements out of the path's leaf. */
static void take_out(struct ztree *t, const struct path *path, unsigned at, unsigned n)
{
    struct ztree_leaf *leaf = path->leaf;
    leaf_copy(leaf, at, leaf, at + n, leaf->used - at - n);
    leaf->used = (uint16_t)(leaf->used - n);
    t->count -= n;
    mend(t, path);
    lower_root(t);
}

bool ztree_delete(struct ztree *t, double score, struct slice member)
{
    struct path path;
    lower_root(
        t); /* an insertion without memory may have left a root with one child, which nothing could balance */
    int index = walk_to_element(t, score, member, &path);
    if (index < 0) {
        return false;
    }
    take_out(t, &path, (unsigned)index, 1);
    return true;
}

uint64_t ztree_delete_ranks(struct ztree *t, uint64_t rank, uint64_t count, ztree_deleted_fn *deleted,
                            void *context)
{
    uint64_t done = 0;
    lower_root(t);
    while (done < count && rank < t->count) {
        struct path path;
        double score[LEAF_ROOM];
        const struct dict_item *item[LEAF_ROOM];
        unsigned at = walk_to_rank(t, rank, &path);
        unsigned n = path.leaf->used - at;
        n = count - done < n ? (unsigned)(count - done) : n;
        for (unsigned i = 0; i < n; i++) {
            score[i] = path.leaf->score[at + i];
            item[i] = leaf_item(path.leaf, at + i);
        }
        take_out(t, &path, at, n);
        for (unsigned i = 0; i < n; i++) {
            deleted(context, score[i], item[i]);
        }
        done += n;
    }
    return done;
}

bool ztree_move(struct ztree *t, double score, const struct dict_item *it, const struct dict_item *to)
{
    struct path path;
    int index = walk_to_element(t, score, item_field(it), &path);
    if (index < 0) {
        return false;
    }
    leaf_set(path.leaf, (unsigned)index, path.leaf->score[index], to);
    for (unsigned d = t->height; d-- > 0;) {
        inner_note(path.node[d], path.index[d], d + 1 == t->height);
    }
    return true;
}

/* Whether an element that gets another score stays between its neighbours. */
static bool keeps_place(struct ztree_place at, const struct ztree_cut *cut)
{
    struct ztree_place before = ztree_previous(at);
    struct ztree_place after = ztree_next(at);
    return (before.leaf == NULL || lies_before(ztree_score(before), ztree_item(before), cut)) &&
           (after.leaf == NULL || !lies_before(ztree_score(after), ztree_item(after), cut));
}

bool ztree_rescore(struct ztree *t, double old, double score, const struct dict_item *it)
{
    struct slice member = item_field(it);
    struct ztree_cut cut = {.by = ZTREE_BY_BOTH, .score = score, .member = member};
    struct path path;
    int index = walk_to_element(t, old, member, &path);
    if (index < 0) {
        return false;
    }
    if (!keeps_place((struct ztree_place){path.leaf, (unsigned)index}, &cut)) {
        return ztree_insert(t, score, it) && ztree_delete(t, old, member);
    }
    path.leaf->score[index] = score;
    bool first = index == 0;
    for (unsigned d = t->height; first && d-- > 0; first = path.index[d] == 0) {
        path.node[d]->score[path.index[d]] = score;
    }
    return true;
}

/* ---- freeing ---------------------------------------------------------------------------------------------- */

void ztree_init(struct ztree *t)
{
    *t = (struct ztree){0};
}

/* Frees the node at the end of the last path, that is a leaf or an inner node without children. */
static void free_last(struct ztree *t)
{
    struct inner *parent = NULL;
    void *node = t->root;
    unsigned d = 0;
    for (; d < t->height && ((struct inner *)node)->used > 0; d++) {
        parent = node;
        node = parent->child[parent->used - 1];
    }
    free_node(t, node, d == t->height ? sizeof(struct ztree_leaf) : sizeof(struct inner));
    if (parent != NULL) {
        parent->used--;
    } else {
        ztree_init(t);
    }
}

bool ztree_free_some(struct ztree *t, uint32_t budget)
{
    for (; budget > 0 && t->root != NULL; budget--) {
        free_last(t);
    }
    return t->root == NULL;
}

void ztree_clear(struct ztree *t)
{
    while (!ztree_free_some(t, UINT32_MAX)) {}
}
