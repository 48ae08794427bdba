#include "commands/restate.h"

#include "clock.h"
#include "commands/type.h"

enum { ITEMS = 64 }; /* of a command; Redis's AOF_REWRITE_ITEMS_PER_CMD */

struct restating restate_items(struct rdb_writer *writer, const struct entry *e, struct slice command,
                               uint64_t items, unsigned words)
{
    return (struct restating){
        .writer = writer, .command = command, .key = entry_key(e), .items = items, .words = words};
}

void restate_item(struct restating *r)
{
    if (r->room == 0) {
        r->room = r->items < ITEMS ? r->items : ITEMS;
        command_write_begin(r->writer, 2 + r->room * r->words);
        command_write_word(r->writer, r->command);
        command_write_word(r->writer, r->key);
    }
    r->room--;
    r->items--;
}

void restate_entry(struct rdb_writer *writer, const struct entry *e)
{
    type_of(e)->restate(writer, e);
    if (entry_has_deadline(e)) {
        command_write_begin(writer, 3);
        command_write_word(writer, SLICE("PEXPIREAT"));
        command_write_word(writer, entry_key(e));
        command_write_int(writer, clock_to_wall_kept(entry_deadline(e)));
    }
}
