#include "commands/errorstats.h"

enum { CODE_LEN = sizeof((struct error_count *)0)->code };

/* The code of an error: its first word. */
static void code_of(struct slice text, char *code)
{
    size_t len = 0;
    while (len < text.len && len < CODE_LEN - 1 && text.ptr[len] != ' ' && text.ptr[len] != '\r') {
        code[len] = text.ptr[len];
        len++;
    }
    code[len] = '\0';
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

/* How often the workers from `first` to before `end` have counted a code. */
static uint64_t count_of(const struct server *server, int first, int end, const char *code)
{
    uint64_t sum = 0;
    for (int i = first; i < end; i++) {
        for (int k = 0; k < ERROR_CODES; k++) {
            const struct error_count *count = &server->workers[i].error_counts[k];
            sum += strcmp(count->code, code) == 0 ? count->count : 0;
        }
    }
    return sum;
}

void errorstats_each(struct server *server, void (*each)(void *, const char *, uint64_t), void *context)
{
    /* Every code is given once, by the first worker that knows it, with the counts of all. */
    for (int i = 0; i <= server->net.count; i++) {
        for (int k = 0; k < ERROR_CODES && server->workers[i].error_counts[k].code[0] != '\0'; k++) {
            const char *code = server->workers[i].error_counts[k].code;
            if (count_of(server, 0, i, code) == 0) {
                each(context, code, count_of(server, i, server->net.count + 1, code));
            }
        }
    }
}

void errorstats_reset(struct server *server)
{
    for (int i = 0; i <= server->net.count; i++) {
        memset(server->workers[i].error_counts, 0, sizeof server->workers[i].error_counts);
    }
}
