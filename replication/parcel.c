#include "replication/parcel.h"

#include <stdio.h>

#include "clock.h"
#include "commands/history.h"
#include "commands/transaction.h"
#include "memory.h"
#include "types/number.h"

enum { HEAD_MAX = 3 + NUMBER_I64_MAX_CHARS }; /* "*", a number, and a line end */

static struct parcel *parcel_new(const struct call *c, size_t room)
{
    size_t size = sizeof(struct parcel) + room;
    struct parcel *p = mem_alloc(size);
    if (p != NULL) {
        *p = (struct parcel){.size = size,
                             .client = c->client,
                             .since = clock_now(),
                             .db = c->client->db->id,
                             .db_after = c->client->db->id,
                             .resp = c->client->conn->resp};
    }
    return p;
}

void parcel_free(struct parcel *p)
{
    mem_free(p, p->size);
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static size_t room_for(const struct slice *argv, size_t argc)
{
    size_t room = HEAD_MAX;
    for (size_t i = 0; i < argc; i++) {
        room += HEAD_MAX + argv[i].len + 2;
    }
    return room;
}

static void put(struct parcel *p, const char *bytes, size_t len)
{
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

static void put_head(struct parcel *p, char type, size_t count)
{
    p->bytes[p->len++] = type;
    p->len += number_format_u64(p->bytes + p->len, count);
    put(p, "\r\n", 2);
}

static void put_request(struct parcel *p, const struct slice *argv, size_t argc)
{
    put_head(p, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        put_head(p, '$', argv[i].len);
        put(p, argv[i].ptr, argv[i].len);
        put(p, "\r\n", 2);
    }
}

struct parcel *parcel_of_call(const struct call *c)
{
    struct parcel *p = parcel_new(c, room_for(c->argv, c->argc));
    if (p != NULL) {
        put_request(p, c->argv, c->argc);
        p->flags = p->len > PARCEL_LARGE ? PARCEL_ALONE : 0;
    }
    return p;
}

struct parcel *parcel_of_word(const struct call *c, const char *word)
{
    struct slice argv = {word, strlen(word)};
    struct parcel *p = parcel_new(c, room_for(&argv, 1));
    if (p != NULL) {
        put_request(p, &argv, 1);
        p->flags = PARCEL_SILENT;
    }
    return p;
}

/* ---- a transaction ------------------------------------------------------------------------------------ */

static const struct slice multi = {"MULTI", 5};

struct packing {
    struct parcel *parcel;
    size_t room;
    int databases;
};

static bool add_room(void *context, const struct nested *command)
{
    ((struct packing *)context)->room += room_for(command->argv, command->argc);
    return false;
}

/* A transaction may end in another database than it began in. */
static void note_select(const struct packing *packing, const struct nested *command)
{
    int64_t index;
    if (strcmp(command->command->name, "select") == 0 &&
        number_parse_i64(command->argv[1].ptr, command->argv[1].len, &index) && index >= 0 &&
        index < packing->databases) {
        packing->parcel->db_after = (int)index;
    }
}

static bool add_request(void *context, const struct nested *command)
{
    const struct packing *packing = context;
    put_request(packing->parcel, command->argv, command->argc);
    packing->parcel->skip++;
    note_select(packing, command);
    return false;
}

struct parcel *parcel_of_transaction(const struct call *c)
{
    struct packing packing = {.room = room_for(&multi, 1) + room_for(c->argv, c->argc),
                              .databases = c->server->keyspace.count};
    transaction_any(c->client, add_room, &packing);
    packing.parcel = parcel_new(c, packing.room);
    if (packing.parcel == NULL) {
        return NULL;
    }
    put_request(packing.parcel, &multi, 1);
    packing.parcel->skip++;
    transaction_any(c->client, add_request, &packing);
    put_request(packing.parcel, c->argv, c->argc);
    packing.parcel->flags = PARCEL_EXEC | (packing.parcel->len > PARCEL_LARGE ? (uint32_t)PARCEL_ALONE : 0);
    return packing.parcel;
}
