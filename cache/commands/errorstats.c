#include "commands/errorstats.h"

enum { CODE_LEN = 32 };

/* The code of an error: its first word. */
static size_t code_of(struct slice text, char *code)
{
    size_t len = 0;
    while (len < text.len && len < CODE_LEN - 1 && text.ptr[len] != ' ' && text.ptr[len] != '\r') {
        code[len] = text.ptr[len];
        len++;
    }
    code[len] = '\0';
    return len;
}

void errorstats_note(struct worker *w, struct slice text)
{
    char code[CODE_LEN];
    code_of(text, code);
    for (int i = 0; i < ERROR_CODES; i++) {
        struct error_count *count = &w->error_counts[i];
        if (count->code[0] == '\0') {
            memcpy(count->code, code, CODE_LEN);
        }
        if (strcmp(count->code, code) == 0) {
            count->count++;
            return;
        }
    }
}

void errorstats_each(struct server *server, void (*each)(void *, const char *, uint64_t), void *context)
{
    /* Every code is given once, by the first worker that knows it, with the counts of all. */
    for (int i = 0; i < server->net.count; i++) {
        for (int k = 0; k < ERROR_CODES && server->workers[i].error_counts[k].code[0] != '\0'; k++) {
            const char *code = server->workers[i].error_counts[k].code;
            uint64_t sum = 0;
            bool known = false;
            for (int j = 0; j < server->net.count; j++) {
                for (int m = 0; m < ERROR_CODES; m++) {
                    const struct error_count *other = &server->workers[j].error_counts[m];
                    if (strcmp(other->code, code) == 0) {
                        sum += other->count;
                        known = known || j < i;
                    }
                }
            }
            if (!known) {
                each(context, code, sum);
            }
        }
    }
}

void errorstats_reset(struct server *server)
{
    for (int i = 0; i < server->net.count; i++) {
        memset(server->workers[i].error_counts, 0, sizeof server->workers[i].error_counts);
    }
}
