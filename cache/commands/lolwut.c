/*
 * What LOLWUT draws: a row of random cells, and below it what Wolfram's rule 30 makes of it, line by line. The same
 * simple rule everywhere, and nobody can tell what comes: a small likeness of a database under load. Every dot is a
 * dot of a Braille letter, two in a row and four in a column.
 */
#include "commands/lolwut.h"

#include "commands/text.h"

enum { COLUMNS = 64, MAX_COLUMNS = 160, LETTER_ROWS = 16, DOTS_ACROSS = 2, DOTS_DOWN = 4, RULE = 30 };

struct cells {
    uint8_t alive[MAX_COLUMNS * DOTS_ACROSS];
    int count;
};

/* One step of the automaton; the row is a ring. */
static void step(struct cells *cells)
{
    struct cells old = *cells;
    for (int i = 0; i < old.count; i++) {
        int left = old.alive[(i + old.count - 1) % old.count];
        int right = old.alive[(i + 1) % old.count];
        cells->alive[i] = (uint8_t)(RULE >> (left << 2 | old.alive[i] << 1 | right) & 1);
    }
}

/* A Braille letter as UTF-8: U+2800 and a bit for each dot. */
static void write_letter(struct reply *out, unsigned dots)
{
    char text[3] = {(char)0xE2, (char)(0xA0 | dots >> 6), (char)(0x80 | (dots & 0x3F))};
    reply_raw(out, text, sizeof text);
}

static void write_row(struct reply *out, struct cells *cells)
{
    static const uint8_t bits[DOTS_DOWN][DOTS_ACROSS] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    uint8_t letters[MAX_COLUMNS] = {0};
    for (int y = 0; y < DOTS_DOWN; y++) {
        for (int x = 0; x < cells->count; x++) {
            if (cells->alive[x]) {
                letters[x / DOTS_ACROSS] |= bits[y][x % DOTS_ACROSS];
            }
        }
        step(cells);
    }
    for (int i = 0; i < cells->count / DOTS_ACROSS; i++) {
        write_letter(out, letters[i]);
    }
    REPLY_LITERAL(out, "\n");
}

static void draw(struct worker *w, struct reply *out, int columns)
{
    struct cells cells = {.count = columns * DOTS_ACROSS};
    for (int i = 0; i < cells.count; i++) {
        cells.alive[i] = worker_random(w) >> 60 == 0; /* one in sixteen: room for triangles to grow */
    }
    for (int i = 0; i < LETTER_ROWS; i++) {
        write_row(out, &cells);
    }
}

/* LOLWUT [VERSION version [number ...]]. Of Redis's drawings 5 and 6 take numbers, three and two of them; here the first
 * one counts, the columns. */
static bool parse(struct call *c, int64_t *columns)
{
    int64_t version, number;
    if (c->argc < 3 || !slice_is(c->argv[1], "version")) {
        return true;
    }
    if (!call_int(c, c->argv[2], &version)) {
        return false;
    }
    size_t numbers = version == 5 ? 3 : version == 6 ? 2 : 0;
    for (size_t i = 3; i < c->argc && i < 3 + numbers; i++) {
        if (!call_int(c, c->argv[i], &number)) {
            return false;
        }
        *columns = i == 3 ? number : *columns;
    }
    return true;
}

void lolwut_run(struct call *c)
{
    int64_t columns = COLUMNS;
    struct reply out = {.resp = 2};
    if (!parse(c, &columns)) {
        return;
    }
    columns = columns < 1 ? 1 : columns > MAX_COLUMNS ? MAX_COLUMNS : columns;
    draw(c->worker, &out, (int)columns);
    REPLY_LITERAL(&out, "\nRule 30, Stephen Wolfram, 1983. Ordinal " ORDINAL_VERSION
                        ", Redis ver. " REDIS_VERSION "\n");
    text_reply(c, &out);
}
