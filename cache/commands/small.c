#include "commands/small.h"

#include "memory.h"

struct entry *small_entry(enum entry_type type, const struct entry_head *head, const struct packed *run)
{
    struct entry *made = entry_new_room(type, head->key, run->len, head->deadline, head->access);
    if (made != NULL) {
        memcpy(entry_small(made), run->bytes, run->len);
    }
    return made;
}

struct entry *small_copy(const struct entry *e, const struct entry_head *head)
{
    struct packed whole = {entry_small(e), entry_value_len(e)};
    return small_entry(entry_type(e), head, &whole);
}

void small_save(struct rdb_writer *writer, const struct entry *e)
{
    enum { USUAL = 4096 };
    uint8_t usual[USUAL];
    struct packed run = small_run(e);
    size_t bytes = packed_listpack_bytes(&run);
    uint8_t *lp = bytes <= sizeof usual ? usual : mem_alloc(bytes);
    if (lp == NULL) {
        rdb_writer_fail(writer);
        return;
    }
    packed_to_listpack(&run, lp);
    rdb_write_string(writer, lp, bytes);
    if (lp != usual) {
        mem_free(lp, bytes);
    }
}
