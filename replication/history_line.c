#include "replication/history_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const states[] = {
    [HISTORY_SERVES] = "serves",
    [HISTORY_FOLLOWS] = "follows",
    [HISTORY_LOADS] = "loads",
    [HISTORY_RECOVERS] = "recovers",
};

void history_line_write(const struct history_line *line, char text[HISTORY_LINE_SIZE])
{
    snprintf(text, HISTORY_LINE_SIZE, "HISTORY %s %" PRId64 " %" PRId64 " %s %" PRId64, states[line->state],
             line->epoch, line->offset, line->id, line->clock);
}

bool history_line_read(const char *text, struct history_line *line)
{
    char state[16];
    int end = 0;
    *line = (struct history_line){.epoch = 0};
    if (sscanf(text, "HISTORY %15s %" SCNd64 " %" SCNd64 " %40s %" SCNd64 "%n", state, &line->epoch,
               &line->offset, line->id, &line->clock, &end) != 5 ||
        text[end] != '\0' || line->epoch < 0 || line->offset < 0 || strlen(line->id) != HISTORY_LINE_ID) {
        return false;
    }
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(state, states[i]) == 0) {
            line->state = (enum history_state)i;
            return true;
        }
    }
    return false;
}

bool history_line_is_newer(const struct history_line *a, const struct history_line *b)
{
    return a->epoch != b->epoch ? a->epoch > b->epoch : a->offset > b->offset;
}
