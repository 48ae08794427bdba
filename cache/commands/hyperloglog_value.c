#include "commands/hyperloglog_value.h"

#include "commands/value.h"
#include "types/hyperloglog_sparse.h"

uint8_t *hll_entry_head(const struct entry *e)
{
    return (uint8_t *)value_bytes(e).head.ptr;
}

bool hll_entry_check(struct call *c, const struct entry *e)
{
    if (entry_type(e) != TYPE_STRING) {
        call_wrong_type(c);
        return false;
    }
    if (value_bytes(e).head.len < HLL_HEADER || !hll_valid(hll_entry_head(e), value_len(e))) {
        reply_error(c->reply, "WRONGTYPE Key is not a valid HyperLogLog string value.");
        return false;
    }
    return true;
}

void hll_reply_corrupt(struct call *c)
{
    reply_error(c->reply, "INVALIDOBJ Corrupted HLL object detected");
}

bool hll_entry_merge(struct call *c, const struct entry *e, uint8_t *registers)
{
    struct value_run run;
    if (!value_hold(e, &run)) {
        call_out_of_memory(c);
        return false;
    }
    bool good = hll_merge((const uint8_t *)run.bytes.ptr, run.bytes.len, registers);
    value_release(&run);
    if (!good) {
        hll_reply_corrupt(c);
    }
    return good;
}

/* ---- changing ----------------------------------------------------------------------------------------- */

/* By how much a sparse value can grow. */
static size_t sparse_growth(size_t len, size_t max, size_t changes)
{
    size_t room = max > len ? max - len : 0;
    return changes < room / HLL_SPARSE_GROWTH ? changes * HLL_SPARSE_GROWTH : room;
}

bool hll_edit_begin(struct call *c, const struct key *key, struct entry *e, size_t changes, bool dense,
                    struct hll_edit *edit)
{
    size_t max = (size_t)c->server->config->hll_sparse_max_bytes;
    size_t len = e != NULL ? value_len(e) : HLL_EMPTY_LEN;
    bool sparse = e == NULL || !hll_is_dense(hll_entry_head(e));
    size_t growth = sparse ? sparse_growth(len, max, changes) : 0;
    *edit = (struct hll_edit){.c = c, .key = key, .max_sparse = max};
    if (sparse && (dense || growth < changes * HLL_SPARSE_GROWTH)) {
        edit->dense = string_zeros(HLL_DENSE_LEN);
        if (edit->dense == NULL) {
            call_out_of_memory(c);
            return false;
        }
    }
    edit->s = value_edit(c, key, e, len + growth);
    if (edit->s == NULL) {
        hll_edit_end(edit);
        return false;
    }
    edit->s->len = len;
    if (e == NULL) {
        hll_init(hll_edit_bytes(edit));
    }
    return true;
}

void hll_edit_end(struct hll_edit *edit)
{
    if (edit->dense != NULL) {
        string_free(edit->dense);
    }
}

bool hll_edit_to_dense(struct hll_edit *edit)
{
    if (hll_is_dense(hll_edit_bytes(edit))) {
        return true;
    }
    if (!hll_to_dense(hll_edit_bytes(edit), edit->s->len, (uint8_t *)edit->dense->bytes)) {
        return false;
    }
    entry_set_object(key_peek(edit->c, edit->key), edit->dense);
    string_free(edit->s);
    edit->s = edit->dense;
    edit->dense = NULL;
    return true;
}

enum hll_status hll_edit_raise(struct hll_edit *edit, struct hll_hit hit)
{
    if (!hll_is_dense(hll_edit_bytes(edit))) {
        enum hll_status status = hll_sparse_raise(hll_edit_bytes(edit), &edit->s->len, hit, edit->max_sparse);
        if (status != HLL_FULL) {
            return status;
        }
        if (!hll_edit_to_dense(edit)) {
            return HLL_CORRUPT;
        }
    }
    return hll_dense_raise(hll_edit_bytes(edit), hit.index, hit.rank);
}
